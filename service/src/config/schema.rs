//! The JSON schema of a configuration struct, seen as the few shapes a configuration has.

use std::borrow::Cow;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value};

/// The schema of a duration written as text, such as `"5s"` or `"1h 30m"`: for a field with
/// `#[serde(with = "humantime_serde")]`, as `#[schemars(with = "HumanDuration")]`.
pub struct HumanDuration;

impl JsonSchema for HumanDuration {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "HumanDuration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "duration" })
    }
}

/// The schema of `T` as it is read, without references.
pub(super) fn of<T: JsonSchema>() -> Value {
    SchemaSettings::draft2020_12()
        .for_deserialize()
        .with(|settings| settings.inline_subschemas = true)
        .into_generator()
        .into_root_schema_for::<T>()
        .to_value()
}

/// What a value must look like. What the schema says beyond that is left to serde.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Shape<'s> {
    /// A table with these keys and no others.
    Section(&'s Map<String, Value>),
    /// A table with any keys, whose values are of this schema.
    Map(&'s Value),
    /// A list of values of this schema.
    List(&'s Value),
    Text,
    Secret,
    Duration,
    ByteSize,
    Choice(Vec<&'s str>),
    Integer {
        min: Option<i64>,
        max: Option<i64>,
    },
    Number,
    Boolean,
    /// Whatever serde takes.
    Any,
}

/// The shape of `schema`. An optional value has the shape of the value: leaving it out is how a
/// configuration says "none".
pub(super) fn shape(schema: &Value) -> Shape<'_> {
    if let Some(choices) = choices(schema) {
        return Shape::Choice(choices);
    }
    if let Some(only) = only_variant(schema) {
        return shape(only);
    }
    match value_type(schema) {
        Some("object") => table(schema),
        Some("array") => schema.get("items").map_or(Shape::Any, Shape::List),
        Some("string") => match schema.get("format").and_then(Value::as_str) {
            Some("password") => Shape::Secret,
            Some("duration") => Shape::Duration,
            Some("byte-size") => Shape::ByteSize,
            _ => Shape::Text,
        },
        Some("integer") => integer(schema),
        Some("number") => Shape::Number,
        Some("boolean") => Shape::Boolean,
        _ => Shape::Any,
    }
}

/// The bounds the schema names, else those of the integer type it is made from.
fn integer(schema: &Value) -> Shape<'_> {
    let (lowest, highest) = match schema.get("format").and_then(Value::as_str) {
        Some("int8") => (Some(i8::MIN.into()), Some(i8::MAX.into())),
        Some("int16") => (Some(i16::MIN.into()), Some(i16::MAX.into())),
        Some("int32") => (Some(i32::MIN.into()), Some(i32::MAX.into())),
        Some("uint8") => (Some(0), Some(u8::MAX.into())),
        Some("uint16") => (Some(0), Some(u16::MAX.into())),
        Some("uint32") => (Some(0), Some(u32::MAX.into())),
        _ => (None, None),
    };
    let bound = |name| schema.get(name).and_then(Value::as_i64);
    Shape::Integer {
        min: bound("minimum").or(lowest),
        max: bound("maximum").or(highest),
    }
}

fn table(schema: &Value) -> Shape<'_> {
    if let Some(Value::Object(keys)) = schema.get("properties") {
        return Shape::Section(keys);
    }
    match schema.get("additionalProperties") {
        Some(values) if values.is_object() || values == &Value::Bool(true) => Shape::Map(values),
        _ => Shape::Any,
    }
}

/// The one type of `schema` that is not null.
fn value_type(schema: &Value) -> Option<&str> {
    match schema.get("type")? {
        Value::String(name) => Some(name),
        Value::Array(names) => {
            let mut names = names.iter().filter_map(Value::as_str);
            let mut others = names.by_ref().filter(|name| *name != "null");
            others.next().filter(|_| others.next().is_none())
        }
        _ => None,
    }
}

fn variants(schema: &Value) -> Option<Vec<&Value>> {
    let variants = ["oneOf", "anyOf", "allOf"]
        .iter()
        .find_map(|name| schema.get(name)?.as_array())?;
    let is_null = |v: &&Value| v.get("type").and_then(Value::as_str) != Some("null");
    Some(variants.iter().filter(is_null).collect())
}

fn only_variant(schema: &Value) -> Option<&Value> {
    match variants(schema)?.as_slice() {
        [only] => Some(only),
        _ => None,
    }
}

/// The texts allowed, when `schema` is a list of such, as an enum without data is.
fn choices(schema: &Value) -> Option<Vec<&str>> {
    if let Some(Value::Array(values)) = schema.get("enum") {
        let texts = values.iter().filter(|v| !v.is_null()).map(Value::as_str);
        return texts.collect();
    }
    if let Some(only) = schema.get("const") {
        return Some(vec![only.as_str()?]);
    }
    let each: Option<Vec<Vec<&str>>> = variants(schema)?.into_iter().map(choices).collect();
    each.map(|lists| lists.concat())
}

impl Shape<'_> {
    /// What is wanted, as an error says it.
    pub(super) fn expected(&self) -> String {
        match self {
            Shape::Section(_) | Shape::Map(_) => "a table of keys".into(),
            Shape::List(_) => "a list".into(),
            Shape::Text | Shape::Secret => "text in quotes".into(),
            Shape::Duration => "a duration such as \"5s\"".into(),
            Shape::ByteSize => "a size such as \"64MiB\"".into(),
            Shape::Choice(choices) => {
                let quoted: Vec<_> = choices.iter().map(|c| format!("{c:?}")).collect();
                format!("one of {}", quoted.join(", "))
            }
            Shape::Integer {
                min: Some(min),
                max: Some(max),
            } => format!("an integer from {min} to {max}"),
            Shape::Integer { min: Some(min), .. } => format!("an integer of at least {min}"),
            Shape::Integer { max: Some(max), .. } => format!("an integer of at most {max}"),
            Shape::Integer { .. } => "an integer".into(),
            Shape::Number => "a number".into(),
            Shape::Boolean => "true or false".into(),
            Shape::Any => "another value".into(),
        }
    }
}

/// Every key and section of `schema`, dotted.
pub(super) fn paths(schema: &Value) -> Vec<String> {
    fn walk(schema: &Value, prefix: &str, out: &mut Vec<String>) {
        let Shape::Section(keys) = shape(schema) else {
            return;
        };
        for (key, inner) in keys {
            let path = if prefix.is_empty() {
                key.clone()
            } else {
                format!("{prefix}.{key}")
            };
            walk(inner, &path, out);
            out.push(path);
        }
    }
    let mut out = Vec::new();
    walk(schema, "", &mut out);
    out
}
