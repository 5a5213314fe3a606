//! What can end a command.

use std::io;
use std::path::PathBuf;

use consumer::ConsumerError;
use lake::LakeError;
use producer::{ProducerError, PublishError};
use service::config::ConfigError;
use service::data_folder::DataFolderError;
use service::fault::{Fault, Faulty};
use service::http::HttpError;
use service::notify::NotifyError;
use service::telemetry::TelemetryError;

use crate::recordings::RecordingError;
use crate::registry::RegistryError;

/// An error that a command cannot go on from.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The log cannot be started.
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    /// The endpoint for health and metrics cannot be opened.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// `.env` is there and cannot be used. What is in it is not shown: it holds secrets.
    #[error(
        "{path} cannot be read: {reason}; write one NAME=value a line, with single quotes around a value that has spaces, $ or #, as in .env.example"
    )]
    Environment {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The data folder cannot be used.
    #[error(transparent)]
    DataFolder(#[from] DataFolderError),
    /// A file of the data folder cannot be written.
    #[error("cannot write {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Standard output cannot be written to.
    #[error("cannot write to standard output")]
    Output(#[source] io::Error),
    /// The system gives no threads.
    #[error("cannot start the runtime")]
    Runtime(#[source] io::Error),
    /// The system gives no port or no thread.
    #[error("cannot start the embedded broker")]
    Broker(#[source] io::Error),
    /// The schema registry cannot be started.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// Nobody can be notified.
    #[error(transparent)]
    Notify(#[from] NotifyError),
    /// The simulator cannot be started.
    #[error(transparent)]
    Simulator(#[from] simulator::Error),
    /// The producer ended.
    #[error(transparent)]
    Producer(#[from] ProducerError),
    /// The consumer ended.
    #[error(transparent)]
    Consumer(#[from] ConsumerError),
    /// The transformer ended.
    #[error(transparent)]
    Transformer(#[from] transformer::Error),
    /// The lake cannot be read.
    #[error(transparent)]
    Lake(#[from] LakeError),
    /// The recordings cannot be used.
    #[error(transparent)]
    Recording(#[from] RecordingError),
    /// There is no data folder where one is looked for by default.
    #[error(
        "there is no data yet in {}; start `contrail demo` or `contrail run`, or name a folder with --data", .0.join(" or ")
    )]
    NoData(Vec<String>),
    /// The consumer did not come to the end in time.
    #[error(
        "what was published was not committed within {seconds} s; see the log for what keeps the consumer, then start again: what was not committed is asked for again by `replay` and lost to `run`"
    )]
    NotDrained {
        /// How long it was waited for.
        seconds: u64,
    },
    /// After a replay, polls are not in the marts as they should be.
    #[error(
        "{missing} of {of} recordings are not complete in the marts, {dead_letters} records could not be decoded; run the same command again"
    )]
    Incomplete {
        /// Recordings whose rows are not all there.
        missing: usize,
        /// Recordings that were published.
        of: usize,
        /// Records that went to the dead letters.
        dead_letters: u64,
    },
    /// A part ended that should have gone on.
    #[error("the {0} ended by itself")]
    Ended(&'static str),
    /// A part panicked.
    #[error("the {0} broke down")]
    Panicked(&'static str),
}

impl From<PublishError> for Error {
    fn from(error: PublishError) -> Self {
        ProducerError::from(error).into()
    }
}

impl From<producer::registry::RegistryError> for Error {
    fn from(error: producer::registry::RegistryError) -> Self {
        ProducerError::from(error).into()
    }
}

impl Faulty for Error {
    fn fault(&self) -> Fault {
        match self {
            Error::Config(error) => error.fault(),
            Error::Telemetry(error) => error.fault(),
            Error::Http(error) => error.fault(),
            Error::DataFolder(error) => error.fault(),
            Error::Notify(error) => error.fault(),
            Error::Producer(error) => error.fault(),
            Error::Consumer(error) => error.fault(),
            Error::Transformer(error) => error.fault(),
            Error::Lake(error) => error.fault(),
            Error::Recording(error) => error.fault(),
            Error::Simulator(simulator::Error::Internal(_)) => Fault::Internal,
            Error::Environment { .. } | Error::Simulator(_) | Error::NoData(_) => {
                Fault::Configuration
            }
            Error::File { .. }
            | Error::Output(_)
            | Error::Runtime(_)
            | Error::Broker(_)
            | Error::Registry(_)
            | Error::NotDrained { .. } => Fault::Dependency,
            Error::Incomplete { .. } | Error::Ended(_) | Error::Panicked(_) => Fault::Internal,
        }
    }

    fn remedy(&self) -> Option<String> {
        match self {
            Error::Config(error) => error.remedy(),
            Error::Telemetry(error) => error.remedy(),
            Error::Http(error) => error.remedy(),
            Error::DataFolder(error) => error.remedy(),
            Error::Notify(error) => error.remedy(),
            Error::Producer(error) => error.remedy(),
            Error::Consumer(error) => error.remedy(),
            Error::Transformer(error) => error.remedy(),
            Error::Lake(error) => error.remedy(),
            Error::Recording(error) => error.remedy(),
            _ => None,
        }
    }
}
