//! Where layers come from: TOML text, environment variables, and `key=value` pairs.

use serde_json::Value as Json;
use toml::{Table, Value};

use super::check::unknown;
use super::schema::{Shape, shape};
use super::{ConfigError, KNOWN_SECTIONS, Origin};

/// What the names of our environment variables start with.
const PREFIX: &str = "CONTRAIL__";
/// What stands between the parts of such a name.
const SEPARATOR: &str = "__";

/// Reads TOML text.
pub(super) fn parse(text: &str, origin: &Origin) -> Result<Table, ConfigError> {
    text.parse().map_err(|error: toml::de::Error| {
        let start = error.span().map_or(0, |span| span.start);
        let before = text.get(..start).unwrap_or_default();
        ConfigError::NotToml {
            origin: origin.clone(),
            line: before.matches('\n').count() + 1,
            reason: error
                .message()
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" "),
        }
    })
}

/// The environment variable that sets the dotted `key`.
pub(super) fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', SEPARATOR).to_uppercase())
}

/// The parts of the key that the environment variable `name` sets; none when it is not ours.
pub(super) fn variable_path(name: &str) -> Option<Vec<String>> {
    let rest = name.strip_prefix(PREFIX)?;
    Some(rest.split(SEPARATOR).map(str::to_lowercase).collect())
}

/// Whether the top-level section `name` is another program's.
pub(super) fn is_other_programs(name: &str, schema: &Json) -> bool {
    let own = matches!(shape(schema), Shape::Section(keys) if keys.contains_key(name));
    !own && KNOWN_SECTIONS.contains(&name)
}

/// A layer that sets the key with the parts `path` to what `text` means there: the schema says
/// whether that is text, a number, true or false, or a list.
pub(super) fn single(
    path: &[String],
    text: &str,
    schema: &Json,
    origin: &Origin,
) -> Result<Table, ConfigError> {
    let key = path.join(".");
    let mut tables = Vec::new();
    let mut at = schema;
    let mut rest = path;
    while let Some((first, others)) = rest.split_first() {
        match shape(at) {
            Shape::Section(keys) => {
                let inner = keys.get(first);
                at = inner.ok_or_else(|| unknown(&key, schema, origin))?;
                tables.push(first.clone());
                rest = others;
            }
            // The keys of a map of plain values may have dots of their own (`linger.ms`).
            Shape::Map(values) if !is_table(values) => {
                at = values;
                tables.push(rest.join("."));
                rest = &[];
            }
            Shape::Map(values) => {
                at = values;
                tables.push(first.clone());
                rest = others;
            }
            _ => return Err(unknown(&key, schema, origin)),
        }
    }
    if is_table(at) {
        let origin = origin.clone();
        return Err(ConfigError::IsSection { key, origin });
    }
    let mut value = convert(text, at);
    for name in tables.into_iter().rev() {
        value = Value::Table(Table::from_iter([(name, value)]));
    }
    match value {
        Value::Table(table) => Ok(table),
        _ => Err(unknown(&key, schema, origin)),
    }
}

fn is_table(schema: &Json) -> bool {
    matches!(shape(schema), Shape::Section(_) | Shape::Map(_))
}

/// What `text` means for a key of `schema`. What cannot be converted stays text, for the check to
/// refuse.
fn convert(text: &str, schema: &Json) -> Value {
    let as_text = || Value::String(text.to_owned());
    let trimmed = text.trim();
    match shape(schema) {
        Shape::Integer { .. } => trimmed.parse().map_or_else(|_| as_text(), Value::Integer),
        Shape::Number => trimmed.parse().map_or_else(|_| as_text(), Value::Float),
        Shape::Boolean => trimmed.parse().map_or_else(|_| as_text(), Value::Boolean),
        Shape::List(_) if trimmed.is_empty() => Value::Array(Vec::new()),
        Shape::List(_) if trimmed.starts_with('[') => as_toml(trimmed).unwrap_or_else(as_text),
        Shape::List(items) => {
            let parts = trimmed.split(',').map(str::trim);
            Value::Array(parts.map(|part| convert(part, items)).collect())
        }
        Shape::Any => as_toml(trimmed).unwrap_or_else(as_text),
        _ => as_text(),
    }
}

fn as_toml(text: &str) -> Option<Value> {
    format!("value = {text}")
        .parse::<Table>()
        .ok()?
        .remove("value")
}
