//! One refresh: the rows of new data files enter the models' state, in one transaction with the
//! watermark.
//!
//! Each (icao24, snapshot_time) counts once. Repeats within the batch, and of the most recent
//! polls, are recognised from memory of those polls (`recent_states`). Rows of an older poll that
//! is known are rare (a late half, a replay): then, and only then, what the lake holds of that
//! poll is looked up first.

use std::path::Path;
use std::time::{Duration, Instant};

use super::{Engine, state};
use crate::Error;
use crate::changes::Changes;
use crate::models::Kind;
use crate::schema::{SourceSchema, quote, quote_list};

/// Polls whose aircraft are remembered: trimmed to `REMEMBERED` when there are more than
/// `REMEMBERED_AT_MOST`.
const REMEMBERED: usize = 20;
const REMEMBERED_AT_MOST: usize = 40;

/// What one refresh did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// Rows of the data files.
    pub rows: u64,
    /// Rows among them that had been counted before, or came twice.
    pub repeated: u64,
    /// Number of the batch, unless there was nothing to count.
    pub batch: Option<i64>,
    /// Id of the refresh.
    pub run_id: String,
    /// Whether files are still waiting.
    pub more: bool,
    /// How long it took.
    pub duration: Duration,
}

/// A data file to count.
struct Waiting {
    path: String,
    rows: u64,
}

impl Engine {
    /// Notes the changes of the lake and counts the next of the files that wait, as many as
    /// `step_rows` allow, in one transaction.
    pub fn refresh(&self, changes: &Changes, schema: &SourceSchema) -> Result<Counted, Error> {
        let began = Instant::now();
        let run_id = uuid::Uuid::now_v7().to_string();
        let nothing = Counted {
            rows: 0,
            repeated: 0,
            batch: None,
            run_id: run_id.clone(),
            more: false,
            duration: Duration::ZERO,
        };
        let counted = self.transaction(|| {
            self.register(changes)?;
            let files = self.waiting()?;
            if files.is_empty() {
                state::set(&self.conn, "rebuilding", "false")?;
                return Ok(nothing.clone());
            }
            self.must_exist(files.iter().map(|file| file.path.as_str()))?;
            self.count(&files, schema, run_id)
        });
        let counted = match counted {
            Err(Error::FileGone(path)) if !self.rebuilding()? => {
                tracing::warn!(%path, "a data file is gone: everything is counted again");
                self.transaction(|| self.forget_watermark())?;
                Counted {
                    more: true,
                    ..nothing
                }
            }
            counted => counted?,
        };
        service::crash_point!(
            "transformer.commit.after",
            return Err(Error::CrashPoint("transformer.commit.after"))
        );
        Ok(Counted {
            duration: began.elapsed(),
            ..counted
        })
    }

    fn count(
        &self,
        files: &[Waiting],
        schema: &SourceSchema,
        run_id: String,
    ) -> Result<Counted, Error> {
        service::crash_point!(
            "transformer.stage.before",
            return Err(Error::CrashPoint("transformer.stage.before"))
        );
        let batch = self.batch()? + 1;
        state::set(&self.conn, "batch", &batch.to_string())?;
        let paths = quote_list(files.iter().map(|file| file.path.as_str()));
        let setting = format!(
            "set variable batch = {batch}::bigint;
            set variable run_id = {};
            create or replace temp view lake_flight_states as select {} from {}",
            quote(&run_id),
            schema.select_list(false),
            schema.read_parquet(&paths),
        );
        self.run("open the data files", &setting)?;
        self.run_models(schema, batch)?;
        let repeated: i64 = self.value("count the repeats", "select count(*) from repeats")?;
        let finish =
            format!("update lake_files set batch = {batch} where path in (select unnest({paths}))");
        self.run("note the files as counted", &finish)?;
        self.trim()?;
        let more: bool = self.value(
            "look for files that wait",
            "select count(*) > 0 from lake_files where batch is null",
        )?;
        if !more {
            state::set(&self.conn, "rebuilding", "false")?;
        }
        Ok(Counted {
            rows: files.iter().map(|file| file.rows).sum(),
            repeated: u64::try_from(repeated).unwrap_or(0),
            batch: Some(batch),
            run_id,
            more,
            duration: Duration::ZERO,
        })
    }

    fn run_models(&self, schema: &SourceSchema, batch: i64) -> Result<(), Error> {
        for model in self.models.iter() {
            let began = Instant::now();
            self.run(&format!("merge into {}", model.name), &model.merge)?;
            let what = match model.kind {
                Kind::Table => "table",
                Kind::View => "view",
                Kind::Incremental | Kind::Full => "",
            };
            if !model.mart && !what.is_empty() {
                let sql = format!(
                    "create or replace temp {what} {} as {}",
                    model.name, model.select
                );
                self.run(&format!("compute {}", model.name), &sql)?;
            }
            // From here on the batch is in a table of its own.
            if model.kind == Kind::Table {
                self.bounds()?;
                self.recall(schema, batch)?;
                service::crash_point!(
                    "transformer.stage.after",
                    return Err(Error::CrashPoint("transformer.stage.after"))
                );
            }
            tracing::debug!(model = model.name, elapsed = ?began.elapsed(), "merged");
        }
        Ok(())
    }

    /// Days and hours of the batch, by which merges find the few rows of state they need.
    fn bounds(&self) -> Result<(), Error> {
        let sql = "
            set variable first_day = (select min(snapshot_day) from stg_flight_states);
            set variable last_day = (select max(snapshot_day) from stg_flight_states);
            set variable first_hour = (select min(snapshot_hour) from stg_flight_states);
            set variable last_hour = (select max(snapshot_hour) from stg_flight_states);";
        self.run("find the days of the batch", sql)
    }

    /// Remembers again what was counted of older polls that the batch has rows of.
    fn recall(&self, schema: &SourceSchema, batch: i64) -> Result<(), Error> {
        let find = "create or replace temp table recalled_polls as
            with arrived as (
                select distinct snapshot_time from stg_flight_states
            )
            select snapshot_time
            from arrived
            semi join polls using (snapshot_time)
            anti join recent_polls using (snapshot_time)";
        self.run("find older polls in the batch", find)?;
        let files = "select path
            from lake_files
            where live and batch is not null
                and exists (
                    select 1
                    from recalled_polls
                    where snapshot_time >= coalesce(first_time, snapshot_time)
                        and snapshot_time <= coalesce(last_time, snapshot_time)
                )";
        let files: Vec<String> = self.column("find the files of older polls", files)?;
        if files.is_empty() {
            return Ok(());
        }
        self.must_exist(files.iter().map(String::as_str))?;
        tracing::debug!(files = files.len(), "looking up older polls in the lake");
        let remember = format!(
            "insert into recent_states
            with before as (
                select icao24, snapshot_time, ingestion_time, origin_country
                from {}
                where snapshot_time between
                    (select min(snapshot_time) from recalled_polls)
                    and (select max(snapshot_time) from recalled_polls)
            ),
            counted as (
                select * from before semi join recalled_polls using (snapshot_time)
            )
            select
                counted.snapshot_time,
                coalesce(other_aircraft.aircraft, ('0x' || counted.icao24)::uinteger),
                arg_min_null(counted.origin_country, counted.ingestion_time),
            from counted
            left join other_aircraft using (icao24)
            group by 1, 2;
            insert into recent_polls select snapshot_time, {batch} from recalled_polls;",
            schema.read_parquet(&quote_list(files.iter().map(String::as_str))),
        );
        self.run("look up older polls in the lake", &remember)
    }

    /// Forgets the aircraft of all but the most recent polls, and of the newest.
    fn trim(&self) -> Result<(), Error> {
        let polls: i64 = self.value("count the polls", "select count(*) from recent_polls")?;
        if polls <= i64::try_from(REMEMBERED_AT_MOST).unwrap_or(i64::MAX) {
            return Ok(());
        }
        let sql = format!(
            "create or replace temp table kept_polls as
            (
                select snapshot_time
                from recent_polls
                order by batch desc, snapshot_time desc
                limit {REMEMBERED}
            )
            union
            select max(snapshot_time) from recent_polls;
            delete from recent_states where snapshot_time not in (from kept_polls);
            delete from recent_polls where snapshot_time not in (from kept_polls);"
        );
        self.run("forget the aircraft of older polls", &sql)
    }

    /// The next files to count, in the order of their rows' time.
    fn waiting(&self) -> Result<Vec<Waiting>, Error> {
        let sql = "select path, rows from lake_files where batch is null order by first_time, path";
        let read = || -> duckdb::Result<Vec<Waiting>> {
            let mut statement = self.conn.prepare(sql)?;
            let mut rows = statement.query([])?;
            let mut files: Vec<Waiting> = Vec::new();
            let mut sum = 0;
            while let Some(row) = rows.next()? {
                let rows = u64::try_from(row.get::<_, i64>(1)?).unwrap_or(0);
                sum += rows;
                if sum > self.step_rows && !files.is_empty() {
                    break;
                }
                files.push(Waiting {
                    path: row.get(0)?,
                    rows,
                });
            }
            Ok(files)
        };
        read().map_err(Error::duck("cannot list the files that wait"))
    }

    /// Expiry removes what waited too long. Unless it happens during a rebuild, where it means
    /// that the lake itself is damaged, a rebuild helps.
    fn must_exist<'a>(&self, mut paths: impl Iterator<Item = &'a str>) -> Result<(), Error> {
        match paths.find(|path| !Path::new(path).exists()) {
            Some(path) => Err(Error::FileGone(path.to_owned())),
            None => Ok(()),
        }
    }
}
