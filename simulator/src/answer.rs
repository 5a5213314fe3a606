//! The answers that do not depend on any state: errors as OpenSky and the proxy before it
//! give them, and bodies whole, compressed, or broken.

use std::io::Write;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use futures::stream::{self, StreamExt};
use serde_json::json;

pub(crate) const REMAINING: &str = "x-rate-limit-remaining";
pub(crate) const RETRY_AFTER: &str = "x-rate-limit-retry-after-seconds";

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const HTML: HeaderValue = HeaderValue::from_static("text/html");

/// A body of JSON, compressed when the caller accepts that.
pub(crate) fn body(body: Vec<u8>, gzip: bool) -> Response {
    if !gzip {
        return ([(header::CONTENT_TYPE, JSON)], body).into_response();
    }
    let mut packer = GzEncoder::new(Vec::with_capacity(body.len() / 3), Compression::fast());
    match packer.write_all(&body).and_then(|()| packer.finish()) {
        Ok(packed) => {
            let encoding = (header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            ([(header::CONTENT_TYPE, JSON), encoding], packed).into_response()
        }
        Err(error) => internal(&error.to_string()),
    }
}

/// The first half of a body, as if it were all.
pub(crate) fn truncated(mut whole: Vec<u8>) -> Response {
    whole.truncate(whole.len() / 2);
    body(whole, false)
}

/// A body of which half is sent before the connection breaks.
pub(crate) fn broken_off(whole: Vec<u8>) -> Response {
    let length = whole.len();
    let half = Bytes::from(whole).split_to(length / 2);
    let broken = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
    let headers = [
        (header::CONTENT_TYPE, JSON),
        (header::CONTENT_LENGTH, HeaderValue::from(length)),
    ];
    let sent = stream::iter([Ok(half)]);
    // The pause lets the server write what it has; it would drop that with the error.
    let broken = stream::once(async {
        tokio::task::yield_now().await;
        Err(broken)
    });
    let body = Body::from_stream(sent.chain(broken));
    (headers, body).into_response()
}

/// 200 with a page, as a captive portal or a maintenance page gives it.
pub(crate) fn non_json() -> Response {
    let page = "<!DOCTYPE html><html><body><h1>Scheduled maintenance</h1></body></html>";
    ([(header::CONTENT_TYPE, HTML)], page).into_response()
}

/// 400: what is wrong with the parameters.
pub(crate) fn bad_request(message: &str) -> Response {
    problem(StatusCode::BAD_REQUEST, message)
}

/// 401.
pub(crate) fn unauthorized() -> Response {
    let challenge = HeaderValue::from_static("Bearer");
    let headers = [(header::WWW_AUTHENTICATE, challenge)];
    (StatusCode::UNAUTHORIZED, headers, "Unauthorized").into_response()
}

/// 404 with an empty body: no flights, which OpenSky gives instead of an empty list.
pub(crate) fn none_found() -> Response {
    StatusCode::NOT_FOUND.into_response()
}

/// 429, asking to wait for so many seconds.
pub(crate) fn too_many_requests(seconds: u64) -> Response {
    let headers = [(RETRY_AFTER, seconds.to_string())];
    (StatusCode::TOO_MANY_REQUESTS, headers, "Too many requests").into_response()
}

/// 500 as the application gives it.
pub(crate) fn internal(message: &str) -> Response {
    problem(StatusCode::INTERNAL_SERVER_ERROR, message)
}

/// 503 or 504 as the proxy gives it.
pub(crate) fn proxy_error(status: StatusCode) -> Response {
    let page = format!("<html><head><title>{status}</title></head><body>{status}</body></html>\n");
    (status, [(header::CONTENT_TYPE, HTML)], page).into_response()
}

fn problem(status: StatusCode, message: &str) -> Response {
    let body = json!({
        "status": status.as_u16(),
        "error": status.canonical_reason(),
        "message": message,
    });
    (status, axum::Json(body)).into_response()
}
