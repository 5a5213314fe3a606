//! The registry's HTTP API.

use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::compatibility::Level;
use super::error::ApiError;
use super::store::{Registered, Store, Version};

type Shared = Arc<Mutex<Store>>;
type Answer<T = Json<Value>> = Result<T, ApiError>;

pub(super) fn router(store: Store) -> Router {
    Router::new()
        .route("/", get(|| async { Json(json!({})) }))
        .route("/subjects", get(subjects))
        .route("/subjects/{subject}", post(look_up))
        .route("/subjects/{subject}/versions", get(versions).post(register))
        .route("/subjects/{subject}/versions/{version}", get(version))
        .route("/schemas/ids/{id}", get(schema))
        .route("/schemas/types", get(|| async { Json(["AVRO"]) }))
        .route("/config", get(level).put(set_level))
        .route(
            "/config/{subject}",
            get(subject_level).put(set_subject_level),
        )
        .route(
            "/compatibility/subjects/{subject}/versions/{version}",
            post(compatibility),
        )
        .with_state(Arc::new(Mutex::new(store)))
}

/// The body that carries a schema.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SchemaBody {
    schema: String,
    schema_type: Option<String>,
    #[serde(default)]
    references: Vec<Value>,
}

#[derive(Deserialize)]
struct LevelBody {
    compatibility: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LevelQuery {
    #[serde(default)]
    default_to_global: bool,
}

async fn subjects(State(store): State<Shared>) -> Json<Vec<String>> {
    Json(lock(&store).subjects())
}

async fn versions(
    State(store): State<Shared>,
    Path(subject): Path<String>,
) -> Answer<Json<Vec<u32>>> {
    Ok(Json(lock(&store).versions(&subject)?))
}

async fn version(
    State(store): State<Shared>,
    Path((subject, version)): Path<(String, String)>,
) -> Answer<Json<Registered>> {
    Ok(Json(lock(&store).version(&subject, version.parse()?)?))
}

async fn schema(State(store): State<Shared>, Path(id): Path<String>) -> Answer {
    let id = id.parse().map_err(|_| ApiError::SchemaNotFound)?;
    Ok(Json(json!({ "schema": lock(&store).schema(id)? })))
}

async fn look_up(
    State(store): State<Shared>,
    Path(subject): Path<String>,
    body: Bytes,
) -> Answer<Json<Registered>> {
    let schema = schema_of(&body)?;
    Ok(Json(lock(&store).look_up(&subject, &schema)?))
}

async fn register(State(store): State<Shared>, Path(subject): Path<String>, body: Bytes) -> Answer {
    let schema = schema_of(&body)?;
    let id = lock(&store).register(&subject, &schema)?;
    tracing::debug!(subject, id, "schema registered");
    Ok(Json(json!({ "id": id })))
}

async fn compatibility(
    State(store): State<Shared>,
    Path((subject, version)): Path<(String, String)>,
    body: Bytes,
) -> Answer {
    let schema = schema_of(&body)?;
    let messages = lock(&store).objections(&subject, version.parse()?, &schema)?;
    Ok(Json(
        json!({ "is_compatible": messages.is_empty(), "messages": messages }),
    ))
}

async fn level(State(store): State<Shared>) -> Json<Value> {
    Json(json!({ "compatibilityLevel": lock(&store).level() }))
}

async fn set_level(State(store): State<Shared>, body: Bytes) -> Answer {
    let level = level_of(&body)?;
    lock(&store).set_level(level)?;
    Ok(Json(json!({ "compatibility": level })))
}

async fn subject_level(
    State(store): State<Shared>,
    Path(subject): Path<String>,
    Query(query): Query<LevelQuery>,
) -> Answer {
    let store = lock(&store);
    let level = match store.subject_level(&subject) {
        Some(level) => level,
        None if query.default_to_global => store.level(),
        None => return Err(ApiError::SubjectLevelNotFound(subject)),
    };
    Ok(Json(json!({ "compatibilityLevel": level })))
}

async fn set_subject_level(
    State(store): State<Shared>,
    Path(subject): Path<String>,
    body: Bytes,
) -> Answer {
    let level = level_of(&body)?;
    lock(&store).set_subject_level(&subject, level)?;
    Ok(Json(json!({ "compatibility": level })))
}

/// Nothing leaves the store half-changed, so a panic elsewhere does not spoil it.
fn lock(store: &Shared) -> MutexGuard<'_, Store> {
    store.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The content type is not looked at: clients send several.
fn body<T: DeserializeOwned>(bytes: &Bytes) -> Result<T, ApiError> {
    serde_json::from_slice(bytes).map_err(|error| ApiError::InvalidBody(error.to_string()))
}

fn schema_of(bytes: &Bytes) -> Result<String, ApiError> {
    let body: SchemaBody = body(bytes)?;
    if let Some(kind) = body.schema_type.filter(|kind| kind != "AVRO") {
        return Err(ApiError::InvalidSchema(format!(
            "this registry knows Avro only, not {kind}"
        )));
    }
    if !body.references.is_empty() {
        return Err(ApiError::InvalidSchema(
            "this registry knows no references".to_owned(),
        ));
    }
    Ok(body.schema)
}

fn level_of(bytes: &Bytes) -> Result<Level, ApiError> {
    let body: LevelBody = body(bytes)?;
    body.compatibility
        .parse()
        .map_err(|_| ApiError::InvalidLevel(body.compatibility))
}

impl FromStr for Version {
    type Err = ApiError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "latest" || text == "-1" {
            return Ok(Version::Latest);
        }
        match text.parse() {
            Ok(number) if number > 0 => Ok(Version::Number(number)),
            _ => Err(ApiError::InvalidVersion(text.to_owned())),
        }
    }
}
