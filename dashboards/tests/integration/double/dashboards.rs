//! Dashboards and what stands on them.

use std::collections::BTreeSet;

use axum::http::Method;
use dashboards::content::dashboard::WIDTH;
use serde_json::{Value as Json, json};

use super::shape::{
    Field, any_text, check, closed, id_or_nil, list, map, not_negative, text, truth, variable,
    whole,
};
use super::{Metabase, Reply, number};

const POST: [Field; 4] = [
    ("name", true, text),
    ("description", false, any_text),
    ("parameters", false, list),
    ("collection_id", false, id_or_nil),
];

const PUT: [Field; 7] = [
    ("name", false, text),
    ("description", false, any_text),
    ("parameters", false, list),
    ("collection_id", false, id_or_nil),
    ("archived", false, truth),
    ("dashcards", false, list),
    ("tabs", false, list),
];

const CARD: [Field; 9] = [
    ("id", true, whole),
    ("row", true, not_negative),
    ("col", true, not_negative),
    ("size_x", true, super::shape::id),
    ("size_y", true, super::shape::id),
    ("card_id", false, id_or_nil),
    ("parameter_mappings", false, list),
    ("visualization_settings", false, map),
    ("series", false, list),
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
            let archived = query.contains("f=archived");
            let all = state.dashboards.values();
            let all = all.filter(|dashboard| dashboard["archived"] == archived);
            // The list is without what stands on them.
            Ok(Reply::ok(
                all.map(|dashboard| {
                    let mut dashboard = dashboard.clone();
                    dashboard.as_object_mut().unwrap().remove("dashcards");
                    dashboard
                })
                .collect(),
            ))
        }
        ("GET", [id]) => {
            let found = state
                .dashboards
                .get(&number(id)?)
                .ok_or_else(Reply::missing)?;
            let mut found = found.clone();
            // What shows something in the trash is left out.
            if let Some(cards) = found["dashcards"].as_array_mut() {
                cards.retain(|card| {
                    let shown = card["card_id"].as_i64().and_then(|id| state.cards.get(&id));
                    shown.is_none_or(|shown| shown["archived"] != true)
                });
            }
            Ok(Reply::ok(found))
        }
        ("POST", []) => {
            closed(body, &POST)?;
            let id = state.number();
            let dashboard = json!({
                "id": id,
                "entity_id": format!("dashboard-{id:011}"),
                "name": body["name"],
                "description": body["description"],
                "collection_id": body["collection_id"],
                "parameters": [],
                "dashcards": [],
                "tabs": [],
                "archived": false,
                "width": "fixed",
                "auto_apply_filters": true,
            });
            state.dashboards.insert(id, dashboard.clone());
            Ok(Reply::ok(dashboard))
        }
        ("PUT", [id]) => {
            closed(body, &PUT)?;
            let id = number(id)?;
            let mut dashboard = state
                .dashboards
                .get(&id)
                .ok_or_else(Reply::missing)?
                .clone();
            for (key, value) in body.as_object().unwrap() {
                if key != "dashcards" {
                    dashboard[key] = value.clone();
                }
            }
            if let Some(reason) = super::shape::parameters(&dashboard["parameters"], false) {
                return Err(Reply::invalid("parameters", reason));
            }
            if let Some(cards) = body["dashcards"].as_array() {
                dashboard["dashcards"] = put_cards(state, &dashboard, cards)?;
            }
            state.dashboards.insert(id, dashboard.clone());
            Ok(Reply::ok(dashboard))
        }
        _ => Err(Reply::missing()),
    }
}

/// The cards as they are kept: those with a number that is there already keep it.
fn put_cards(state: &mut Metabase, dashboard: &Json, cards: &[Json]) -> Result<Json, Reply> {
    let refuse = |key: &str, reason: &str| Reply::invalid(&format!("dashcards.{key}"), reason);
    let standing: BTreeSet<i64> = dashboard["dashcards"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|card| card["id"].as_i64())
        .collect();
    let mut ids = BTreeSet::new();
    let mut kept = Vec::new();
    for (n, card) in cards.iter().enumerate() {
        let whole = card.as_object().ok_or_else(|| refuse("", "map"))?;
        check(whole, &CARD).map_err(|(key, reason)| refuse(&key, reason))?;
        let id = card["id"].as_i64().unwrap();
        if !ids.insert(id) || (id > 0 && !standing.contains(&id)) {
            return Err(refuse(
                "id",
                "unique ids, of cards that are there or negative",
            ));
        }
        let number = |key: &str| card[key].as_u64().unwrap();
        if number("col") + number("size_x") > u64::from(WIDTH) {
            return Err(refuse("col", "beyond the grid"));
        }
        let lies_over = |other: &Json| {
            let other = |key: &str| other[key].as_u64().unwrap();
            number("col") < other("col") + other("size_x")
                && other("col") < number("col") + number("size_x")
                && number("row") < other("row") + other("size_y")
                && other("row") < number("row") + number("size_y")
        };
        if cards[..n].iter().any(lies_over) {
            return Err(refuse("row", "two cards in one place"));
        }
        let settings = &card["visualization_settings"];
        match card["card_id"].as_i64() {
            Some(shown) => match state.cards.get(&shown) {
                None => return Err(Reply::missing()),
                Some(found) if found["archived"] == true && id < 0 => {
                    return Err(Reply::text(404, "The object has been archived."));
                }
                Some(found) => mappings(dashboard, card, found)?,
            },
            None => {
                let display = &settings["virtual_card"]["display"];
                if !(display == "heading" || display == "text") || text(&settings["text"]).is_some()
                {
                    return Err(refuse("card_id", "neither a question nor a text"));
                }
            }
        }
        let columns = settings["column_settings"]
            .as_object()
            .into_iter()
            .flatten();
        let clicks = columns.map(|(_, settings)| &settings["click_behavior"]);
        for click in clicks.chain([&settings["click_behavior"]]) {
            if click["type"] == "link" {
                let target = click["targetId"].as_i64().unwrap_or_default();
                if !state.dashboards.contains_key(&target) {
                    return Err(refuse(
                        "click_behavior",
                        "a link to a dashboard that is not there",
                    ));
                }
            }
        }
        let mut card = card.clone();
        if id < 0 {
            card["id"] = json!(state.number());
        }
        card["entity_id"] = json!(format!("dashcard-{}", card["id"]));
        card["dashboard_tab_id"] = Json::Null;
        kept.push(card);
    }
    Ok(json!(kept))
}

/// A mapping names a filter of the dashboard and a tag of the question.
fn mappings(dashboard: &Json, card: &Json, question: &Json) -> Result<(), Reply> {
    const MAPPING: [Field; 3] = [
        ("parameter_id", true, text),
        ("card_id", true, super::shape::id),
        ("target", true, variable),
    ];
    let refuse =
        |key: &str, reason: &str| Reply::invalid(&format!("parameter_mappings.{key}"), reason);
    for mapping in card["parameter_mappings"].as_array().into_iter().flatten() {
        let whole = mapping.as_object().ok_or_else(|| refuse("", "map"))?;
        check(whole, &MAPPING).map_err(|(key, reason)| refuse(&key, reason))?;
        let filters = dashboard["parameters"].as_array();
        let filter = filters
            .into_iter()
            .flatten()
            .find(|filter| filter["id"] == mapping["parameter_id"])
            .ok_or_else(|| refuse("parameter_id", "no filter of the dashboard"))?;
        let own = question["parameters"].as_array();
        let parameter = own
            .into_iter()
            .flatten()
            .find(|parameter| parameter["target"] == mapping["target"])
            .ok_or_else(|| refuse("target", "no tag of the question"))?;
        if filter["type"] != parameter["type"] || mapping["card_id"] != card["card_id"] {
            return Err(refuse("target", "Invalid parameter type"));
        }
    }
    Ok(())
}
