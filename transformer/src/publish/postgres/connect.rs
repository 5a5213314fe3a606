//! The connection, and what is in the schema.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use tokio_postgres::config::Host;
use tokio_postgres::{Client, Config, NoTls, Transaction};

use super::contents::Remembered;
use super::error::PostgresError;
use super::layout::Present;
use crate::config::PostgresConfig;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A server that stops answering without a word is given up after this.
const SILENCE: Duration = Duration::from_secs(30);

/// Which server, and how to speak of it.
#[derive(Debug, Clone)]
pub(super) struct Server {
    config: Config,
    pub schema: String,
    /// User, host and database, without the password.
    pub name: String,
}

impl Server {
    /// Reads the configuration; `None` when it names no server.
    pub fn new(section: &PostgresConfig) -> Result<Option<Server>, PostgresError> {
        if section.url.is_empty() {
            return Ok(None);
        }
        // Of a password with an @ the end would be taken for the host or the database, and shown.
        let text = section.url.expose();
        if text.contains("://") && text.matches('@').count() > 1 {
            let reason = "it has more than one @; write those of user and password as %40";
            return Err(PostgresError::Url(reason.to_owned()));
        }
        let config = Config::from_str(text);
        // The cause, but never the text: it holds the password.
        let mut config = config.map_err(|error| {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            PostgresError::Url(cause.unwrap_or_else(|| error.to_string()))
        })?;
        if config.get_hosts().is_empty() {
            return Err(PostgresError::Url("it names no host".to_owned()));
        }
        if config.get_ssl_mode() == tokio_postgres::config::SslMode::Require {
            let reason = "sslmode=require asks for TLS, which this version does not speak";
            return Err(PostgresError::Url(reason.to_owned()));
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let schema = section.schema.clone();
        if schema.is_empty() || schema.len() > 63 || !schema.chars().all(plain) {
            return Err(PostgresError::Schema(schema));
        }
        let name = name(&config);
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIMEOUT);
        }
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(SILENCE);
        }
        config.keepalives_idle(SILENCE);
        if config.get_application_name().is_none() {
            config.application_name("contrail transformer");
        }
        Ok(Some(Server {
            config,
            schema,
            name,
        }))
    }

    /// A new connection.
    pub async fn connect(&self) -> Result<Client, PostgresError> {
        let connected = self.config.connect(NoTls).await;
        let (client, connection) = connected.map_err(self.failed("connect to PostgreSQL"))?;
        // It ends when the client is dropped; what fails, fails in the client's calls too.
        tokio::spawn(connection);
        Ok(client)
    }

    /// For `map_err`: the server did not do this.
    pub fn failed(&self, action: &str) -> impl FnOnce(tokio_postgres::Error) -> PostgresError {
        let (action, server) = (action.to_owned(), self.name.clone());
        move |cause| PostgresError::Server {
            action,
            server,
            cause,
        }
    }
}

/// `user@host:port/database`.
fn name(config: &Config) -> String {
    let hosts = config.get_hosts().iter().enumerate();
    let hosts = hosts.map(|(index, host)| {
        let ports = config.get_ports();
        let port = ports.get(index).or(ports.first()).copied().unwrap_or(5432);
        match host {
            Host::Tcp(host) => format!("{host}:{port}"),
            Host::Unix(path) => path.display().to_string(),
        }
    });
    let hosts: Vec<String> = hosts.collect();
    let user = config.get_user().unwrap_or("?");
    let database = config.get_dbname().unwrap_or(user);
    format!("{user}@{}/{database}", hosts.join(","))
}

/// What is in the schema.
#[derive(Debug, Default)]
pub(super) struct Inventory {
    pub has_schema: bool,
    /// Tables and views by name.
    pub relations: BTreeMap<String, Present>,
    pub remembered: Remembered,
}

/// Name of the table that remembers what is there.
pub(super) const PARTS: &str = "_contrail_parts";

const RELATIONS: &str = "
    select
        c.relname::text,
        obj_description(c.oid, 'pg_class'),
        a.attname::text,
        format_type(a.atttypid, a.atttypmod),
        col_description(c.oid, a.attnum)
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    left join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    where n.nspname = $1 and c.relkind in ('r', 'p', 'v', 'm', 'f')";

const KEYS: &str = "
    select c.relname::text, k.conname::text, array_agg(a.attname::text order by u.position)
    from pg_constraint k
    join pg_class c on c.oid = k.conrelid
    join pg_namespace n on n.oid = c.relnamespace
    cross join unnest(k.conkey) with ordinality as u (attnum, position)
    join pg_attribute a on a.attrelid = c.oid and a.attnum = u.attnum
    where n.nspname = $1 and k.contype = 'p'
    group by c.relname, k.conname";

impl Inventory {
    /// Reads it within a transaction.
    pub async fn read(
        server: &Server,
        transaction: &Transaction<'_>,
    ) -> Result<Inventory, PostgresError> {
        let read = async {
            let schema = &server.schema;
            let exists = "select 1 from pg_namespace where nspname = $1";
            let mut inventory = Inventory {
                has_schema: !transaction.query(exists, &[schema]).await?.is_empty(),
                ..Inventory::default()
            };
            for row in transaction.query(RELATIONS, &[schema]).await? {
                let relation = inventory.relations.entry(row.try_get(0)?).or_default();
                relation.comment = row.try_get(1)?;
                if let (Some(column), Some(of)) = (row.try_get(2)?, row.try_get(3)?) {
                    relation.columns.insert(column, (of, row.try_get(4)?));
                }
            }
            for row in transaction.query(KEYS, &[schema]).await? {
                let relation = inventory.relations.entry(row.try_get(0)?).or_default();
                relation.key = Some((row.try_get(1)?, row.try_get(2)?));
            }
            if inventory.relations.contains_key(PARTS) {
                let parts = super::layout::identifier(schema);
                let parts = format!("select mart, part, fingerprint from {parts}.{PARTS}");
                for row in transaction.query(&parts, &[]).await? {
                    let mart = inventory.remembered.entry(row.try_get(0)?).or_default();
                    mart.insert(row.try_get(1)?, row.try_get(2)?);
                }
            }
            Ok(inventory)
        };
        let done: Result<Inventory, tokio_postgres::Error> = read.await;
        done.map_err(server.failed("look at the schema"))
    }
}

#[cfg(test)]
mod tests {
    use service::config::Secret;

    use super::*;

    fn server(url: &str, schema: &str) -> Result<Option<Server>, PostgresError> {
        Server::new(&PostgresConfig {
            url: Secret::new(url),
            schema: schema.to_owned(),
        })
    }

    #[test]
    fn a_server_is_named_without_its_password() {
        let found = server("postgresql://me:hush@db.lan:5433/sky", "contrail");
        assert_eq!(found.unwrap().unwrap().name, "me@db.lan:5433/sky");
        assert!(server("", "contrail").unwrap().is_none());
    }

    #[test]
    fn what_cannot_be_used_is_refused_without_the_password() {
        for (url, schema, reason) in [
            ("mysql://me:hush@h/d", "contrail", "postgres.url"),
            ("postgresql://me:hush@h/d?colour=red", "contrail", "colour"),
            (
                "postgresql://me:hush@h/d?sslmode=require",
                "contrail",
                "TLS",
            ),
            ("postgresql:///d", "contrail", "no host"),
            ("postgresql://me:pa@hush@h/d", "contrail", "%40"),
            ("postgresql://me:pa@hu/hush@h/d", "contrail", "%40"),
            ("postgresql://me:hush@h/d", "my schema", "postgres.schema"),
            ("postgresql://me:hush@h/d", "", "postgres.schema"),
        ] {
            let error = server(url, schema).unwrap_err().to_string();
            assert!(error.contains(reason), "{url} {schema}: {error}");
            assert!(!error.contains("hush"), "{error}");
        }
    }
}
