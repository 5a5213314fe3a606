//! Writing the files of a generation.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, Float64Array, Int64Array, StringArray, TimestampMicrosecondArray};
use chrono::{DateTime, Utc};

use super::columns;
use super::generation::{MartEntry, Progress};
use crate::Error;
use crate::engine::{Session, Totals};
use crate::models::{Model, Publish};
use crate::schema::{SourceSchema, quote, timestamptz};

/// The generation that is being written.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    pub number: u64,
    pub totals: &'a Totals,
    pub lake: Window<'a>,
    /// How long a large mart in parts may take; one part is written at least. Without it, it
    /// takes as long as it takes.
    pub budget: Option<Duration>,
}

/// A mart that is not in parts, written.
#[derive(Debug)]
pub(super) struct Whole {
    pub file: String,
    pub rows: u64,
    /// When it was written to the end, and how many seconds that took.
    pub finished: DateTime<Utc>,
    pub duration: f64,
}

impl Whole {
    /// The mart's entry in the generation.
    pub fn entry(self, mart: &Model, at: At<'_>) -> MartEntry {
        MartEntry {
            refreshed_at: self.finished,
            duration: self.duration,
            files: [(self.file.clone(), self.rows)].into(),
            written: [self.file].into(),
            ..empty(mart.fingerprint(), at)
        }
    }
}

/// A part of a mart that no query makes.
#[derive(Debug)]
pub(super) struct Made {
    /// Its file, which is there if it has rows.
    pub file: String,
    pub rows: u64,
}

/// The file of a mart that is not in parts.
pub(super) fn file_name(mart: &Model) -> String {
    format!("{}.parquet", mart.name)
}

/// Writes a mart that is not in parts.
pub(super) fn whole(session: &Session, into: &Path, mart: &Model) -> Result<Whole, Error> {
    let began = Instant::now();
    let file = file_name(mart);
    let rows = session.copy(&mart.select, &into.join(&file), &mart.name)?;
    Ok(Whole {
        file,
        rows,
        finished: Utc::now(),
        duration: began.elapsed().as_secs_f64(),
    })
}

/// Writes a mart; of one in parts only those that changed since `before`, the others are linked, and
/// one that is `made` already is taken in. Done again it begins anew.
pub(super) fn mart(
    session: &Session,
    into: &Path,
    mart: &Model,
    before: Option<(std::path::PathBuf, &MartEntry)>,
    made: Option<&Made>,
    at: At<'_>,
) -> Result<MartEntry, Error> {
    if mart.parts.is_empty() {
        return Ok(whole(session, into, mart)?.entry(mart, at));
    }
    let began = Instant::now();
    let mut entry = empty(mart.fingerprint(), at);
    parts(session, into, mart, before, made, at, &mut entry)?;
    entry.refreshed_at = Utc::now();
    entry.duration = began.elapsed().as_secs_f64();
    Ok(entry)
}

fn empty(model: String, at: At<'_>) -> MartEntry {
    MartEntry {
        generation: at.number,
        model,
        batch: at.totals.batch,
        as_of: at.totals.as_of,
        refreshed_at: Utc::now(),
        duration: 0.0,
        files: BTreeMap::new(),
        progress: BTreeMap::new(),
        written: BTreeSet::new(),
    }
}

/// Writes the parts that have changed, those that have waited longest first, and links the
/// others. When the time is short, some wait for the next turn.
fn parts(
    session: &Session,
    into: &Path,
    mart: &Model,
    before: Option<(std::path::PathBuf, &MartEntry)>,
    made: Option<&Made>,
    at: At<'_>,
    entry: &mut MartEntry,
) -> Result<(), Error> {
    let began = Instant::now();
    let folder = into.join(&mart.name);
    fs::create_dir_all(&folder).map_err(Error::file("create the folder", &folder))?;
    let now = Progress {
        batch: at.totals.batch,
        as_of: at.totals.as_of,
    };
    let published = before.as_ref().map(|(_, entry)| Progress {
        batch: entry.batch,
        as_of: entry.as_of,
    });
    let setting = format!(
        "set variable published_batch = {}::bigint",
        published.map_or(0, |published| published.batch)
    );
    session.run("say what is published", &setting)?;
    // Only what is large enough to have a rule is written bit by bit, and never at first.
    let budget = at
        .budget
        .filter(|_| mart.publish != Publish::Always && before.is_some());
    let was = |part: &str| {
        let known = before
            .as_ref()
            .and_then(|(_, entry)| entry.progress.get(part));
        known.copied().or(published)
    };
    let mut changed = session.parts(mart)?;
    changed.retain(|(part, batch)| {
        let was = was(part).map(|was| was.batch);
        was.is_none_or(|was| batch.is_none_or(|batch| batch > was))
    });
    changed.sort_by_cached_key(|(part, _)| (was(part).map(|was| was.batch), part.clone()));
    let mut gone = Vec::new();
    match made {
        Some(Made { file, rows: 0 }) => gone.push(file.clone()),
        Some(Made { file, rows }) => {
            entry.written.insert(file.clone());
            entry.files.insert(file.clone(), *rows);
        }
        None => {}
    }
    let mut left = Vec::new();
    for (number, (part, batch)) in changed.iter().enumerate() {
        if number > 0 && budget.is_some_and(|budget| began.elapsed() > budget) {
            left.push(part);
            continue;
        }
        if budget.is_some() && batch.is_none() {
            return Err(mart.refused(
                "parts",
                "@parts must give the last batch of each part, since the mart is not published with \
                every refresh",
            ));
        }
        let file = file_of(mart, part);
        let name = format!("set variable part = {}", quote(part));
        session.run("name the part", &name)?;
        let rows = session.copy(&mart.select, &into.join(&file), &mart.name)?;
        if rows > 0 {
            entry.progress.insert(part.clone(), now);
            entry.written.insert(file.clone());
            entry.files.insert(file, rows);
        } else {
            let path = into.join(&file);
            fs::remove_file(&path).map_err(Error::file("remove", &path))?;
            gone.push(file);
        }
    }
    if let Some((old_folder, old)) = &before {
        for (file, rows) in old.files.iter().filter(|(_, rows)| **rows > 0) {
            if !entry.files.contains_key(file) && !gone.contains(file) {
                link_file(old_folder, into, file)?;
                entry.files.insert(file.clone(), *rows);
            }
        }
        // What has not changed is up to date too.
        for part in old
            .progress
            .keys()
            .filter(|part| !gone.contains(&file_of(mart, part)))
        {
            entry.progress.entry(part.clone()).or_insert(now);
        }
    }
    // The mart as a whole is as old as its oldest part.
    if let Some(oldest) = left.first().and_then(|part| was(part)) {
        entry.batch = oldest.batch;
        entry.as_of = oldest.as_of;
    }
    for part in left {
        entry
            .progress
            .extend(was(part).map(|was| (part.clone(), was)));
    }
    if entry.files.is_empty() {
        // A part without rows, so that the view has a file to read the columns from.
        session.run("name no part", "set variable part = null::varchar")?;
        let file = file_of(mart, "none");
        let rows = session.copy(&mart.select, &into.join(&file), &mart.name)?;
        entry.written.insert(file.clone());
        entry.files.insert(file, rows);
    }
    Ok(())
}

fn file_of(mart: &Model, part: &str) -> String {
    format!("{}/{part}.parquet", mart.name)
}

/// Takes the parts of a mart that are kept no longer out of a generation that is being written.
pub(super) fn drop_parts(
    folder: &Path,
    entry: &mut MartEntry,
    is_old: impl Fn(&str) -> bool,
) -> Result<(), Error> {
    let old: Vec<String> = entry
        .files
        .keys()
        .filter(|file| is_old(file))
        .cloned()
        .collect();
    for file in old {
        // The view needs a file to read the columns from.
        if entry.files.len() == 1 {
            break;
        }
        let path = folder.join(&file);
        fs::remove_file(&path).map_err(Error::file("remove", &path))?;
        entry.files.remove(&file);
        entry.written.remove(&file);
    }
    Ok(())
}

/// Takes the files of a mart over from another generation.
pub(super) fn link(from: &Path, into: &Path, entry: &MartEntry) -> Result<(), Error> {
    for file in entry.files.keys() {
        link_file(from, into, file)?;
    }
    Ok(())
}

fn link_file(from: &Path, into: &Path, file: &str) -> Result<(), Error> {
    let target = into.join(file);
    let make = || -> std::io::Result<()> {
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent)?;
        }
        let source = from.join(file);
        // Written again, there may be a link already; a copy would go into what it leads to.
        match fs::remove_file(&target) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        // Where the file system has no hard links, a copy serves as well.
        fs::hard_link(&source, &target).or_else(|_| fs::copy(&source, &target).map(drop))
    };
    make().map_err(Error::file("link", &target))
}

/// The mart that says how the others are.
pub(super) const STATUS: &str = "mart_status";

/// Writes it.
pub(super) fn mart_status(
    into: &Path,
    marts: &BTreeMap<String, MartEntry>,
    at: At<'_>,
) -> Result<MartEntry, Error> {
    let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let entries = || marts.values();
    let generations = entries().map(|entry| number(entry.generation));
    let rows = entries().map(|entry| number(entry.rows()));
    let refreshed = entries().map(|entry| Some(entry.refreshed_at.timestamp_micros()));
    let durations = entries().map(|entry| entry.duration);
    let status = columns::rows(
        STATUS,
        vec![
            (
                "mart",
                Arc::new(StringArray::from_iter_values(marts.keys())),
            ),
            (
                "generation",
                Arc::new(Int64Array::from_iter_values(generations)),
            ),
            ("rows", Arc::new(Int64Array::from_iter_values(rows))),
            ("as_of", times(entries().map(|entry| entry.as_of))),
            ("refreshed_at", times(refreshed)),
            (
                "duration",
                Arc::new(Float64Array::from_iter_values(durations)),
            ),
        ],
    )?;
    let file = format!("{STATUS}.parquet");
    let rows = columns::write(STATUS, &status, &[], &into.join(&file))?;
    let mut entry = empty(String::new(), at);
    entry.written.insert(file.clone());
    entry.files.insert(file, rows);
    Ok(entry)
}

fn times(times: impl Iterator<Item = Option<i64>>) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from_iter(times).with_timezone("UTC"))
}

/// The list of the lake's files.
const FILES: &str = "lake_files";

/// What `cleaned_flights` shows of the lake.
#[derive(Clone, Copy)]
pub(super) struct Window<'a> {
    /// The lake's columns.
    pub schema: &'a SourceSchema,
    /// From when on, in microseconds since 1970.
    pub since: i64,
}

/// Writes what `cleaned_flights` needs to know: the lake's files of the window, where it starts,
/// and which rows were sent more than once.
pub(super) fn window(session: &Session, into: &Path, window: Window<'_>) -> Result<(), Error> {
    let Window { schema, since } = window;
    // A file without rows stands first, so that the list is never empty.
    let empty = into.join("no_flight_states.parquet");
    let columns = schema.columns.iter();
    let columns: Vec<_> = columns
        .map(|column| {
            let name = crate::schema::identifier(&column.name);
            format!("null::{} as {name}", column.duck_type)
        })
        .collect();
    let ids = schema.columns.iter();
    let ids: Vec<_> = ids
        .map(|column| format!("{}: {}", quote(&column.name), column.id))
        .collect();
    let sql = format!(
        "copy (select {} limit 0) to {} (format parquet, field_ids {{{}}})",
        columns.join(", "),
        quote(&empty.to_string_lossy()),
        ids.join(", "),
    );
    session.run("write no_flight_states", &sql)?;

    let files = session.live_files(since)?;
    let since_of_each = files.iter().map(|_| Some(since));
    let list = columns::rows(
        FILES,
        vec![
            ("file", Arc::new(StringArray::from_iter_values(&files))),
            ("since", times(since_of_each)),
        ],
    )?;
    let file = into.join(format!("{FILES}.parquet"));
    columns::write(FILES, &list, &["since"], &file)?;
    let select = format!(
        "select icao24, snapshot_time from repeated_states where snapshot_time >= {}",
        timestamptz(since)
    );
    let file = into.join("repeated_states.parquet");
    session.copy(&select, &file, "repeated_states").map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_linked_twice_stays_what_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let (from, into) = (folder.path().join("gen-1"), folder.path().join("gen-2"));
        fs::create_dir_all(&from).unwrap();
        fs::write(from.join("a.parquet"), "rows").unwrap();
        for _ in 0..2 {
            link_file(&from, &into, "a.parquet").unwrap();
        }
        for folder in [from, into] {
            assert_eq!(
                fs::read_to_string(folder.join("a.parquet")).unwrap(),
                "rows"
            );
        }
    }
}
