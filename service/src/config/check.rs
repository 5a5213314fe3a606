//! Checks one layer against the schema, before it is merged and its origin is forgotten.

use serde_json::Value as Json;
use toml::{Table, Value};

use super::schema::{self, Shape, shape};
use super::{ByteSize, ConfigError, KNOWN_SECTIONS, Origin};

/// Below this similarity, from 0 to 1, a key is not offered as what was meant.
const SIMILAR: f64 = 0.6;

/// Drops from `table` the sections of other programs, and refuses keys that no program has and
/// values of the wrong type. Values of maps of text become text.
pub(super) fn layer(table: &mut Table, schema: &Json, origin: &Origin) -> Result<(), ConfigError> {
    if let Shape::Section(own) = shape(schema) {
        table.retain(|key, _| own.contains_key(key) || !KNOWN_SECTIONS.contains(&key));
    }
    let checker = Checker { schema, origin };
    let mut value = Value::Table(std::mem::take(table));
    checker.value(&mut value, schema, "")?;
    if let Value::Table(checked) = value {
        *table = checked;
    }
    Ok(())
}

/// An error for the key `key` that `schema` does not have.
pub(super) fn unknown(key: &str, schema: &Json, origin: &Origin) -> ConfigError {
    ConfigError::UnknownKey {
        key: key.to_owned(),
        origin: origin.clone(),
        suggestion: nearest(key, schema),
    }
}

/// The key most like `key`: by the whole path, or by its last part when that is in another
/// section.
fn nearest(key: &str, schema: &Json) -> Option<String> {
    let last = |path: &str| path.rsplit('.').next().unwrap_or_default().to_owned();
    let likeness = |path: &str| {
        let whole = strsim::normalized_damerau_levenshtein(key, path);
        let end = strsim::normalized_damerau_levenshtein(&last(key), &last(path));
        // The shared beginning of two long paths must not outweigh two unlike ends.
        f64::max((whole + end) / 2.0, 0.9 * end)
    };
    let mut known = schema::paths(schema);
    known.extend(KNOWN_SECTIONS.iter().map(|s| s.to_string()));
    known
        .into_iter()
        .map(|path| (likeness(&path), path))
        .filter(|(likeness, _)| *likeness >= SIMILAR)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, path)| path)
}

struct Checker<'a> {
    schema: &'a Json,
    origin: &'a Origin,
}

impl Checker<'_> {
    fn value(&self, value: &mut Value, schema: &Json, path: &str) -> Result<(), ConfigError> {
        let shape = shape(schema);
        match (&shape, &mut *value) {
            (Shape::Section(keys), Value::Table(table)) => {
                for (key, inner) in table.iter_mut() {
                    let path = join(path, key);
                    let Some(schema) = keys.get(key) else {
                        return Err(unknown(&path, self.schema, self.origin));
                    };
                    self.value(inner, schema, &path)?;
                }
                Ok(())
            }
            (Shape::Map(values), Value::Table(table)) => {
                if is_text(values) {
                    *table = flatten(std::mem::take(table));
                }
                table
                    .iter_mut()
                    .try_for_each(|(key, inner)| self.value(inner, values, &join(path, key)))
            }
            (Shape::List(items), Value::Array(array)) => array
                .iter_mut()
                .enumerate()
                .try_for_each(|(i, item)| self.value(item, items, &format!("{path}[{i}]"))),
            (shape, value) if fits(shape, value) => Ok(()),
            (shape, value) => Err(ConfigError::WrongValue {
                key: path.to_owned(),
                origin: self.origin.clone(),
                found: found(shape, value),
                expected: shape.expected(),
            }),
        }
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

fn is_text(schema: &Json) -> bool {
    matches!(shape(schema), Shape::Text | Shape::Secret)
}

/// A map of text, whose keys may have been written with dots (`linger.ms = 5`), which TOML reads
/// as tables, and whose values may have been written without quotes.
fn flatten(table: Table) -> Table {
    fn walk(table: Table, prefix: &str, out: &mut Table) {
        for (key, value) in table {
            let key = join(prefix, &key);
            match value {
                Value::Table(inner) => walk(inner, &key, out),
                Value::Integer(_) | Value::Float(_) | Value::Boolean(_) => {
                    out.insert(key, Value::String(value.to_string()));
                }
                other => {
                    out.insert(key, other);
                }
            }
        }
    }
    let mut out = Table::new();
    walk(table, "", &mut out);
    out
}

fn fits(shape: &Shape<'_>, value: &Value) -> bool {
    match (shape, value) {
        (Shape::Any, _) => true,
        (Shape::Text | Shape::Secret, Value::String(_)) => true,
        (Shape::Duration, Value::String(text)) => humantime::parse_duration(text).is_ok(),
        (Shape::ByteSize, Value::String(text)) => text.parse::<ByteSize>().is_ok(),
        (Shape::Choice(choices), Value::String(text)) => choices.contains(&text.as_str()),
        (Shape::Integer { min, max }, Value::Integer(n)) => {
            min.is_none_or(|min| *n >= min) && max.is_none_or(|max| *n <= max)
        }
        (Shape::Number, Value::Integer(_) | Value::Float(_)) => true,
        (Shape::Boolean, Value::Boolean(_)) => true,
        _ => false,
    }
}

/// What was written, as an error may show it.
fn found(shape: &Shape<'_>, value: &Value) -> String {
    match value {
        Value::Table(_) => "a table".into(),
        Value::Array(_) => "a list".into(),
        _ if *shape == Shape::Secret => format!("a value of type {}", value.type_str()),
        // Not TOML's own form, which may take several lines.
        Value::String(text) => format!("{text:?}"),
        other => other.to_string(),
    }
}
