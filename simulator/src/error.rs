//! What can go wrong before the simulator answers.

use std::path::PathBuf;

/// Why the simulator cannot start. Starting again changes nothing unless the cause is
/// removed; all but [`Error::Listen`] are the caller's input.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting does not make sense; the message names it and says what does.
    #[error("simulator.{key}: {message}")]
    Configuration {
        /// The setting, without the section's name.
        key: &'static str,
        /// What is wrong and what would be right.
        message: String,
    },
    /// A recording or a folder of them cannot be read.
    #[error("cannot read the recording {path}: {source}; check the path and its permissions", path = path.display())]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A recording is not a body of `/api/states/all`.
    #[error("{path} is not a body of OpenSky's /states/all: {reason}; recordings are *.json or *.json.gz files holding {{\"time\":…,\"states\":[…]}}", path = path.display())]
    NotOpenSky {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        reason: String,
    },
    /// A folder holds no recordings.
    #[error("no *.json or *.json.gz file in {path}", path = path.display())]
    NoRecordings {
        /// The folder.
        path: PathBuf,
    },
    /// The address cannot be listened on.
    #[error(
        "cannot listen on {address}: {source}; choose another simulator.listen, 127.0.0.1:0 for any free port"
    )]
    Listen {
        /// The address.
        address: String,
        /// Why.
        source: std::io::Error,
    },
    /// The fleet could not be built, which is a fault of the simulator.
    #[error("cannot build the fleet: {0}")]
    Internal(String),
}
