//! The published marts as JSON, on the service's HTTP endpoint.
//!
//! - `GET /api/status`: how far the marts are, and each of them.
//! - `GET /api/marts`: what each mart and each of its columns means.
//! - `GET /api/marts/NAME`: rows of one.
//!
//! What must hold:
//! - Only published files are read, as any reader does: the private database is left alone.
//! - An answer is of one generation, whatever is published meanwhile.
//! - Memory is bounded, by [`reader`] for one answer and by [`AT_ONCE`] for all.
//!
//! In reading order:
//! - [`reader`]: the views at one generation.
//! - [`status`], [`marts`], `page`: what the three answers hold.
//! - [`error`]: what is wrong with a request, as the one who asks is told.
//!
//! A further answer is a module and a line in [`router`].

mod error;
mod marts;
mod page;
mod reader;
mod status;

use std::path::PathBuf;
use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use axum::{Json, Router};
use serde::Serialize;
use tokio::sync::{Semaphore, watch};

use crate::Status;
use error::ApiError;
use page::Page;
use reader::Reader;

/// Answers that are worked on at once; further requests wait.
const AT_ONCE: usize = 2;

/// The routes, for the folder of published marts. `status` is what the running transformer says
/// of itself.
pub fn router(published: PathBuf, status: watch::Receiver<Status>) -> Router {
    let api = Api {
        published: Arc::new(published),
        status,
        places: Arc::new(Semaphore::new(AT_ONCE)),
    };
    Router::new()
        .route("/api/status", get(status_of_all))
        .route("/api/marts", get(all_marts))
        .route("/api/marts/{name}", get(rows_of_a_mart))
        .route("/api", any(no_such_path))
        .route("/api/{*path}", any(no_such_path))
        .with_state(api)
}

#[derive(Clone)]
struct Api {
    published: Arc<PathBuf>,
    status: watch::Receiver<Status>,
    places: Arc<Semaphore>,
}

async fn status_of_all(State(api): State<Api>, RawQuery(query): RawQuery) -> Answer {
    page::none(query.as_deref())?;
    let live = api.status.borrow().clone();
    let answer = api.ask(move |published| status::answer(published, &live));
    // Ages change from one moment to the next.
    let unkept = [(header::CACHE_CONTROL, "no-store")];
    Ok((unkept, Json(answer.await?)).into_response())
}

async fn all_marts(
    State(api): State<Api>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Answer {
    page::none(query.as_deref())?;
    api.of_a_generation(headers, marts::answer).await
}

async fn rows_of_a_mart(
    State(api): State<Api>,
    Path(name): Path<String>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Answer {
    let page = Page::parse(query.as_deref())?;
    api.of_a_generation(headers, move |reader| page.answer(reader, &name))
        .await
}

async fn no_such_path() -> ApiError {
    ApiError::NoPath
}

type Answer = Result<Response, ApiError>;

impl Api {
    /// Works out an answer where it may block, once there is a place.
    async fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce(&std::path::Path) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        // The place goes with the work: a client that has gone does not end it.
        let place = Arc::clone(&self.places).acquire_owned().await;
        let place = place.map_err(|_| ApiError::Ended)?;
        let published = Arc::clone(&self.published);
        let working = tokio::task::spawn_blocking(move || {
            let answer = work(&published);
            drop(place);
            answer
        });
        working.await.map_err(|_| ApiError::Ended)?
    }

    /// An answer that stays the same for as long as the generation does.
    async fn of_a_generation<T: Serialize + Send + 'static>(
        &self,
        headers: HeaderMap,
        work: impl FnOnce(&Reader) -> Result<T, ApiError> + Send + 'static,
    ) -> Answer {
        let known = headers.get(header::IF_NONE_MATCH).cloned();
        let answer = self.ask(move |published| {
            let generation = reader::current(published)?;
            let tag = reader::tag(&generation);
            if known.is_some_and(|known| is_among(&known, &tag)) {
                return Ok((tag, None));
            }
            let body = work(&Reader::open(published, generation)?)?;
            Ok((tag, Some(body)))
        });
        let (tag, body) = answer.await?;
        let kept = [
            (header::ETAG, tag),
            (header::CACHE_CONTROL, "no-cache".to_owned()),
        ];
        Ok(match body {
            Some(body) => (kept, Json(body)).into_response(),
            None => (StatusCode::NOT_MODIFIED, kept).into_response(),
        })
    }
}

/// Whether an `If-None-Match` names a tag.
fn is_among(known: &HeaderValue, tag: &str) -> bool {
    let known = known.to_str().unwrap_or_default();
    known
        .split(',')
        .map(|one| one.trim().trim_start_matches("W/"))
        .any(|one| one == tag || one == "*")
}
