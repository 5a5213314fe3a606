//! Closed maps: a key that is not listed, or a value of another kind, is refused.

use serde_json::{Map, Value as Json};

use super::Reply;

/// What a value is to be; gives what is wrong.
pub type Is = fn(&Json) -> Option<&'static str>;

/// A key of a closed map, whether it must be there, and what it holds.
pub type Field = (&'static str, bool, Is);

pub fn closed(body: &Json, fields: &[Field]) -> Result<(), Reply> {
    let Json::Object(map) = body else {
        return Err(Reply::invalid("_root", "value must be a map."));
    };
    check(map, fields).map_err(|(key, reason)| Reply::invalid(&key, reason))
}

/// The same within something: the first key that is wrong, and what is.
pub fn check(map: &Map<String, Json>, fields: &[Field]) -> Result<(), (String, &'static str)> {
    for key in map.keys() {
        if !fields.iter().any(|(known, _, _)| known == key) {
            return Err((key.clone(), "unexpected key"));
        }
    }
    for (key, required, is) in fields {
        match map.get(*key) {
            None if *required => {
                return Err(((*key).to_owned(), "missing required key, received: nil"));
            }
            None => {}
            Some(value) => {
                if let Some(reason) = is(value) {
                    return Err(((*key).to_owned(), reason));
                }
            }
        }
    }
    Ok(())
}

pub fn text(value: &Json) -> Option<&'static str> {
    match value.as_str() {
        Some(text) if !text.trim().is_empty() => None,
        _ => Some("value must be a non-blank string."),
    }
}

pub fn text_or_nil(value: &Json) -> Option<&'static str> {
    if value.is_null() { None } else { text(value) }
}

pub fn any_text(value: &Json) -> Option<&'static str> {
    (!value.is_string() && !value.is_null()).then_some("nullable string")
}

pub fn truth(value: &Json) -> Option<&'static str> {
    (!value.is_boolean()).then_some("boolean")
}

pub fn map(value: &Json) -> Option<&'static str> {
    (!value.is_object()).then_some("value must be a map.")
}

pub fn list(value: &Json) -> Option<&'static str> {
    (!value.is_array()).then_some("sequence")
}

pub fn id(value: &Json) -> Option<&'static str> {
    match value.as_i64() {
        Some(number) if number > 0 => None,
        _ => Some("value must be an integer greater than zero."),
    }
}

pub fn id_or_nil(value: &Json) -> Option<&'static str> {
    if value.is_null() { None } else { id(value) }
}

pub fn whole(value: &Json) -> Option<&'static str> {
    value
        .as_i64()
        .is_none()
        .then_some("value must be an integer.")
}

pub fn not_negative(value: &Json) -> Option<&'static str> {
    match value.as_i64() {
        Some(number) if number >= 0 => None,
        _ => Some("value must be an integer greater or equal to than zero."),
    }
}

/// The kinds of parameters that this project sends, and what they hold.
pub fn parameters(value: &Json, of_a_card: bool) -> Option<&'static str> {
    const OF_BOTH: [Field; 8] = [
        ("id", true, text),
        ("type", true, parameter_type),
        ("name", true, text),
        ("slug", true, text),
        ("default", false, |_| None),
        ("values_query_type", false, |v| {
            (v != "list").then_some("list")
        }),
        ("values_source_type", false, |v| {
            (v != "card" && !v.is_null()).then_some("card, or nil")
        }),
        ("values_source_config", false, source),
    ];
    let own: Field = match of_a_card {
        true => ("target", true, variable),
        false => ("sectionId", true, text),
    };
    let fields: Vec<Field> = OF_BOTH.into_iter().chain([own]).collect();
    value.as_array()?.iter().find_map(|parameter| {
        let Some(map) = parameter.as_object() else {
            return Some("parameter must be a map with :id and :type keys");
        };
        let wrong = check(map, &fields).err().map(|(_, reason)| reason);
        let value = &parameter["default"];
        let fits = match parameter["type"].as_str() {
            _ if value.is_null() => true,
            Some("date/single") => value.is_string(),
            _ => value.is_array(),
        };
        wrong.or((!fits).then_some("the default does not fit the type"))
    })
}

fn parameter_type(value: &Json) -> Option<&'static str> {
    let known = ["string/=", "number/=", "date/single"];
    (!known.iter().any(|kind| value == kind)).then_some("enum of parameter types")
}

fn source(value: &Json) -> Option<&'static str> {
    // What is left when the question was thrown away.
    if value.as_object().is_some_and(Map::is_empty) {
        return None;
    }
    let field = value["value_field"].as_array().map(Vec::as_slice);
    let options = |options: &Json| options["base-type"].as_str().is_some();
    match field {
        Some([kind, name, with]) if kind == "field" && name.is_string() && options(with) => {
            id(&value["card_id"])
        }
        _ => Some("value_field must be a field clause"),
    }
}

pub fn variable(value: &Json) -> Option<&'static str> {
    let tag = |tag: &Json| matches!(tag.as_array().map(Vec::as_slice), Some([kind, name]) if kind == "template-tag" && name.is_string());
    match value.as_array().map(Vec::as_slice) {
        Some([kind, inner]) if kind == "variable" && tag(inner) => None,
        _ => Some("target must be a variable"),
    }
}
