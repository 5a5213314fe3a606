//! Watermark, batch number and the files of the lake, beside the models' own tables.

use duckdb::{Connection, OptionalExt, params};

use super::Engine;
use super::forget::{Days, FIRST_DAY, ranges};
use crate::Error;
use crate::changes::{Changes, LakeFile, Watermark};
use crate::fold::MICROS_PER_DAY;
use crate::schema::quote_list;

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
        );";
    conn.execute_batch(sql)
        .map_err(Error::duck("cannot create the tables of the state"))
}

pub(super) fn get(conn: &Connection, key: &str) -> Result<Option<String>, Error> {
    let sql = "select value from meta where key = ?";
    conn.query_row(sql, [key], |row| row.get(0))
        .optional()
        .map_err(Error::duck(format!("cannot read {key} of the state")))
}

pub(super) fn set(conn: &Connection, key: &str, value: &str) -> Result<(), Error> {
    let write = || -> duckdb::Result<()> {
        conn.execute("delete from meta where key = ?", [key])?;
        conn.execute("insert into meta values (?, ?)", [key, value])?;
        Ok(())
    };
    write().map_err(Error::duck(format!("cannot write {key} of the state")))
}

/// Whether the state was made by models of another version.
pub(super) fn other_models(conn: &Connection, version: &str) -> Result<bool, Error> {
    Ok(get(conn, "models")?.is_some_and(|found| found != version))
}

impl Engine {
    /// How far the lake was read.
    pub fn watermark(&self) -> Result<Option<Watermark>, Error> {
        let table_uuid = get(self.connection(), "table_uuid")?;
        let snapshot_id = get(self.connection(), "snapshot_id")?;
        Ok(table_uuid.zip(snapshot_id).and_then(|(table_uuid, id)| {
            Some(Watermark {
                table_uuid,
                snapshot_id: id.parse().ok()?,
            })
        }))
    }

    /// What the database holds.
    pub fn totals(&self) -> Result<Totals, Error> {
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
            epoch: get(self.connection(), "epoch")?.unwrap_or_default(),
            batch: self.batch()?,
            snapshot_id: self.watermark()?.map(|watermark| watermark.snapshot_id),
            rebuilding: self.rebuilding()?,
            ..totals
        })
    }

    /// Counted data files with rows at or after `since` (microseconds since 1970).
    pub(crate) fn live_files(&self, since: i64) -> Result<Vec<String>, Error> {
        let sql = format!(
            "select path from lake_files
            where batch is not null and coalesce(epoch_us(last_time) >= {since}, true)
            order by first_time, path"
        );
        self.column("list the lake's files", &sql)
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
        let batch = get(self.connection(), "batch")?;
        Ok(batch.and_then(|batch| batch.parse().ok()).unwrap_or(0))
    }

    /// Begins a batch, within the caller's transaction, and says its number to the models.
    pub(super) fn next_batch(&self) -> Result<i64, Error> {
        let batch = self.batch()? + 1;
        set(self.connection(), "batch", &batch.to_string())?;
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

    pub(super) fn rebuilding(&self) -> Result<bool, Error> {
        Ok(get(self.connection(), "rebuilding")?.as_deref() == Some("true"))
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
        set(self.connection(), "table_uuid", &watermark.table_uuid)?;
        set(
            self.connection(),
            "snapshot_id",
            &watermark.snapshot_id.to_string(),
        )
    }

    /// Forgets how far the lake was read, for good.
    pub(crate) fn forget(&self) -> Result<(), Error> {
        self.transaction(|| self.forget_watermark())
    }

    /// Forgets how far the lake was read, so that the next look at it leads to a rebuild.
    pub(crate) fn forget_watermark(&self) -> Result<(), Error> {
        let sql = "delete from meta where key in ('table_uuid', 'snapshot_id')";
        self.run("forget the watermark", sql)
    }

    /// Begins a new life of the state, with nothing counted of what these files hold.
    fn begin_again(&self, lake: &str, files: &[LakeFile]) -> Result<(), Error> {
        self.recent.clear();
        self.flights.clear();
        self.empty_tables(lake, files)?;
        set(
            self.connection(),
            "epoch",
            &uuid::Uuid::now_v7().to_string(),
        )?;
        set(self.connection(), "rebuilding", "true")
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
