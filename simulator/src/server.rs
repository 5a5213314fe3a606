//! The endpoints. A request passes, in this order: a fault that hides everything else,
//! the token, the parameters, the credits, the body, a fault that spoils the body.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use axum::extract::{Form, Json, Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::answer::{self, REMAINING};
use crate::auth::Refusal;
use crate::config::TIMES;
use crate::credits::{self, Charge};
use crate::error::Error;
use crate::fault::Fault;
use crate::query::{FlightsQuery, Pairs, StatesQuery};
use crate::recorded::Recordings;
use crate::simulator::{Shared, Source, TOKEN_PATH, locked};
use crate::state;

type Simulated = State<Arc<Shared>>;

pub(crate) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/api/states/all", get(states))
        .route("/api/flights/{kind}", get(flights))
        .route(TOKEN_PATH, post(token))
        .route("/_control/fault", post(control_fault))
        .route("/_control/time", post(control_time))
        .route("/_control/status", get(control_status))
        .with_state(shared)
}

async fn states(
    State(shared): Simulated,
    Query(pairs): Query<Pairs>,
    headers: HeaderMap,
) -> Response {
    let number = shared.requests.fetch_add(1, Ordering::Relaxed);
    let fault = locked(&shared.faults).of_request(number);
    tracing::debug!(number, ?fault, "states asked for");
    if let Some(answer) = fail(&shared, fault).await {
        return answer;
    }
    let query = match StatesQuery::read(&pairs) {
        Ok(query) => query,
        Err(message) => return answer::bad_request(&message),
    };
    let cost = credits::cost_of_states(query.area.as_ref());
    let remaining = match admit(&shared, &headers, cost) {
        Ok(remaining) => remaining,
        Err(refusal) => return refusal,
    };
    let gzip = shared.config.gzip && accepts_gzip(&headers);
    let worker = shared.clone();
    // A large body takes long enough to hold up other requests.
    let made = tokio::task::spawn_blocking(move || {
        let body = body(&worker, &query, fault, number)?;
        Ok::<_, Error>(match fault {
            Some(Fault::Truncated) => answer::truncated(body),
            Some(Fault::BrokenOff) => answer::broken_off(body),
            _ => {
                worker.served.fetch_add(1, Ordering::Relaxed);
                answer::body(body, gzip)
            }
        })
    });
    match made.await {
        Ok(Ok(answer)) => with_remaining(answer, remaining),
        Ok(Err(error)) => answer::internal(&error.to_string()),
        Err(error) => answer::internal(&error.to_string()),
    }
}

async fn flights(
    State(shared): Simulated,
    Path(kind): Path<String>,
    Query(pairs): Query<Pairs>,
    headers: HeaderMap,
) -> Response {
    let Some(query) = FlightsQuery::read(&kind, &pairs) else {
        return answer::none_found();
    };
    let number = shared.requests.fetch_add(1, Ordering::Relaxed);
    let fault = locked(&shared.faults).of_request(number);
    tracing::debug!(number, ?fault, kind, "flights asked for");
    if let Some(answer) = fail(&shared, fault).await {
        return answer;
    }
    let query = match query {
        Ok(query) => query,
        Err(message) => return answer::bad_request(&message),
    };
    let cost = credits::cost_of_flights(query.begin, query.end);
    let remaining = match admit(&shared, &headers, cost) {
        Ok(remaining) => remaining,
        Err(refusal) => return refusal,
    };
    let gzip = shared.config.gzip && accepts_gzip(&headers);
    let made = tokio::task::spawn_blocking(move || {
        let Source::Fleet(fleet) = &shared.source else {
            return answer::none_found();
        };
        let now = locked(&shared.clock).now();
        let found = match fault {
            Some(Fault::Empty) => Vec::new(),
            _ => fleet.flights(&query.wanted, query.begin, query.end, now),
        };
        if found.is_empty() {
            return answer::none_found();
        }
        match (serde_json::to_vec(&found), fault) {
            (Ok(body), Some(Fault::Truncated)) => answer::truncated(body),
            (Ok(body), Some(Fault::BrokenOff)) => answer::broken_off(body),
            (Ok(body), _) => answer::body(body, gzip),
            (Err(error), _) => answer::internal(&error.to_string()),
        }
    });
    match made.await {
        Ok(answer) => with_remaining(answer, remaining),
        Err(error) => answer::internal(&error.to_string()),
    }
}

async fn token(State(shared): Simulated, Form(form): Form<Pairs>) -> Response {
    let number = shared.token_requests.fetch_add(1, Ordering::Relaxed);
    if locked(&shared.faults).of_token(number).is_some() {
        return answer::proxy_error(StatusCode::SERVICE_UNAVAILABLE);
    }
    let mut tokens = locked(&shared.tokens);
    let refuse = |status: StatusCode, error, description| {
        let body = json!({ "error": error, "error_description": description });
        (status, Json(body)).into_response()
    };
    match tokens.grant(&form) {
        Ok(token) => Json(json!({
            "access_token": token,
            "expires_in": tokens.lifetime(),
            "refresh_expires_in": 0,
            "token_type": "Bearer",
            "not-before-policy": 0,
            "scope": "profile email",
        }))
        .into_response(),
        Err(Refusal::UnsupportedGrant) => refuse(
            StatusCode::BAD_REQUEST,
            "unsupported_grant_type",
            "Unsupported grant_type",
        ),
        Err(Refusal::InvalidClient) => refuse(
            StatusCode::UNAUTHORIZED,
            "invalid_client",
            "Invalid client or Invalid client credentials",
        ),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FaultRequest {
    fault: Fault,
    times: u32,
}

async fn control_fault(State(shared): Simulated, Json(request): Json<FaultRequest>) -> StatusCode {
    locked(&shared.faults).inject(request.fault, request.times);
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TimeRequest {
    /// Seconds since 1970; null lets the clock run.
    time: Option<i64>,
}

async fn control_time(State(shared): Simulated, Json(request): Json<TimeRequest>) -> StatusCode {
    if request.time.is_some_and(|time| !TIMES.contains(&time)) {
        return StatusCode::BAD_REQUEST;
    }
    locked(&shared.clock).hold(request.time);
    StatusCode::NO_CONTENT
}

async fn control_status(State(shared): Simulated) -> Json<Value> {
    Json(json!({
        "time": locked(&shared.clock).now(),
        "requests": shared.requests.load(Ordering::Relaxed),
        "served": shared.served.load(Ordering::Relaxed),
    }))
}

/// The answer of a fault that does not depend on what was asked; waits first when the
/// fault is one of time.
async fn fail(shared: &Shared, fault: Option<Fault>) -> Option<Response> {
    let faults = &shared.config.faults;
    match fault? {
        Fault::Status500 => Some(answer::internal("Internal error")),
        Fault::Status503 => Some(answer::proxy_error(StatusCode::SERVICE_UNAVAILABLE)),
        Fault::NonJson => Some(answer::non_json()),
        Fault::Unauthorized => Some(answer::unauthorized()),
        Fault::RateLimited => Some(answer::too_many_requests(faults.retry_after.as_secs())),
        Fault::Timeout => {
            wait(shared, faults.timeout_after).await;
            Some(answer::proxy_error(StatusCode::GATEWAY_TIMEOUT))
        }
        Fault::Slow => {
            wait(shared, faults.slow_for).await;
            None
        }
        Fault::Truncated | Fault::BrokenOff | Fault::Empty | Fault::Collapse | Fault::Token503 => {
            None
        }
    }
}

/// Waits, but not past the simulator's end.
async fn wait(shared: &Shared, duration: Duration) {
    tokio::select! {
        () = tokio::time::sleep(duration) => {}
        () = shared.ending.cancelled() => {}
    }
}

/// Checks the token and charges the credits; gives what remains, or the refusal.
#[allow(
    clippy::result_large_err,
    reason = "the refusal is the answer, made once a request and passed on at once"
)]
fn admit(shared: &Shared, headers: &HeaderMap, cost: u32) -> Result<Option<u32>, Response> {
    let authorization = headers
        .get(header::AUTHORIZATION)
        // A header that is not text is a token nobody has.
        .map(|value| value.to_str().unwrap_or_default());
    let Some(caller) = locked(&shared.tokens).caller(authorization) else {
        return Err(answer::unauthorized());
    };
    let clock = *locked(&shared.clock);
    match locked(&shared.credits).charge(caller, clock.now(), cost) {
        Charge::Unlimited => Ok(None),
        Charge::Remaining(credits) => Ok(Some(credits)),
        Charge::Exhausted(seconds) => {
            let refusal = answer::too_many_requests(clock.real_seconds(seconds));
            Err(with_remaining(refusal, Some(0)))
        }
    }
}

fn with_remaining(mut answer: Response, remaining: Option<u32>) -> Response {
    if let Some(credits) = remaining {
        let headers = answer.headers_mut();
        headers.insert(REMAINING, HeaderValue::from(credits));
    }
    answer
}

fn accepts_gzip(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.contains("gzip"))
}

/// The body of states that was asked for.
fn body(
    shared: &Shared,
    query: &StatesQuery,
    fault: Option<Fault>,
    number: u64,
) -> Result<Vec<u8>, Error> {
    let collapsed = fault == Some(Fault::Collapse);
    let kept = |row: usize| !collapsed || row.is_multiple_of(10);
    match &shared.source {
        Source::Recorded(recordings) => recorded_body(shared, recordings, query, fault, kept),
        Source::Fleet(fleet) => {
            let time = query.time.unwrap_or_else(|| shared.time_of_answer(number));
            let form = fleet.form(query.extended);
            if fault == Some(Fault::Empty) {
                return Ok(state::body(time, &[], form));
            }
            let mut states = fleet.states_at(time);
            if collapsed || !query.is_global() {
                let mut row = 0..;
                states.retain(|state| row.next().is_some_and(kept) && query.wants(state));
            }
            Ok(state::body(time, &states, form))
        }
    }
}

/// A recorded body: the next one, or the last before the time asked for. Its bytes are
/// sent as they were recorded unless only some of its rows are wanted.
fn recorded_body(
    shared: &Shared,
    recordings: &Recordings,
    query: &StatesQuery,
    fault: Option<Fault>,
    kept: impl Fn(usize) -> bool,
) -> Result<Vec<u8>, Error> {
    let spoilt = matches!(fault, Some(Fault::Truncated | Fault::BrokenOff));
    let recording = match query.time {
        Some(time) => recordings.at(time),
        // A spoilt body is given again, whole, to the next caller: no fault loses one.
        None if spoilt => recordings.in_turn(shared.turn.load(Ordering::Relaxed)),
        None => recordings.in_turn(shared.turn.fetch_add(1, Ordering::Relaxed)),
    };
    let Some(recording) = recording else {
        return Ok(b"{\"time\":0,\"states\":null}".to_vec());
    };
    if fault == Some(Fault::Empty) {
        return Ok(json!({ "time": recording.time, "states": null })
            .to_string()
            .into_bytes());
    }
    if fault != Some(Fault::Collapse) && query.is_global() {
        return recording.body();
    }
    recording.rows(|row, icao24, latitude, longitude| {
        kept(row) && query.wants_row(icao24, latitude, longitude)
    })
}
