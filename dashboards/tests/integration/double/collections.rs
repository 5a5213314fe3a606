//! Collections.

use axum::http::Method;
use serde_json::{Value as Json, json};

use super::shape::{Field, closed, id_or_nil, text, text_or_nil, truth};
use super::{Metabase, Reply, number};

const POST: [Field; 3] = [
    ("name", true, text),
    ("description", false, text_or_nil),
    ("parent_id", false, id_or_nil),
];

const PUT: [Field; 4] = [
    ("name", false, text),
    ("description", false, text_or_nil),
    ("parent_id", false, id_or_nil),
    ("archived", false, truth),
];

pub fn reply(
    state: &mut Metabase,
    method: &Method,
    path: &[&str],
    query: &str,
    body: &Json,
) -> Result<Reply, Reply> {
    match (method.as_str(), path) {
        ("GET", []) => {
            let archived = query.contains("archived=true");
            let root = json!({"id": "root", "name": "Our analytics", "can_write": true});
            let own = state.collections.values();
            let own = own
                .filter(|collection| collection["archived"] == archived)
                .cloned();
            Ok(Reply::ok(std::iter::once(root).chain(own).collect()))
        }
        ("POST", []) => {
            closed(body, &POST)?;
            let location = location(state, &body["parent_id"])?;
            let id = state.number();
            let collection = json!({
                "id": id,
                "name": body["name"],
                "description": body["description"],
                "location": location,
                "archived": false,
                "slug": "x",
                "entity_id": format!("collection-{id:010}"),
                "type": null,
            });
            state.collections.insert(id, collection.clone());
            Ok(Reply::ok(collection))
        }
        ("GET", [id]) => {
            let found = state.collections.get(&number(id)?);
            Ok(Reply::ok(found.ok_or_else(Reply::missing)?.clone()))
        }
        ("GET", [id, "items"]) => {
            let id = number(id)?;
            let inside = |thing: &&Json| thing["collection_id"] == id && thing["archived"] == false;
            let cards = state.cards.values().filter(inside);
            let dashboards = state.dashboards.values().filter(inside);
            let within = format!("/{id}/");
            let below = state.collections.values().filter(|collection| {
                let location = collection["location"].as_str().unwrap_or_default();
                location.ends_with(&within) && collection["archived"] == false
            });
            let items: Vec<Json> = cards
                .chain(dashboards)
                .chain(below)
                .map(|thing| {
                    json!({"id": thing["id"], "name": thing["name"], "description": thing["description"]})
                })
                .collect();
            Ok(Reply::ok(json!({"data": items, "total": items.len()})))
        }
        ("PUT", [id]) => {
            closed(body, &PUT)?;
            let id = number(id)?;
            let archived = body["archived"].as_bool().unwrap_or(false);
            let moved = match body.get("parent_id") {
                Some(parent) => Some(location(state, parent)?),
                None => None,
            };
            let collection = state.collections.get_mut(&id).ok_or_else(Reply::missing)?;
            for key in ["name", "description"] {
                if let Some(value) = body.get(key) {
                    collection[key] = value.clone();
                }
            }
            // Into the trash or out of it, or elsewhere; never both.
            if collection["archived"] != archived {
                collection["archived"] = json!(archived);
            } else if let Some(location) = moved {
                collection["location"] = json!(location);
            }
            let answer = collection.clone();
            if archived {
                for things in [&mut state.cards, &mut state.dashboards] {
                    for thing in things
                        .values_mut()
                        .filter(|thing| thing["collection_id"] == id)
                    {
                        thing["archived"] = json!(true);
                    }
                }
            }
            Ok(Reply::ok(answer))
        }
        _ => Err(Reply::missing()),
    }
}

fn location(state: &Metabase, parent: &Json) -> Result<String, Reply> {
    match parent.as_i64() {
        None => Ok("/".into()),
        Some(id) => {
            let parent = state.collections.get(&id).ok_or_else(Reply::missing)?;
            Ok(format!(
                "{}{id}/",
                parent["location"].as_str().unwrap_or("/")
            ))
        }
    }
}
