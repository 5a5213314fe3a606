//! Metabase's connection to the tables.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};
use tokio::time::sleep;

use super::client::{Client, id_of};
use crate::Error;
use crate::config::{DatabaseConfig, Engine};

/// Time from one look at what has been read to the next.
const PAUSE: Duration = Duration::from_millis(500);

/// Longest time for names to be read again of a database whose names were read before.
const AGAIN: Duration = Duration::from_secs(30);

/// The names of the tables, as Metabase knows them.
pub type Tables = BTreeSet<String>;

/// A database of Metabase.
#[derive(Debug, Clone)]
pub struct Database {
    /// Metabase's number for it.
    pub id: i64,
    /// Its connection is not what it is to be.
    differs: bool,
    /// Whether Metabase reads values for filters only when they are asked for. It is sent back, since
    /// Metabase takes a missing one for no.
    on_demand: bool,
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
    let wanted = details(config, true)?;
    let differs = wanted.as_object().is_some_and(|wanted| {
        wanted
            .iter()
            .any(|(key, value)| key != "password" && whole["details"].get(key) != Some(value))
    });
    Ok(Some(Database {
        id,
        differs,
        on_demand: whole["is_on_demand"].as_bool().unwrap_or(false),
    }))
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
    let details = details(config, found.is_some())?;
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
            let body = json!({"details": details, "is_on_demand": found.on_demand});
            client.put(&path, &body).await?;
            Ok(found.id)
        }
        Some(found) => Ok(found.id),
    }
}

/// Has the names of the tables read again where one of `needed` is missing, and waits for it.
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
    let path = format!("api/database/{id}");
    let missing = |tables: &Tables| !needed.is_subset(tables);
    let complete = |state: &Json| state["initial_sync_status"] == "complete";
    let mut tables = known_tables(client, id).await?;
    if !missing(&tables) {
        return Ok(tables);
    }
    // A first reading says when it is through; of a later one only its names can be seen.
    let again = complete(&client.get(&path).await?);
    client
        .post(&format!("{path}/sync_schema"), &json!({}))
        .await?;
    let limit = if again { limit.min(AGAIN) } else { limit };
    let deadline = Instant::now() + limit;
    while missing(&tables) && Instant::now() < deadline {
        sleep(PAUSE).await;
        let through = !again && complete(&client.get(&path).await?);
        tables = known_tables(client, id).await?;
        if through && !tables.is_empty() {
            break;
        }
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
    let path = format!("api/database/{id}/metadata?include_hidden=true");
    let metadata = client.get(&path).await?;
    let tables = metadata["tables"].as_array().into_iter().flatten();
    let names = tables.filter_map(|table| Some(table["name"].as_str()?.to_owned()));
    Ok(names.collect())
}

/// How Metabase connects. An unknown key would be handed on to DuckDB, which refuses it. Of a connection
/// that is `there` already, Metabase keeps what is not named: so the init SQL need not lie on every
/// machine from which dashboards are applied.
fn details(config: &DatabaseConfig, there: bool) -> Result<Json, Error> {
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
            let mut details = json!({
                "database_file": folder.join("views.duckdb"),
                "read_only": true,
                "old_implicit_casting": true,
                "allow_unsigned_extensions": false,
                "memory_limit": config.memory_limit.to_string(),
            });
            match fs::read_to_string(&init) {
                Ok(init_sql) => details["init_sql"] = json!(init_sql),
                Err(error) if there && error.kind() == ErrorKind::NotFound => {}
                Err(error) => {
                    let action = "read, which the transformer writes when it publishes,";
                    return Err(Error::file(action, &init)(error));
                }
            }
            details
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
