//! Lines of JSON, one file a day (UTC), that only grow.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use chrono::NaiveDate;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Error;

/// Lines that are kept in memory at most while the disk takes none.
const WAITING: usize = 1000;

/// The journal `name` of a folder: files `name-2025-09-26.jsonl`.
#[derive(Debug)]
pub(crate) struct Journal<T> {
    folder: PathBuf,
    name: &'static str,
    /// Lines that could not be written yet.
    waiting: Vec<(NaiveDate, String)>,
    trouble: Trouble,
    /// It was said that rows are lost.
    losing: bool,
    rows: PhantomData<fn(T) -> T>,
}

impl<T: Serialize + DeserializeOwned> Journal<T> {
    /// The journal `name` in `folder`, which need not exist.
    pub(crate) fn new(folder: &Path, name: &'static str) -> Journal<T> {
        Journal {
            folder: folder.to_owned(),
            name,
            waiting: Vec::new(),
            trouble: Trouble::default(),
            losing: false,
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
                if self.trouble.is_new(&error) {
                    tracing::warn!(
                        folder = %self.folder.display(), %error,
                        "{} have no record: the folder cannot be written; make it writable, and \
                         what waits in memory until then is written",
                        self.name
                    );
                }
                break;
            }
            written += 1;
        }
        self.waiting.drain(..written);
        if self.waiting.is_empty() {
            self.trouble.is_over();
            self.losing = false;
        }
        if self.waiting.len() > WAITING {
            self.waiting.remove(0);
            if !std::mem::replace(&mut self.losing, true) {
                tracing::warn!(
                    folder = %self.folder.display(),
                    "records of {} are lost: more than {WAITING} wait for their folder",
                    self.name
                );
            }
        }
    }

    /// The days there are, oldest first. A folder that cannot be read is said and has none: records
    /// never fail the work.
    pub(crate) fn days(&self) -> Vec<NaiveDate> {
        self.list().unwrap_or_else(|error| self.unread(&error))
    }

    /// As [`days`](Self::days), for those who only read; a folder that is not there has none.
    pub(crate) fn list(&self) -> Result<Vec<NaiveDate>, Error> {
        let failed = |error| Error::file("read the folder", &self.folder)(error);
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(failed)?,
        };
        let mut days = Vec::new();
        for entry in entries {
            let name = entry.map_err(failed)?.file_name();
            days.extend(self.day_of(&name.to_string_lossy()));
        }
        days.sort_unstable();
        Ok(days)
    }

    /// The file of a day.
    pub(crate) fn path(&self, day: NaiveDate) -> PathBuf {
        self.folder.join(format!("{}-{day}.jsonl", self.name))
    }

    /// The rows of a day, in the order of their writing. Lines that are no rows are left out: a
    /// reader may come while one is being written.
    pub(crate) fn read(&self, day: NaiveDate) -> Vec<T> {
        self.rows(day).unwrap_or_else(|error| self.unread(&error))
    }

    /// As [`read`](Self::read), for those who only read; a file that is not there has none.
    pub(crate) fn rows(&self, day: NaiveDate) -> Result<Vec<T>, Error> {
        let path = self.path(day);
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            bytes => bytes.map_err(Error::file("read", &path))?,
        };
        let rows = String::from_utf8_lossy(&bytes);
        let rows = rows.lines();
        Ok(rows
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect())
    }

    fn unread<R>(&self, error: &Error) -> Vec<R> {
        let (error, name) = (error.in_full(), self.name);
        tracing::warn!(error, "records of {name} are left out");
        Vec::new()
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

/// What keeps records from the disk, so that it is said once and not with every poll.
#[derive(Debug, Default)]
pub(super) struct Trouble(Option<String>);

impl Trouble {
    /// Whether nobody was told of this.
    pub(super) fn is_new(&mut self, error: &io::Error) -> bool {
        let cause = error.to_string();
        let is_new = self.0.as_ref() != Some(&cause);
        self.0 = Some(cause);
        is_new
    }

    /// The disk takes records again.
    pub(super) fn is_over(&mut self) {
        self.0 = None;
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
    fn the_same_trouble_is_told_once() {
        let full = || io::Error::from(ErrorKind::StorageFull);
        let mut trouble = Trouble::default();
        assert!(trouble.is_new(&full()));
        assert!(!trouble.is_new(&full()));
        assert!(trouble.is_new(&ErrorKind::PermissionDenied.into()));
        trouble.is_over();
        assert!(trouble.is_new(&full()));
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
