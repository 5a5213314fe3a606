//! Puts the layers together and reads the result into a struct.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use toml::{Table, Value};

use super::schema::{self, Shape, shape};
use super::{ConfigError, DEFAULTS, Origin, check, layer};

/// Loads one configuration. Later layers win: the defaults in the order given, the file, the
/// environment, the overrides.
///
/// The environment variable of the key `kafka.brokers` is `CONTRAIL__KAFKA__BROKERS`; that of a
/// key in a map of text, such as `linger.ms` in `kafka.properties`, is
/// `CONTRAIL__KAFKA__PROPERTIES__LINGER__MS`. A list is written with commas, or as TOML.
#[derive(Debug, Clone)]
pub struct Loader {
    defaults: Vec<&'static str>,
    file: Option<PathBuf>,
    environment: Option<Vec<(OsString, OsString)>>,
    overrides: Vec<(String, String)>,
}

impl Default for Loader {
    fn default() -> Loader {
        Loader::new()
    }
}

impl Loader {
    /// Starts from the defaults of the shared sections.
    pub fn new() -> Loader {
        Loader {
            defaults: vec![DEFAULTS],
            file: None,
            environment: None,
            overrides: Vec::new(),
        }
    }

    /// Adds the text of a `default.toml`. Sections the struct does not have are left out.
    pub fn defaults(mut self, toml: &'static str) -> Loader {
        self.defaults.push(toml);
        self
    }

    /// Reads this file, which must exist; `None` reads no file.
    pub fn file(mut self, path: Option<&Path>) -> Loader {
        self.file = path.map(Path::to_owned);
        self
    }

    /// Takes these variables for the environment, instead of the process's own.
    pub fn environment<K, V>(mut self, variables: impl IntoIterator<Item = (K, V)>) -> Loader
    where
        K: Into<OsString>,
        V: Into<OsString>,
    {
        let owned = |(name, value): (K, V)| (name.into(), value.into());
        self.environment = Some(variables.into_iter().map(owned).collect());
        self
    }

    /// Sets dotted keys, as `--set` does.
    pub fn overrides(mut self, pairs: &[(String, String)]) -> Loader {
        self.overrides.extend_from_slice(pairs);
        self
    }

    /// Reads every layer.
    ///
    /// # Errors
    /// The file cannot be read, a key is unknown or missing, or a value is not what it must be.
    pub fn load<T: DeserializeOwned + Serialize + JsonSchema>(self) -> Result<T, ConfigError> {
        let schema = schema::of::<T>();
        let mut layers = Layers::of_defaults(&schema, &self.defaults)?;
        if let Some(path) = self.file {
            layers.add_file(path)?;
        }
        let environment = self
            .environment
            .unwrap_or_else(|| std::env::vars_os().collect());
        layers.add_environment(environment)?;
        for (key, text) in &self.overrides {
            layers.add_override(key, text)?;
        }
        layers.read()
    }
}

/// The layers so far, merged.
pub(super) struct Layers<'s> {
    schema: &'s Json,
    merged: Table,
    /// Where each dotted key was last set.
    origins: BTreeMap<String, Origin>,
}

impl<'s> Layers<'s> {
    /// The compiled-in defaults alone.
    pub(super) fn of_defaults(schema: &'s Json, texts: &[&str]) -> Result<Self, ConfigError> {
        let mut layers = Layers {
            schema,
            merged: Table::new(),
            origins: BTreeMap::new(),
        };
        for text in texts {
            let table = layer::parse(text, &Origin::Defaults)?;
            layers.add(table, &Origin::Defaults)?;
        }
        Ok(layers)
    }

    /// The merged values.
    pub(super) fn table(&self) -> &Table {
        &self.merged
    }

    fn add(&mut self, mut table: Table, origin: &Origin) -> Result<(), ConfigError> {
        check::layer(&mut table, self.schema, origin)?;
        merge(&mut self.merged, table, "", origin, &mut self.origins);
        Ok(())
    }

    fn add_file(&mut self, path: PathBuf) -> Result<(), ConfigError> {
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(source) => return Err(ConfigError::ReadFile { path, source }),
        };
        let origin = Origin::File(path);
        let table = layer::parse(&text, &origin)?;
        self.add(table, &origin)
    }

    fn add_environment(
        &mut self,
        mut variables: Vec<(OsString, OsString)>,
    ) -> Result<(), ConfigError> {
        // Sorted, so that the same mistakes always give the same error.
        variables.sort();
        for (name, value) in variables {
            let name = name.to_string_lossy().into_owned();
            let Some(path) = layer::variable_path(&name) else {
                continue;
            };
            // The environment is shared between programs, as the file is.
            if path
                .first()
                .is_some_and(|s| layer::is_other_programs(s, self.schema))
            {
                continue;
            }
            let Ok(value) = value.into_string() else {
                return Err(ConfigError::NotUnicode { name });
            };
            let origin = Origin::Environment(name);
            let table = layer::single(&path, &value, self.schema, &origin)?;
            self.add(table, &origin)?;
        }
        Ok(())
    }

    fn add_override(&mut self, key: &str, text: &str) -> Result<(), ConfigError> {
        let path: Vec<String> = key.split('.').map(str::to_owned).collect();
        // Unlike the environment, an override is meant for this program and no other.
        if let Some(section) = path.first()
            && layer::is_other_programs(section, self.schema)
        {
            return Err(ConfigError::OtherPrograms {
                key: key.to_owned(),
                section: section.clone(),
                origin: Origin::Override,
            });
        }
        let table = layer::single(&path, text, self.schema, &Origin::Override)?;
        self.add(table, &Origin::Override)
    }

    fn read<T: DeserializeOwned>(mut self) -> Result<T, ConfigError> {
        complete(&mut self.merged, self.schema, "")?;
        let Layers {
            merged, origins, ..
        } = self;
        serde_path_to_error::deserialize(Value::Table(merged)).map_err(|error| {
            let key = error.path().to_string();
            ConfigError::Invalid {
                origin: origins.get(&key).cloned(),
                key,
                reason: error
                    .inner()
                    .message()
                    .split_whitespace()
                    .collect::<Vec<_>>()
                    .join(" "),
            }
        })
    }
}

/// Puts `from` over `into`; tables are merged key by key, anything else is replaced.
fn merge(
    into: &mut Table,
    from: Table,
    prefix: &str,
    origin: &Origin,
    origins: &mut BTreeMap<String, Origin>,
) {
    for (key, value) in from {
        let path = if prefix.is_empty() {
            key.clone()
        } else {
            format!("{prefix}.{key}")
        };
        match (into.get_mut(&key), value) {
            (Some(Value::Table(into)), Value::Table(from)) => {
                merge(into, from, &path, origin, origins);
            }
            (None, Value::Table(from)) => {
                let mut table = Table::new();
                merge(&mut table, from, &path, origin, origins);
                into.insert(key, Value::Table(table));
            }
            (_, value) => {
                origins.insert(path, origin.clone());
                into.insert(key, value);
            }
        }
    }
}

/// Adds the sections that no layer mentions, whose keys may all have defaults, and finds the
/// first key that must be set and is not.
fn complete(table: &mut Table, schema: &Json, prefix: &str) -> Result<(), ConfigError> {
    let Shape::Section(keys) = shape(schema) else {
        return Ok(());
    };
    let required = |key: &String| {
        schema
            .get("required")
            .and_then(Json::as_array)
            .is_some_and(|names| names.iter().any(|name| name == key))
    };
    for (key, inner) in keys {
        let path = if prefix.is_empty() {
            key.clone()
        } else {
            format!("{prefix}.{key}")
        };
        if !table.contains_key(key) {
            match shape(inner) {
                _ if !required(key) => continue,
                Shape::Section(_) | Shape::Map(_) => {
                    table.insert(key.clone(), Value::Table(Table::new()));
                }
                _ => {
                    let variable = layer::variable(&path);
                    return Err(ConfigError::Missing {
                        key: path,
                        variable,
                    });
                }
            }
        }
        if let Some(Value::Table(inner_table)) = table.get_mut(key) {
            complete(inner_table, inner, &path)?;
        }
    }
    Ok(())
}
