//! What can go wrong in the transformer.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lake::LakeError;
use service::fault::{Fault, Faulty};
use service::notify::NotifyError;

/// An error of the transformer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The catalog or its files failed.
    #[error("cannot read the lake")]
    Lake(#[from] LakeError),
    /// The catalog says nothing.
    #[error("the catalog: no answer within {} s", .0.as_secs())]
    NoAnswer(Duration),
    /// Rows were counted of a table that the catalog does not know.
    #[error(
        "{rows} rows of the table {table} are counted, and the catalog has no such table: set \
        lake.catalog_uri, lake.catalog_name and lake.warehouse to the lake they are of; for another \
        lake use another transformer.analytics and transformer.published, or remove both folders"
    )]
    TableGone {
        /// The table.
        table: &'static str,
        /// Rows of it that were counted.
        rows: u64,
    },
    /// Rows of a table were deleted by files that say which, and not by leaving them out.
    #[error(
        "the table {table} has delete files, which are not read: let what wrote them rewrite the data \
        files without these rows, and delete by copy-on-write from then on"
    )]
    DeleteFiles {
        /// The table.
        table: String,
    },
    /// A manifest of a table could not be read.
    #[error("cannot read the changes of table {table}")]
    Changes {
        /// The table.
        table: String,
        /// What Iceberg said.
        source: Box<iceberg::Error>,
    },
    /// A data file is somewhere this version cannot read.
    #[error("data file {0:?} is not on a local file system, which is all that is supported")]
    NotLocal(String),
    /// A data file that the lake names does not exist.
    #[error(
        "data file {0:?} does not exist; the table was changed meanwhile, or a file was removed by hand"
    )]
    FileGone(String),
    /// A data file is not the Parquet it should be.
    #[error("cannot read the data file {}: restore it, or take it out of the table", path.display())]
    DataFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<parquet::errors::ParquetError>,
    },
    /// What a batch added up to could not be put together.
    #[error("cannot put the rows of {table} together")]
    Fold {
        /// The table.
        table: &'static str,
        /// What Arrow said.
        source: arrow::error::ArrowError,
    },
    /// A range of days ends before it begins.
    #[error("the days from {from} to {to} are none: the first is after the last")]
    Days {
        /// The first day.
        from: chrono::NaiveDate,
        /// The last.
        to: chrono::NaiveDate,
    },
    /// DuckDB refused a statement.
    #[error("{action}")]
    Duck {
        /// What was being done.
        action: String,
        /// What DuckDB said.
        source: DuckError,
    },
    /// A file or folder could not be read or written.
    #[error("cannot {action} {}", path.display())]
    File {
        /// What was being done.
        action: &'static str,
        /// To what.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Another transformer has the folder.
    #[error(
        "the folder {} is in use by another transformer ({holder}); stop it, or give another transformer.analytics",
        folder.display()
    )]
    Locked {
        /// The folder.
        folder: PathBuf,
        /// Who holds it.
        holder: String,
    },
    /// A value of the configuration cannot be used.
    #[error("transformer.{key} cannot be used: {reason}")]
    Config {
        /// The key.
        key: &'static str,
        /// Why.
        reason: String,
    },
    /// A model file is not written as models are.
    #[error("model {model}: {reason}")]
    Model {
        /// The model.
        model: String,
        /// What is wrong.
        reason: String,
    },
    /// A given/expect case is not written as cases are.
    #[error("cases of {model}: {reason}")]
    Case {
        /// The model, which is also the name of the file in `tests`.
        model: String,
        /// What is wrong.
        reason: String,
    },
    /// No model, source or seed has the name.
    #[error("no model is called {name:?}{}", did_you_mean(.nearest))]
    NoModel {
        /// The name asked for.
        name: String,
        /// The nearest there is.
        nearest: Option<String>,
    },
    /// As [`NoModel`](Error::NoModel), of a selector that a person wrote.
    #[error("no model is called {name:?}{}; there are {}", near(.name, .known), known.join(", "))]
    NotSelected {
        /// What was asked for.
        name: String,
        /// What can be selected: sources, seeds and models.
        known: Vec<String>,
    },
    /// The published folder has no generation of the number.
    #[error("generation {wanted} is not there: {}", those_kept(.kept))]
    NoGeneration {
        /// The number asked for.
        wanted: u64,
        /// Those there are.
        kept: Vec<u64>,
    },
    /// Another process writes the same file.
    #[error("another export is writing {}; wait for it, or name another file", .0.display())]
    ExportRunning(PathBuf),
    /// What is to be written over is no regular file.
    #[error(
        "{} is no regular file, and --out replaces nothing else; name another file, or leave --out away for standard output",
        .0.display()
    )]
    NoRegularFile(PathBuf),
    /// Two columns of a result would be one in JSON.
    #[error(
        "the result has two columns {0:?}, of which a JSON object keeps one; give them different names, such as {0:?} as {0}_2"
    )]
    SameName(String),
    /// Nothing has been published in the folder.
    #[error(
        "nothing is published in {} yet; start `contrail demo`, `contrail run` or `transformer`, or name the right folder",
        .0.display()
    )]
    NotPublished(PathBuf),
    /// A query of a reader was refused.
    #[error("the query cannot be answered")]
    Query(#[source] DuckError),
    /// The views over what is published cannot be opened.
    #[error("cannot open what is published in {}", folder.display())]
    Views {
        /// The folder.
        folder: PathBuf,
        /// What DuckDB said.
        source: DuckError,
    },
    /// A mart could not be written to a file.
    #[error("cannot write {}", path.display())]
    Export {
        /// The file.
        path: PathBuf,
        /// What DuckDB said.
        source: DuckError,
    },
    /// `CURRENT` names no generation.
    #[error("{} names {name:?}, which is no generation there", path.display())]
    NoCurrent {
        /// `CURRENT`.
        path: PathBuf,
        /// What is in it.
        name: String,
    },
    /// `generation.json` is not what this version writes.
    #[error("{} is damaged", path.display())]
    Generation {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// An audit is not written as audits are.
    #[error("audit {audit}: {reason}")]
    Audit {
        /// The audit, and where it stands.
        audit: String,
        /// What is wrong.
        reason: String,
    },
    /// An audit keeps a generation from readers.
    #[error(
        "generation {generation} is not published: {findings}; readers keep the one before, and \
         the next refresh tries again"
    )]
    Blocked {
        /// The generation.
        generation: u64,
        /// The audits that failed, with value, threshold and the query that shows the rows.
        findings: String,
    },
    /// No run has such an id.
    #[error("no run's id begins with {id:?} in {}; `transformer runs` lists them", logs.display())]
    NoRun {
        /// What was asked for.
        id: String,
        /// Where runs are recorded.
        logs: PathBuf,
    },
    /// Several runs have such an id.
    #[error(
        "the ids of several runs begin with {id:?}, such as {one} and {other}; write more of it"
    )]
    AmbiguousRun {
        /// What was asked for.
        id: String,
        /// One of them.
        one: String,
        /// Another one.
        other: String,
    },
    /// No mart has such a name.
    #[error("no mart is called {name:?}{}; there are {}", near(.name, .known), known.join(", "))]
    NoMart {
        /// What was asked for.
        name: String,
        /// The marts there are.
        known: Vec<String>,
    },
    /// Notifications cannot be sent.
    #[error(transparent)]
    Notify(#[from] NotifyError),
    /// The copy to PostgreSQL failed.
    #[error(transparent)]
    Postgres(#[from] crate::publish::postgres::PostgresError),
    /// A test asked a step to fail.
    #[error("a test ended the work at {0}")]
    CrashPoint(&'static str),
    /// A blocking task did not end well.
    #[error("a task of the transformer ended early")]
    Task(#[from] tokio::task::JoinError),
}

/// What DuckDB said, without the error codes that it has for every error alike.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct DuckError(String);

impl From<duckdb::Error> for DuckError {
    fn from(error: duckdb::Error) -> DuckError {
        DuckError(error.to_string())
    }
}

impl DuckError {
    /// Whether a database file is not what DuckDB writes. It has no code for it.
    fn is_damaged(&self) -> bool {
        let texts = [
            "not a valid DuckDB database file",
            "orrupt database file",
            "replaying WAL",
        ];
        texts.iter().any(|text| self.0.contains(text))
    }
}

/// What to do about a private database that cannot be read.
const ANALYTICS_AGAIN: &str = "with the transformer stopped, contrail.duckdb and \
    contrail.duckdb.wal in transformer.analytics (`analytics` of a data folder) may be deleted: \
    the next start makes them again from the lake, but for daily aggregates of days that the lake \
    has lost";

/// What to do about a published folder that cannot be read.
const PUBLISHED_AGAIN: &str = "with the transformer stopped, the folder may be deleted \
    (transformer.published, `published` of a data folder): the next start writes it again";

/// The end of a sentence that a name was not found.
fn did_you_mean(nearest: &Option<String>) -> String {
    nearest.as_ref().map_or(String::new(), |nearest| {
        format!("; did you mean {nearest}?")
    })
}

/// The same, when all names are known.
fn near(name: &str, known: &[String]) -> String {
    did_you_mean(&crate::models::nearest(
        name,
        known.iter().map(String::as_str),
    ))
}

/// The end of a sentence that a generation is not there.
fn those_kept(kept: &[u64]) -> String {
    let numbers: Vec<_> = kept.iter().map(u64::to_string).collect();
    match numbers.is_empty() {
        true => "none is kept".to_owned(),
        false => format!("those kept are {}", numbers.join(", ")),
    }
}

impl Error {
    /// For `map_err`: DuckDB failed while `action`.
    pub(crate) fn duck(action: impl Into<String>) -> impl FnOnce(duckdb::Error) -> Error {
        let action = action.into();
        move |source| Error::Duck {
            action,
            source: source.into(),
        }
    }

    /// For `map_err`: the system refused to `action` the file or folder `path`.
    pub(crate) fn file(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
        let path = path.to_owned();
        move |source| Error::File {
            action,
            path,
            source,
        }
    }

    /// For `map_err`: Iceberg failed on `table`.
    pub(crate) fn changes(table: &str) -> impl FnOnce(iceberg::Error) -> Error {
        let table = table.to_owned();
        move |source| Error::Changes {
            table,
            source: Box::new(source),
        }
    }
}

impl Error {
    /// Whether the disk had no room for what was being written.
    pub(crate) fn is_disk_full(&self) -> bool {
        match self {
            Error::File { source, .. } => matches!(
                source.kind(),
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge
            ),
            // DuckDB has no code for it; the text is the system's own.
            Error::Duck { source, .. } => {
                let text = source.to_string();
                text.contains("No space left on device") || text.contains("Disk quota exceeded")
            }
            _ => false,
        }
    }

    /// Whether DuckDB had not memory enough.
    pub(crate) fn is_out_of_memory(&self) -> bool {
        let Error::Duck { source, .. } = self else {
            return false;
        };
        source.to_string().contains("Out of Memory Error")
    }

    /// The error with what caused it, in one line.
    pub(crate) fn in_full(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            let more = error.to_string();
            if !text.contains(&more) {
                text.push_str(": ");
                text.push_str(&more);
            }
            cause = error.source();
        }
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

impl Faulty for Error {
    fn fault(&self) -> Fault {
        match self {
            Error::Lake(error) => error.fault(),
            Error::Postgres(error) => error.fault(),
            Error::NotLocal(_)
            | Error::Locked { .. }
            | Error::Config { .. }
            | Error::Days { .. }
            | Error::Model { .. }
            | Error::Case { .. }
            | Error::NoModel { .. }
            | Error::NotSelected { .. }
            | Error::NoRegularFile(_)
            | Error::SameName(_)
            | Error::NoGeneration { .. }
            | Error::ExportRunning(_)
            | Error::NotPublished(_)
            | Error::NoRun { .. }
            | Error::NoMart { .. }
            | Error::Audit { .. }
            | Error::AmbiguousRun { .. }
            | Error::Query(_) => Fault::Configuration,
            Error::NoAnswer(_)
            | Error::Changes { .. }
            | Error::File { .. }
            | Error::Views { .. }
            | Error::Export { .. }
            | Error::Duck { .. } => Fault::Dependency,
            Error::Notify(error) => error.fault(),
            Error::Generation { .. }
            | Error::NoCurrent { .. }
            | Error::FileGone(_)
            | Error::DataFile { .. }
            | Error::TableGone { .. }
            | Error::DeleteFiles { .. }
            | Error::Blocked { .. } => Fault::Input,
            Error::CrashPoint(_) | Error::Task(_) | Error::Fold { .. } => Fault::Internal,
        }
    }

    fn retryable(&self) -> bool {
        match self {
            Error::Lake(error) => error.retryable(),
            Error::Postgres(error) => error.retryable(),
            Error::NoAnswer(_)
            | Error::Changes { .. }
            | Error::File { .. }
            | Error::Duck { .. }
            | Error::TableGone { .. }
            | Error::DeleteFiles { .. }
            | Error::Blocked { .. } => true,
            _ => false,
        }
    }

    fn remedy(&self) -> Option<String> {
        match self {
            Error::Postgres(error) => error.remedy(),
            Error::Lake(error) => error.remedy(),
            Error::Duck { source, .. } if source.is_damaged() => Some(ANALYTICS_AGAIN.to_owned()),
            Error::Views { source, .. } if source.is_damaged() => Some(PUBLISHED_AGAIN.to_owned()),
            Error::Generation { .. } | Error::NoCurrent { .. } => Some(PUBLISHED_AGAIN.to_owned()),
            Error::File { source, path, .. }
                if path.ends_with("generation.json") && source.kind() == ErrorKind::NotFound =>
            {
                Some(PUBLISHED_AGAIN.to_owned())
            }
            _ => None,
        }
    }
}
