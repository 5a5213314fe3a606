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
    /// `lake.warehouse` is what readers take for a pattern.
    #[error(
        "lake.warehouse is {}: DuckDB takes *, ? and [ in a path for a pattern; give a path without them", .0.display()
    )]
    Pattern(PathBuf),
    /// `lake.catalog_uri` names a database that is not supported.
    #[error(
        "lake.catalog_uri is not supported: {0}; leave it empty, or give sqlite:///absolute/path/catalog.db or postgresql://user:password@host:5432/database"
    )]
    CatalogUri(
        /// What is wrong with it. The URI itself may hold a password.
        String,
    ),
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
            LakeError::Warehouse(_)
            | LakeError::Pattern(_)
            | LakeError::CatalogUri(_)
            | LakeError::Folder { .. } => Fault::Configuration,
            LakeError::Catalog { source, .. } if refusal(source).is_some() => Fault::Configuration,
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
                    "another process is in the middle of a commit, or was suspended in one: end it, or let it go on"
                        .to_owned(),
                )
            }
            LakeError::Catalog { source, .. } => match (refusal(source), database_error(source)) {
                (Some(remedy), _) => Some(remedy.to_owned()),
                (None, Some(sqlx::Error::PoolTimedOut)) => Some(
                    "the database did not answer within 30 s: check that it runs, and the host and port of lake.catalog_uri"
                        .to_owned(),
                ),
                _ => None,
            },
            _ => None,
        }
    }
}

/// What the database's driver said.
fn database_error(error: &iceberg::Error) -> Option<&sqlx::Error> {
    let source = std::error::Error::source(error)?;
    source.downcast_ref::<sqlx::Error>()
}

/// PostgreSQL's code of an error.
fn code(error: &iceberg::Error) -> Option<String> {
    let said = database_error(error)?.as_database_error()?;
    said.code().map(Into::into)
}

/// Whether another process has made the same at the same moment: PostgreSQL's
/// `unique_violation`, `duplicate_table`, and `duplicate_object` for the table's type.
pub(crate) fn is_made_already(error: &iceberg::Error) -> bool {
    code(error).is_some_and(|code| ["23505", "42P07", "42710"].contains(&code.as_str()))
}

/// The remedy when PostgreSQL does not let us do what we must.
fn refusal(error: &iceberg::Error) -> Option<&'static str> {
    match code(error)?.as_str() {
        "28P01" | "28000" => Some("check the user and the password of lake.catalog_uri"),
        "3D000" => {
            Some("make the database, or name one that exists at the end of lake.catalog_uri")
        }
        "42501" | "3F000" => {
            Some("let the user of lake.catalog_uri make tables in the database's schema")
        }
        _ => None,
    }
}
