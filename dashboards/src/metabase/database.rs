//! Metabase's connection to the tables.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};
use tokio::time::sleep;

use super::client::Client;
use crate::Error;
use crate::config::{DatabaseConfig, Engine};

/// Time from one look at what has been read to the next.
const PAUSE: Duration = Duration::from_millis(500);

/// The tables as Metabase knows them, each with its columns.
pub type Tables = BTreeMap<String, BTreeSet<String>>;

/// A database of Metabase.
#[derive(Debug, Clone)]
pub struct Database {
    /// Metabase's number for it.
    pub id: i64,
    /// Its connection is not what it is to be.
    differs: bool,
}

/// What Metabase has under the configured name, if it has something.
///
/// # Errors
/// It is a database of another engine, or there is no answer.
pub async fn find(client: &Client, config: &DatabaseConfig) -> Result<Option<Database>, Error> {
    let answer = client.get("api/database").await?;
    let all = answer["data"].as_array().ok_or_else(|| Error::Answer {
        request: "GET /api/database".into(),
        reason: "there is no list \"data\" in it".into(),
    })?;
    let Some(found) = all.iter().find(|db| db["name"] == *config.name) else {
        return Ok(None);
    };
    let engine = found["engine"].as_str().unwrap_or_default();
    if engine != config.engine.as_str() {
        return Err(Error::OtherDatabase {
            name: config.name.clone(),
            engine: engine.to_owned(),
        });
    }
    let id = id_of("GET /api/database", found)?;
    // The list may be without details.
    let whole = client.get(&format!("api/database/{id}")).await?;
    let wanted = details(config)?;
    let differs = wanted.as_object().is_some_and(|wanted| {
        wanted
            .iter()
            .any(|(key, value)| key != "password" && whole["details"].get(key) != Some(value))
    });
    Ok(Some(Database { id, differs }))
}

impl Database {
    /// Whether the connection has to be changed.
    pub fn differs(&self) -> bool {
        self.differs
    }
}

/// Makes the connection, or changes it to what it is to be.
///
/// # Errors
/// Metabase cannot connect, and says why.
pub async fn put(
    client: &Client,
    config: &DatabaseConfig,
    found: Option<&Database>,
) -> Result<i64, Error> {
    let details = details(config)?;
    match found {
        None => {
            let body = json!({
                "name": config.name,
                "engine": config.engine.as_str(),
                "details": details,
                "is_full_sync": true,
                "auto_run_queries": true,
            });
            let made = client.post("api/database", &body).await?;
            id_of("POST /api/database", &made)
        }
        // A password comes back masked, so that nobody can tell whether it is the same.
        Some(found) if found.differs || config.engine == Engine::Postgres => {
            let path = format!("api/database/{}", found.id);
            client.put(&path, &json!({"details": details})).await?;
            Ok(found.id)
        }
        Some(found) => Ok(found.id),
    }
}

/// Has the names of the tables read again, and waits until one of `needed` is not missing any more.
///
/// # Errors
/// There is no table at all within the time.
pub async fn tables(
    client: &Client,
    config: &DatabaseConfig,
    id: i64,
    needed: &BTreeSet<String>,
    limit: Duration,
) -> Result<Tables, Error> {
    let mut tables = known_tables(client, id).await?;
    if needed.iter().all(|name| tables.contains_key(name)) {
        return Ok(tables);
    }
    client
        .post(&format!("api/database/{id}/sync_schema"), &json!({}))
        .await?;
    let deadline = Instant::now() + limit;
    while !needed.iter().all(|name| tables.contains_key(name)) && Instant::now() < deadline {
        // A sync that has ended and found some has found all there are.
        let state = client.get(&format!("api/database/{id}")).await?;
        tables = known_tables(client, id).await?;
        if state["initial_sync_status"] == "complete" && !tables.is_empty() {
            break;
        }
        sleep(PAUSE).await;
    }
    match tables.is_empty() {
        false => Ok(tables),
        true => Err(Error::NoTables {
            name: config.name.clone(),
            seconds: limit.as_secs(),
            remedy: match config.engine {
                Engine::Duckdb => format!(
                    "look whether {} holds views.duckdb for Metabase too, or raise metabase.sync_timeout",
                    config.published.display()
                ),
                Engine::Postgres => format!(
                    "look whether the schema {:?} has tables that this user may read \
                     (transformer.postgres), or raise metabase.sync_timeout",
                    config.postgres.schema
                ),
            },
        }),
    }
}

async fn known_tables(client: &Client, id: i64) -> Result<Tables, Error> {
    let path = format!("api/database/{id}/metadata");
    let metadata = client.get(&path).await?;
    let names = |list: &Json| -> Vec<Json> { list.as_array().cloned().unwrap_or_default() };
    Ok(names(&metadata["tables"])
        .iter()
        .filter_map(|table| {
            let fields = names(&table["fields"]);
            let columns = fields
                .iter()
                .filter_map(|field| Some(field["name"].as_str()?.to_owned()));
            Some((table["name"].as_str()?.to_owned(), columns.collect()))
        })
        .collect())
}

/// How Metabase connects. An unknown key would be handed on to DuckDB, which refuses it.
fn details(config: &DatabaseConfig) -> Result<Json, Error> {
    Ok(match config.engine {
        Engine::Duckdb => {
            let folder = &config.published;
            if !folder.is_absolute() {
                return Err(Error::Setting {
                    key: "database.published",
                    reason: format!(
                        "{} is relative, and Metabase has a folder of its own; give the whole path",
                        folder.display()
                    ),
                });
            }
            let init = folder.join("init.sql");
            let init_sql = fs::read_to_string(&init).map_err(Error::file(
                "read, which the transformer writes when it publishes,",
                &init,
            ))?;
            json!({
                "database_file": folder.join("views.duckdb"),
                "read_only": true,
                "old_implicit_casting": true,
                "allow_unsigned_extensions": false,
                "memory_limit": config.memory_limit.to_string(),
                "init_sql": init_sql,
            })
        }
        Engine::Postgres => {
            let server = &config.postgres;
            json!({
                "host": server.host,
                "port": server.port,
                "dbname": server.database,
                "user": server.username,
                "password": server.password.expose(),
                "ssl": server.ssl,
                "schema-filters-type": "inclusion",
                "schema-filters-patterns": server.schema,
            })
        }
    })
}

fn id_of(request: &str, body: &Json) -> Result<i64, Error> {
    body["id"].as_i64().ok_or_else(|| Error::Answer {
        request: request.to_owned(),
        reason: "there is no \"id\" in it".into(),
    })
}
