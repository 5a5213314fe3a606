//! A batch's way into DuckDB: what it is counted against, and the tables it is folded into.

use std::cell::RefCell;
use std::collections::{HashSet, VecDeque};
use std::path::PathBuf;
use std::thread::ScopedJoinHandle;

use ahash::RandomState;
use arrow::array::RecordBatch;
use duckdb::params;

use super::Engine;
use super::count::Waiting;
use super::forget::{date_of, ranges};
use super::newest::Shows;
use crate::Error;
use crate::flights::keep::Pending;
use crate::fold::registry::Registry;
use crate::fold::seen::Seen;
use crate::fold::{self, Batch, Folded, MICROS_PER_DAY, MICROS_PER_HOUR, Piece, Table, recall};
use crate::schema::{SourceSchema, timestamptz};

/// Polls whose aircraft are kept in memory, so that a late half or a repeat of what has just
/// been sent needs no look into the lake.
const REMEMBERED: usize = 20;

/// How far `new_cell_slots` reaches from the newest poll: the longest window that is made of it,
/// and an hour for polls that come late.
const SLOTS_REACH: &str = "interval 25 hours";

/// The years 1 and 9999: what stands for times that a file's writer did not note.
const EARLIEST: i64 = -62_135_596_800_000_000;
const LATEST: i64 = 253_402_300_799_000_000;

/// A data file with the times of its first and last poll, in microseconds since 1970.
type FileSpan = (String, Option<i64>, Option<i64>);

/// Times of polls, in microseconds since 1970.
type Polls = HashSet<i64, RandomState>;

/// Who was counted in the most recent polls.
#[derive(Debug, Default)]
pub(super) struct Recent {
    polls: RefCell<VecDeque<Remembered>>,
}

/// Who was counted in a poll, and when the last of these rows arrived.
#[derive(Debug)]
struct Remembered {
    poll: i64,
    aircraft: Vec<u32>,
    arrived: Option<i64>,
}

impl Recent {
    fn recall(&self, poll: i64, seen: &mut Seen) -> bool {
        let polls = self.polls.borrow();
        let Some(known) = polls.iter().find(|known| known.poll == poll) else {
            return false;
        };
        seen.poll(poll);
        for number in &known.aircraft {
            seen.note(*number, poll);
        }
        if let Some(arrived) = known.arrived {
            seen.note_arrival(poll, arrived);
        }
        true
    }

    fn remember(&self, new: Remembered) {
        let mut polls = self.polls.borrow_mut();
        polls.retain(|known| known.poll != new.poll);
        polls.push_back(new);
        while polls.len() > REMEMBERED {
            polls.pop_front();
        }
    }

    /// Forgets everything: what was counted is not counted any more.
    pub fn clear(&self) {
        self.polls.borrow_mut().clear();
    }
}

/// What was counted of the polls of a batch before it.
#[derive(Default)]
struct Before {
    /// Who was.
    seen: Seen,
    /// Polls of which no detail is kept.
    closed: Polls,
    /// Polls whose rows have left the lake: nothing tells any more who was counted.
    lost: Vec<i64>,
}

/// A batch that was folded.
pub(super) struct Counting {
    pub folded: Folded,
    /// What was numbered when it was folded.
    pub registry: Registry,
    /// The rows of its newest poll.
    pub newest: Vec<RecordBatch>,
    pub before: Seen,
}

/// A batch that was counted, until its transaction is over.
pub(super) struct Done<'scope> {
    pub folded: Folded,
    pub before: Seen,
    /// The tracks as they are then.
    pub flights: Pending,
    /// The second connection at work, which says what is in memory in the end.
    pub share: ScopedJoinHandle<'scope, Shows>,
}

impl Engine {
    /// Folds the files into the native tables.
    /// `None` when days must be counted again first, whose files wait now.
    pub(super) fn fold(
        &self,
        files: &[Waiting],
        schema: &SourceSchema,
    ) -> Result<Option<Counting>, Error> {
        let registry = self.registry()?;
        let paths: Vec<PathBuf> = files.iter().map(|file| PathBuf::from(&file.path)).collect();
        let Before { seen, closed, lost } =
            self.counted_before(files, &paths, schema, &registry)?;
        if !lost.is_empty() {
            self.count_days_again(lost, schema)?;
            return Ok(None);
        }
        let batch = Batch {
            rows: files.iter().map(|file| file.rows).collect(),
            files: paths,
            schema: schema.clone(),
            registry,
            before: seen,
            closed,
            slots_from: self.slots_from()?,
            cell_degrees: self.cell_degrees,
            threads: self.threads.most,
        };
        self.empty_native_tables()?;
        let mut newest = Vec::new();
        let mut folded = fold::fold(&batch, &mut |piece| match piece {
            Piece::Rows {
                table: Table::LatestStates,
                rows,
            } => {
                newest.push(rows);
                Ok(())
            }
            Piece::Rows { table, rows } => self.append(table, rows),
            Piece::Restart => {
                newest.clear();
                self.empty_native_tables()
            }
        })?;
        let suspected = std::mem::take(&mut folded.overtaken);
        let overtaken = self.truly_overtaken(suspected, &batch.files, schema)?;
        if !overtaken.is_empty() {
            tracing::info!(
                polls = overtaken.len(),
                "rows have come that arrived before those that were counted: their days are counted again"
            );
            self.count_days_again(overtaken, schema)?;
            return Ok(None);
        }
        self.keep_numbers(&batch.registry)?;
        self.say_span(folded.span)?;
        Ok(Some(Counting {
            folded,
            registry: batch.registry,
            newest,
            before: batch.before,
        }))
    }

    /// Keeps the most recent polls of a batch in memory, once it is committed.
    pub(super) fn remember(&self, done: Done<'_>) {
        self.flights.keep(done.flights);
        for poll in done.folded.polls.iter().take(REMEMBERED).rev() {
            let mut aircraft = done.before.of_poll(*poll);
            aircraft.extend(done.folded.aircraft(*poll));
            let arrived = [done.before.arrived(*poll), done.folded.arrived(*poll)];
            self.recent.remember(Remembered {
                poll: *poll,
                aircraft,
                arrived: arrived.into_iter().flatten().max(),
            });
        }
        // The batch is committed: what else was done for it must not end the process.
        let shows = done.share.join().unwrap_or_else(|_| {
            tracing::warn!("the newest poll is made again: making it has panicked");
            Shows::Unknown
        });
        self.newest.follows(shows);
    }

    /// The numbers that were given out so far.
    pub(crate) fn registry(&self) -> Result<Registry, Error> {
        let seed = self.pairs("select origin_country, region from countries")?;
        let countries = self.pairs("select origin_country, country_id from country_ids")?;
        let others = self.pairs("select icao24, aircraft from other_aircraft")?;
        Ok(Registry::new(seed, countries, others))
    }

    fn pairs<T: duckdb::types::FromSql>(&self, sql: &str) -> Result<Vec<(String, T)>, Error> {
        let read = || -> duckdb::Result<Vec<(String, T)>> {
            let mut statement = self.connection().prepare(sql)?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect()
        };
        read().map_err(Error::duck("cannot read the numbers given out"))
    }

    /// What was counted of those polls that the batch has further rows of. Mostly there are none.
    fn counted_before(
        &self,
        files: &[Waiting],
        paths: &[PathBuf],
        schema: &SourceSchema,
        registry: &Registry,
    ) -> Result<Before, Error> {
        let mut before = Before::default();
        let first = files.iter().map(|file| file.first_time);
        let last = files.iter().map(|file| file.last_time);
        let (Some(first), Some(last)) = (
            first.map(|time| time.unwrap_or(i64::MIN)).min(),
            last.map(|time| time.unwrap_or(i64::MAX)).max(),
        ) else {
            return Ok(before);
        };
        let sql = format!(
            "select epoch_us(snapshot_time) from counted_polls
            where snapshot_time between {} and {}",
            timestamptz(first.max(EARLIEST)),
            timestamptz(last.min(LATEST)),
        );
        let known: Polls = self
            .column("find the polls that were counted", &sql)?
            .into_iter()
            .collect();
        if known.is_empty() {
            return Ok(before);
        }
        let polls = recall::polls_among(paths, schema, &known)?;
        let detail_from = self.detail_from()?;
        let (closed, mut polls): (Polls, Polls) = polls
            .into_iter()
            .partition(|poll| detail_from.is_some_and(|from| *poll < from));
        before.closed = closed;
        polls.retain(|poll| !self.recent.recall(*poll, &mut before.seen));
        if polls.is_empty() {
            return Ok(before);
        }
        let files = self.counted_files(&polls)?;
        tracing::debug!(
            polls = polls.len(),
            files = files.len(),
            "looking up older polls"
        );
        recall::recall(&files, schema, registry, &polls, &mut before.seen)?;
        let lost = polls.iter().filter(|poll| !before.seen.has_poll(**poll));
        before.lost = lost.copied().collect();
        Ok(before)
    }

    /// Lets the days of polls be counted again.
    fn count_days_again(&self, polls: Vec<i64>, schema: &SourceSchema) -> Result<(), Error> {
        let days = polls
            .into_iter()
            .map(|poll| poll.div_euclid(MICROS_PER_DAY));
        let mut days: Vec<i64> = days.collect();
        days.sort_unstable();
        days.dedup();
        for days in ranges(&days) {
            self.count_again(days, schema)?;
        }
        Ok(())
    }

    /// The files of the lake that may have counted rows of these polls.
    pub(super) fn counted_files(&self, polls: &Polls) -> Result<Vec<PathBuf>, Error> {
        let (first, last) = (polls.iter().min(), polls.iter().max());
        let (Some(first), Some(last)) = (first, last) else {
            return Ok(Vec::new());
        };
        let sql = format!(
            "select path, epoch_us(first_time), epoch_us(last_time) from lake_files
            where batch is not null
                and coalesce(epoch_us(last_time) >= {first}, true)
                and coalesce(epoch_us(first_time) <= {last}, true)
            order by first_time, path"
        );
        let read = || -> duckdb::Result<Vec<FileSpan>> {
            let mut statement = self.connection().prepare(&sql)?;
            let rows =
                statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
            rows.collect()
        };
        let files = read().map_err(Error::duck("cannot find the files of older polls"))?;
        let holds = |first: Option<i64>, last: Option<i64>| {
            polls.iter().any(|poll| {
                first.is_none_or(|first| first <= *poll) && last.is_none_or(|last| *poll <= last)
            })
        };
        let files = files
            .into_iter()
            .filter(|(_, first, last)| holds(*first, *last));
        Ok(files.map(|(path, _, _)| path.into()).collect())
    }

    /// From when on rows are counted by cell and slot, in microseconds since 1970.
    fn slots_from(&self) -> Result<i64, Error> {
        let sql = format!(
            "select epoch_us(max(newest) - {SLOTS_REACH})
            from (
                select max(last_time) as newest from lake_files
                union all
                select max(snapshot_time) from polls
            )"
        );
        let from: Option<i64> = self.value("find the newest poll", &sql)?;
        Ok(from.unwrap_or(i64::MIN))
    }

    /// Makes the tables of the batch anew. Rows that are deleted from a temporary table are never
    /// given back.
    pub(super) fn empty_native_tables(&self) -> Result<(), Error> {
        for table in Table::ALL {
            let model = self.models.get(table.name())?;
            if !model.in_memory {
                self.run("empty the tables of the batch", &model.state)?;
            }
        }
        Ok(())
    }

    fn append(&self, table: Table, rows: RecordBatch) -> Result<(), Error> {
        if rows.num_rows() == 0 {
            return Ok(());
        }
        let append = || -> duckdb::Result<()> {
            let mut appender =
                self.connection()
                    .appender_to_catalog_and_db(table.name(), "temp", "main")?;
            appender.append_record_batch(rows)?;
            appender.flush()
        };
        append().map_err(Error::duck(format!("cannot fill {}", table.name())))
    }

    /// Keeps the numbers that the batch brought, and makes room for its countries.
    fn keep_numbers(&self, registry: &Registry) -> Result<(), Error> {
        let (others, countries) = (registry.new_others(), registry.new_countries());
        for (table, new) in [("other_aircraft", &others), ("country_ids", &countries)] {
            // Not as SQL, which could not hold every text that is sent.
            let append = || -> duckdb::Result<()> {
                let mut appender = self.connection().appender(table)?;
                for (name, number) in new {
                    appender.append_row(params![name, number])?;
                }
                appender.flush()
            };
            if !new.is_empty() {
                append().map_err(Error::duck(format!("cannot fill {table}")))?;
            }
        }
        let width = fold::country_bits(registry.countries());
        if width > fold::country_bits(registry.countries() - countries.len()) {
            let sql =
                format!("update polls set countries = bitstring(countries::varchar, {width})");
            self.run("make room for more countries", &sql)?;
        }
        Ok(())
    }

    /// Days, hours and polls of the batch, by which merges find the few rows of state they need.
    fn say_span(&self, span: Option<(i64, i64)>) -> Result<(), Error> {
        let start = |time: i64, of: i64| time.div_euclid(of) * of;
        let time =
            |time: Option<i64>| time.map_or_else(|| "null::timestamptz".to_owned(), timestamptz);
        let date = |time: Option<i64>| {
            let date = time.and_then(|time| date_of(time.div_euclid(MICROS_PER_DAY)));
            date.map_or_else(|| "null::date".to_owned(), |date| format!("date '{date}'"))
        };
        let mut sql = String::new();
        for (name, at) in [
            ("first", span.map(|(first, _)| first)),
            ("last", span.map(|(_, last)| last)),
        ] {
            sql.push_str(&format!(
                "set variable {name}_poll = {};
                set variable {name}_hour = {};
                set variable {name}_day = {};",
                time(at),
                time(at.map(|at| start(at, MICROS_PER_HOUR))),
                date(at),
            ));
        }
        self.run("find the days of the batch", &sql)
    }
}
