//! A stand-in for Metabase 0.63: it keeps what it is given as Metabase does, and is stricter.
//!
//! Shapes are those of Metabase's source, of the schemas of its command line and of the MotherDuck driver's
//! plugin manifest. Where Metabase drops an unknown key in silence, takes any display, or looks at no
//! layout, this refuses: a typo would otherwise be found by nobody. It answers in the newer of two forms
//! (MBQL 5, tags as a list), and adds keys of its own as Metabase does. It draws nothing, knows no
//! permissions, and of queries it knows only what a test tells it.

mod cards;
mod collections;
mod dashboards;
mod databases;
mod shape;
mod users;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::{Value as Json, json};
use tokio::net::TcpListener;

/// What is answered to a query: columns and rows, or what the database said.
pub type Answer = Result<(Vec<String>, Vec<Vec<Json>>), String>;
/// Answers the SQL of a question.
pub type Answers = Box<dyn Fn(&str) -> Answer + Send>;

/// Stands for what was sent, which Metabase repeats in "specific-errors"; nobody may show it.
pub const RECEIVED: &str = "what was sent, secrets too";

/// A status and a body; a text where Metabase answers with one.
pub struct Reply(pub StatusCode, pub Json);

impl Reply {
    pub fn ok(body: Json) -> Reply {
        Reply(StatusCode::OK, body)
    }

    pub fn text(status: u16, text: &str) -> Reply {
        Reply(StatusCode::from_u16(status).unwrap(), json!(text))
    }

    pub fn missing() -> Reply {
        Reply::text(404, "Not found.")
    }

    /// As a schema that does not match is answered.
    pub fn invalid(field: &str, reason: &str) -> Reply {
        let specific = format!("{reason}, received: {RECEIVED:?}");
        Reply(
            StatusCode::BAD_REQUEST,
            json!({"errors": {field: reason}, "specific-errors": {field: [specific]}}),
        )
    }
}

/// Everything it has.
pub struct Metabase {
    pub version: String,
    /// Looks at its health that are answered with "initializing".
    pub starting: u32,
    pub engines: Vec<&'static str>,
    /// E-mail address and password of the only user.
    pub user: Option<(String, String)>,
    pub api_key: String,
    pub databases: BTreeMap<i64, Json>,
    pub collections: BTreeMap<i64, Json>,
    pub cards: BTreeMap<i64, Json>,
    pub dashboards: BTreeMap<i64, Json>,
    /// Tables that a sync finds, each with its columns.
    pub tables: BTreeMap<String, Vec<String>>,
    /// Looks at the tables before a sync is through.
    pub syncing: u32,
    /// Tables that are there and were not read yet.
    pub unread: BTreeMap<String, Vec<String>>,
    /// Requests that are answered with 502 before the next is answered well.
    pub stumbles: u32,
    pub answers: Answers,
    /// Every request that writes, as `PUT api/card/3`.
    pub writes: Vec<String>,
    /// Fails every request after so many writes, as a Metabase that is killed.
    pub dies_after: Option<usize>,
    next: i64,
}

impl Metabase {
    pub fn number(&mut self) -> i64 {
        self.next += 1;
        self.next
    }
}

/// A running stand-in.
#[derive(Clone)]
pub struct Double {
    pub url: String,
    state: Arc<Mutex<Metabase>>,
}

pub const SETUP_TOKEN: &str = "29321fb6-2f5c-4a3e-9d0d-2c2f6a1e0a01";
pub const SESSION: &str = "5f2c1c1e-0c1f-4f43-8e73-9a9d0c6c1b11";

impl Double {
    /// A new Metabase that nobody has set up, with these tables behind every database.
    pub async fn start(tables: BTreeMap<String, Vec<String>>, answers: Answers) -> Double {
        let state = Arc::new(Mutex::new(Metabase {
            version: "v0.63.18".into(),
            starting: 0,
            engines: vec!["postgres", "h2", "duckdb"],
            user: None,
            api_key: "mb_key".into(),
            databases: BTreeMap::new(),
            collections: BTreeMap::new(),
            cards: BTreeMap::new(),
            dashboards: BTreeMap::new(),
            tables,
            syncing: 1,
            unread: BTreeMap::new(),
            stumbles: 0,
            answers,
            writes: Vec::new(),
            dies_after: None,
            next: 0,
        }));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(serve).with_state(state.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Double { url, state }
    }

    pub fn lock(&self) -> MutexGuard<'_, Metabase> {
        self.state.lock().unwrap()
    }

    /// What was written since the last call.
    pub fn writes(&self) -> Vec<String> {
        std::mem::take(&mut self.lock().writes)
    }

    /// The card, dashboard or collection of a title.
    pub fn find(&self, things: fn(&Metabase) -> &BTreeMap<i64, Json>, title: &str) -> Json {
        let state = self.lock();
        let mut found = things(&state)
            .values()
            .filter(|thing| thing["name"] == title);
        let first = found.next().unwrap_or_else(|| panic!("no {title}")).clone();
        assert!(found.next().is_none(), "{title} is there twice");
        first
    }

    /// The number of the question that was made from a file.
    pub fn find_by_mark(&self, id: &str) -> i64 {
        let mark = format!("question {id} (");
        let state = self.lock();
        let has = |card: &&Json| {
            card["description"]
                .as_str()
                .unwrap_or_default()
                .contains(&mark)
        };
        state.cards.values().find(has).unwrap()["id"]
            .as_i64()
            .unwrap()
    }

    /// Changes one of them, as a person does in the browser.
    pub fn edit(
        &self,
        things: fn(&mut Metabase) -> &mut BTreeMap<i64, Json>,
        title: &str,
        change: impl FnOnce(&mut Json),
    ) {
        let mut state = self.lock();
        let thing = things(&mut state)
            .values_mut()
            .find(|thing| thing["name"] == title);
        change(thing.unwrap_or_else(|| panic!("no {title}")));
    }
}

async fn serve(
    State(state): State<Arc<Mutex<Metabase>>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut state = state.lock().unwrap();
    let body = match body.is_empty() {
        true => Json::Null,
        false => serde_json::from_slice(&body).expect("requests are JSON"),
    };
    let Reply(status, body) = reply(&mut state, &method, &uri, &headers, &body);
    match body {
        Json::String(text) => (status, text).into_response(),
        body => (status, axum::Json(body)).into_response(),
    }
}

fn reply(
    state: &mut Metabase,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    body: &Json,
) -> Reply {
    let path: Vec<&str> = uri
        .path()
        .split('/')
        .filter(|part| !part.is_empty())
        .collect();
    let ["api", path @ ..] = &path[..] else {
        return Reply::missing();
    };
    let query = uri.query().unwrap_or_default();
    if path == ["health"] {
        return match state.starting {
            0 => Reply::ok(json!({"status": "ok"})),
            left => {
                state.starting = left - 1;
                let body = json!({"status": "initializing", "progress": 0.3});
                Reply(StatusCode::SERVICE_UNAVAILABLE, body)
            }
        };
    }
    if state.starting > 0 {
        return Reply::text(503, "Metabase is still initializing. Please sit tight...");
    }
    let known = |name: &str, value: &str| headers.get(name).is_some_and(|found| found == value);
    let logged_in = known("x-metabase-session", SESSION) || known("x-api-key", &state.api_key);
    match (method, path) {
        (&Method::GET, ["session", "properties"]) => return users::properties(state),
        (&Method::POST, ["setup"]) => return users::set_up(state, body),
        (&Method::POST, ["session"]) => return users::log_in(state, body),
        _ if !logged_in => return Reply::text(401, "Unauthenticated"),
        _ => {}
    }
    if state.stumbles > 0 {
        state.stumbles -= 1;
        return Reply::text(502, "Bad Gateway");
    }
    let asks = matches!(path, ["card", _, "query"] | ["database", _, "sync_schema"]);
    if *method != Method::GET && !asks {
        if state.dies_after == Some(state.writes.len()) {
            return Reply::text(500, "Internal server error.");
        }
        state.writes.push(format!("{method} {}", path.join("/")));
    }
    let answered = match path {
        ["database", rest @ ..] => databases::reply(state, method, rest, body),
        ["collection", rest @ ..] => collections::reply(state, method, rest, query, body),
        ["card", rest @ ..] => cards::reply(state, method, rest, query, body),
        ["dashboard", rest @ ..] => dashboards::reply(state, method, rest, query, body),
        _ => Err(Reply::text(404, "API endpoint does not exist.")),
    };
    match answered {
        Ok(reply) | Err(reply) => reply,
    }
}

/// A number in a path.
fn number(text: &str) -> Result<i64, Reply> {
    text.parse().map_err(|_| Reply::missing())
}
