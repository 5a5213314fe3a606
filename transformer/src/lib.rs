//! Iceberg to DuckDB to marts.
//!
//! The transformer follows the lake's `append` snapshots, counts each (icao24, snapshot_time)
//! once in a private DuckDB, and publishes the marts as immutable generations of Parquet files
//! that any number of readers open without locks.
//!
//! What must hold:
//! - The rows of new snapshots and the watermark enter the private DuckDB in one transaction.
//! - Nothing of a generation changes once `CURRENT` has named it.
//! - Whatever was replayed, came late or twice, the marts equal a rebuild from the lake.
//!
//! In reading order:
//! - [`config`]: the `[transformer]` section.
//! - `catalog`: the lake's catalog, which may not answer.
//! - [`changes`]: what the lake has that was not counted yet; all that is read from Iceberg.
//! - [`models`]: the SQL files under `models/`, parsed.
//! - `fold`: the rows of a batch, added up in one pass into compact tables.
//! - [`flights`]: tracks, joined into flights.
//! - [`engine`]: the private DuckDB; one refresh is one transaction.
//! - [`publish`]: generations, views, and their removal.
//! - [`audit`]: what must hold of a generation before readers see it.
//! - [`runs`]: what was done and how it ended, schedule, log files.
//! - [`transformer`]: lake, private database, publisher and records together, as the service uses them.
//! - [`run`]: the service's loop.
//! - [`tasks`]: what a person asks for once.
//! - [`query`]: reading the published marts; [`export`]: writing one to a file.
//! - [`api`]: the same as JSON over HTTP.
//! - [`lineage`], [`dictionary`]: the models explained.
//! - [`cases`]: the given/expect cases of models, and what runs them.
//! - [`cli`]: the commands of the program.

pub mod api;
pub mod audit;
pub mod cases;
mod catalog;
pub mod changes;
pub mod cli;
pub mod config;
pub mod dictionary;
pub mod engine;
mod error;
pub mod export;
pub mod flights;
mod fold;
pub mod lineage;
mod lock;
pub mod models;
mod outage;
pub mod publish;
pub mod query;
mod run;
pub mod runs;
pub mod schema;
pub mod tasks;
pub mod transformer;

pub use config::{Config, Mode, TransformerConfig};
pub use error::Error;
pub use query::{QueryResult, query};
pub use run::{Summary, run};
pub use tasks::{Days, Task, run_task};
pub use transformer::{Published, Refreshed, Status, Transformer};
