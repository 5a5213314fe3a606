//! A body of a request or an answer, reduced to what a file can say.
//!
//! Metabase adds keys of its own, and writes some things in another way than they were sent: tags as a
//! list or as a map, null for what was left out. What is left here is the same for both.

use serde_json::{Map, Value as Json, json};

use super::mark::{Kind, Mark};

/// The body without whatever is not ours to say, and without the mark.
pub fn seen(kind: Kind, body: &Json) -> Json {
    let text = |key: &str| body[key].clone();
    let description = Mark::split_of(body).0;
    let common = json!({
        "name": text("name"),
        "description": description,
        "archived": body["archived"].as_bool().unwrap_or(false),
    });
    let more = match kind {
        Kind::Collection => json!({"parent": parent(body)}),
        Kind::Question => json!({
            "type": body["type"].as_str().unwrap_or("question"),
            "display": text("display"),
            "collection": text("collection_id"),
            "query": query(&body["dataset_query"]),
            "settings": text("visualization_settings"),
            "parameters": parameters(&body["parameters"]),
        }),
        Kind::Dashboard => json!({
            "collection": text("collection_id"),
            "filters": parameters(&body["parameters"]),
            "cards": cards(&body["dashcards"]),
            "tabs": each(&body["tabs"], |tab| tab["name"].clone()),
        }),
    };
    let mut whole = Map::new();
    for part in [common, more] {
        if let Json::Object(part) = part {
            whole.extend(part);
        }
    }
    pruned(Json::Object(whole)).unwrap_or(Json::Null)
}

/// The names of what differs between two of them.
pub fn differences(one: &Json, other: &Json) -> Vec<String> {
    let keys = |value: &Json| -> Vec<String> {
        value
            .as_object()
            .into_iter()
            .flatten()
            .map(|(key, _)| key.clone())
            .collect()
    };
    let mut names = keys(one);
    names.extend(keys(other));
    names.sort();
    names.dedup();
    names.retain(|key| one.get(key) != other.get(key));
    names
}

/// SQL, database and tags of a native query, in MBQL 5 or in the form before it. Null for any other query.
pub fn query(query: &Json) -> Json {
    let (sql, found) = match query["stages"].as_array().map(Vec::as_slice) {
        Some([stage]) => (&stage["native"], &stage["template-tags"]),
        Some(_) => return Json::Null,
        None => (&query["native"]["query"], &query["native"]["template-tags"]),
    };
    let mut tags = Map::new();
    let mut add = |name: &str, tag: &Json| {
        let keys = [
            "id",
            "display-name",
            "type",
            "default",
            "required",
            "widget-type",
            "options",
        ];
        let kept = keys.map(|key| (key.to_owned(), tag[key].clone()));
        let kept = kept
            .into_iter()
            .filter(|(key, value)| key != "required" || value != false);
        tags.insert(name.to_owned(), Json::Object(kept.collect()));
    };
    match found {
        Json::Object(map) => map.iter().for_each(|(name, tag)| add(name, tag)),
        Json::Array(list) => list
            .iter()
            .filter_map(|tag| Some((tag["name"].as_str()?, tag)))
            .for_each(|(name, tag)| add(name, tag)),
        _ => {}
    }
    match sql.as_str() {
        Some(sql) => json!({"database": query["database"], "sql": sql.trim(), "tags": tags}),
        None => Json::Null,
    }
}

fn parent(body: &Json) -> Json {
    match body.get("parent_id") {
        Some(Json::Number(id)) => json!(id),
        _ => {
            let location = body["location"].as_str().unwrap_or("/");
            let last = location.split('/').rfind(|part| !part.is_empty());
            last.and_then(|id| id.parse::<i64>().ok())
                .map_or(Json::Null, Json::from)
        }
    }
}

fn parameters(list: &Json) -> Json {
    // Whatever a person can set, so that it counts as an edit.
    let keys = [
        "id",
        "type",
        "name",
        "slug",
        "default",
        "target",
        "required",
        "isMultiSelect",
        "filteringParameters",
        "temporal_units",
        "values_query_type",
        "values_source_type",
        "values_source_config",
    ];
    each(list, |parameter| {
        let kept = keys.map(|key| (key.to_owned(), parameter[key].clone()));
        let mut kept: Map<_, _> = kept.into_iter().collect();
        // What is left of a list of values whose question was thrown away.
        if parameter["values_source_type"].is_null() {
            kept.retain(|key, _| !key.starts_with("values_"));
        }
        Json::Object(kept)
    })
}

/// What stands on a dashboard, from the upper left.
fn cards(list: &Json) -> Json {
    let cards = each(list, |card| {
        let mut settings = card["visualization_settings"].clone();
        if let Some(virtual_card) = settings.get_mut("virtual_card") {
            *virtual_card = json!({"display": virtual_card["display"]});
        }
        let mut mappings = each(
            &card["parameter_mappings"],
            |mapping| json!({"parameter": mapping["parameter_id"], "target": target(&mapping["target"])}),
        );
        sort(&mut mappings);
        json!({
            "row": card["row"],
            "col": card["col"],
            "size_x": card["size_x"],
            "size_y": card["size_y"],
            "card": card["card_id"],
            "tab": card["dashboard_tab_id"],
            "settings": settings,
            "mappings": mappings,
            "series": each(&card["series"], |series| series["id"].clone()),
        })
    });
    match cards {
        Json::Array(mut cards) => {
            let at = |card: &Json| (card["row"].as_i64(), card["col"].as_i64());
            cards.sort_by_key(at);
            Json::Array(cards)
        }
        other => other,
    }
}

/// A target without options that say nothing.
fn target(target: &Json) -> Json {
    match target.as_array().map(Vec::as_slice) {
        Some([kind, what, ..]) => json!([kind, what]),
        _ => target.clone(),
    }
}

fn sort(list: &mut Json) {
    if let Json::Array(items) = list {
        items.sort_by_key(ToString::to_string);
    }
}

fn each(list: &Json, change: impl Fn(&Json) -> Json) -> Json {
    list.as_array().into_iter().flatten().map(change).collect()
}

/// The value without nulls, and without what is empty then.
fn pruned(value: Json) -> Option<Json> {
    match value {
        Json::Null => None,
        Json::Object(map) => {
            let kept: Map<_, _> = map
                .into_iter()
                .filter_map(|(key, value)| Some((key, pruned(value)?)))
                .collect();
            (!kept.is_empty()).then_some(Json::Object(kept))
        }
        Json::Array(items) => {
            let kept: Vec<_> = items.into_iter().filter_map(pruned).collect();
            (!kept.is_empty()).then_some(Json::Array(kept))
        }
        Json::String(text) if text.is_empty() => None,
        other => Some(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_the_same_in_every_form() {
        let tag = json!({"id": "1", "name": "x", "display-name": "X", "type": "text", "extra": 1});
        let forms = [
            json!({"lib/type": "mbql/query", "database": 2, "stages": [
                {"lib/type": "mbql.stage/native", "native": "select {{x}}\n", "template-tags": {"x": tag}}]}),
            json!({"lib/type": "mbql/query", "database": 2, "stages": [
                {"lib/type": "mbql.stage/native", "native": "select {{x}}", "template-tags": [tag]}]}),
            json!({"type": "native", "database": 2,
                "native": {"query": "select {{x}}", "template-tags": {"x": tag}}}),
        ];
        for form in &forms {
            assert_eq!(query(form), query(&forms[0]));
        }
        assert_eq!(query(&forms[0])["tags"]["x"]["id"], "1");
        assert_eq!(query(&json!({"type": "query", "database": 2})), Json::Null);
    }

    #[test]
    fn what_metabase_adds_says_nothing() {
        let sent = json!({
            "name": "Sky", "description": "All.", "collection_id": 3, "parameters": [],
            "dashcards": [
                {"id": -2, "row": 1, "col": 0, "size_x": 4, "size_y": 3, "card_id": 7,
                 "visualization_settings": {}, "series": [], "parameter_mappings": [
                    {"parameter_id": "p", "card_id": 7, "target": ["variable", ["template-tag", "x"]]}]},
                {"id": -1, "row": 0, "col": 0, "size_x": 24, "size_y": 1, "card_id": null,
                 "visualization_settings": {"virtual_card": {"display": "heading"}, "text": "Now"}}],
        });
        let mut answered = sent.clone();
        answered["entity_id"] = json!("abc");
        answered["archived"] = json!(false);
        answered["description"] = json!(
            "All.\n\nKept by Contrail: dashboard sky (12-34-9). Delete this line to make it yours."
        );
        answered["dashcards"].as_array_mut().unwrap().reverse();
        for card in answered["dashcards"].as_array_mut().unwrap() {
            card["id"] = json!(card["id"].as_i64().unwrap() + 100);
            card["entity_id"] = json!("x");
        }
        answered["dashcards"][0]["visualization_settings"]["virtual_card"]["dataset_query"] =
            json!({});
        assert_eq!(
            seen(Kind::Dashboard, &sent),
            seen(Kind::Dashboard, &answered)
        );
        answered["dashcards"][1]["size_x"] = json!(5);
        let now = seen(Kind::Dashboard, &answered);
        assert_eq!(differences(&seen(Kind::Dashboard, &sent), &now), ["cards"]);
    }

    #[test]
    fn the_parent_of_a_collection_is_found_in_both_forms() {
        let by_id = seen(Kind::Collection, &json!({"name": "a", "parent_id": 4}));
        let by_place = seen(Kind::Collection, &json!({"name": "a", "location": "/1/4/"}));
        assert_eq!(by_id, by_place);
        let top = seen(Kind::Collection, &json!({"name": "a", "location": "/"}));
        assert_eq!(top.get("parent"), None);
    }
}
