//! What can go wrong between us and PostgreSQL.

use service::fault::{Fault, Faulty};
use tokio_postgres::error::SqlState;

/// An error of the copy to PostgreSQL.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    /// The URL is not one.
    #[error(
        "transformer.postgres.url cannot be used: {0}; it is to be like postgresql://user:password@host:5432/database"
    )]
    Url(String),
    /// The schema's name is not one.
    #[error(
        "transformer.postgres.schema cannot be used: {0:?} is no plain name of at most 63 letters, digits and underscores"
    )]
    Schema(String),
    /// The server answered with an error, or stopped answering.
    #[error("cannot {action} at {server}: {}", said(cause))]
    Server {
        /// What was being done.
        action: String,
        /// User, host and database.
        server: String,
        /// What the server or the system said.
        cause: tokio_postgres::Error,
    },
    /// Another transaction of ours has not ended.
    #[error("another transformer is writing to schema {schema} at {server}")]
    Busy {
        /// User, host and database.
        server: String,
        /// The schema.
        schema: String,
    },
    /// A table that is not ours stands where a mart should be.
    #[error(
        "schema {schema} at {server} has a relation {table} that Contrail did not make; rename it, or give a transformer.postgres.schema of its own"
    )]
    NotOurs {
        /// User, host and database.
        server: String,
        /// The schema.
        schema: String,
        /// The table or view.
        table: String,
    },
    /// A file of the generation cannot be read as what it should be.
    #[error("cannot copy {file} to PostgreSQL: {reason}")]
    File {
        /// The file.
        file: String,
        /// Why.
        reason: String,
    },
    /// A copy took far longer than any should.
    #[error("the copy to PostgreSQL did not end within {} min; is the server suspended, or its disk full?", .0.as_secs() / 60)]
    NoEnd(std::time::Duration),
    /// The copy at the end of the service took too long.
    #[error("the copy to PostgreSQL did not end in time; the next start goes on with it")]
    Late,
}

impl PostgresError {
    /// For `map_err`: `file` cannot be copied.
    pub(super) fn file<E: ToString>(
        path: &std::path::Path,
    ) -> impl FnOnce(E) -> PostgresError + use<E> {
        let file = path.display().to_string();
        move |error| PostgresError::File {
            file,
            reason: error.to_string(),
        }
    }

    fn state(&self) -> Option<&SqlState> {
        match self {
            PostgresError::Server { cause, .. } => cause.code(),
            _ => None,
        }
    }
}

impl Faulty for PostgresError {
    fn fault(&self) -> Fault {
        match self {
            PostgresError::Url(_) | PostgresError::Schema(_) | PostgresError::NotOurs { .. } => {
                Fault::Configuration
            }
            _ if self.remedy().is_some() => Fault::Configuration,
            PostgresError::File { .. } => Fault::Internal,
            _ => Fault::Dependency,
        }
    }

    fn retryable(&self) -> bool {
        !matches!(self, PostgresError::Url(_) | PostgresError::Schema(_))
    }

    fn remedy(&self) -> Option<String> {
        let state = self.state()?;
        let remedy = if *state == SqlState::INVALID_PASSWORD
            || *state == SqlState::INVALID_AUTHORIZATION_SPECIFICATION
        {
            "check user and password in transformer.postgres.url, and the server's pg_hba.conf"
        } else if *state == SqlState::INVALID_CATALOG_NAME {
            "create the database, or name another in transformer.postgres.url"
        } else if *state == SqlState::INSUFFICIENT_PRIVILEGE {
            "let the user of transformer.postgres.url own the schema: \
             create schema NAME authorization USER, with the name in transformer.postgres.schema"
        } else if *state == SqlState::DEPENDENT_OBJECTS_STILL_EXIST {
            "a column or mart is gone that a view of yours reads: drop the view, and make it anew after the next copy"
        } else {
            return None;
        };
        Some(remedy.to_owned())
    }
}

/// What went wrong in one line: the server's message with its detail, or the system's.
fn said(error: &tokio_postgres::Error) -> String {
    if let Some(database) = error.as_db_error() {
        return match database.detail() {
            Some(detail) => format!("{} ({detail})", database.message()),
            None => database.message().to_owned(),
        };
    }
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
