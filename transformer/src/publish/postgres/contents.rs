//! What a generation holds, and what of it the database lacks.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use sha2::{Digest, Sha256};

use super::encode::Type;
use super::error::PostgresError;
use super::layout::{Column, Layout};
use crate::models::{GrainColumn, Model, Models, hex};
use crate::publish::Generation;
use crate::publish::export::STATUS;

/// Rows of a batch that is read at once: what is in memory of a mart, however large it is.
pub(super) const BATCH_ROWS: usize = 8_192;

/// The marts of a generation, by name.
pub(super) type Contents = BTreeMap<String, Mart>;

/// One of them.
#[derive(Debug)]
pub(super) struct Mart {
    pub layout: Layout,
    /// Types of the columns in the files.
    pub types: Vec<Type>,
    /// By name; the only part of a mart that is not in parts is called like the mart.
    pub parts: BTreeMap<String, Part>,
}

/// One file of a mart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub path: PathBuf,
    pub rows: u64,
    /// Hash of the file.
    pub fingerprint: String,
}

/// Knows files by what the system says of them, so that each is hashed once. A file that one
/// generation takes over from the one before is the same by hard link.
#[derive(Debug, Default)]
pub(super) struct Fingerprints {
    known: HashMap<Identity, String>,
}

/// Device, inode, size, and time of the last change with its nanoseconds.
type Identity = (u64, u64, u64, i64, i64);

impl Fingerprints {
    fn of(&mut self, path: &Path, seen: &mut HashMap<Identity, String>) -> io::Result<String> {
        let mut file = File::open(path)?;
        let about = file.metadata()?;
        let identity = (
            about.dev(),
            about.ino(),
            about.size(),
            about.mtime(),
            about.mtime_nsec(),
        );
        let fingerprint = match self.known.get(&identity) {
            Some(known) => known.clone(),
            None => {
                let mut hash = Sha256::new();
                io::copy(&mut file, &mut hash)?;
                hex(&hash.finalize())
            }
        };
        seen.insert(identity, fingerprint.clone());
        Ok(fingerprint)
    }

    /// Looks at every file of a generation that lies in `folder`.
    pub fn contents(
        &mut self,
        generation: &Generation,
        folder: &Path,
        models: &Models,
    ) -> Result<Contents, PostgresError> {
        let mut seen = HashMap::new();
        let mut contents = Contents::new();
        let mut files: Vec<(&str, Vec<(String, u64)>)> = generation
            .marts
            .iter()
            .map(|(name, entry)| {
                let files = entry.files.iter();
                let files = files.map(|(file, rows)| (file.clone(), *rows)).collect();
                (name.as_str(), files)
            })
            .collect();
        let status = format!("{STATUS}.parquet");
        if folder.join(&status).exists() && !generation.marts.contains_key(STATUS) {
            files.push((STATUS, vec![(status, generation.marts.len() as u64)]));
        }
        for (name, files) in files {
            let mut parts = BTreeMap::new();
            for (file, rows) in files {
                let path = folder.join(&file);
                let fingerprint = self.of(&path, &mut seen);
                let fingerprint = fingerprint.map_err(PostgresError::file(&path))?;
                let stem = path.file_stem().unwrap_or_default().to_string_lossy();
                let part = Part {
                    path: path.clone(),
                    rows,
                    fingerprint,
                };
                parts.insert(stem.into_owned(), part);
            }
            let model = models.iter().find(|model| model.name == name);
            if let Some(mart) = Mart::read(name, model, parts, folder)? {
                contents.insert(name.to_owned(), mart);
            }
        }
        // Files of generations that are gone are forgotten.
        self.known = seen;
        Ok(contents)
    }
}

impl Mart {
    /// `None` for a mart without files.
    fn read(
        name: &str,
        model: Option<&Model>,
        parts: BTreeMap<String, Part>,
        folder: &Path,
    ) -> Result<Option<Mart>, PostgresError> {
        let Some(first) = parts.values().next() else {
            return Ok(None);
        };
        let wrong = |reason: String| PostgresError::file(&first.path)(reason);
        let schema = open(&first.path)?.schema().clone();
        let meaning = |column: &str| match model {
            Some(model) => meaning(model.columns.iter().map(|(n, m)| (&**n, &**m)), column),
            None => String::new(),
        };
        let mut columns = Vec::new();
        for field in schema.fields() {
            let of = Type::of(field.data_type()).ok_or_else(|| {
                let of = field.data_type();
                wrong(format!(
                    "column {} is {of}, which marts may not have",
                    field.name()
                ))
            })?;
            columns.push(Column {
                name: field.name().clone(),
                of,
                comment: meaning(field.name()),
            });
        }
        let types = columns.iter().map(|column| column.of).collect();
        // The parts of a mart lie in a folder of its name.
        if first.path.parent() != Some(folder) {
            columns.push(Layout::part_column());
        }
        let key = model.map_or_else(Vec::new, |model| key(&model.grain));
        let key = if without_nulls(&key, &parts)? {
            key
        } else {
            Vec::new()
        };
        let comment = match model {
            Some(model) => format!("{} One row is: {}.", model.description, model.grain_text()),
            None => String::new(),
        };
        Ok(Some(Mart {
            layout: Layout {
                name: name.to_owned(),
                comment,
                columns,
                key,
            },
            types,
            parts,
        }))
    }
}

fn meaning<'a>(mut columns: impl Iterator<Item = (&'a str, &'a str)>, column: &str) -> String {
    let found = columns.find(|(name, _)| *name == column);
    found
        .map(|(_, meaning)| meaning.to_owned())
        .unwrap_or_default()
}

/// The columns of the grain, when each has a value in every row.
fn key(grain: &[GrainColumn]) -> Vec<String> {
    match grain.iter().any(|column| column.nullable) {
        true => Vec::new(),
        false => grain.iter().map(|column| column.name.clone()).collect(),
    }
}

/// Whether the files say of all these columns that they hold no null.
fn without_nulls(
    columns: &[String],
    parts: &BTreeMap<String, Part>,
) -> Result<bool, PostgresError> {
    if columns.is_empty() {
        return Ok(true);
    }
    for part in parts.values() {
        let reader = open(&part.path)?;
        for group in reader.metadata().row_groups() {
            for column in group.columns() {
                let name = column.column_path().string();
                let nulls = column.statistics().and_then(|s| s.null_count_opt());
                if columns.contains(&name) && nulls != Some(0) && group.num_rows() > 0 {
                    return Ok(false);
                }
            }
        }
    }
    Ok(true)
}

/// A file of the generation, open.
pub(super) fn open(path: &Path) -> Result<ParquetRecordBatchReaderBuilder<File>, PostgresError> {
    let file = fs::File::open(path).map_err(PostgresError::file(path))?;
    ParquetRecordBatchReaderBuilder::try_new(file).map_err(PostgresError::file(path))
}

/// Fingerprints by mart and part, as the database remembers them.
pub(super) type Remembered = BTreeMap<String, BTreeMap<String, String>>;

/// What is to be done to the rows of a mart whose table is as it should be.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Difference<'a> {
    /// Parts whose rows are there and have to go.
    pub delete: Vec<&'a str>,
    /// Parts to copy.
    pub copy: Vec<&'a str>,
}

/// Compares a mart with what is remembered of it.
pub(super) fn difference<'a>(
    parts: &'a BTreeMap<String, Part>,
    remembered: &'a BTreeMap<String, String>,
) -> Difference<'a> {
    let same = |name: &str| {
        let part = parts.get(name).map(|part| &part.fingerprint);
        part.is_some() && part == remembered.get(name)
    };
    let differ = |name: &&str| !same(name);
    Difference {
        delete: remembered
            .keys()
            .map(String::as_str)
            .filter(differ)
            .collect(),
        copy: parts.keys().map(String::as_str).filter(differ).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_deleted_and_copied() {
        let part = |fingerprint: &str| Part {
            path: PathBuf::new(),
            rows: 1,
            fingerprint: fingerprint.to_owned(),
        };
        let parts = [("changed", "2"), ("new", "1"), ("same", "1")];
        let parts = parts.map(|(name, print)| (name.to_owned(), part(print)));
        let there = [("changed", "1"), ("gone", "1"), ("same", "1")];
        let there = there.map(|(name, print)| (name.to_owned(), print.to_owned()));
        assert_eq!(
            difference(&parts.into(), &there.into()),
            Difference {
                delete: vec!["changed", "gone"],
                copy: vec!["changed", "new"],
            }
        );
    }

    #[test]
    fn a_file_is_hashed_again_only_when_it_is_another() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        fs::write(&path, "one").unwrap();
        let mut prints = Fingerprints::default();
        let mut seen = HashMap::new();
        let one = prints.of(&path, &mut seen).unwrap();
        assert_eq!(one, hex(&Sha256::digest("one")));
        // What is known of the file is believed, which shows that it was not read.
        prints.known = seen.into_keys().map(|id| (id, "known".into())).collect();
        let linked = folder.path().join("y");
        fs::hard_link(&path, &linked).unwrap();
        let mut seen = HashMap::new();
        assert_eq!(prints.of(&linked, &mut seen).unwrap(), "known");
        fs::remove_file(&path).unwrap();
        fs::write(&path, "other").unwrap();
        let other = prints.of(&path, &mut seen).unwrap();
        assert_eq!(other, hex(&Sha256::digest("other")));
    }

    #[test]
    fn a_grain_is_a_key_when_nothing_of_it_may_be_null() {
        let column = |name: &str, nullable| GrainColumn {
            name: name.to_owned(),
            nullable,
        };
        assert_eq!(key(&[column("a", false), column("b", false)]), ["a", "b"]);
        assert!(key(&[column("a", false), column("b", true)]).is_empty());
        assert!(key(&[]).is_empty());
    }
}
