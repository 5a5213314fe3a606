//! The private DuckDB: what was counted so far, and nothing a reader ever opens.
//!
//! - `state`: watermark, batch number and the files of the lake.
//! - `count`: one refresh, one transaction; `beside`: what is done at the same time.
//! - `folding`: the rows of a batch on their way into it.
//! - `forget`: days that leave it, for good or to be counted again.
//! - `memory`: how much DuckDB may use.
//! - `missing`: days that the lake has and it has not.
//! - `newest`: the rows of the newest poll, in memory.
//! - `outlive`: daily aggregates, which a rebuild leaves alone.
//! - `overtaken`: rows that should have been counted before others that were.
//! - `publishing`: what publishing needs.
//! - `threads`: how many DuckDB uses.
//! - `session`: one connection; a second one has the newest poll, and writes and audits some of a publication.
//!
//! Everything here blocks; [`crate::transformer`] calls it from a blocking thread.

mod beside;
mod count;
mod folding;
mod forget;
mod memory;
mod missing;
mod newest;
mod outlive;
mod overtaken;
mod publishing;
mod session;
mod state;
mod threads;

use std::path::{Path, PathBuf};

use duckdb::{Config as DuckConfig, Connection};

pub(crate) use beside::Merging;
pub use count::Counted;
pub(crate) use forget::Retention;
use service::data_folder::is_pattern;
use service::lock::Lock;
pub(crate) use session::{Session, Twin};
pub use state::Totals;

use crate::flights::keep::{self, Keeper};
use crate::models::Models;
use crate::schema::quote;
use crate::{Error, TransformerConfig, lock};

/// Bytes of write-ahead log after which the database file is brought up to date. This is done
/// between refreshes, so that no refresh waits for it.
const CHECKPOINT_AFTER: u64 = 16 << 20;

/// Where views that are audited look for the lake's tables: a database in memory, since a view
/// made there costs no write.
pub(crate) const LAKE: &str = "lake";

/// The database in memory that has the newest poll.
const NEWEST: &str = "newest";

/// Raised when the engine's own tables or macros change: then, as with other models, everything is counted
/// again.
const STATE_VERSION: u32 = 4;

/// The open private database. Dropping it lets go of the folder.
pub struct Engine {
    session: Session,
    twin: Twin,
    models: Models,
    path: PathBuf,
    step_rows: u64,
    cell_degrees: f64,
    threads: threads::Threads,
    memory: memory::Memory,
    recent: folding::Recent,
    newest: newest::Newest,
    retention: Retention,
    pub(crate) flights: Keeper,
    facts: state::Facts,
    /// The statements that create the macros, which the seeds decide.
    macros: String,
    _lock: Lock,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("path", &self.path).finish()
    }
}

impl Engine {
    /// Opens the database of a folder, which must not be in use; makes it when it is not there,
    /// and makes it anew when other models have made it.
    pub fn open(config: &TransformerConfig) -> Result<Engine, Error> {
        let folder = folder_of("analytics", &config.analytics)?;
        folder_of("logs", &config.logs)?;
        let lock = lock::take(&folder)?;
        let models = Models::load(config.models.as_deref())?;
        keep::must_fit(models.get(keep::MART)?)?;
        let cell_degrees = cell_degrees(config)?;
        let retention = Retention::of(config.retention, config.daily_retention)?;
        let path = folder.join("contrail.duckdb");
        let mut conn = connect(&path, &folder, config)?;
        state::create(&conn)?;
        let version = format!("{STATE_VERSION} {} {cell_degrees}", models.state_version());
        if state::other_models(&conn, &version)? {
            tracing::info!(
                "the models or density_cell_degrees have changed: \
                everything is counted again from the lake"
            );
            outlive::save(&conn, &folder, &models)?;
            drop(conn);
            remove(&path)?;
            conn = connect(&path, &folder, config)?;
            state::create(&conn)?;
        }
        let session = Session::new(conn);
        let mut engine = Engine {
            twin: session.twin()?,
            session,
            models,
            path,
            step_rows: config.step_rows.max(1),
            cell_degrees,
            threads: threads::Threads::new(config),
            memory: memory::Memory::new(config),
            recent: folding::Recent::default(),
            newest: newest::Newest::default(),
            retention,
            flights: Keeper::default(),
            facts: state::Facts::default(),
            macros: String::new(),
            _lock: lock,
        };
        engine.check_memory()?;
        engine.prepare(&folder)?;
        engine.take_kept(&folder)?;
        engine.note(&[("models", &version)])?;
        Ok(engine)
    }

    /// The models.
    pub fn models(&self) -> &Models {
        &self.models
    }

    /// Brings the database file up to date when the log has grown long.
    pub fn checkpoint(&self) -> Result<(), Error> {
        let mut log = self.path.clone().into_os_string();
        log.push(".wal");
        let length = std::fs::metadata(&log).map_or(0, |file| file.len());
        if length > CHECKPOINT_AFTER {
            self.run("bring the database file up to date", "checkpoint")?;
        }
        Ok(())
    }

    /// Seeds, macros and the models' tables.
    fn prepare(&mut self, folder: &Path) -> Result<(), Error> {
        for memory in [LAKE, NEWEST] {
            let attach = format!("attach if not exists ':memory:' as {memory}");
            self.run("make room in memory", &attach)?;
        }
        let path = |path: &str| format!("set search_path = '{path}'");
        self.run("name the databases", &path(&format!("contrail,{NEWEST}")))?;
        // What it makes, it makes in memory.
        let of_twin = path(&format!("{NEWEST},contrail"));
        self.twin.session().run("name the databases", &of_twin)?;
        for (name, text) in self.models.files().seeds() {
            let file = folder.join(format!("{name}.csv"));
            std::fs::write(&file, text).map_err(Error::file("write", &file))?;
        }
        self.session
            .prepare(&self.models, folder, self.cell_degrees)?;
        self.twin
            .session()
            .prepare(&self.models, folder, self.cell_degrees)?;
        self.macros = self.define_macros()?;
        self.run("define the macros", &self.macros)?;
        for model in self.models.iter().filter(|model| !model.in_memory) {
            self.run(
                &format!("create the tables of {}", model.name),
                &model.state,
            )?;
        }
        self.with_room(|| self.show_newest())
    }

    /// The macros that models use, as statements that create them in the current schema. They
    /// are sums on the epoch, so that neither a session's time zone nor an extension matters.
    pub(crate) fn macros(&self) -> &str {
        &self.macros
    }

    fn define_macros(&self) -> Result<String, Error> {
        let boxes = "select string_agg(
                format(
                    'when lat >= {} and lat < {} and lon >= {} and lon < {} then ''{}''',
                    latitude_from, latitude_to, longitude_from, longitude_to, region
                ),
                ' ' order by priority::integer
            ) from regions";
        let boxes: String = self.value("read the regions", boxes)?;
        Ok(format!(
            "create or replace macro utc_hour(t) as
                to_timestamp((epoch_us(t) // 3600000000) * 3600);
            create or replace macro utc_date(t) as
                date '1970-01-01' + (epoch_us(t) // 86400000000)::integer;
            create or replace macro aircraft_part(number) as
                least(number // 1048576, 16)::integer;
            create or replace macro position_region(lat, lon) as
                case {boxes} else 'Other' end;"
        ))
    }

    /// The connection that everything runs on but the newest poll and some of a publication.
    pub(crate) fn session(&self) -> &Session {
        &self.session
    }

    /// A second connection, for another thread: it sees what is committed.
    pub(crate) fn twin(&self) -> &Twin {
        &self.twin
    }

    /// Runs statements.
    pub(crate) fn run(&self, action: &str, sql: &str) -> Result<(), Error> {
        self.session.run(action, sql)
    }

    /// The single value of a query.
    pub(crate) fn value<T: duckdb::types::FromSql>(
        &self,
        action: &str,
        sql: &str,
    ) -> Result<T, Error> {
        self.session.value(action, sql)
    }

    /// The first column of a query.
    pub(crate) fn column<T: duckdb::types::FromSql>(
        &self,
        action: &str,
        sql: &str,
    ) -> Result<Vec<T>, Error> {
        self.session.column(action, sql)
    }

    /// The connection, for what has no helper here.
    pub(crate) fn connection(&self) -> &Connection {
        self.session.connection()
    }

    /// Runs `work` as one transaction: all of it, or nothing.
    pub(crate) fn transaction<T>(
        &self,
        work: impl FnOnce() -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.run("begin a transaction", "begin")?;
        let done = work().and_then(|value| {
            service::crash_point!(
                "transformer.commit.before",
                return Err(Error::CrashPoint("transformer.commit.before"))
            );
            self.run("commit", "commit")?;
            Ok(value)
        });
        self.facts.clear_totals();
        if done.is_err() {
            self.roll_back();
        }
        done
    }

    /// Takes back what a transaction has left.
    pub(crate) fn roll_back(&self) {
        self.facts.clear();
        self.newest.forget();
        // Whatever failed before is the error to report. A commit that failed has rolled back already,
        // and then this fails too; the driver's `is_autocommit` cannot tell, it is always true.
        let _ = self.run("roll back", "rollback");
    }
}

/// The size of the cells of `flight_density_recent`.
pub(crate) fn cell_degrees(config: &TransformerConfig) -> Result<f64, Error> {
    let degrees = config.density_cell_degrees;
    if (0.05..=10.0).contains(&degrees) {
        return Ok(degrees);
    }
    Err(Error::Config {
        key: "density_cell_degrees",
        reason: format!("{degrees} is not between 0.05 and 10 degrees, such as 0.5"),
    })
}

/// A query that reads a seed file. An empty text in quotes is a value: OpenSky sends an empty
/// country too.
pub(crate) fn read_seed(file: &Path) -> String {
    format!(
        "from read_csv({}, all_varchar = true, header = true, allow_quoted_nulls = false, hive_partitioning = false)",
        quote(&file.to_string_lossy()),
    )
}

fn connect(path: &Path, folder: &Path, config: &TransformerConfig) -> Result<Connection, Error> {
    let spill = folder.join("spill");
    let settings = || -> duckdb::Result<DuckConfig> {
        DuckConfig::default()
            .max_memory(&config.memory_limit)?
            .threads(i64::from(config.threads.max(1)))?
            .enable_autoload_extension(false)?
            .with("temp_directory", spill.to_string_lossy())?
            .with("preserve_insertion_order", "false")?
            .with("checkpoint_threshold", "1GiB")?
            .with("allocator_flush_threshold", "8MiB")
    };
    let settings = settings().map_err(|error| Error::Config {
        key: "memory_limit",
        reason: error.to_string(),
    })?;
    Connection::open_with_flags(path, settings)
        .map_err(Error::duck(format!("cannot open {}", path.display())))
}

fn remove(database: &Path) -> Result<(), Error> {
    let mut log = database.as_os_str().to_owned();
    log.push(".wal");
    for path in [database, Path::new(&log)] {
        match std::fs::remove_file(path) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(Error::file("remove", path)(error)),
        }
    }
    Ok(())
}

/// The absolute form of a configured folder that DuckDB is to read files of.
pub(crate) fn folder_of(key: &'static str, folder: &Path) -> Result<PathBuf, Error> {
    let folder = absolute(folder)?;
    if is_pattern(&folder) {
        return Err(Error::Config {
            key,
            reason: format!(
                "{}: DuckDB takes *, ? and [ in a path for a pattern; give a path without them",
                folder.display()
            ),
        });
    }
    Ok(folder)
}

/// The absolute form of a folder, which need not exist.
pub(crate) fn absolute(folder: &Path) -> Result<PathBuf, Error> {
    std::path::absolute(folder).map_err(Error::file("find the folder", folder))
}
