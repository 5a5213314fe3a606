//! The configuration of `metabase-dashboards`.

use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use service::config::{ByteSize, HumanDuration, LogConfig, Secret};

/// Defaults of the `[metabase]` section.
pub const DEFAULTS: &str = include_str!("../default.toml");

/// Everything the program takes from the configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// What is logged.
    pub log: LogConfig,
    /// Which Metabase, and what it is to show.
    pub metabase: MetabaseConfig,
}

/// Which Metabase, and what it is to show.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MetabaseConfig {
    /// Address of Metabase, in front of `/api`.
    pub url: String,
    /// E-mail address of an administrator. A Metabase that nobody has set up yet is set up with it.
    pub username: String,
    /// Password of the administrator. Metabase asks for at least 6 characters, a digit among them.
    pub password: Secret,
    /// An API key of the group Administrators, which then counts instead of the two above. It cannot set
    /// Metabase up.
    pub api_key: Secret,
    /// What a Metabase is called when it is set up.
    pub site_name: String,
    /// Title of the collection that everything goes into.
    pub collection: String,
    /// Folder of the questions and dashboards; empty means those that the program carries with it.
    pub content: String,
    /// How long to wait for Metabase to answer.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "HumanDuration")]
    pub start_timeout: Duration,
    /// Longest time for one request.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "HumanDuration")]
    pub request_timeout: Duration,
    /// How long to wait for Metabase to have read the names of the tables.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "HumanDuration")]
    pub sync_timeout: Duration,
    /// How long to wait for newer rows, to see that the dashboards follow the sky; `0s` does not look.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "HumanDuration")]
    pub fresh_timeout: Duration,
    /// Where the tables are.
    pub database: DatabaseConfig,
}

/// Where the tables are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DatabaseConfig {
    /// What the database is called in Metabase.
    pub name: String,
    /// The published files, or their copy in PostgreSQL (`transformer.postgres`).
    pub engine: Engine,
    /// Folder of the published files, for `duckdb`. Its path must be the same here, for the transformer and
    /// for Metabase.
    pub published: PathBuf,
    /// Most memory that DuckDB takes within Metabase.
    pub memory_limit: ByteSize,
    /// The server, for `postgres`, as Metabase reaches it.
    pub postgres: PostgresConfig,
}

/// What Metabase reads the tables with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// The published files.
    Duckdb,
    /// Their copy in PostgreSQL.
    Postgres,
}

impl Engine {
    /// As Metabase calls it.
    pub fn as_str(self) -> &'static str {
        match self {
            Engine::Duckdb => "duckdb",
            Engine::Postgres => "postgres",
        }
    }
}

/// A PostgreSQL server that has a copy of the marts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PostgresConfig {
    /// Host name.
    pub host: String,
    /// Port.
    #[schemars(range(min = 1))]
    pub port: u16,
    /// Database.
    pub database: String,
    /// Schema of the marts.
    pub schema: String,
    /// User, who need only read.
    pub username: String,
    /// Password of the user.
    pub password: Secret,
    /// Whether the connection is encrypted.
    pub ssl: bool,
}
