//! Marts of the newest poll are written ahead of their publication: on the second connection, which has
//! that poll in memory, while the batch that brought it is merged on the first. A publication of that
//! batch takes them over; one that finds none writes them like the others.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::export::{self, Made, Whole};
use super::open;
use super::share::has_own_variables;
use super::sweep;
use crate::Error;
use crate::engine::{Merging, Session};
use crate::models::{Model, Models, Publish};

/// Its name.
pub(super) const FOLDER: &str = ".ahead";

/// A folder of files that no generation has yet.
#[derive(Debug)]
pub(crate) struct Ahead {
    folder: PathBuf,
    written: Mutex<Written>,
}

#[derive(Debug, Default)]
struct Written {
    /// The batch it is of.
    batch: i64,
    marts: BTreeMap<String, Whole>,
    /// The flights that go on, of those that began since a time.
    open_flights: Option<(Made, Option<i64>)>,
}

impl Ahead {
    /// Those for the generations of a folder.
    pub(super) fn of(published: &Path) -> Ahead {
        Ahead {
            folder: published.join(FOLDER),
            written: Mutex::default(),
        }
    }

    /// What was written is of a batch that will not be published, or is already.
    pub(crate) fn clear(&self) {
        *self.written() = Written::default();
        sweep::discard(&self.folder);
    }

    /// Writes the marts that only read what is in memory, and the flights that go on. Those that cannot
    /// be written are left to the publication, which says why.
    pub(crate) fn write(&self, session: &Session, models: &Models, merging: &Merging<'_>) {
        let mut written = Written {
            batch: merging.batch,
            ..Written::default()
        };
        let mut write = || -> Result<(), Error> {
            fs::create_dir_all(&self.folder).map_err(Error::file("make", &self.folder))?;
            let open = open::write(&self.folder, &merging.open_flights)?;
            written.open_flights = Some((open, merging.flights_since));
            for mart in models.marts().filter(|mart| is_of_newest(mart, models)) {
                if merging.is_over() {
                    break;
                }
                match export::whole(session, &self.folder, mart) {
                    Ok(whole) => drop(written.marts.insert(mart.name.clone(), whole)),
                    Err(error) => {
                        let reason = error.in_full();
                        tracing::debug!(mart = mart.name, reason, "not written ahead");
                        // Half a file may take the room that the publication needs.
                        let _ = fs::remove_file(self.folder.join(export::file_name(mart)));
                    }
                }
            }
            Ok(())
        };
        if let Err(error) = write() {
            tracing::debug!(reason = error.in_full(), "not written ahead");
            written = Written::default();
            sweep::discard(&self.folder);
        }
        *self.written() = written;
    }

    /// Moves what was written of a mart as of a batch into the generation that is being written.
    pub(super) fn take(&self, mart: &Model, batch: i64, into: &Path) -> Option<Whole> {
        let mut written = self.written();
        if written.batch != batch {
            return None;
        }
        let whole = written.marts.remove(&mart.name)?;
        self.take_file(&whole.file, into).then_some(whole)
    }

    /// The part of the flights that go on as of a batch, and since when those of it began.
    pub(super) fn open_flights(&self, batch: i64) -> Option<(Made, Option<i64>)> {
        let mut written = self.written();
        let is_of_batch = written.batch == batch;
        written.open_flights.take().filter(|_| is_of_batch)
    }

    /// Moves this part into the generation that is being written, if it is there.
    pub(super) fn take_part(&self, made: &Made, into: &Path) -> bool {
        made.rows == 0 || self.take_file(&made.file, into)
    }

    fn take_file(&self, file: &str, into: &Path) -> bool {
        let (from, to) = (self.folder.join(file), into.join(file));
        let take = || -> std::io::Result<()> {
            if let Some(folder) = to.parent() {
                fs::create_dir_all(folder)?;
            }
            fs::rename(&from, &to)
        };
        let taken = take();
        if let Err(error) = &taken {
            tracing::debug!(file, %error, "what was written ahead is not there");
        }
        taken.is_ok()
    }

    fn written(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a mart is made whole of what is in memory, with every refresh.
fn is_of_newest(mart: &Model, models: &Models) -> bool {
    let in_memory = |name: &String| models.get(name).is_ok_and(|model| model.in_memory);
    mart.publish == Publish::Always
        && mart.parts.is_empty()
        && mart.settle.is_empty()
        // Its own tables are those of before the batch.
        && mart.tables.is_empty()
        && !has_own_variables(mart)
        && !mart.depends.is_empty()
        && mart.depends.iter().all(in_memory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marts_of_the_newest_poll_alone_are_written_ahead() {
        let models = Models::embedded().unwrap();
        let ahead = models.marts().filter(|mart| is_of_newest(mart, &models));
        let names: Vec<&str> = ahead.map(|mart| mart.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "corridors",
                "current_positions",
                "region_kpis",
                "speed_outliers",
                "velocity_distribution",
                "velocity_percentiles",
            ]
        );
    }

    #[test]
    fn what_is_of_another_batch_is_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        let ahead = Ahead::of(folder.path());
        let models = Models::embedded().unwrap();
        let mart = models.get("corridors").unwrap();
        let write = |batch| {
            let file = "corridors.parquet".to_owned();
            fs::create_dir_all(&ahead.folder).unwrap();
            fs::write(ahead.folder.join(&file), "rows").unwrap();
            let whole = Whole {
                file,
                rows: 1,
                finished: chrono::Utc::now(),
                duration: 0.1,
            };
            let marts = [("corridors".to_owned(), whole)].into();
            *ahead.written() = Written {
                batch,
                marts,
                open_flights: None,
            };
        };
        let take = |batch| ahead.take(mart, batch, folder.path()).is_some();
        write(7);
        assert!(!take(6) && !take(8));
        assert!(take(7) && folder.path().join("corridors.parquet").exists());
        // Only once.
        assert!(!take(7));
        write(8);
        ahead.clear();
        assert!(!take(8));
        // And not what has vanished.
        write(9);
        fs::remove_dir_all(&ahead.folder).unwrap();
        assert!(!take(9));
    }
}
