//! Connections to databases.

use axum::http::{Method, StatusCode};
use serde_json::{Value as Json, json};

use super::shape::{Field, any_text, check, closed, map, text, truth, whole};
use super::{Metabase, Reply, number};

/// The keys of the MotherDuck driver. Any other would be handed to DuckDB, which knows none of them.
const DUCKDB: [Field; 8] = [
    ("database_file", true, text),
    ("read_only", false, truth),
    ("old_implicit_casting", false, truth),
    ("allow_unsigned_extensions", false, truth),
    ("memory_limit", false, text),
    ("init_sql", false, text),
    ("motherduck_token", false, text),
    ("additional-options", false, text),
];

const POSTGRES: [Field; 8] = [
    ("host", true, text),
    ("port", true, whole),
    ("dbname", true, text),
    ("user", true, text),
    ("password", false, any_text),
    ("ssl", false, truth),
    ("schema-filters-type", false, text),
    ("schema-filters-patterns", false, text),
];

const POST: [Field; 6] = [
    ("name", true, text),
    ("engine", true, text),
    ("details", true, map),
    ("is_full_sync", false, truth),
    ("is_on_demand", false, truth),
    ("auto_run_queries", false, truth),
];

const PUT: [Field; 5] = [
    ("name", false, text),
    ("details", false, map),
    ("description", false, any_text),
    ("is_full_sync", false, truth),
    ("is_on_demand", false, truth),
];

pub fn reply(
    state: &mut Metabase,
    method: &Method,
    path: &[&str],
    body: &Json,
) -> Result<Reply, Reply> {
    let (id, rest) = match path {
        [] if *method == Method::GET => {
            // The list is without details.
            let list: Vec<Json> = state
                .databases
                .values()
                .map(|db| json!({"id": db["id"], "name": db["name"], "engine": db["engine"]}))
                .collect();
            return Ok(Reply::ok(json!({"data": list, "total": list.len()})));
        }
        [] => return post(state, body),
        [id, rest @ ..] => (number(id)?, rest),
    };
    let (tables, unread) = (&mut state.tables, &mut state.unread);
    let syncing = &mut state.syncing;
    let db = state.databases.get_mut(&id).ok_or_else(Reply::missing)?;
    match (method.as_str(), rest) {
        ("GET", []) => Ok(Reply::ok(shown(db))),
        ("GET", ["metadata"]) => {
            let first = db["initial_sync_status"] != "complete";
            *syncing = syncing.saturating_sub(1);
            if *syncing == 0 {
                db["initial_sync_status"] = json!("complete");
                tables.append(unread);
            }
            // What was read before is known while it is read again.
            let known: Vec<Json> = match first && *syncing > 0 {
                false => tables
                    .iter()
                    .map(|(name, columns)| table(name, columns))
                    .collect(),
                true => Vec::new(),
            };
            let mut whole = shown(db);
            whole["tables"] = json!(known);
            Ok(Reply::ok(whole))
        }
        ("POST", ["sync_schema"]) => {
            // It takes some looks until there is something new to see.
            *syncing = (*syncing).max(3);
            Ok(Reply::ok(json!({"status": "ok"})))
        }
        ("PUT", []) => {
            closed(body, &PUT)?;
            if let Some(details) = body["details"].as_object() {
                let mut merged = db["details"].clone();
                let engine = db["engine"].as_str().unwrap_or_default();
                for (key, value) in details {
                    if value != "**MetabasePass**" {
                        merged[key] = value.clone();
                    }
                }
                connect(engine, &merged)?;
                db["details"] = merged;
            }
            // A missing one is taken for no.
            db["is_on_demand"] = json!(body["is_on_demand"] == true);
            Ok(Reply::ok(shown(db)))
        }
        _ => Err(Reply::missing()),
    }
}

fn post(state: &mut Metabase, body: &Json) -> Result<Reply, Reply> {
    closed(body, &POST)?;
    let engine = body["engine"].as_str().unwrap_or_default();
    if !state.engines.contains(&engine) {
        return Err(Reply::invalid(
            "engine",
            "value must be a valid database engine.",
        ));
    }
    connect(engine, &body["details"])?;
    let id = state.number();
    let mut db = body.clone();
    db["id"] = json!(id);
    db["initial_sync_status"] = json!("incomplete");
    let reply = Reply::ok(shown(&db));
    state.databases.insert(id, db);
    Ok(reply)
}

/// Whether a connection can be made: keys that the engine knows, and for DuckDB a file that is there.
fn connect(engine: &str, details: &Json) -> Result<(), Reply> {
    let fields = match engine {
        "duckdb" => &DUCKDB,
        _ => &POSTGRES,
    };
    let map = details
        .as_object()
        .ok_or_else(|| Reply::invalid("details", "map"))?;
    let refuse = |key: &str, reason: String| {
        let body = json!({"message": reason, "errors": {key: reason}});
        Reply(StatusCode::BAD_REQUEST, body)
    };
    check(map, fields).map_err(|(key, reason)| refuse(&key, reason.to_owned()))?;
    let file = details["database_file"].as_str();
    match file {
        Some(file) if !std::path::Path::new(file).is_file() => Err(refuse(
            "database_file",
            format!("IO Error: Cannot open file \"{file}\""),
        )),
        _ => Ok(()),
    }
}

/// As it is answered: secrets are not.
fn shown(db: &Json) -> Json {
    let mut db = db.clone();
    for secret in ["password", "motherduck_token"] {
        if db["details"].get(secret).is_some() {
            db["details"][secret] = json!("**MetabasePass**");
        }
    }
    db
}

fn table(name: &str, columns: &[String]) -> Json {
    let fields: Vec<Json> = columns
        .iter()
        .map(|column| json!({"id": 1, "name": column, "base_type": "type/Text"}))
        .collect();
    json!({"id": 1, "name": name, "schema": "main", "fields": fields})
}
