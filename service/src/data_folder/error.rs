//! Why a data folder was refused.

use std::io;
use std::path::{Path, PathBuf};

use crate::fault::{Fault, Faulty};
use crate::lock::Holder;

/// Why a data folder was refused. Nothing on disk has changed.
#[derive(Debug, thiserror::Error)]
pub enum DataFolderError {
    /// There is something else there.
    #[error("{path} is not a Contrail data folder; choose an empty one", path = path.display())]
    NotOurs {
        /// The folder.
        path: PathBuf,
    },
    /// Readers would take its path for a pattern of several.
    #[error(
        "the data folder {path} cannot be read by DuckDB, which takes *, ? and [ in a path for a pattern; \
         choose a folder without them",
        path = path.display()
    )]
    Pattern {
        /// The folder.
        path: PathBuf,
    },
    /// There is nothing there, and it was only to be looked at.
    #[error(
        "there is no Contrail data folder at {path}; start Contrail with it first, or name another",
        path = path.display()
    )]
    Missing {
        /// The folder.
        path: PathBuf,
    },
    /// It was made by a Contrail whose folders differ.
    #[error(
        "{path} has data folder format {found} and this Contrail reads format {supported}; \
         use the Contrail that made it, or choose an empty folder",
        path = path.display()
    )]
    OtherVersion {
        /// The folder.
        path: PathBuf,
        /// The format it has.
        found: u32,
        /// The format this program reads.
        supported: u32,
    },
    /// Its version file is not one.
    #[error(
        "cannot read {path}; put back the original file, or choose an empty folder",
        path = path.display()
    )]
    UnreadableVersion {
        /// The version file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// Another process has it.
    #[error(
        "{path} is in use by {holder}; stop that process or choose another folder",
        path = path.display()
    )]
    InUse {
        /// The folder.
        path: PathBuf,
        /// Who has it.
        holder: Holder,
    },
    /// The system refused to read or write it.
    #[error(
        "cannot {doing} the data folder {path}; check its permissions and the space on its disk",
        path = path.display()
    )]
    Io {
        /// What was being done.
        doing: &'static str,
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl DataFolderError {
    pub(super) fn io(doing: &'static str, path: &Path, source: io::Error) -> DataFolderError {
        DataFolderError::Io {
            doing,
            path: path.into(),
            source,
        }
    }
}

impl Faulty for DataFolderError {
    fn fault(&self) -> Fault {
        match self {
            DataFolderError::NotOurs { .. }
            | DataFolderError::Pattern { .. }
            | DataFolderError::Missing { .. }
            | DataFolderError::OtherVersion { .. }
            | DataFolderError::InUse { .. } => Fault::Configuration,
            DataFolderError::UnreadableVersion { .. } => Fault::Input,
            DataFolderError::Io { .. } => Fault::Dependency,
        }
    }
}
