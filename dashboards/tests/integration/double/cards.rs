//! Questions and models.

use std::collections::BTreeSet;

use axum::http::{Method, StatusCode};
use dashboards::content::tags::tags;
use serde_json::{Map, Value as Json, json};

use super::shape::{
    Field, any_text, check, closed, id_or_nil, list, map, text, text_or_nil, truth,
};
use super::{Metabase, Reply, number};

const POST: [Field; 8] = [
    ("name", true, text),
    ("dataset_query", true, map),
    ("display", true, display),
    ("visualization_settings", true, map),
    ("type", false, kind),
    ("description", false, text_or_nil),
    ("collection_id", false, id_or_nil),
    ("parameters", false, list),
];

const PUT: [Field; 10] = [
    ("name", false, text),
    ("dataset_query", false, map),
    ("display", false, display),
    ("visualization_settings", false, map),
    ("type", false, kind),
    ("description", false, any_text),
    ("collection_id", false, id_or_nil),
    ("parameters", false, list),
    ("archived", false, truth),
    ("result_metadata", false, columns),
];

/// Columns as Metabase has given them out, of which only the names are given here.
fn columns(value: &Json) -> Option<&'static str> {
    let known =
        |column: &Json| text(&column["name"]).is_none() && text(&column["base_type"]).is_none();
    let list = value.as_array();
    (!list.is_some_and(|list| list.iter().all(known))).then_some("columns with name and base_type")
}

fn display(value: &Json) -> Option<&'static str> {
    let known = dashboards::content::question::DISPLAYS;
    (!known.iter().any(|display| value == display)).then_some("a display of Metabase")
}

fn kind(value: &Json) -> Option<&'static str> {
    (value != "question" && value != "model").then_some("enum of question, model, metric")
}

pub fn reply(
    state: &mut Metabase,
    method: &Method,
    path: &[&str],
    query: &str,
    body: &Json,
) -> Result<Reply, Reply> {
    match (method.as_str(), path) {
        ("GET", []) => {
            let archived = query.contains("f=archived");
            let cards = state.cards.values();
            Ok(Reply::ok(
                cards
                    .filter(|card| card["archived"] == archived)
                    .cloned()
                    .collect(),
            ))
        }
        ("GET", [id]) => {
            let card = state.cards.get(&number(id)?).ok_or_else(Reply::missing)?;
            Ok(Reply::ok(card.clone()))
        }
        ("POST", []) => {
            closed(body, &POST)?;
            sound(state, body)?;
            let id = state.number();
            let mut card = json!({
                "id": id,
                "entity_id": format!("card-{id:016}"),
                "type": "question",
                "description": null,
                "collection_id": null,
                "parameters": [],
                "parameter_mappings": [],
                "archived": false,
                "query_type": "native",
                "result_metadata": null,
                "cache_ttl": null,
                "enable_embedding": false,
                "creator_id": 1,
            });
            put(&mut card, body);
            state.cards.insert(id, card.clone());
            Ok(Reply::ok(card))
        }
        ("PUT", [id]) => {
            closed(body, &PUT)?;
            let id = number(id)?;
            let mut card = state.cards.get(&id).ok_or_else(Reply::missing)?.clone();
            let was = card["archived"].clone();
            put(&mut card, body);
            sound(state, &card)?;
            if card["archived"] == true && was != true {
                forget_source(state, id);
            }
            state.cards.insert(id, card.clone());
            Ok(Reply::ok(card))
        }
        ("POST", [id, "query"]) => {
            closed(
                body,
                &[("parameters", false, list), ("ignore_cache", false, truth)],
            )?;
            let card = state
                .cards
                .get_mut(&number(id)?)
                .ok_or_else(Reply::missing)?;
            let sql = card["dataset_query"]["stages"][0]["native"]
                .as_str()
                .unwrap();
            let body = match (state.answers)(sql) {
                Ok((columns, rows)) => {
                    let cols: Vec<Json> = columns
                        .iter()
                        .map(|name| {
                            json!({"name": name, "display_name": name, "base_type": "type/Text"})
                        })
                        .collect();
                    if card["result_metadata"].is_null() {
                        card["result_metadata"] = json!(cols);
                    }
                    json!({"status": "completed", "row_count": rows.len(), "running_time": 3,
                        "data": {"rows": rows, "cols": cols}})
                }
                Err(said) => json!({"status": "failed", "error": said, "row_count": 0,
                    "data": {"rows": [], "cols": []}}),
            };
            Ok(Reply(StatusCode::ACCEPTED, body))
        }
        _ => Err(Reply::missing()),
    }
}

/// Whoever takes values from a question that goes to the trash is without them.
fn forget_source(state: &mut Metabase, id: i64) {
    let things = state
        .cards
        .values_mut()
        .chain(state.dashboards.values_mut());
    for thing in things {
        for parameter in thing["parameters"].as_array_mut().into_iter().flatten() {
            if parameter["values_source_config"]["card_id"] == id {
                parameter["values_source_type"] = Json::Null;
                parameter["values_source_config"] = json!({});
            }
        }
    }
}

fn put(card: &mut Json, body: &Json) {
    for (key, value) in body.as_object().unwrap() {
        card[key] = match key.as_str() {
            "dataset_query" => stored(value),
            _ => value.clone(),
        };
    }
    if card["type"] == "model" {
        card["display"] = json!("table");
    }
}

/// A query as 0.63 gives it back: tags as a list. Each has a kind of widget, as another version may add
/// one: what was sent comes back in another way.
fn stored(query: &Json) -> Json {
    let mut query = query.clone();
    let found = &mut query["stages"][0]["template-tags"];
    if let Json::Object(map) = found {
        *found = map.values().cloned().collect();
    }
    for tag in found.as_array_mut().into_iter().flatten() {
        tag["widget-type"] = json!("none");
    }
    query
}

/// What Metabase refuses of a card, and what it would only show by a card that does not work.
fn sound(state: &Metabase, card: &Json) -> Result<(), Reply> {
    const QUERY: [Field; 3] = [
        ("lib/type", true, |v| {
            (v != "mbql/query").then_some("mbql/query")
        }),
        ("database", true, super::shape::id),
        ("stages", true, list),
    ];
    const STAGE: [Field; 3] = [
        ("lib/type", true, |v| {
            (v != "mbql.stage/native").then_some("a native stage")
        }),
        ("native", true, text),
        ("template-tags", false, |v| {
            (!v.is_object() && !v.is_array()).then_some("tags")
        }),
    ];
    const TAG: [Field; 7] = [
        ("id", true, uuid),
        ("name", true, tag_name),
        ("display-name", true, text),
        ("type", true, |v| {
            let known = ["text", "number", "date"];
            (!known.iter().any(|kind| v == kind)).then_some("enum of tag types")
        }),
        ("default", false, text),
        ("required", false, truth),
        ("widget-type", false, text),
    ];
    let refuse =
        |(key, reason): (String, &str)| Reply::invalid(&format!("dataset_query.{key}"), reason);
    let query = card["dataset_query"].as_object().unwrap();
    check(query, &QUERY).map_err(refuse)?;
    let stages = query["stages"].as_array().unwrap();
    let [Json::Object(stage)] = &stages[..] else {
        return Err(refuse(("stages".into(), "one native stage")));
    };
    check(stage, &STAGE).map_err(refuse)?;
    if !state
        .databases
        .contains_key(&query["database"].as_i64().unwrap())
    {
        return Err(Reply::missing());
    }
    let known: Vec<&Json> = match stage.get("template-tags") {
        Some(Json::Object(map)) => map.values().collect(),
        Some(Json::Array(list)) => list.iter().collect(),
        _ => Vec::new(),
    };
    let mut names = BTreeSet::new();
    for tag in &known {
        check(tag.as_object().unwrap_or(&Map::new()), &TAG).map_err(refuse)?;
        names.insert(tag["name"].as_str().unwrap().to_owned());
    }
    if names != tags(stage["native"].as_str().unwrap()) {
        return Err(refuse((
            "template-tags".into(),
            "they are not those of the SQL",
        )));
    }
    if card["type"] == "model" && !names.is_empty() {
        return Err(Reply::text(
            400,
            "A model made from a native SQL question cannot have a variable or field filter.",
        ));
    }
    if let Some(reason) = super::shape::parameters(&card["parameters"], true) {
        return Err(Reply::invalid("parameters", reason));
    }
    for parameter in card["parameters"].as_array().into_iter().flatten() {
        if !known.iter().any(|tag| tag["id"] == parameter["id"]) {
            return Err(Reply::invalid("parameters", "there is no tag of that id"));
        }
        if let Some(source) = parameter["values_source_config"]["card_id"].as_i64()
            && !state.cards.contains_key(&source)
        {
            return Err(Reply::missing());
        }
    }
    match card["collection_id"].as_i64() {
        Some(id) if !state.collections.contains_key(&id) => Err(Reply::missing()),
        _ => Ok(()),
    }
}

fn uuid(value: &Json) -> Option<&'static str> {
    let parts: Vec<usize> = value.as_str()?.split('-').map(str::len).collect();
    (parts != [8, 4, 4, 4, 12]).then_some("value must be a valid UUID.")
}

fn tag_name(value: &Json) -> Option<&'static str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    let name = value.as_str().unwrap_or_default();
    (name.is_empty() || !name.chars().all(plain)).then_some("a name of letters, digits, _ and .")
}
