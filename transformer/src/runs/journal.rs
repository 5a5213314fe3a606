//! Lines of JSON, one file a day (UTC), that only grow.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use chrono::NaiveDate;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Lines that are kept in memory at most while the disk takes none.
const WAITING: usize = 1000;

/// The journal `name` of a folder: files `name-2025-09-26.jsonl`.
#[derive(Debug)]
pub(crate) struct Journal<T> {
    folder: PathBuf,
    name: &'static str,
    /// Lines that could not be written yet.
    waiting: Vec<(NaiveDate, String)>,
    rows: PhantomData<fn(T) -> T>,
}

impl<T: Serialize + DeserializeOwned> Journal<T> {
    /// The journal `name` in `folder`, which need not exist.
    pub(crate) fn new(folder: &Path, name: &'static str) -> Journal<T> {
        Journal {
            folder: folder.to_owned(),
            name,
            waiting: Vec::new(),
            rows: PhantomData,
        }
    }

    /// Adds a row to a day. What the disk does not take waits for the next call.
    pub(crate) fn append(&mut self, day: NaiveDate, row: &T) {
        match serde_json::to_string(row) {
            Ok(line) => self.waiting.push((day, line + "\n")),
            Err(error) => tracing::warn!(%error, journal = self.name, "a row cannot be written"),
        }
        self.flush();
    }

    /// Writes what waits.
    pub(crate) fn flush(&mut self) {
        let mut written = 0;
        for (day, line) in &self.waiting {
            if let Err(error) = add(&self.folder, &self.path(*day), line) {
                tracing::debug!(%error, journal = self.name, "the journal cannot be written yet");
                break;
            }
            written += 1;
        }
        self.waiting.drain(..written);
        if self.waiting.len() > WAITING {
            self.waiting.remove(0);
            tracing::warn!(
                journal = self.name,
                "the journal cannot be written: a row is lost"
            );
        }
    }

    /// The days there are, oldest first.
    pub(crate) fn days(&self) -> Vec<NaiveDate> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let mut days: Vec<NaiveDate> = entries
            .filter_map(|entry| self.day_of(&entry.file_name().to_string_lossy()))
            .collect();
        days.sort_unstable();
        days
    }

    /// The file of a day.
    pub(crate) fn path(&self, day: NaiveDate) -> PathBuf {
        self.folder.join(format!("{}-{day}.jsonl", self.name))
    }

    /// The rows of a day, in the order of their writing. Lines that are no rows are left out: a
    /// reader may come while one is being written.
    pub(crate) fn read(&self, day: NaiveDate) -> Vec<T> {
        let text = fs::read_to_string(self.path(day)).unwrap_or_default();
        let rows = text
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok());
        rows.collect()
    }

    /// Removes the days before `day`.
    pub(crate) fn remove_before(&self, day: NaiveDate) {
        for old in self.days().into_iter().filter(|old| *old < day) {
            let path = self.path(old);
            if let Err(error) = fs::remove_file(&path) {
                tracing::warn!(path = %path.display(), %error, "cannot remove an old journal");
            }
        }
    }

    fn day_of(&self, file_name: &str) -> Option<NaiveDate> {
        let rest = file_name.strip_prefix(self.name)?.strip_prefix('-')?;
        rest.strip_suffix(".jsonl")?.parse().ok()
    }
}

/// Adds a line to a file, whole or not at all.
fn add(folder: &Path, path: &Path, line: &str) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let mut file = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .open(path)?;
    let before = file.metadata()?.len();
    let line = match ends_within_line(&mut file, before)? {
        true => format!("\n{line}"),
        false => line.to_owned(),
    };
    let written = file.write_all(line.as_bytes());
    if written.is_err() {
        // A part of a line is worth nothing; what cannot be taken back ends with the next line.
        let _ = file.set_len(before);
    }
    written
}

/// Whether a kill has left a line without its end.
fn ends_within_line(file: &mut File, length: u64) -> io::Result<bool> {
    if length == 0 {
        return Ok(false);
    }
    let mut last = [0];
    file.seek(SeekFrom::Start(length - 1))?;
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn rows_come_back_by_day_and_old_days_go() {
        let folder = tempfile::tempdir().unwrap();
        let mut journal: Journal<u32> = Journal::new(&folder.path().join("deep"), "runs");
        assert!(journal.days().is_empty());
        journal.append(day("2025-09-26"), &1);
        journal.append(day("2025-09-27"), &2);
        journal.append(day("2025-09-26"), &3);
        assert_eq!(journal.days(), [day("2025-09-26"), day("2025-09-27")]);
        assert_eq!(journal.read(day("2025-09-26")), [1, 3]);
        journal.remove_before(day("2025-09-27"));
        assert_eq!(journal.days(), [day("2025-09-27")]);
        let other: Journal<u32> = Journal::new(&folder.path().join("deep"), "audits");
        assert!(other.days().is_empty());
    }

    #[test]
    fn a_line_that_a_kill_has_torn_harms_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let mut journal: Journal<u32> = Journal::new(folder.path(), "runs");
        let friday = day("2025-09-26");
        journal.append(friday, &1234);
        let path = journal.path(friday);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text + "{\"torn").unwrap();
        journal.append(friday, &5);
        assert_eq!(journal.read(friday), [1234, 5]);
    }

    #[test]
    fn what_cannot_be_written_waits() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("journal");
        fs::write(&place, "a file where the folder should be").unwrap();
        let mut journal: Journal<u32> = Journal::new(&place, "runs");
        let friday = day("2025-09-26");
        journal.append(friday, &1);
        fs::remove_file(&place).unwrap();
        journal.append(friday, &2);
        assert_eq!(journal.read(friday), [1, 2]);
    }
}
