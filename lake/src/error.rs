//! What can be wrong with the lake.

use std::path::PathBuf;

use service::fault::{Fault, Faulty};

/// An error of the catalog or of the files behind it.
#[derive(Debug, thiserror::Error)]
pub enum LakeError {
    /// `lake.warehouse` names something that is not a local folder.
    #[error(
        "lake.warehouse = {0:?} is not a local folder; give an absolute path such as /var/lib/contrail/warehouse"
    )]
    Warehouse(String),
    /// `lake.catalog_uri` names a database that is not supported.
    #[error(
        "lake.catalog_uri = {0:?} is not supported; leave it empty, or give sqlite:///absolute/path/catalog.db"
    )]
    CatalogUri(String),
    /// A folder cannot be made or used.
    #[error("cannot use the folder {}; check that it exists and may be written", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The catalog, or a file behind it, failed.
    #[error("{action}")]
    Catalog {
        /// What was being done.
        action: String,
        /// What Iceberg said.
        source: Box<iceberg::Error>,
    },
    /// A table exists, but is not the one this version writes.
    #[error("table {table} is not a table of this version: {reason}")]
    Table {
        /// The table.
        table: String,
        /// What differs.
        reason: String,
    },
}

impl LakeError {
    pub(crate) fn catalog(action: impl Into<String>) -> impl FnOnce(iceberg::Error) -> LakeError {
        let action = action.into();
        move |source| LakeError::Catalog {
            action,
            source: Box::new(source),
        }
    }
}

impl Faulty for LakeError {
    fn fault(&self) -> Fault {
        match self {
            LakeError::Warehouse(_) | LakeError::CatalogUri(_) | LakeError::Folder { .. } => {
                Fault::Configuration
            }
            LakeError::Catalog { .. } | LakeError::Table { .. } => Fault::Dependency,
        }
    }

    fn retryable(&self) -> bool {
        matches!(self, LakeError::Catalog { .. })
    }

    fn remedy(&self) -> Option<String> {
        match self {
            LakeError::Catalog { source, .. }
                if source.to_string().contains("database is locked") =>
            {
                Some(
                    "another process is in the middle of a commit, or was suspended in one:                     end it, or let it go on"
                        .to_owned(),
                )
            }
            _ => None,
        }
    }
}
