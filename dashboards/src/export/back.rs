//! From what Metabase has to what a file says.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value as Json;

use super::{Names, description};
use crate::Error;
use crate::content::dashboard::{FILE, Layout};
use crate::content::question::Header;
use crate::content::{Card, Click, Filter, Mistake, Mistakes, Parameter, ParameterKind, Question};
use crate::state::seen::query;
use crate::state::settings::{column_of, from_metabase};

/// A question, as it would be read from its file.
pub(super) fn question(id: &str, body: &Json, names: &Names) -> Result<Question, Error> {
    let file = Path::new(id).with_extension("sql");
    let refuse = |reason: String| Error::from(Mistakes::from(Mistake::new(&file, reason)));
    let query = query(&body["dataset_query"]);
    let Some(sql) = query["sql"].as_str() else {
        return Err(refuse(format!(
            "the question {:?} is none of SQL; convert it to SQL in Metabase, or take it off the dashboard",
            body["name"].as_str().unwrap_or_default()
        )));
    };
    let (mut settings, mut headings) = from_metabase(&body["visualization_settings"]);
    let display = body["display"].as_str().unwrap_or_default().to_owned();
    if display == "table" && settings.get("table.pivot") == Some(&toml::Value::Boolean(false)) {
        settings.remove("table.pivot");
    }
    // What a person has made has no headings for what they left as it is.
    for column in body["result_metadata"].as_array().into_iter().flatten() {
        if let (Some(name), Some(title)) =
            (column["name"].as_str(), column["display_name"].as_str())
        {
            headings
                .entry(name.to_owned())
                .or_insert_with(|| title.to_owned());
        }
    }
    let mut parameters = BTreeMap::new();
    for (name, tag) in query["tags"].as_object().into_iter().flatten() {
        let kind = match tag["type"].as_str().unwrap_or_default() {
            "text" => ParameterKind::Text,
            "number" => ParameterKind::Number,
            "date" => ParameterKind::Date,
            other => {
                return Err(refuse(format!(
                    "the variable {name:?} is of the type {other:?}; a file has text, number and date"
                )));
            }
        };
        let whole = list(&body["parameters"])
            .find(|parameter| parameter["slug"] == **name)
            .unwrap_or(&Json::Null);
        parameters.insert(
            name.clone(),
            Parameter {
                title: tag["display-name"].as_str().unwrap_or(name).to_owned(),
                kind,
                default: default(kind, &tag["default"]),
                values: values(whole, names),
            },
        );
    }
    Ok(Question {
        id: id.to_owned(),
        header: Header {
            title: body["name"].as_str().unwrap_or_default().to_owned(),
            description: match description(body) {
                // A person need not say what it shows; a file must.
                text if text.is_empty() => body["name"].as_str().unwrap_or_default().to_owned(),
                text => text,
            },
            display,
            model: body["type"] == "model",
            columns: headings,
            settings,
            parameters,
        },
        sql: sql.trim().trim_end_matches(';').to_owned(),
        file,
    })
}

/// A dashboard, as it would be read from its file.
pub(super) fn layout(body: &Json, id: &str, names: &Names) -> Result<Layout, Error> {
    let file = Path::new(id).join(FILE);
    let refuse = |reason: String| Error::from(Mistakes::from(Mistake::new(&file, reason)));
    if list(&body["tabs"]).next().is_some() {
        return Err(refuse(
            "the dashboard has tabs, which a file does not; move what is on them to dashboards of their own"
                .into(),
        ));
    }
    let filters: BTreeMap<&str, &Json> = list(&body["parameters"])
        .filter_map(|filter| Some((filter["id"].as_str()?, filter)))
        .collect();
    let slug = |id: &str| {
        let name = filters.get(id).and_then(|filter| filter["slug"].as_str());
        name.map(str::to_owned)
    };
    let mut layout = Layout {
        title: body["name"].as_str().unwrap_or_default().to_owned(),
        description: description(body),
        filters: Vec::new(),
        cards: Vec::new(),
    };
    for filter in list(&body["parameters"]) {
        let name = filter["slug"].as_str().unwrap_or_default().to_owned();
        let kind = match filter["type"].as_str().unwrap_or_default() {
            kind if kind.starts_with("string/") => ParameterKind::Text,
            kind if kind.starts_with("number/") => ParameterKind::Number,
            "date/single" => ParameterKind::Date,
            other => {
                return Err(refuse(format!(
                    "the filter {name:?} is of the type {other:?}; a file has text, number and single dates"
                )));
            }
        };
        layout.filters.push(Filter {
            name,
            parameter: Parameter {
                title: filter["name"].as_str().unwrap_or_default().to_owned(),
                kind,
                default: default(kind, &filter["default"]),
                values: values(filter, names),
            },
        });
    }
    let mut cards: Vec<&Json> = list(&body["dashcards"]).collect();
    cards.sort_by_key(|card| (card["row"].as_i64(), card["col"].as_i64()));
    for card in cards {
        if list(&card["series"]).next().is_some() {
            return Err(refuse(
                "a card shows several questions at once, which a file cannot say; make one question of them"
                    .into(),
            ));
        }
        layout
            .cards
            .push(back_card(card, id, names, &slug).map_err(refuse)?);
    }
    Ok(layout)
}

fn back_card(
    card: &Json,
    dashboard: &str,
    names: &Names,
    slug: &impl Fn(&str) -> Option<String>,
) -> Result<Card, String> {
    let number = |key: &str| card[key].as_u64().and_then(|n| u32::try_from(n).ok());
    let place = ["col", "row", "size_x", "size_y"].map(|key| number(key).unwrap_or_default());
    let mut settings = card["visualization_settings"].clone();
    let display = settings["virtual_card"]["display"]
        .as_str()
        .map(str::to_owned);
    let mut take = |key: &str| settings.as_object_mut().and_then(|map| map.remove(key));
    take("virtual_card");
    let text = take("text").and_then(|text| text.as_str().map(str::to_owned));
    let mut click = take("click_behavior")
        .map(|behaviour| back_click(&behaviour, None, names, slug))
        .transpose()?;
    let columns = settings.get_mut("column_settings");
    for (key, value) in columns.and_then(Json::as_object_mut).into_iter().flatten() {
        let behaviour = value
            .as_object_mut()
            .and_then(|map| map.remove("click_behavior"));
        if let (Some(behaviour), Some(column)) = (behaviour, column_of(key)) {
            if click.is_some() {
                return Err("a card does several things on clicks; a file can say one".into());
            }
            click = Some(back_click(&behaviour, Some(column), names, slug)?);
        }
    }
    let (question, heading, text) = match (card["card_id"].as_i64(), display.as_deref()) {
        (Some(id), _) => {
            let name = names.question(id).unwrap_or_default();
            let own = name.strip_prefix(&format!("{dashboard}/"));
            (Some(own.unwrap_or(name).to_owned()), None, None)
        }
        (None, Some("heading")) => (None, text, None),
        (None, Some("text")) => (None, None, text),
        (None, other) => {
            return Err(format!(
                "a card is a {}; a file has questions, headings and texts",
                other.unwrap_or("card without a question")
            ));
        }
    };
    let (settings, _) = from_metabase(&settings);
    Ok(Card {
        question,
        heading,
        text,
        at: [place[0], place[1]],
        size: [place[2], place[3]],
        settings,
        click,
    })
}

fn back_click(
    behaviour: &Json,
    column: Option<String>,
    names: &Names,
    slug: &impl Fn(&str) -> Option<String>,
) -> Result<Click, String> {
    let dashboard = match (behaviour["type"].as_str(), behaviour["linkType"].as_str()) {
        (Some("crossfilter"), _) => None,
        (Some("link"), Some("dashboard")) => {
            let id = behaviour["targetId"].as_i64().unwrap_or_default();
            let name = names.dashboard(id);
            Some(
                name.ok_or(
                    "a click opens a dashboard that did not come from here; a file cannot name it",
                )?
                .to_owned(),
            )
        }
        (kind, _) => {
            return Err(format!(
                "a click does something that a file cannot say ({}); it sets filters or opens a dashboard",
                kind.unwrap_or("nothing")
            ));
        }
    };
    let mut set = BTreeMap::new();
    for (id, mapping) in behaviour["parameterMapping"]
        .as_object()
        .into_iter()
        .flatten()
    {
        let from = mapping["source"]["id"].as_str().unwrap_or_default();
        let filter = match &dashboard {
            None => slug(id),
            Some(other) => names.filter(other, id),
        };
        let filter = filter.ok_or("a click sets a filter that the dashboard does not have")?;
        set.insert(filter, from.to_owned());
    }
    Ok(Click {
        dashboard,
        set,
        column,
    })
}

fn values(parameter: &Json, names: &Names) -> Option<String> {
    let source = &parameter["values_source_config"];
    let question = names.question(source["card_id"].as_i64()?)?;
    let column = source["value_field"][1].as_str()?;
    Some(format!("{question}.{column}"))
}

fn default(kind: ParameterKind, value: &Json) -> Option<toml::Value> {
    let value = match value {
        Json::Array(items) => items.first()?,
        other => other,
    };
    match (kind, value) {
        (_, Json::Null) => None,
        (ParameterKind::Number, Json::String(text)) => match text.parse::<i64>() {
            Ok(whole) => Some(toml::Value::Integer(whole)),
            Err(_) => text.parse().ok().map(toml::Value::Float),
        },
        (ParameterKind::Number, Json::Number(number)) => match number.as_i64() {
            Some(whole) => Some(toml::Value::Integer(whole)),
            None => number.as_f64().map(toml::Value::Float),
        },
        (_, Json::String(text)) => Some(toml::Value::String(text.clone())),
        (_, other) => Some(toml::Value::String(other.to_string())),
    }
}

fn list(value: &Json) -> impl Iterator<Item = &Json> {
    value.as_array().into_iter().flatten()
}
