//! What the registry answers when it cannot do what it was asked, with Confluent's codes.

use std::io;
use std::path::PathBuf;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// A request that was refused.
#[derive(Debug, thiserror::Error)]
pub(super) enum ApiError {
    #[error("Subject '{0}' not found.")]
    SubjectNotFound(String),
    #[error("Version {0} not found.")]
    VersionNotFound(u32),
    #[error("Schema not found")]
    SchemaNotFound,
    #[error("Subject '{0}' does not have subject-level compatibility configured")]
    SubjectLevelNotFound(String),
    #[error("Schema being registered is incompatible with an earlier schema: {}", .0.join("; "))]
    Incompatible(Vec<String>),
    #[error("Invalid schema: {0}")]
    InvalidSchema(String),
    #[error(
        "The specified version '{0}' is not a valid version id: it is a number from 1, or \"latest\""
    )]
    InvalidVersion(String),
    #[error("Invalid compatibility level: {0}")]
    InvalidLevel(String),
    #[error("The request's body is not what it should be: {0}")]
    InvalidBody(String),
    #[error("Error in the backend data store: {0}")]
    Store(#[from] StoreError),
}

impl ApiError {
    fn code(&self) -> (StatusCode, u32) {
        use ApiError as E;
        match self {
            E::SubjectNotFound(_) => (StatusCode::NOT_FOUND, 40401),
            E::VersionNotFound(_) => (StatusCode::NOT_FOUND, 40402),
            E::SchemaNotFound => (StatusCode::NOT_FOUND, 40403),
            E::SubjectLevelNotFound(_) => (StatusCode::NOT_FOUND, 40408),
            E::Incompatible(_) => (StatusCode::CONFLICT, 409),
            E::InvalidSchema(_) => (StatusCode::UNPROCESSABLE_ENTITY, 42201),
            E::InvalidVersion(_) => (StatusCode::UNPROCESSABLE_ENTITY, 42202),
            E::InvalidLevel(_) => (StatusCode::UNPROCESSABLE_ENTITY, 42203),
            E::InvalidBody(_) => (StatusCode::BAD_REQUEST, 400),
            E::Store(_) => (StatusCode::INTERNAL_SERVER_ERROR, 50001),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, code) = self.code();
        if let ApiError::Store(error) = &self {
            tracing::error!(%error, "the schema registry cannot store");
        }
        let body = json!({ "error_code": code, "message": self.to_string() });
        (status, Json(body)).into_response()
    }
}

/// The registry's file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It cannot be read or written.
    #[error("cannot use the schema registry's file {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It holds something else.
    #[error(
        "{path} is not a schema registry's file: {reason}; move it away to start with an empty registry"
    )]
    Content {
        /// The file.
        path: PathBuf,
        /// What was wrong.
        reason: String,
    },
}
