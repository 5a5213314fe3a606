//! Visualization settings. In the files a column stands under its name, and its heading in `[columns]`;
//! in Metabase both are under `column_settings`, where the key of a column is the JSON `["name","aircraft"]`.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

const COLUMNS: &str = "column_settings";
const TITLE: &str = "column_title";

/// Metabase's key of a column.
pub fn column_key(column: &str) -> String {
    json!(["name", column]).to_string()
}

/// The column of Metabase's key, where it is one of a column by name.
pub fn column_of(key: &str) -> Option<String> {
    match serde_json::from_str::<Vec<String>>(key).ok()?.as_slice() {
        [kind, column] if kind == "name" => Some(column.clone()),
        _ => None,
    }
}

/// A file's settings and headings as Metabase has them.
pub fn to_metabase(
    settings: &toml::Table,
    headings: &BTreeMap<String, String>,
) -> Map<String, Json> {
    let mut out = Map::new();
    for (key, value) in settings {
        if key != COLUMNS {
            out.insert(key.clone(), json_of(value));
        }
    }
    let mut columns: Map<String, Json> = headings
        .iter()
        .map(|(column, title)| (column_key(column), json!({ TITLE: title })))
        .collect();
    let own = settings.get(COLUMNS).and_then(toml::Value::as_table);
    for (column, settings) in own.into_iter().flatten() {
        let entry = columns
            .entry(column_key(column))
            .or_insert_with(|| json!({}));
        if let (Some(entry), Json::Object(settings)) = (entry.as_object_mut(), json_of(settings)) {
            entry.extend(settings);
        }
    }
    if !columns.is_empty() {
        out.insert(COLUMNS.to_owned(), Json::Object(columns));
    }
    out
}

/// Metabase's settings as a file has them, with the headings apart. A value that a file cannot hold, which
/// is null, falls away: to Metabase it says as much as a key that is missing.
pub fn from_metabase(settings: &Json) -> (toml::Table, BTreeMap<String, String>) {
    let mut out = toml::Table::new();
    let mut headings = BTreeMap::new();
    for (key, value) in settings.as_object().into_iter().flatten() {
        if key == COLUMNS {
            let mut columns = toml::Table::new();
            for (key, value) in value.as_object().into_iter().flatten() {
                let Some(column) = column_of(key) else {
                    continue;
                };
                let mut value = value.clone();
                let title = value.as_object_mut().and_then(|map| map.remove(TITLE));
                if let Some(title) = title.as_ref().and_then(Json::as_str) {
                    headings.insert(column.clone(), title.to_owned());
                }
                match toml_of(&value) {
                    Some(toml::Value::Table(table)) if !table.is_empty() => {
                        columns.insert(column, toml::Value::Table(table));
                    }
                    _ => {}
                }
            }
            if !columns.is_empty() {
                out.insert(COLUMNS.to_owned(), toml::Value::Table(columns));
            }
        } else if let Some(value) = toml_of(value) {
            out.insert(key.clone(), value);
        }
    }
    (out, headings)
}

/// A value of a file as JSON.
pub fn json_of(value: &toml::Value) -> Json {
    match value {
        toml::Value::String(text) => json!(text),
        toml::Value::Integer(number) => json!(number),
        toml::Value::Float(number) => json!(number),
        toml::Value::Boolean(truth) => json!(truth),
        toml::Value::Datetime(time) => json!(time.to_string()),
        toml::Value::Array(items) => items.iter().map(json_of).collect(),
        toml::Value::Table(table) => Json::Object(
            table
                .iter()
                .map(|(key, value)| (key.clone(), json_of(value)))
                .collect(),
        ),
    }
}

fn toml_of(value: &Json) -> Option<toml::Value> {
    Some(match value {
        Json::Null => return None,
        Json::Bool(truth) => toml::Value::Boolean(*truth),
        Json::Number(number) => match number.as_i64() {
            Some(whole) => toml::Value::Integer(whole),
            None => toml::Value::Float(number.as_f64()?),
        },
        Json::String(text) => toml::Value::String(text.clone()),
        Json::Array(items) => toml::Value::Array(items.iter().filter_map(toml_of).collect()),
        Json::Object(map) => toml::Value::Table(
            map.iter()
                .filter_map(|(key, value)| Some((key.clone(), toml_of(value)?)))
                .collect(),
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_go_there_and_back() {
        let settings: toml::Table = toml::from_str(
            "\"map.type\" = \"pin\"\n\"map.zoom\" = 2.5\ncolumn_settings = { velocity = { decimals = 0 } }",
        )
        .unwrap();
        let headings = BTreeMap::from([
            ("icao24".to_owned(), "Address".to_owned()),
            ("velocity".to_owned(), "Speed (m/s)".to_owned()),
        ]);
        let there = Json::Object(to_metabase(&settings, &headings));
        assert_eq!(
            there,
            json!({
                "map.type": "pin",
                "map.zoom": 2.5,
                "column_settings": {
                    "[\"name\",\"icao24\"]": {"column_title": "Address"},
                    "[\"name\",\"velocity\"]": {"column_title": "Speed (m/s)", "decimals": 0},
                },
            })
        );
        assert_eq!(from_metabase(&there), (settings, headings));
    }

    #[test]
    fn what_a_file_cannot_hold_falls_away() {
        let (settings, headings) = from_metabase(&json!({
            "a": null,
            "b": [1, null],
            "column_settings": {"[\"ref\",[\"field\",1,null]]": {"decimals": 1}},
        }));
        assert_eq!(settings, toml::from_str("b = [1]").unwrap());
        assert!(headings.is_empty());
    }
}
