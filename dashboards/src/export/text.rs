//! Files as text.

use std::fmt::Write as _;

use serde_json::Value as Json;

use crate::content::dashboard::Layout;
use crate::content::front_matter::{inline, join, quoted};
use crate::content::{Card, Parameter, Question};

/// A question's file. Its columns are in the order of the rows, as far as Metabase knows it.
pub(super) fn of_question(question: &Question, body: &Json) -> String {
    let header = &question.header;
    let mut toml = String::new();
    line(&mut toml, "title", &text(&header.title));
    line(&mut toml, "description", &text(&header.description));
    line(&mut toml, "display", &text(&header.display));
    if header.model {
        line(&mut toml, "model", "true");
    }
    let _ = writeln!(toml, "\n[columns]");
    let order: Vec<&str> = body["result_metadata"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|column| column["name"].as_str())
        .collect();
    let mut columns: Vec<_> = header.columns.iter().collect();
    columns.sort_by_key(|(name, _)| order.iter().position(|other| other == name));
    for (name, title) in columns {
        line(&mut toml, &quoted(name), &text(title));
    }
    if !header.settings.is_empty() {
        let _ = writeln!(toml, "\n[settings]");
        for (key, value) in &header.settings {
            line(&mut toml, &text(key), &inline(value));
        }
    }
    for (name, parameter) in &header.parameters {
        let _ = writeln!(toml, "\n[parameters.{}]", quoted(name));
        of_parameter(&mut toml, parameter);
    }
    join(&toml, &question.sql)
}

/// A dashboard's file.
pub(super) fn of_layout(layout: &Layout) -> String {
    let mut toml = String::new();
    line(&mut toml, "title", &text(&layout.title));
    line(&mut toml, "description", &text(&layout.description));
    for filter in &layout.filters {
        let _ = writeln!(toml, "\n[[filters]]");
        line(&mut toml, "name", &text(&filter.name));
        of_parameter(&mut toml, &filter.parameter);
    }
    for card in &layout.cards {
        let _ = writeln!(toml, "\n[[cards]]");
        of_card(&mut toml, card);
    }
    toml
}

fn of_card(toml: &mut String, card: &Card) {
    for (key, value) in [
        ("question", &card.question),
        ("heading", &card.heading),
        ("text", &card.text),
    ] {
        if let Some(value) = value {
            line(toml, key, &text(value));
        }
    }
    line(toml, "at", &format!("{:?}", card.at));
    line(toml, "size", &format!("{:?}", card.size));
    if !card.settings.is_empty() {
        let settings = toml::Value::Table(card.settings.clone());
        line(toml, "settings", &inline(&settings));
    }
    if let Some(click) = &card.click {
        let mut parts = Vec::new();
        if let Some(dashboard) = &click.dashboard {
            parts.push(format!("dashboard = {}", text(dashboard)));
        }
        let set: Vec<_> = click
            .set
            .iter()
            .map(|(filter, column)| format!("{} = {}", quoted(filter), text(column)))
            .collect();
        parts.push(format!("set = {{ {} }}", set.join(", ")));
        if let Some(column) = &click.column {
            parts.push(format!("column = {}", text(column)));
        }
        line(toml, "click", &format!("{{ {} }}", parts.join(", ")));
    }
}

fn of_parameter(toml: &mut String, parameter: &Parameter) {
    line(toml, "title", &text(&parameter.title));
    line(toml, "type", &text(parameter.kind.as_str()));
    if let Some(default) = &parameter.default {
        line(toml, "default", &inline(default));
    }
    if let Some(values) = &parameter.values {
        line(toml, "values", &text(values));
    }
}

fn line(toml: &mut String, key: &str, value: &str) {
    let _ = writeln!(toml, "{key} = {value}");
}

fn text(value: &str) -> String {
    inline(&toml::Value::String(value.to_owned()))
}
