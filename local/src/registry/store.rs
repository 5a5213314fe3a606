//! Subjects, versions and ids, and the file that keeps them.
//!
//! A schema's id is its place in the list, from 1; lists only ever grow, so an id means the
//! same schema for as long as the file lives. Two texts are the same schema when they differ
//! in nothing but white space and the order of keys: documentation, defaults and logical
//! types are part of a schema, which Avro's own canonical form would drop.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use apache_avro::Schema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::compatibility::{self, Level};
use super::error::{ApiError, StoreError};

/// The registry's content and where it is kept.
pub(super) struct Store {
    path: PathBuf,
    content: Content,
}

#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    compatibility: Level,
    schemas: Vec<String>,
    subjects: BTreeMap<String, Subject>,
}

#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Subject {
    compatibility: Option<Level>,
    /// Schema ids, the first version first.
    versions: Vec<u32>,
}

/// A version of a subject.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Registered {
    pub(super) subject: String,
    pub(super) id: u32,
    pub(super) version: u32,
    pub(super) schema: String,
}

/// Which version of a subject is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    Number(u32),
    Latest,
}

/// A schema in the forms that are needed of it.
struct Candidate {
    text: String,
    normal: String,
    schema: Schema,
}

impl Store {
    pub(super) fn open(path: &Path) -> Result<Store, StoreError> {
        let content = match fs::read(path) {
            Ok(bytes) => Content::read(&bytes).map_err(|reason| StoreError::Content {
                path: path.to_owned(),
                reason,
            })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Content::default(),
            Err(source) => return Err(io_error(path, source)),
        };
        Ok(Store {
            path: path.to_owned(),
            content,
        })
    }

    pub(super) fn subjects(&self) -> Vec<String> {
        let with_versions = |(name, subject): (&String, &Subject)| {
            (!subject.versions.is_empty()).then(|| name.clone())
        };
        self.content
            .subjects
            .iter()
            .filter_map(with_versions)
            .collect()
    }

    pub(super) fn versions(&self, subject: &str) -> Result<Vec<u32>, ApiError> {
        Ok((1..).take(self.ids(subject)?.len()).collect())
    }

    pub(super) fn schema(&self, id: u32) -> Result<&str, ApiError> {
        self.content.schema(id).ok_or(ApiError::SchemaNotFound)
    }

    pub(super) fn version(&self, subject: &str, version: Version) -> Result<Registered, ApiError> {
        let ids = self.ids(subject)?;
        let number = match version {
            Version::Number(number) => number,
            Version::Latest => ids.len() as u32,
        };
        let id = number
            .checked_sub(1)
            .and_then(|index| ids.get(index as usize))
            .ok_or(ApiError::VersionNotFound(number))?;
        Ok(Registered {
            subject: subject.to_owned(),
            id: *id,
            version: number,
            schema: self.schema(*id)?.to_owned(),
        })
    }

    /// The version of `subject` that holds the schema `text`.
    pub(super) fn look_up(&self, subject: &str, text: &str) -> Result<Registered, ApiError> {
        let ids = self.ids(subject)?;
        let normal = Candidate::parse(text)?.normal;
        let index = ids
            .iter()
            .position(|id| self.content.is_schema(*id, &normal))
            .ok_or(ApiError::SchemaNotFound)?;
        self.version(subject, Version::Number(index as u32 + 1))
    }

    /// The id of the schema `text`, which is made the newest version of `subject` unless it
    /// is a version already.
    pub(super) fn register(&mut self, subject: &str, text: &str) -> Result<u32, ApiError> {
        let candidate = Candidate::parse(text)?;
        let ids = self.ids(subject).unwrap_or_default();
        let is_it = |id: &&u32| self.content.is_schema(**id, &candidate.normal);
        if let Some(id) = ids.iter().find(is_it) {
            return Ok(*id);
        }
        let found = compatibility::objections(
            self.level_of(subject),
            &candidate.schema,
            &self.parse_all(ids)?,
        );
        if !found.is_empty() {
            return Err(ApiError::Incompatible(found));
        }
        let mut content = self.content.clone();
        let id = content.add(candidate);
        content
            .subjects
            .entry(subject.to_owned())
            .or_default()
            .versions
            .push(id);
        self.replace(content)?;
        Ok(id)
    }

    /// What keeps the schema `text` from following `version` of `subject`.
    pub(super) fn objections(
        &self,
        subject: &str,
        version: Version,
        text: &str,
    ) -> Result<Vec<String>, ApiError> {
        let candidate = Candidate::parse(text)?;
        let earlier = match version {
            Version::Latest => self.ids(subject)?.to_vec(),
            Version::Number(_) => vec![self.version(subject, version)?.id],
        };
        Ok(compatibility::objections(
            self.level_of(subject),
            &candidate.schema,
            &self.parse_all(&earlier)?,
        ))
    }

    /// The level of every subject without one of its own.
    pub(super) fn level(&self) -> Level {
        self.content.compatibility
    }

    pub(super) fn set_level(&mut self, level: Level) -> Result<(), ApiError> {
        let mut content = self.content.clone();
        content.compatibility = level;
        Ok(self.replace(content)?)
    }

    /// The subject's own level.
    pub(super) fn subject_level(&self, subject: &str) -> Option<Level> {
        self.content.subjects.get(subject)?.compatibility
    }

    pub(super) fn set_subject_level(
        &mut self,
        subject: &str,
        level: Level,
    ) -> Result<(), ApiError> {
        let mut content = self.content.clone();
        let entry = content.subjects.entry(subject.to_owned()).or_default();
        entry.compatibility = Some(level);
        Ok(self.replace(content)?)
    }

    fn level_of(&self, subject: &str) -> Level {
        self.subject_level(subject).unwrap_or(self.level())
    }

    fn ids(&self, subject: &str) -> Result<&[u32], ApiError> {
        match self.content.subjects.get(subject) {
            Some(found) if !found.versions.is_empty() => Ok(&found.versions),
            _ => Err(ApiError::SubjectNotFound(subject.to_owned())),
        }
    }

    fn parse_all(&self, ids: &[u32]) -> Result<Vec<Schema>, ApiError> {
        ids.iter()
            .map(|id| parse(self.schema(*id)?))
            .collect::<Result<_, _>>()
    }

    /// Keeps the new content once it is on disk.
    fn replace(&mut self, content: Content) -> Result<(), StoreError> {
        let write = || {
            let bytes = serde_json::to_vec_pretty(&content).map_err(io::Error::other)?;
            let temporary = self.path.with_extension("json.new");
            let mut file = File::create(&temporary)?;
            file.write_all(&bytes)?;
            file.sync_all()?;
            fs::rename(&temporary, &self.path)
        };
        write().map_err(|source| io_error(&self.path, source))?;
        self.content = content;
        Ok(())
    }
}

impl Content {
    /// Refuses what could later be answered wrongly: ids that lead nowhere, bad schemas.
    fn read(bytes: &[u8]) -> Result<Content, String> {
        let content: Content = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        for text in &content.schemas {
            Candidate::parse(text).map_err(|error| error.to_string())?;
        }
        for (name, subject) in &content.subjects {
            for id in &subject.versions {
                if content.schema(*id).is_none() {
                    return Err(format!("subject {name} has an unknown schema id {id}"));
                }
            }
        }
        Ok(content)
    }

    fn schema(&self, id: u32) -> Option<&str> {
        let index = id.checked_sub(1)?;
        self.schemas.get(index as usize).map(String::as_str)
    }

    fn is_schema(&self, id: u32, normal: &str) -> bool {
        let stored = self.schema(id).and_then(|text| normal_form(text).ok());
        stored.as_deref() == Some(normal)
    }

    /// The id of the schema, the old one when another subject has it already.
    fn add(&mut self, candidate: Candidate) -> u32 {
        let count = self.schemas.len() as u32;
        let is_it = |id: &u32| self.is_schema(*id, &candidate.normal);
        if let Some(id) = (1..=count).find(is_it) {
            return id;
        }
        self.schemas.push(candidate.text);
        count + 1
    }
}

impl Candidate {
    fn parse(text: &str) -> Result<Candidate, ApiError> {
        Ok(Candidate {
            schema: parse(text)?,
            normal: normal_form(text)?,
            text: text.to_owned(),
        })
    }
}

fn parse(text: &str) -> Result<Schema, ApiError> {
    Schema::parse_str(text).map_err(|error| ApiError::InvalidSchema(error.to_string()))
}

fn normal_form(text: &str) -> Result<String, ApiError> {
    let value: Value =
        serde_json::from_str(text).map_err(|error| ApiError::InvalidSchema(error.to_string()))?;
    Ok(sorted(value).to_string())
}

/// The same value with the keys of every object in order.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let ordered: BTreeMap<String, Value> = map
                .into_iter()
                .map(|(key, value)| (key, sorted(value)))
                .collect();
            Value::Object(ordered.into_iter().collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        other => other,
    }
}

fn io_error(path: &Path, source: io::Error) -> StoreError {
    StoreError::Io {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = r#"{"type":"record","name":"A","fields":[{"name":"a","type":"long"}]}"#;

    fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("registry.json")).unwrap();
        (folder, store)
    }

    #[test]
    fn a_schema_is_the_same_whatever_its_layout() {
        let (_folder, mut store) = store();
        let same =
            r#"{ "name": "A", "fields": [ {"type": "long", "name": "a"} ], "type": "record" }"#;
        let id = store.register("s", ONE).unwrap();
        assert_eq!(store.register("s", same).unwrap(), id);
        assert_eq!(store.register("another", same).unwrap(), id);
        assert_eq!(store.versions("s").unwrap(), [1]);
        let documented =
            r#"{"type":"record","name":"A","doc":"d","fields":[{"name":"a","type":"long"}]}"#;
        assert_ne!(store.register("s", documented).unwrap(), id);
    }

    #[test]
    fn a_restart_changes_no_id() {
        let (folder, mut store) = store();
        store.register("s", r#""string""#).unwrap();
        let id = store.register("t", ONE).unwrap();
        store.set_subject_level("t", Level::Full).unwrap();
        let again = Store::open(&folder.path().join("registry.json")).unwrap();
        assert_eq!(again.look_up("t", ONE).unwrap().id, id);
        assert_eq!(again.subject_level("t"), Some(Level::Full));
        assert_eq!(again.subjects(), ["s", "t"]);
    }

    #[test]
    fn a_file_of_something_else_is_refused_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("registry.json");
        for content in [
            "hello",
            "{}",
            r#"{"compatibility":"NONE","schemas":["x"],"subjects":{}}"#,
            r#"{"compatibility":"NONE","schemas":[],"subjects":{"s":{"compatibility":null,"versions":[1]}}}"#,
        ] {
            fs::write(&path, content).unwrap();
            let error = Store::open(&path).err().expect("it must be refused");
            assert!(matches!(error, StoreError::Content { .. }), "{error}");
            assert_eq!(fs::read_to_string(&path).unwrap(), content);
        }
    }

    #[test]
    fn what_cannot_be_written_is_not_registered() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(&folder.path().join("away/registry.json")).unwrap();
        assert!(matches!(
            store.register("s", ONE),
            Err(ApiError::Store(StoreError::Io { .. }))
        ));
        assert!(store.subjects().is_empty());
    }
}
