//! The tracks between refreshes, and the flights in the private database.
//!
//! Flights that have ended are rows, in the transaction of the batch that ended them. Tracks that
//! go on stay in memory, and are stored only now and then ([`SAVE_AFTER`]): ten thousand of them
//! change with every poll. After a restart the rows counted since are read again from the lake.
//!
//! What came late waits until the mart is published, so that a backfill is worked off at once and
//! not batch by batch; tracks with something waiting are always stored.

use std::cell::{Cell, RefCell};
use std::path::PathBuf;

use arrow::array::RecordBatch;
use duckdb::{OptionalExt, params};

use super::again::Window;
use super::rows::{self, numbers, record_batch, times};
use super::tracker::{Closed, Tracker};
use super::tracks::Tracks;
use crate::Error;
use crate::engine::Engine;
use crate::fold::Folded;
use crate::fold::again::Reading;
use crate::fold::registry::Registry;
use crate::models::Model;
use crate::schema::{SourceSchema, timestamptz};

/// The mart that is made of this.
pub(crate) const MART: &str = "flights";

/// Rows after which the tracks are stored again: what a restart reads at most, beside one batch.
const SAVE_AFTER: u64 = 200_000;

/// Rows read again in one go: some 60 MB.
const SIGHTINGS: usize = 500_000;

/// All times.
const EVER: (i64, i64) = (i64::MIN, i64::MAX);

/// Flights in one batch on their way into a table.
const ROWS: usize = 50_000;

/// The tracks in memory.
#[derive(Debug, Default)]
pub(crate) struct Keeper {
    /// `None` when they must be read from the database: at the start, and after a transaction
    /// that failed.
    tracker: RefCell<Option<Tracker>>,
    /// Rows counted since they were stored.
    unsaved: Cell<u64>,
}

/// Tracks that are ahead of what is committed.
pub(crate) struct Pending {
    tracker: Tracker,
    unsaved: u64,
}

impl Pending {
    /// Joins the tracks of a batch to what is known.
    pub fn join(&mut self, tracks: Tracks) {
        self.tracker.absorb(tracks);
        self.tracker.end_of_batch();
    }

    /// The flights that go on, as the mart shows them.
    pub fn open_flights(
        &self,
        registry: &Registry,
        since: Option<i64>,
    ) -> Result<RecordBatch, Error> {
        let flights = self.tracker.open_flights();
        let flights = flights.filter(|one| since.is_none_or(|from| one.flight.first_seen >= from));
        let flights = flights.collect();
        registry.texts(|texts| rows::shown(flights, texts))
    }
}

/// Refuses a mart that the part of the flights that go on would not fit.
pub(crate) fn must_fit(mart: &Model) -> Result<(), Error> {
    let none = Registry::default().texts(|texts| rows::shown(Vec::new(), texts))?;
    let fields = none.schema();
    let ours = fields.fields().iter().map(|field| field.name());
    if mart.parts.is_empty() || !mart.columns.iter().map(|(name, _)| name).eq(ours) {
        return Err(mart.refused(
            "select",
            "flights has parts, and the columns that the program gives to the part of those that go on: \
            make what has others a mart of another name",
        ));
    }
    Ok(())
}

/// The flights that go on, when the mart is published.
pub(crate) enum Open {
    /// They are what was written ahead.
    Ahead,
    /// They are these.
    Rows(RecordBatch),
    /// A data file is gone that would tell: everything is counted again.
    Unknown,
}

impl Keeper {
    /// Forgets what is in memory: the database decides.
    pub fn clear(&self) {
        self.tracker.replace(None);
    }

    /// What was ahead is committed.
    pub fn keep(&self, ahead: Pending) {
        self.unsaved.set(ahead.unsaved);
        self.tracker.replace(Some(ahead.tracker));
    }
}

impl Engine {
    /// Stores the flights that end with a batch, whose tracks `ahead` has joined. Part of the batch's
    /// transaction, before its files are noted as counted.
    pub(crate) fn count_flights(
        &self,
        mut ahead: Pending,
        folded: &Folded,
    ) -> Result<Pending, Error> {
        self.add_flights("flights_recent", ahead.tracker.take_closed())?;
        ahead.unsaved = ahead.unsaved.saturating_add(folded.rows);
        // A repeat does not count, which its file alone, read again, would not tell.
        let is_told_by_files = ahead.tracker.late.is_empty() && folded.repeated == 0;
        if ahead.unsaved >= SAVE_AFTER || !is_told_by_files {
            self.save_tracks(&mut ahead)?;
        }
        service::crash_point!(
            "transformer.flights.joined",
            return Err(Error::CrashPoint("transformer.flights.joined"))
        );
        Ok(ahead)
    }

    /// Stores the tracks, in the caller's transaction. Before rows move to other files this must
    /// be done, since those files would be read again too.
    pub(crate) fn store_flights(&self, schema: &SourceSchema) -> Result<(), Error> {
        let mut ahead = self.take_tracks(schema)?;
        self.save_tracks(&mut ahead)?;
        // Stored or not, these are the tracks of what is committed.
        self.flights.keep(ahead);
        Ok(())
    }

    /// Stores the tracks likewise, and lets what touches a time be derived again: rows of it are
    /// to come again, or are gone.
    pub(crate) fn doubt_flights(
        &self,
        (from, to): (i64, i64),
        schema: &SourceSchema,
    ) -> Result<(), Error> {
        let mut ahead = self.take_tracks(schema)?;
        let sql = format!(
            "select distinct aircraft
            from (select * from flights_past union all select * from flights_recent) as flights
            where epoch_us(last_seen) >= {from} and epoch_us(first_seen) <= {to}"
        );
        let ended: Vec<u32> = self.column("find the aircraft with flights", &sql)?;
        ahead.tracker.doubt(&ended, from, to);
        self.save_tracks(&mut ahead)?;
        self.flights.keep(ahead);
        Ok(())
    }

    /// Gets ready for publishing: derives again what late rows have changed, unless more files
    /// wait to be counted, and finds the flights that go on. `ahead` says since when those began that
    /// were written when the batch was merged, if they were.
    pub(crate) fn settle_flights(
        &self,
        schema: &SourceSchema,
        ahead: Option<Option<i64>>,
    ) -> Result<Open, Error> {
        let settled = self.transaction(|| {
            let mut tracks = self.take_tracks(schema)?;
            let since = self.detail_from()?;
            self.name_what_to_show(since)?;
            let is_late = !tracks.tracker.late.is_empty() && !self.is_waiting()?;
            if is_late {
                self.derive_again(&mut tracks.tracker, schema)?;
                self.save_tracks(&mut tracks)?;
            }
            let open = match ahead == Some(since) && !is_late {
                true => Open::Ahead,
                false => Open::Rows(tracks.open_flights(&self.registry()?, since)?),
            };
            Ok((tracks, open))
        });
        let open = match settled {
            Ok((tracks, open)) => {
                self.flights.keep(tracks);
                open
            }
            Err(Error::FileGone(path)) => {
                tracing::warn!(%path, "a data file is gone: everything is counted again");
                self.transaction(|| self.forget_watermark())?;
                Open::Unknown
            }
            Err(error) => return Err(error),
        };
        service::crash_point!(
            "transformer.flights.settled",
            return Err(Error::CrashPoint("transformer.flights.settled"))
        );
        Ok(open)
    }

    /// Names the batch, and from when on flights are shown: one leaves with the day on which it
    /// began.
    fn name_what_to_show(&self, since: Option<i64>) -> Result<(), Error> {
        let since = since.map_or("null::timestamptz".to_owned(), timestamptz);
        let sql = format!(
            "set variable flights_batch = {}::bigint;
            set variable flights_since = {since};",
            self.batch()?
        );
        self.run("name the batch and the flights to show", &sql)
    }

    /// The tracks, out of memory or out of the database. Whoever takes them gives them back when
    /// the transaction is committed; otherwise they are read again.
    pub(crate) fn take_tracks(&self, schema: &SourceSchema) -> Result<Pending, Error> {
        if let Some(tracker) = self.flights.tracker.take() {
            return Ok(Pending {
                tracker,
                unsaved: self.flights.unsaved.get(),
            });
        }
        let stored: Option<(i64, Vec<u8>)> = self
            .connection()
            .query_row("select batch, bytes from flight_tracker", [], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .optional()
            .map_err(Error::duck("cannot read the tracks"))?;
        let read = |(batch, bytes): (i64, Vec<u8>)| Some((batch, Tracker::from_bytes(&bytes)?));
        let (batch, mut tracker) = stored.and_then(read).unwrap_or_default();
        let since = format!("select path from lake_files where batch > {batch} order by path");
        let files: Vec<String> = self.column("find the files counted since", &since)?;
        self.must_exist(files.iter().map(String::as_str))?;
        let files: Vec<PathBuf> = files.into_iter().map(PathBuf::from).collect();
        let mut unsaved = 0;
        let reading = Reading {
            files: &files,
            schema,
            registry: &self.registry()?,
            at_most: SIGHTINGS,
        };
        reading.read(&|_| Some(EVER), &mut |part| {
            unsaved += part.len() as u64;
            tracker.replay(part);
            Ok(())
        })?;
        tracker.replayed();
        tracing::debug!(
            batch,
            files = files.len(),
            rows = unsaved,
            "read the tracks"
        );
        Ok(Pending { tracker, unsaved })
    }

    fn save_tracks(&self, ahead: &mut Pending) -> Result<(), Error> {
        let bytes = ahead.tracker.to_bytes();
        let batch = self.batch()?;
        let write = || -> duckdb::Result<()> {
            let conn = self.connection();
            conn.execute("delete from flight_tracker", [])?;
            conn.execute(
                "insert into flight_tracker values (?, ?)",
                params![batch, bytes],
            )?;
            Ok(())
        };
        write().map_err(Error::duck("cannot store the tracks"))?;
        ahead.unsaved = 0;
        Ok(())
    }

    /// Takes back what late rows touch, and derives it again from the lake.
    fn derive_again(&self, tracker: &mut Tracker, schema: &SourceSchema) -> Result<(), Error> {
        let late = tracker.take_late();
        let mut windows = tracker.windows(&late);
        if let Some(from) = self.detail_from()? {
            windows.retain(|window| !tracker.is_past(window, from));
        }
        self.take_back(&mut windows)?;
        let (Some(from), Some(to)) = (
            windows.iter().map(|window| window.from).min(),
            windows
                .iter()
                .map(|window| window.to.unwrap_or(i64::MAX))
                .max(),
        ) else {
            return Ok(());
        };
        let sql = format!(
            "select path from lake_files
            where batch is not null
                and coalesce(epoch_us(last_time) >= {from}, true)
                and coalesce(epoch_us(first_time) <= {to}, true)
            order by path"
        );
        let files: Vec<String> = self.column("find the files of late rows", &sql)?;
        self.must_exist(files.iter().map(String::as_str))?;
        tracing::debug!(
            aircraft = windows.len(),
            files = files.len(),
            "deriving flights again"
        );
        let files: Vec<PathBuf> = files.into_iter().map(PathBuf::from).collect();
        tracker.forget(&windows);
        let reading = Reading {
            files: &files,
            schema,
            registry: &self.registry()?,
            at_most: SIGHTINGS,
        };
        let span = |aircraft: u32| {
            let at = windows.binary_search_by_key(&aircraft, |window| window.aircraft);
            let window = windows.get(at.ok()?)?;
            Some((window.from, window.to.unwrap_or(i64::MAX)))
        };
        let mut ended = Vec::new();
        reading.read(&span, &mut |part| {
            let mut tracks = Tracks::default();
            for (aircraft, sighting) in part {
                tracks.see(aircraft, sighting);
            }
            ended.extend(tracker.derive_again(&windows, tracks));
            Ok(())
        })?;
        tracker.end_of_batch();
        ended.extend(tracker.take_closed());
        self.add_flights("flights_recent", ended)
    }

    /// Removes the flights that the windows touch, and widens the windows by them.
    fn take_back(&self, windows: &mut [Window]) -> Result<(), Error> {
        let empty = "create or replace temp table flight_windows (
            aircraft uinteger not null,
            reach_from timestamptz not null,
            reach_to timestamptz,
        )";
        self.run("empty the windows", empty)?;
        let rows = record_batch(
            "flight_windows",
            vec![
                ("aircraft", numbers(windows, |window| window.aircraft)),
                (
                    "reach_from",
                    times(windows, |window| Some(window.reach_from)),
                ),
                ("reach_to", times(windows, |window| window.reach_to)),
            ],
        )?;
        self.append_rows("flight_windows", rows)?;
        let touched = "create or replace temp table flights_touched as
            select aircraft, first_seen, last_seen
            from (select * from flights_past union all select * from flights_recent) as flights
            semi join flight_windows as windows
                on flights.aircraft = windows.aircraft
                    and flights.last_seen >= windows.reach_from
                    and flights.first_seen <= coalesce(windows.reach_to, flights.first_seen)";
        self.run("find the flights that late rows touch", touched)?;
        let read = || -> duckdb::Result<Vec<(u32, i64, i64)>> {
            let sql = "select aircraft, epoch_us(min(first_seen)), epoch_us(max(last_seen))
                from flights_touched group by aircraft";
            let mut statement = self.connection().prepare(sql)?;
            let rows =
                statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
            rows.collect()
        };
        let touched = read().map_err(Error::duck("cannot read the flights that are touched"))?;
        for (aircraft, first_seen, last_seen) in touched {
            let at = windows.binary_search_by_key(&aircraft, |window| window.aircraft);
            if let Some(window) = at.ok().and_then(|at| windows.get_mut(at)) {
                window.touch(first_seen, last_seen);
            }
        }
        // The days of those that were published in their day's part are to be written again.
        let remove = "merge into flight_days as known
            using (
                select distinct utc_date(first_seen) as day
                from flights_past
                semi join flights_touched using (aircraft, first_seen)
            ) as changed
            on known.day = changed.day
            when matched then update set last_batch = getvariable('flights_batch')
            when not matched then insert values (changed.day, getvariable('flights_batch'));
            delete from flights_past
            where (aircraft, first_seen) in (select aircraft, first_seen from flights_touched);
            delete from flights_recent
            where (aircraft, first_seen) in (select aircraft, first_seen from flights_touched);";
        self.run("take flights back", remove)
    }

    /// Stores flights, but none that was over before the detail that is kept. One that began
    /// before it is not shown; it is stored so that late rows find all of it.
    fn add_flights(&self, table: &'static str, mut flights: Vec<Closed>) -> Result<(), Error> {
        if let Some(from) = self.detail_from()? {
            flights.retain(|one| one.flight.last_seen >= from);
        }
        for flights in flights.chunks(ROWS) {
            self.append_rows(table, rows::stored(table, flights)?)?;
        }
        Ok(())
    }

    fn append_rows(&self, table: &str, rows: RecordBatch) -> Result<(), Error> {
        if rows.num_rows() == 0 {
            return Ok(());
        }
        let append = || -> duckdb::Result<()> {
            let mut appender = self.connection().appender(table)?;
            appender.append_record_batch(rows)?;
            appender.flush()
        };
        append().map_err(Error::duck(format!("cannot fill {table}")))
    }
}
