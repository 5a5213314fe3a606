//! The configuration reference, written from the structs and their defaults.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use schemars::JsonSchema;
use serde_json::Value as Json;
use toml::Table;

use super::loader::Layers;
use super::schema::{self, Shape, shape};
use super::{ConfigError, DEFAULTS, KNOWN_SECTIONS, layer};

/// What the reference says before its first table.
const INTRODUCTION: &str = "\
# Configuration

<!-- Generated from the configuration structs and their `default.toml` files. Do not edit. -->

All programs read one file, named with `--config FILE`, and each takes its own sections from it.
A value is looked for, the last one found winning, in the program's defaults (the tables below),
the file, the environment, and `--set key=value` on the command line. `--print-config` prints the
result, with secrets masked. A key that no program knows is refused, and so is a value of the
wrong type.

Durations are text such as `\"500ms\"`, `\"5s\"` or `\"1h 30m\"`; sizes are text such as `\"64MiB\"`.
In the environment a list is written with commas.
";

/// Collects the keys of every program into one Markdown text.
#[derive(Debug, Clone, Default)]
pub struct Reference {
    sections: Vec<Section>,
}

#[derive(Debug, Clone)]
struct Section {
    name: String,
    description: String,
    keys: Vec<Key>,
}

#[derive(Debug, Clone)]
struct Key {
    /// Dotted, without the top-level section.
    name: String,
    kind: String,
    /// The default of each program that has the key.
    defaults: Vec<(String, String)>,
    variable: String,
    description: String,
}

impl Reference {
    /// A reference without sections.
    pub fn new() -> Reference {
        Reference::default()
    }

    /// Adds the sections of the program `program`, whose configuration is a `T` with the given
    /// defaults over those of the shared sections. A section that another program has too is
    /// shown once, with both defaults where they differ.
    ///
    /// # Errors
    /// The defaults do not fit the struct.
    pub fn add<T: JsonSchema>(
        mut self,
        program: &str,
        defaults: &[&'static str],
    ) -> Result<Reference, ConfigError> {
        let schema = schema::of::<T>();
        let texts = [&[DEFAULTS], defaults].concat();
        let layers = Layers::of_defaults(&schema, &texts)?;
        let Shape::Section(sections) = shape(&schema) else {
            return Ok(self);
        };
        for (name, section) in sections {
            let mut keys = Vec::new();
            collect(section, name, program, layers.table(), &mut keys);
            self.merge(Section {
                name: name.clone(),
                description: description(section),
                keys,
            });
        }
        Ok(self)
    }

    /// The whole reference.
    pub fn markdown(&self) -> String {
        let place = |section: &&Section| {
            let known = KNOWN_SECTIONS.iter().position(|s| *s == section.name);
            (known.unwrap_or(usize::MAX), section.name.clone())
        };
        let mut sections: Vec<_> = self.sections.iter().collect();
        sections.sort_by_key(place);
        let mut out = INTRODUCTION.to_owned();
        for section in sections {
            section.write(&mut out);
        }
        out
    }

    fn merge(&mut self, section: Section) {
        match self.sections.iter_mut().find(|s| s.name == section.name) {
            Some(known) => known.merge(section),
            None => self.sections.push(section),
        }
    }
}

impl Section {
    fn merge(&mut self, other: Section) {
        for key in other.keys {
            match self.keys.iter_mut().find(|k| k.name == key.name) {
                Some(known) => known.defaults.extend(key.defaults),
                None => self.keys.push(key),
            }
        }
    }

    fn write(&self, out: &mut String) {
        let Section {
            name, description, ..
        } = self;
        // Writing to a String does not fail.
        let _ = write!(out, "\n## `[{name}]`\n\n");
        if !description.is_empty() {
            let _ = write!(out, "{description}\n\n");
        }
        out.push_str("| key | type | default | environment variable | meaning |\n");
        out.push_str("|---|---|---|---|---|\n");
        for key in &self.keys {
            let default = key.default();
            let Key {
                name,
                kind,
                variable,
                description,
                ..
            } = key;
            let _ = writeln!(
                out,
                "| `{name}` | {kind} | {default} | `{variable}` | {description} |"
            );
        }
    }
}

impl Key {
    /// The default, or each with the programs that have it when they differ.
    fn default(&self) -> String {
        let mut values: Vec<(&str, Vec<&str>)> = Vec::new();
        for (program, value) in &self.defaults {
            match values.iter_mut().find(|(known, _)| known == value) {
                Some((_, programs)) => programs.push(program),
                None => values.push((value, vec![program])),
            }
        }
        match values.as_slice() {
            [(value, _)] => (*value).to_owned(),
            several => several
                .iter()
                .map(|(value, programs)| format!("{value} ({})", programs.join(", ")))
                .collect::<Vec<_>>()
                .join(", "),
        }
    }
}

/// Lists the keys below `path`, those of inner sections too, in the order of their names.
fn collect(schema: &Json, path: &str, program: &str, defaults: &Table, out: &mut Vec<Key>) {
    if let Shape::Section(keys) = shape(schema) {
        // Sorted here: whether the schema keeps the order of the struct depends on features that
        // other crates of the build may turn on.
        let sorted: BTreeMap<_, _> = keys.iter().collect();
        for (key, inner) in sorted {
            collect(inner, &format!("{path}.{key}"), program, defaults, out);
        }
        return;
    }
    let name = path.split_once('.').map_or(path, |(_, rest)| rest);
    let variable = match shape(schema) {
        Shape::Map(_) => layer::variable(&format!("{path}.<key>")),
        _ => layer::variable(path),
    };
    out.push(Key {
        name: name.to_owned(),
        kind: kind(schema),
        defaults: vec![(program.to_owned(), default(schema, path, defaults))],
        variable,
        description: description(schema),
    });
}

fn kind(schema: &Json) -> String {
    match shape(schema) {
        Shape::Section(_) => "table".into(),
        Shape::Map(values) => format!("table of {}", kind(values)),
        Shape::List(items) => format!("list of {}", kind(items)),
        Shape::Text => "text".into(),
        Shape::Secret => "text, secret".into(),
        Shape::Duration => "duration".into(),
        Shape::ByteSize => "size".into(),
        Shape::Choice(choices) => {
            let quoted: Vec<_> = choices.iter().map(|c| format!("`\"{c}\"`")).collect();
            quoted.join(", ")
        }
        integer @ Shape::Integer { .. } => integer.expected().replacen("an integer", "integer", 1),
        Shape::Number => "number".into(),
        Shape::Boolean => "true or false".into(),
        Shape::Any => "any".into(),
    }
}

/// The default in `defaults`, else the struct's own.
fn default(schema: &Json, path: &str, defaults: &Table) -> String {
    let (parents, key) = path.rsplit_once('.').unwrap_or(("", path));
    let committed = parents
        .split('.')
        .filter(|name| !name.is_empty())
        .try_fold(defaults, |table, name| table.get(name)?.as_table())
        .and_then(|table| table.get(key));
    if let Some(value) = committed {
        return match value {
            toml::Value::Table(table) if table.is_empty() => "empty".into(),
            value => code(&value.to_string()),
        };
    }
    match schema.get("default") {
        None | Some(Json::Null) => "none".into(),
        Some(Json::Object(map)) if map.is_empty() => "empty".into(),
        Some(value) => code(&value.to_string()),
    }
}

fn code(text: &str) -> String {
    format!("`{}`", cell(text))
}

/// The doc comment, as one line of a table.
fn description(schema: &Json) -> String {
    cell(
        schema
            .get("description")
            .and_then(Json::as_str)
            .unwrap_or_default(),
    )
}

fn cell(text: &str) -> String {
    text.split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .replace('|', "\\|")
}
