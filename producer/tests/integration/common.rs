//! Small servers that answer as tests tell them to.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use producer::{Config, DEFAULTS};
use serde_json::{Value, json};
use service::config::Loader;
use tokio::net::TcpListener;

/// Nothing here should take longer.
pub const DEADLINE: Duration = Duration::from_secs(300);

/// One scripted answer.
pub type Script = Box<dyn FnOnce() -> Response + Send>;

/// What a server was asked: the method, the path with its query, the body, and the
/// `Authorization` header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    pub method: String,
    pub path: String,
    pub body: String,
    pub authorization: Option<String>,
}

#[derive(Default)]
struct Shared {
    script: VecDeque<Script>,
    asked: Vec<Asked>,
}

/// A server that gives the scripted answers in turn, and 599 when there are no more.
#[derive(Clone)]
pub struct Scripted {
    pub url: String,
    shared: Arc<Mutex<Shared>>,
}

impl Scripted {
    pub async fn start() -> Scripted {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared: Arc<Mutex<Shared>> = Arc::default();
        let router = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&shared));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Scripted { url, shared }
    }

    /// Adds an answer to the end of the script.
    pub fn then(&self, answer: impl IntoResponse + Send + 'static) -> &Scripted {
        let script: Script = Box::new(|| answer.into_response());
        self.shared.lock().unwrap().script.push_back(script);
        self
    }

    /// Everything it was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.shared.lock().unwrap().asked.clone()
    }

    /// Answers of the script that are left.
    pub fn left(&self) -> usize {
        self.shared.lock().unwrap().script.len()
    }
}

async fn answer(State(shared): State<Arc<Mutex<Shared>>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let header = parts.headers.get("authorization");
    let asked = Asked {
        method: parts.method.to_string(),
        path: parts.uri.to_string(),
        body: String::from_utf8(body.to_vec()).unwrap(),
        authorization: header.map(|value| value.to_str().unwrap().to_owned()),
    };
    let next = {
        let mut shared = shared.lock().unwrap();
        shared.asked.push(asked);
        shared.script.pop_front()
    };
    match next {
        Some(script) => script(),
        None => axum::http::StatusCode::from_u16(599)
            .unwrap()
            .into_response(),
    }
}

/// The configuration with these keys set.
pub fn config(pairs: &[(&str, &str)]) -> Config {
    let pairs: Vec<_> = pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    Loader::new()
        .defaults(DEFAULTS)
        .environment::<&str, &str>([])
        .overrides(&pairs)
        .load()
        .unwrap()
}

/// An OpenSky body of `aircraft` rows.
pub fn body(time: i64, aircraft: usize) -> String {
    let row = |index: usize| -> Value {
        json!([
            format!("{index:06x}"),
            format!("TST{index:<5}"),
            "Switzerland",
            time - 1,
            time,
            8.5,
            47.5,
            11_000,
            false,
            230.1,
            90,
            0,
            null,
            11_200.5,
            "0042",
            false,
            0,
            3
        ])
    };
    json!({"time": time, "states": (0..aircraft).map(row).collect::<Vec<_>>()}).to_string()
}

/// Waits until `check` gives a value.
pub async fn until<T, F: Future<Output = Option<T>>>(
    what: &str,
    mut check: impl FnMut() -> F,
) -> T {
    let wait = async {
        loop {
            if let Some(value) = check().await {
                return value;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    match tokio::time::timeout(DEADLINE, wait).await {
        Ok(value) => value,
        Err(_) => panic!("{what} did not happen in time"),
    }
}
