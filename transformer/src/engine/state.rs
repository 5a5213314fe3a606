//! Watermark, batch number and the files of the lake, beside the models' own tables.

use std::cell::RefCell;
use std::collections::HashMap;

use duckdb::{Connection, params};

use super::Engine;
use super::forget::{Days, FIRST_DAY, ranges};
use crate::Error;
use crate::changes::{Changes, LakeFile, Watermark};
use crate::fold::MICROS_PER_DAY;
use crate::schema::{quote, quote_list};

/// What the database holds, for status and for publishing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    /// Which life of the state this is: another one after a rebuild.
    pub epoch: String,
    /// Number of the last batch; 0 before the first.
    pub batch: i64,
    /// The last snapshot that was read.
    pub snapshot_id: Option<i64>,
    /// Rows counted.
    pub rows: u64,
    /// Polls counted.
    pub polls: u64,
    /// Time of the newest poll, in microseconds since 1970.
    pub as_of: Option<i64>,
    /// Whether a rebuild is under way: what is counted so far must not be published.
    pub rebuilding: bool,
    /// Whether files wait to be counted.
    pub waiting: bool,
}

pub(super) fn create(conn: &Connection) -> Result<(), Error> {
    let sql = "
        create table if not exists meta (
            key varchar not null,
            value varchar not null,
        );
        -- Data files of the lake that were seen; those without a batch wait to be counted.
        create table if not exists lake_files (
            path varchar not null,
            rows bigint not null,
            first_time timestamptz,
            last_time timestamptz,
            batch bigint,
        );
        -- The rows of the newest poll, those of a batch as one value: a stream of Arrow's.
        create table if not exists newest_rows (
            snapshot_time timestamptz not null,
            rows blob not null,
        );";
    conn.execute_batch(sql)
        .map_err(Error::duck("cannot create the tables of the state"))
}

/// What `meta` holds, and what the tables add up to, as far as it was read: nobody else writes them. To
/// be cleared when a transaction was rolled back.
#[derive(Debug, Default)]
pub(super) struct Facts {
    noted: RefCell<Option<HashMap<String, String>>>,
    totals: RefCell<Option<Totals>>,
}

impl Facts {
    /// Lets the database decide.
    pub fn clear(&self) {
        self.noted.replace(None);
        self.clear_totals();
    }

    /// The same of what the tables add up to: with every transaction.
    pub fn clear_totals(&self) {
        self.totals.replace(None);
    }
}

fn facts(conn: &Connection) -> Result<HashMap<String, String>, Error> {
    let read = || -> duckdb::Result<HashMap<String, String>> {
        let mut statement = conn.prepare("select key, value from meta")?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        rows.collect()
    };
    read().map_err(Error::duck("cannot read the state"))
}

pub(super) fn get(conn: &Connection, key: &str) -> Result<Option<String>, Error> {
    Ok(facts(conn)?.remove(key))
}

/// Whether the state was made by models of another version.
pub(super) fn other_models(conn: &Connection, version: &str) -> Result<bool, Error> {
    Ok(get(conn, "models")?.is_some_and(|found| found != version))
}

impl Engine {
    /// What is noted under a key.
    pub(super) fn fact(&self, key: &str) -> Result<Option<String>, Error> {
        if self.facts.noted.borrow().is_none() {
            self.facts.noted.replace(Some(facts(self.connection())?));
        }
        let known = self.facts.noted.borrow();
        Ok(known.as_ref().and_then(|known| known.get(key).cloned()))
    }

    /// Notes texts under their keys, in the caller's transaction if there is one.
    pub(super) fn note(&self, pairs: &[(&str, &str)]) -> Result<(), Error> {
        let mut new = Vec::new();
        for (key, value) in pairs {
            if self.fact(key)?.as_deref() != Some(*value) {
                new.push((*key, *value));
            }
        }
        if new.is_empty() {
            return Ok(());
        }
        let keys: Vec<String> = new.iter().map(|(key, _)| quote(key)).collect();
        let rows = new.iter();
        let rows: Vec<String> = rows
            .map(|(key, value)| format!("({}, {})", quote(key), quote(value)))
            .collect();
        let (keys, rows) = (keys.join(", "), rows.join(", "));
        let sql =
            format!("delete from meta where key in ({keys}); insert into meta values {rows};");
        self.facts.clear_totals();
        self.run("write the state", &sql)?;
        if let Some(known) = self.facts.noted.borrow_mut().as_mut() {
            known.extend(new.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
        }
        Ok(())
    }

    /// How far the lake was read.
    pub fn watermark(&self) -> Result<Option<Watermark>, Error> {
        let (table_uuid, id) = (self.fact("table_uuid")?, self.fact("snapshot_id")?);
        Ok(table_uuid.zip(id).and_then(|(table_uuid, id)| {
            Some(Watermark {
                table_uuid,
                snapshot_id: id.parse().ok()?,
            })
        }))
    }

    /// What the database holds.
    pub fn totals(&self) -> Result<Totals, Error> {
        if let Some(known) = self.facts.totals.borrow().as_ref() {
            return Ok(known.clone());
        }
        let totals = self.count_totals()?;
        self.facts.totals.replace(Some(totals.clone()));
        Ok(totals)
    }

    fn count_totals(&self) -> Result<Totals, Error> {
        let sql = "select
                coalesce(sum(aircraft_total), 0)::ubigint,
                count(*)::ubigint,
                max(epoch_us(snapshot_time)),
                (select count(*) > 0 from lake_files where batch is null),
            from polls";
        let totals = self.connection().query_row(sql, [], |row| {
            Ok(Totals {
                rows: row.get(0)?,
                polls: row.get(1)?,
                as_of: row.get(2)?,
                waiting: row.get(3)?,
                ..Totals::default()
            })
        });
        let totals = totals.map_err(Error::duck("cannot read the totals"))?;
        Ok(Totals {
            epoch: self.fact("epoch")?.unwrap_or_default(),
            batch: self.batch()?,
            snapshot_id: self.watermark()?.map(|watermark| watermark.snapshot_id),
            rebuilding: self.is_rebuilding()?,
            ..totals
        })
    }

    /// Whether what waits was counted before, and nothing is to be published until it is again.
    fn is_rebuilding(&self) -> Result<bool, Error> {
        Ok(self.fact("rebuilding")?.as_deref() == Some("true"))
    }

    /// The newest of the files that were counted after a batch and have rows at or after `since`:
    /// as many as hold `rows` rows, one at least.
    pub(crate) fn arrived(&self, batch: i64, since: i64, rows: u64) -> Result<Vec<String>, Error> {
        let sql = format!(
            "select path
            from lake_files
            where batch > {batch} and coalesce(epoch_us(last_time) >= {since}, true)
            qualify sum(rows) over (order by last_time desc, path rows unbounded preceding) - rows
                < {rows}"
        );
        self.column("list the files that arrived", &sql)
    }

    pub(crate) fn batch(&self) -> Result<i64, Error> {
        let batch = self.fact("batch")?;
        Ok(batch.and_then(|batch| batch.parse().ok()).unwrap_or(0))
    }

    /// Begins a batch, within the caller's transaction, and says its number to the models.
    pub(super) fn next_batch(&self) -> Result<i64, Error> {
        let batch = self.batch()? + 1;
        self.note(&[("batch", &batch.to_string())])?;
        let sql = format!("set variable batch = {batch}::bigint");
        self.run("name the batch", &sql)?;
        Ok(batch)
    }

    /// The days that files have rows of, as ranges.
    pub(super) fn days_of_files(&self, paths: &[String]) -> Result<Vec<Days>, Error> {
        let sql = format!(
            "select distinct unnest(range(
                coalesce(epoch_us(first_time) // {MICROS_PER_DAY}, {FIRST_DAY}),
                coalesce(
                    epoch_us(last_time),
                    (select epoch_us(max(snapshot_time)) from polls)
                ) // {MICROS_PER_DAY} + 1
            ))::bigint as day
            from lake_files
            where path in (select unnest({}))
            order by day",
            quote_list(paths.iter().map(String::as_str)),
        );
        let days: Vec<i64> = self.column("find the days of files", &sql)?;
        Ok(ranges(&days))
    }

    /// Whether files wait to be counted.
    pub(crate) fn is_waiting(&self) -> Result<bool, Error> {
        let sql = "select count(*) > 0 from lake_files where batch is null";
        self.value("look for files that wait", sql)
    }

    /// Writes down what the lake has, within the caller's transaction.
    pub(super) fn register(&self, changes: &Changes) -> Result<(), Error> {
        let watermark = match changes {
            Changes::None => return Ok(()),
            Changes::Appended { watermark, files } => {
                self.add_files(files, None)?;
                watermark
            }
            Changes::Moved {
                watermark,
                added,
                removed,
            } => {
                self.retire_files(removed)?;
                self.add_files(added, Some(self.batch()?))?;
                watermark
            }
            Changes::Rebuild { watermark, files } => {
                self.begin_again(&watermark.table_uuid, files)?;
                self.add_files(files, None)?;
                watermark
            }
        };
        let snapshot_id = watermark.snapshot_id.to_string();
        self.note(&[
            ("table_uuid", &watermark.table_uuid),
            ("snapshot_id", &snapshot_id),
        ])
    }

    /// Forgets how far the lake was read, for good.
    pub(crate) fn forget(&self) -> Result<(), Error> {
        self.transaction(|| self.forget_watermark())
    }

    /// Forgets how far the lake was read, so that the next look at it leads to a rebuild.
    pub(crate) fn forget_watermark(&self) -> Result<(), Error> {
        let sql = "delete from meta where key in ('table_uuid', 'snapshot_id')";
        self.facts.clear();
        self.run("forget the watermark", sql)
    }

    /// Begins a new life of the state, with nothing counted of what these files hold.
    fn begin_again(&self, lake: &str, files: &[LakeFile]) -> Result<(), Error> {
        self.recent.clear();
        self.newest.forget();
        self.flights.clear();
        self.empty_tables(lake, files)?;
        let epoch = uuid::Uuid::now_v7().to_string();
        self.note(&[("epoch", &epoch), ("rebuilding", "true")])?;
        self.note_all_again()
    }

    fn add_files(&self, files: &[LakeFile], batch: Option<i64>) -> Result<(), Error> {
        let sql = "insert into lake_files values (
            ?, ?, to_timestamp(?::bigint / 1000000), to_timestamp(?::bigint / 1000000), ?)";
        let insert = || -> duckdb::Result<()> {
            let mut statement = self.connection().prepare(sql)?;
            for file in files {
                let rows = i64::try_from(file.rows).unwrap_or(i64::MAX);
                statement.execute(params![
                    file.path,
                    rows,
                    file.first_time,
                    file.last_time,
                    batch
                ])?;
            }
            Ok(())
        };
        insert().map_err(Error::duck("cannot note the lake's files"))
    }

    fn retire_files(&self, paths: &[String]) -> Result<(), Error> {
        if paths.is_empty() {
            return Ok(());
        }
        let sql = format!(
            "delete from lake_files where path in (select unnest({}))",
            quote_list(paths.iter().map(String::as_str)),
        );
        self.run("note the files that left the lake", &sql)
    }
}
