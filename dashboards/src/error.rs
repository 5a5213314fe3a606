//! What can go wrong.

use std::path::PathBuf;

use service::fault::{Fault, Faulty};

use crate::content::Mistakes;

/// An error of `metabase-dashboards`.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The content has mistakes.
    #[error("{0}")]
    Content(Mistakes),
    /// A setting cannot be what it is.
    #[error("metabase.{key}: {reason}")]
    Setting {
        /// The setting, without the section's name.
        key: &'static str,
        /// What is wrong and what would be right.
        reason: String,
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
    /// No request can be made.
    #[error("cannot make a request to Metabase")]
    Client(#[source] reqwest::Error),
    /// Metabase cannot be reached, or gives no whole answer.
    #[error("{request}: no answer from {url}; check metabase.url, and that Metabase runs")]
    Unreachable {
        /// What was asked.
        request: String,
        /// Where.
        url: String,
        /// What the HTTP client said.
        #[source]
        source: reqwest::Error,
    },
    /// Metabase is not ready within the time that it was given.
    #[error(
        "Metabase at {url} is not ready after {seconds} s ({last}); look at its log, or raise \
         metabase.start_timeout"
    )]
    NotReady {
        /// Where.
        url: String,
        /// How long it was waited for.
        seconds: u64,
        /// What was last seen of it.
        last: String,
    },
    /// Metabase is older than what the requests are made for.
    #[error(
        "Metabase at {url} is {found}; {} or newer is supported",
        crate::metabase::OLDEST
    )]
    TooOld {
        /// Where.
        url: String,
        /// Its version.
        found: String,
    },
    /// Nobody has set Metabase up, and there is nothing to do it with.
    #[error(
        "Metabase at {0} is not set up yet; give metabase.username and metabase.password, which become \
         those of its administrator"
    )]
    NotSetUp(String),
    /// There is nothing to log in with.
    #[error("give metabase.username and metabase.password, or metabase.api_key")]
    NoCredentials,
    /// Metabase does not know them.
    #[error("Metabase at {url} refuses {what} ({said}); check {settings}")]
    Credentials {
        /// Where.
        url: String,
        /// What it refused.
        what: &'static str,
        /// What it said.
        said: String,
        /// The settings that are wrong.
        settings: &'static str,
    },
    /// The account may not do what is needed.
    #[error(
        "{request}: Metabase answers that this account may not ({said}); it takes one of the group \
         Administrators"
    )]
    Forbidden {
        /// What was asked.
        request: String,
        /// What it said.
        said: String,
    },
    /// Metabase refused a request.
    #[error("{request}: Metabase answers {status}: {said}")]
    Refused {
        /// What was asked.
        request: String,
        /// The status.
        status: u16,
        /// What it said.
        said: String,
    },
    /// An answer is not what it is to be.
    #[error("{request}: the answer is not what a supported Metabase gives: {reason}")]
    Answer {
        /// What was asked.
        request: String,
        /// What does not fit.
        reason: String,
    },
    /// A database of that name is another one.
    #[error(
        "Metabase has a database {name:?} already, of the engine {engine:?}; rename one of them, or set \
         metabase.database.name"
    )]
    OtherDatabase {
        /// The name.
        name: String,
        /// Its engine.
        engine: String,
    },
    /// Metabase has not found the tables.
    #[error("Metabase has found no table in the database {name:?} after {seconds} s; {remedy}")]
    NoTables {
        /// The database.
        name: String,
        /// How long it was waited for.
        seconds: u64,
        /// What to look at.
        remedy: String,
    },
    /// Everything was applied, and something of it does not do what it should.
    #[error("{0}")]
    Unsound(String),
    /// There is no dashboard of that name.
    #[error("there is no dashboard {name:?} in Metabase that came from here; there are {known}")]
    NoDashboard {
        /// The name.
        name: String,
        /// Those that are.
        known: String,
    },
}

impl Error {
    /// For `map_err` around a call of the file system.
    pub fn file(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(std::io::Error) -> Error {
        let path = path.into();
        move |source| Error::File {
            action,
            path,
            source,
        }
    }
}

impl From<Mistakes> for Error {
    fn from(mistakes: Mistakes) -> Error {
        Error::Content(mistakes)
    }
}

impl Faulty for Error {
    fn fault(&self) -> Fault {
        match self {
            Error::Content(_)
            | Error::Setting { .. }
            | Error::TooOld { .. }
            | Error::NotSetUp(_)
            | Error::NoCredentials
            | Error::Credentials { .. }
            | Error::Forbidden { .. }
            | Error::OtherDatabase { .. }
            | Error::NoDashboard { .. } => Fault::Configuration,
            Error::File { .. }
            | Error::Unreachable { .. }
            | Error::NotReady { .. }
            | Error::NoTables { .. }
            | Error::Refused { .. }
            | Error::Answer { .. } => Fault::Dependency,
            Error::Unsound(_) => Fault::Input,
            Error::Client(_) => Fault::Internal,
        }
    }
}
