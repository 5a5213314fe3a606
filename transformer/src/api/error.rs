//! What is wrong with a request, as the one who asks is told: JSON with the one key `error`.

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::Error;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum ApiError {
    /// A parameter breaks its rule.
    #[error("{0}")]
    Parameter(String),
    /// No such path below `/api`.
    #[error("there is nothing here; ask /api/status, /api/marts or /api/marts/NAME")]
    NoPath,
    /// The process ends.
    #[error("the transformer is ending")]
    Ended,
    /// The marts cannot be read.
    #[error(transparent)]
    Marts(#[from] Error),
}

impl ApiError {
    fn status(&self) -> StatusCode {
        match self {
            ApiError::Parameter(_) => StatusCode::BAD_REQUEST,
            ApiError::NoPath | ApiError::Marts(Error::NoMart { .. }) => StatusCode::NOT_FOUND,
            ApiError::Ended | ApiError::Marts(Error::NotPublished(_)) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            ApiError::Marts(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = self.status();
        let said = match &self {
            // The name of a folder is nobody's business who asks from afar.
            ApiError::Marts(Error::NotPublished(_)) => "nothing is published yet".to_owned(),
            ApiError::Marts(error) if status.is_server_error() => {
                tracing::warn!(%error, "a request for the marts failed");
                "the marts cannot be read; the transformer's log says why".to_owned()
            }
            said => said.to_string(),
        };
        let body = Json(json!({ "error": said }));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            return (status, [(header::RETRY_AFTER, "5")], body).into_response();
        }
        (status, body).into_response()
    }
}
