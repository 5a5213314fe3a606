//! What is in a generation, and which one is current.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::Path;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::Error;

const DESCRIPTION: &str = "generation.json";
const CURRENT: &str = "CURRENT";

/// The contents of `generation.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Generation {
    /// Its number; the folder is `gen-N`.
    pub generation: u64,
    /// Which life of the private database it is of.
    pub epoch: String,
    /// The last batch that was counted.
    pub batch: i64,
    /// The lake's snapshot it was counted from.
    pub snapshot_id: Option<i64>,
    /// Time of the newest poll, in microseconds since 1970.
    pub as_of: Option<i64>,
    /// When it was written.
    pub created_at: DateTime<Utc>,
    /// Fingerprint of the views it was written for.
    pub views: String,
    /// The marts by name.
    pub marts: BTreeMap<String, MartEntry>,
}

/// One mart of a generation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MartEntry {
    /// Generation in which it was last written; since then the files are the same.
    pub generation: u64,
    /// Fingerprint of the model that wrote it.
    pub model: String,
    /// The last batch it has counted.
    pub batch: i64,
    /// Time of the newest poll it has counted, in microseconds since 1970.
    pub as_of: Option<i64>,
    /// When it was last written.
    pub refreshed_at: DateTime<Utc>,
    /// Seconds it took.
    pub duration: f64,
    /// Files with their rows, relative to the generation's folder.
    pub files: BTreeMap<String, u64>,
    /// Those of them that were written with this generation, and not taken over from the one
    /// before.
    #[serde(skip)]
    pub written: BTreeSet<String>,
    /// Of a mart in parts, how far each part is that was ever written anew.
    #[serde(default)]
    pub progress: BTreeMap<String, Progress>,
}

/// How far a part of a mart is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The last batch it has counted.
    pub batch: i64,
    /// Time of the newest poll it has counted, in microseconds since 1970.
    pub as_of: Option<i64>,
}

impl MartEntry {
    /// Rows of the mart.
    pub fn rows(&self) -> u64 {
        self.files.values().sum()
    }

    /// Rows of the files that were written with this generation.
    pub fn rows_written(&self) -> u64 {
        let written = self.written.iter();
        written.filter_map(|file| self.files.get(file)).sum()
    }
}

impl Generation {
    /// The generation that `CURRENT` names, or `None` when nothing was published.
    pub fn current(folder: &Path) -> Result<Option<Generation>, Error> {
        let path = folder.join(CURRENT);
        let name = match fs::read_to_string(&path) {
            Ok(name) => name,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::file("read", &path)(error)),
        };
        let path = folder.join(name.trim()).join(DESCRIPTION);
        let text = fs::read_to_string(&path).map_err(Error::file("read", &path))?;
        let generation = serde_json::from_str(&text);
        let generation = generation.map_err(|source| Error::Generation { path, source })?;
        Ok(Some(generation))
    }

    pub(super) fn write(&self, folder: &Path) -> Result<(), Error> {
        let path = folder.join(DESCRIPTION);
        let text = serde_json::to_string_pretty(self);
        let text = text.map_err(|source| Error::Generation {
            path: path.clone(),
            source,
        })?;
        fs::write(&path, text).map_err(Error::file("write", &path))
    }
}

/// Name of a generation's folder.
pub(crate) fn folder_name(number: u64) -> String {
    format!("gen-{number}")
}

/// The number of a generation's folder.
pub(super) fn number_of(folder_name: &str) -> Option<u64> {
    folder_name.strip_prefix("gen-")?.parse().ok()
}

/// Makes a generation the current one.
pub(super) fn set_current(folder: &Path, number: u64) -> Result<(), Error> {
    let fresh = folder.join(".CURRENT");
    let write = || -> std::io::Result<()> {
        let mut file = fs::File::create(&fresh)?;
        // No line end: `trim` of readers takes away blanks only.
        write!(file, "{}", folder_name(number))?;
        file.sync_all()?;
        fs::rename(&fresh, folder.join(CURRENT))
    };
    write().map_err(Error::file("write", &fresh))?;
    super::sync(folder)
}
