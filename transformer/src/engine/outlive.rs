//! Daily aggregates outlive a rebuild: of days that the lake no longer has nobody could count them
//! again. A model's header names the tables (`daily`).
//!
//! A rebuild from the same table empties everything else. When the models have changed, the
//! database is made anew, and these tables cross over as files in the folder `kept`.

use std::fs;
use std::path::{Path, PathBuf};

use chrono::NaiveDate;
use duckdb::Connection;
use uuid::Uuid;

use super::forget::date_of;
use super::{Engine, state};
use crate::Error;
use crate::changes::LakeFile;
use crate::fold::MICROS_PER_DAY;
use crate::models::Models;
use crate::models::model::DailyTable;
use crate::publish;
use crate::schema::{quote, read_parquet};

/// The lake's table that was counted last, which a rebuild does not forget.
const LAKE: &str = "lake_table";
/// The last of the folders `kept` that was taken over.
const TAKEN: &str = "kept_taken";

/// Writes the daily aggregates of a database beside it, to be taken over by the next one.
pub(super) fn save(conn: &Connection, folder: &Path, models: &Models) -> Result<(), Error> {
    let Some(lake) = lake_of(conn)? else {
        return Ok(());
    };
    let (into, part) = (folder.join("kept"), folder.join(".unfinished-kept"));
    for folder in [&into, &part] {
        remove_folder(folder)?;
    }
    fs::create_dir_all(&part).map_err(Error::file("make", &part))?;
    for table in tables(models) {
        let exists = "select count(*) > 0 from duckdb_tables() where table_name = ?";
        let exists = conn.query_row(exists, [&table.name], |row| row.get(0));
        if !exists.map_err(Error::duck("cannot look for daily aggregates"))? {
            continue;
        }
        let file = part.join(format!("{}.parquet", table.name));
        let sql = format!(
            "copy {} to {} (format parquet)",
            table.name,
            quote(&file.to_string_lossy())
        );
        conn.execute_batch(&sql)
            .map_err(Error::duck(format!("cannot save {}", table.name)))?;
    }
    // Parts of marts are told by batches, so their numbers must go on.
    let batch = state::get(conn, "batch")?.unwrap_or_default();
    let id = Uuid::now_v7().to_string();
    for (name, text) in [("lake", lake), ("batch", batch), ("id", id)] {
        let file = part.join(name);
        fs::write(&file, text).map_err(Error::file("write", &file))?;
    }
    // The database that has them is removed next.
    publish::sync_all(&part)?;
    fs::rename(&part, &into).map_err(Error::file("put in place", &into))?;
    publish::sync(folder)
}

impl Engine {
    /// Takes over what a database of other models has left. What does not fit any more stays in
    /// its folder, and is said.
    pub(super) fn take_kept(&self, folder: &Path) -> Result<(), Error> {
        let kept = folder.join("kept");
        if !kept.exists() {
            return Ok(());
        }
        let id = read(kept.join("id"))?;
        if self.fact(TAKEN)?.as_deref() == Some(&id) {
            return remove_folder(&kept);
        }
        let (lake, batch) = (read(kept.join("lake"))?, read(kept.join("batch"))?);
        let taken = self.transaction(|| {
            for table in tables(&self.models) {
                let file = kept.join(format!("{}.parquet", table.name));
                if !file.exists() {
                    continue;
                }
                let sql = format!(
                    "delete from {0}; insert into {0} by name from {1}",
                    table.name,
                    read_parquet(&quote(&file.to_string_lossy()))
                );
                self.run(&format!("take over {}", table.name), &sql)?;
            }
            self.note(&[("batch", &batch), (LAKE, &lake), (TAKEN, &id)])
        });
        match taken {
            Ok(()) => remove_folder(&kept),
            Err(Error::CrashPoint(point)) => Err(Error::CrashPoint(point)),
            Err(error) => {
                let aside = folder.join(format!("kept-{id}"));
                fs::rename(&kept, &aside).map_err(Error::file("put aside", &kept))?;
                tracing::warn!(
                    error = error.in_full(),
                    folder = %aside.display(),
                    "daily aggregates do not fit the models any more: those of days that the \
                    lake no longer has are put aside"
                );
                Ok(())
            }
        }
    }

    /// Empties every table but `meta`, as a rebuild of this table of the lake from these files
    /// begins. The batch number goes on.
    pub(super) fn empty_tables(&self, lake: &str, files: &[LakeFile]) -> Result<(), Error> {
        let is_same = lake_of(self.connection())?.as_deref() == Some(lake);
        let daily: Vec<&DailyTable> = match is_same {
            true => tables(&self.models).collect(),
            false => Vec::new(),
        };
        let again = days_of(files);
        let sql = "select table_name from duckdb_tables()
            where database_name = current_database()
                and not temporary
                and not internal
                and table_name <> 'meta'";
        for table in self.column::<String>("list the tables of the state", sql)? {
            let sql = match daily.iter().find(|daily| daily.name == table) {
                None => format!("delete from {table}"),
                Some(DailyTable { day: None, .. }) => continue,
                Some(DailyTable { day: Some(day), .. }) => match &again {
                    Some(ranges) if ranges.is_empty() => continue,
                    Some(ranges) => {
                        let ranges = ranges.iter();
                        let ranges: Vec<String> = ranges
                            .map(|(from, to)| format!("{day} between '{from}' and '{to}'"))
                            .collect();
                        format!("delete from {table} where {}", ranges.join(" or "))
                    }
                    None => format!("delete from {table}"),
                },
            };
            self.run("empty the state", &sql)?;
        }
        self.note(&[(LAKE, lake)])
    }
}

/// The days that files have rows of, as ranges; none when one does not say, which may be any.
fn days_of(files: &[LakeFile]) -> Option<Vec<(NaiveDate, NaiveDate)>> {
    let mut ranges: Vec<(i64, i64)> = Vec::new();
    for file in files {
        let day = |time: i64| time.div_euclid(MICROS_PER_DAY);
        ranges.push((day(file.first_time?), day(file.last_time?)));
    }
    ranges.sort_unstable();
    ranges.dedup_by(|next, range| {
        let joins = next.0 <= range.1.saturating_add(1);
        if joins {
            range.1 = range.1.max(next.1);
        }
        joins
    });
    let dates = ranges.into_iter();
    dates
        .map(|(from, to)| date_of(from).zip(date_of(to)))
        .collect()
}

fn lake_of(conn: &Connection) -> Result<Option<String>, Error> {
    match state::get(conn, LAKE)? {
        Some(lake) => Ok(Some(lake)),
        // State of an earlier version.
        None => state::get(conn, "table_uuid"),
    }
}

fn tables(models: &Models) -> impl Iterator<Item = &DailyTable> {
    models.iter().flat_map(|model| &model.daily)
}

fn read(file: PathBuf) -> Result<String, Error> {
    fs::read_to_string(&file).map_err(Error::file("read", &file))
}

fn remove_folder(folder: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::file("remove", folder)(error))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_of_files_that_meet_are_one_range() {
        let file = |first: Option<i64>, last: Option<i64>| LakeFile {
            path: String::new(),
            rows: 1,
            first_time: first.map(|hour| hour * 3_600_000_000),
            last_time: last.map(|hour| hour * 3_600_000_000),
        };
        let date = |text: &str| -> NaiveDate { text.parse().unwrap() };
        assert_eq!(days_of(&[]), Some(Vec::new()));
        let files = [
            file(Some(130), Some(131)),
            file(Some(20), Some(30)),
            file(Some(1), Some(2)),
            file(Some(48), Some(49)),
        ];
        assert_eq!(
            days_of(&files),
            Some(vec![
                (date("1970-01-01"), date("1970-01-03")),
                (date("1970-01-06"), date("1970-01-06")),
            ])
        );
        assert_eq!(days_of(&[file(None, Some(1))]), None);
        assert_eq!(days_of(&[file(Some(1), None)]), None);
    }
}
