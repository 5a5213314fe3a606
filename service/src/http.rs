//! The small HTTP server of a service: `/healthz`, `/readyz`, `/metrics`, and what it adds.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use axum::Json;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::fault::{Fault, Faulty};
use crate::health::{Health, Status};
use crate::metrics;
use crate::shutdown::Shutdown;

/// How long open connections may still be answered after the shutdown.
const DRAIN: Duration = Duration::from_secs(2);

/// Content type of Prometheus' text format.
const PROMETHEUS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Why the server could not be started.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot listen on {listen}; set http.listen to a free address such as \"127.0.0.1:0\", or to \"\" for none"
)]
pub struct HttpError {
    /// The address that was asked for.
    pub listen: String,
    /// What the system said.
    pub source: io::Error,
}

impl Faulty for HttpError {
    fn fault(&self) -> Fault {
        Fault::Configuration
    }
}

/// A server under way. Dropping it lets it run on until the shutdown.
#[derive(Debug)]
pub struct Server {
    /// Where it listens; port 0 when it is switched off.
    pub addr: SocketAddr,
    task: Option<JoinHandle<()>>,
}

impl Server {
    /// Whether it listens at all.
    pub fn is_listening(&self) -> bool {
        self.task.is_some()
    }

    /// Waits until it has ended, at most two seconds after the shutdown it was given.
    pub async fn join(self) {
        if let Some(task) = self.task
            && let Err(error) = task.await
        {
            tracing::warn!(%error, "the http server did not end well");
        }
    }
}

/// Binds `listen` and answers in the background until `shutdown`. An empty `listen` starts
/// nothing. Port 0 takes any free port, named by [`Server::addr`].
///
/// `/healthz` is 200 while no component has failed; `/readyz` is 200 while all are ready; both
/// give the components as JSON, and 503 otherwise. `extra` must not define these paths again.
///
/// # Errors
/// The address cannot be bound.
pub async fn serve(
    listen: &str,
    health: Health,
    extra: Router,
    shutdown: Shutdown,
) -> Result<Server, HttpError> {
    if listen.is_empty() {
        return Ok(Server {
            addr: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            task: None,
        });
    }
    let failed = |source| HttpError {
        listen: listen.to_owned(),
        source,
    };
    let listener = TcpListener::bind(listen).await.map_err(failed)?;
    let addr = listener.local_addr().map_err(failed)?;
    tracing::info!(%addr, "serving /healthz, /readyz and /metrics");
    let task = tokio::spawn(answer(listener, router(health).merge(extra), shutdown));
    Ok(Server {
        addr,
        task: Some(task),
    })
}

async fn answer(listener: TcpListener, router: Router, shutdown: Shutdown) {
    let asked = shutdown.clone();
    let server =
        axum::serve(listener, router).with_graceful_shutdown(async move { asked.wait().await });
    // A response that never ends by itself must not keep the process. Its connection is a task of
    // its own, which ends with the runtime.
    let too_late = async {
        shutdown.wait().await;
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        ended = server => if let Err(error) = ended {
            tracing::error!(%error, "the http server ended");
        },
        () = too_late => tracing::debug!("http connections are still open, leaving them"),
    }
}

fn router(health: Health) -> Router {
    let recorder = metrics::install_recorder();
    let figures = move || async move {
        (
            [(header::CONTENT_TYPE, PROMETHEUS_TEXT)],
            metrics::render(&recorder),
        )
    };
    Router::new()
        .route("/healthz", get(alive))
        .route("/readyz", get(ready))
        .route("/metrics", get(figures))
        .with_state(health)
}

async fn alive(State(health): State<Health>) -> impl IntoResponse {
    let status = health.status();
    answer_status(status.alive, status)
}

async fn ready(State(health): State<Health>) -> impl IntoResponse {
    let status = health.status();
    answer_status(status.ready, status)
}

fn answer_status(good: bool, status: Status) -> impl IntoResponse {
    let code = if good {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (code, Json(status))
}
