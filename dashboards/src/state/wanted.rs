//! A file as the body of a request: everything that can be said of it, under Metabase's names.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::mark::{Key, Kind, short_hash};
use super::settings::{column_key, json_of, to_metabase};
use crate::content::{Card, Click, Dashboard, Library, Parameter, ParameterKind, Question};

/// The numbers that Metabase has given to what is in it.
pub type Ids = BTreeMap<Key, i64>;

/// A collection.
pub fn collection(name: &str, description: &str, parent: Option<i64>) -> Json {
    json!({"name": name, "description": description, "parent_id": parent, "archived": false})
}

/// A question or a model. What it takes values from must have its number already.
pub fn question(question: &Question, database: i64, collection: i64, ids: &Ids) -> Json {
    let header = &question.header;
    let mut settings = to_metabase(&header.settings, &header.columns);
    if header.display == "table" {
        // Metabase pivots small tables by itself.
        settings.entry("table.pivot").or_insert(Json::Bool(false));
    }
    let mut tags = Map::new();
    let mut parameters = Vec::new();
    for (name, parameter) in &header.parameters {
        let id = uuid_of(&format!("{}#{name}", question.id));
        tags.insert(name.clone(), tag(name, parameter, &id));
        let mut whole = described(name, parameter, &id, ids);
        whole["target"] = json!(["variable", ["template-tag", name]]);
        parameters.push(whole);
    }
    json!({
        "name": header.title,
        "description": header.description,
        "type": if header.model { "model" } else { "question" },
        "display": header.display,
        "collection_id": collection,
        "dataset_query": {
            "lib/type": "mbql/query",
            "database": database,
            "stages": [{
                "lib/type": "mbql.stage/native",
                "native": question.sql,
                "template-tags": tags,
            }],
        },
        "visualization_settings": settings,
        "parameters": parameters,
        "archived": false,
    })
}

/// A dashboard with everything on it, all of which must have a number. `standing` are the cards that are on it now: what shows the same
/// question keeps its number, and with it subscriptions and links.
pub fn dashboard(
    dashboard: &Dashboard,
    library: &Library,
    collection: i64,
    ids: &Ids,
    standing: &Json,
) -> Json {
    let layout = &dashboard.layout;
    let filters: Vec<_> = layout
        .filters
        .iter()
        .map(|filter| {
            let id = filter_id(&dashboard.id, &filter.name);
            let mut whole = described(&filter.name, &filter.parameter, &id, ids);
            whole["sectionId"] = json!(match filter.parameter.kind {
                ParameterKind::Text => "string",
                ParameterKind::Number => "number",
                ParameterKind::Date => "date",
            });
            whole
        })
        .collect();
    let mut free: Vec<&Json> = standing.as_array().into_iter().flatten().collect();
    let cards: Vec<_> = (1..)
        .zip(&layout.cards)
        .map(|(number, card)| {
            let mut whole = dashcard(dashboard, card, library, ids);
            let same = |other: &&Json| {
                other["card_id"] == whole["card_id"]
                    && other["visualization_settings"]["text"]
                        == whole["visualization_settings"]["text"]
            };
            let id = match free.iter().position(same) {
                Some(at) => free.remove(at)["id"].clone(),
                None => json!(-number),
            };
            whole["id"] = id;
            whole
        })
        .collect();
    json!({
        "name": layout.title,
        "description": layout.description,
        "collection_id": collection,
        "parameters": filters,
        "dashcards": cards,
        "archived": false,
    })
}

fn dashcard(dashboard: &Dashboard, card: &Card, library: &Library, ids: &Ids) -> Json {
    let shown = library.question_of(dashboard, card);
    let number = shown.and_then(|question| ids.get(&Key::new(Kind::Question, &question.id)));
    let mappings: Vec<_> = dashboard
        .layout
        .filters
        .iter()
        .filter(|filter| {
            shown.is_some_and(|question| question.header.parameters.contains_key(&filter.name))
        })
        .map(|filter| {
            json!({
                "parameter_id": filter_id(&dashboard.id, &filter.name),
                "card_id": number,
                "target": ["variable", ["template-tag", filter.name]],
            })
        })
        .collect();
    let mut settings = to_metabase(&card.settings, &BTreeMap::new());
    for (display, text) in [("heading", &card.heading), ("text", &card.text)] {
        if let Some(text) = text {
            settings.insert("text".into(), json!(text));
            settings.insert("virtual_card".into(), virtual_card(display));
        }
    }
    if let Some(click) = &card.click {
        put_click(&mut settings, dashboard, click, ids);
    }
    let [col, row] = card.at;
    let [size_x, size_y] = card.size;
    json!({
        "card_id": number,
        "row": row,
        "col": col,
        "size_x": size_x,
        "size_y": size_y,
        "series": [],
        "parameter_mappings": mappings,
        "visualization_settings": settings,
    })
}

fn virtual_card(display: &str) -> Json {
    json!({
        "name": null,
        "display": display,
        "visualization_settings": {},
        "dataset_query": {},
        "archived": false,
    })
}

fn put_click(settings: &mut Map<String, Json>, dashboard: &Dashboard, click: &Click, ids: &Ids) {
    let target = click.dashboard.as_deref().unwrap_or(&dashboard.id);
    let number = ids.get(&Key::new(Kind::Dashboard, target));
    let mapping: Map<String, Json> = click
        .set
        .iter()
        .map(|(filter, column)| {
            let id = filter_id(target, filter);
            let whole = json!({
                "id": id,
                "source": {"type": "column", "id": column, "name": column},
                "target": {"type": "parameter", "id": id},
            });
            (id, whole)
        })
        .collect();
    let behaviour = match &click.dashboard {
        None => json!({"type": "crossfilter", "parameterMapping": mapping}),
        Some(_) => json!({
            "type": "link",
            "linkType": "dashboard",
            "targetId": number,
            "parameterMapping": mapping,
        }),
    };
    match &click.column {
        None => drop(settings.insert("click_behavior".into(), behaviour)),
        Some(column) => {
            let columns = settings
                .entry("column_settings")
                .or_insert_with(|| json!({}));
            columns[column_key(column)]["click_behavior"] = behaviour;
        }
    }
}

/// What a parameter of a question and a filter of a dashboard have in common.
fn described(name: &str, parameter: &Parameter, id: &str, ids: &Ids) -> Json {
    let mut whole = json!({
        "id": id,
        "type": match parameter.kind {
            ParameterKind::Text => "string/=",
            ParameterKind::Number => "number/=",
            ParameterKind::Date => "date/single",
        },
        "name": parameter.title,
        "slug": name,
    });
    if let Some(default) = &parameter.default {
        let value = json_of(default);
        whole["default"] = match parameter.kind {
            // The only one that Metabase does not keep as a list.
            ParameterKind::Date => value,
            _ => json!([value]),
        };
    }
    let source = parameter.source();
    if let Some((question, column)) = source {
        let card = ids.get(&Key::new(Kind::Question, question));
        whole["values_query_type"] = json!("list");
        whole["values_source_type"] = json!("card");
        whole["values_source_config"] = json!({
            "card_id": card,
            "value_field": ["field", column, {"base-type": base_type(parameter.kind)}],
        });
    }
    whole
}

fn tag(name: &str, parameter: &Parameter, id: &str) -> Json {
    let mut tag = json!({
        "id": id,
        "name": name,
        "display-name": parameter.title,
        "type": parameter.kind.as_str(),
    });
    if let Some(default) = &parameter.default {
        tag["default"] = match json_of(default) {
            Json::String(text) => json!(text),
            other => json!(other.to_string()),
        };
        tag["required"] = json!(true);
    }
    tag
}

fn base_type(kind: ParameterKind) -> &'static str {
    match kind {
        ParameterKind::Text => "type/Text",
        ParameterKind::Number => "type/Number",
        ParameterKind::Date => "type/Date",
    }
}

/// Metabase's name of a filter, the same at every time.
pub fn filter_id(dashboard: &str, filter: &str) -> String {
    short_hash(&format!("{dashboard}#{filter}"), 4)
}

/// An UUID, the same at every time.
fn uuid_of(name: &str) -> String {
    let hash = Sha256::digest(name);
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    uuid::Builder::from_custom_bytes(bytes)
        .into_uuid()
        .as_hyphenated()
        .encode_lower(&mut Uuid::encode_buffer())
        .to_owned()
}
