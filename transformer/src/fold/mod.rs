//! The rows of a batch, folded into compact tables.
//!
//! One pass over the columns of the batch's data files drops repeats (each aircraft counts once
//! in each poll) and adds every other row to the groups it belongs to. What comes out is small:
//! a row for each poll, for each aircraft and hour, for each aircraft and cell. It is handed to
//! DuckDB as the tables that [`Table`] names, from which the SQL models go on.
//!
//! Workers share the files, and of large files the row groups; each has its own groups, which are
//! added up at the end. Sums of doubles are therefore the same between two runs only up to the
//! order of summation, that is, to about 15 digits; everything else is the same exactly.
//!
//! Of rows that were sent several times the one that arrived first counts: by `ingestion_time`,
//! then by the path of its file, which the consumer names in the order of its commits, then by its
//! place in the file. [`again`] and the model `cleaned_flights` choose by the same.
//! Almost always a poll arrives once, and the first pass is the only one. When it finds that rows
//! of a poll arrived at different times and some are repeats, or that two workers have counted
//! the same, or repeats in files that come in another order than that of their paths, the batch is
//! folded again by one worker, arrival after arrival. When an earlier batch has counted a row that
//! arrived after one that comes now, its day may have to be counted again ([`Folded::overtaken`]).
//!
//! - [`registry`]: numbers for aircraft, countries and callsigns. `names`: for texts in general.
//! - `columns`: data files as Arrow columns.
//! - [`seen`]: who was seen when; [`recall`]: the same of earlier batches, from the lake.
//! - `measures`, `quality`, `groups`: what is added up.
//! - `points`: rows as points of tracks; `again`: the same of earlier batches, from the lake.
//! - `worker`: the pass. `row`: one row of it. `newest`: the rows of the newest poll. `tables`: the result as Arrow.

pub(crate) mod again;
mod columns;
mod groups;
mod measures;
mod names;
mod newest;
mod points;
mod quality;
pub(crate) mod recall;
pub(crate) mod registry;
mod row;
pub(crate) mod seen;
mod tables;
mod worker;

#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use ahash::RandomState;
use arrow::array::RecordBatch;

use crate::Error;
use crate::flights::{Runs, Tracks};
use crate::schema::SourceSchema;
use columns::DataFile;
use groups::Absorb;
use registry::Registry;
use seen::Seen;
pub(crate) use tables::country_bits;
use worker::{Arrivals, Place, Totals, Worker};

/// To be raised when the same rows come to add up to something else: state that was made before
/// is then made again.
pub(crate) const VERSION: u32 = 2;

pub(crate) const MICROS_PER_HOUR: i64 = 3_600_000_000;
pub(crate) const MICROS_PER_DAY: i64 = 24 * MICROS_PER_HOUR;
const MICROS_PER_SLOT: i64 = 300_000_000;

/// Rows of a file beyond which its row groups are shared among the workers.
const ROWS_TO_SHARE: u64 = 500_000;

/// Items that a worker takes at once at most.
const ITEMS_TOGETHER: usize = 32;

/// Groups of cells and slots, and repeats, after which a worker hands them over, so that those of
/// a day never lie in memory.
const HELD_AT_MOST: usize = 200_000;

/// What a batch is counted against.
#[derive(Debug)]
pub(crate) struct Batch {
    /// The data files, in the order of their rows' time.
    pub files: Vec<PathBuf>,
    /// Rows of each.
    pub rows: Vec<u64>,
    /// The table's columns.
    pub schema: SourceSchema,
    /// Numbers for aircraft, countries and callsigns.
    pub registry: Registry,
    /// Who was counted before in those polls that the batch has further rows of.
    pub before: Seen,
    /// Polls that were counted and of which no detail is kept: further rows of them do not count,
    /// since nobody can tell any more which they are.
    pub closed: HashSet<i64, RandomState>,
    /// Rows before this time are left out of `new_cell_slots`; microseconds since 1970.
    pub slots_from: i64,
    /// Size of the cells of `new_cell_slots` in degrees.
    pub cell_degrees: f64,
    /// How many workers share the work.
    pub threads: usize,
}

/// The tables that a fold fills. Their columns are declared by the models of the same names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Table {
    Polls,
    RegionPolls,
    AircraftHours,
    CellDays,
    CellSlots,
    Quality,
    Emergencies,
    Repeats,
    LatestStates,
}

impl Table {
    pub const ALL: [Table; 9] = [
        Table::Polls,
        Table::RegionPolls,
        Table::AircraftHours,
        Table::CellDays,
        Table::CellSlots,
        Table::Quality,
        Table::Emergencies,
        Table::Repeats,
        Table::LatestStates,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Table::Polls => "new_polls",
            Table::RegionPolls => "new_region_polls",
            Table::AircraftHours => "new_aircraft_hours",
            Table::CellDays => "new_cell_days",
            Table::CellSlots => "new_cell_slots",
            Table::Quality => "new_quality",
            Table::Emergencies => "new_emergencies",
            Table::Repeats => "new_repeats",
            Table::LatestStates => "new_latest_states",
        }
    }
}

/// What a fold hands over as it goes on.
#[derive(Debug)]
pub(crate) enum Piece {
    /// Rows of a table. Of `new_cell_slots` and `new_repeats` a group may come in several rows.
    Rows {
        /// The table.
        table: Table,
        /// The rows, whose columns are the table's.
        rows: RecordBatch,
    },
    /// Everything that was handed over is to be forgotten.
    Restart,
}

/// What a fold has found beside the tables.
#[derive(Debug, Default)]
pub(crate) struct Folded {
    /// Rows that were looked at.
    pub rows: u64,
    /// Rows among them that were repeats.
    pub repeated: u64,
    /// Polls that an earlier batch has counted, and of which rows have come now that arrived before
    /// some of those.
    pub overtaken: HashSet<i64, RandomState>,
    /// First and last poll, in microseconds since 1970.
    pub span: Option<(i64, i64)>,
    /// The polls of which rows were counted, the newest first.
    pub polls: Vec<i64>,
    /// Who was counted in them, by worker.
    pub seen: Vec<Seen>,
    /// The tracks of all aircraft.
    pub tracks: Tracks,
}

impl Folded {
    /// Who was counted in a poll, in this batch.
    pub fn aircraft(&self, poll: i64) -> Vec<u32> {
        self.seen
            .iter()
            .flat_map(|seen| seen.of_poll(poll))
            .collect()
    }

    /// When the last of the rows arrived that were counted in a poll, in this batch.
    pub fn arrived(&self, poll: i64) -> Option<i64> {
        let arrived = self.seen.iter().filter_map(|seen| seen.arrived(poll));
        arrived.max()
    }
}

/// A file, or some of its row groups.
struct Item {
    file: usize,
    groups: Option<usize>,
}

/// Folds a batch. The tables come in pieces by `give`.
pub(crate) fn fold(
    batch: &Batch,
    give: &mut dyn FnMut(Piece) -> Result<(), Error>,
) -> Result<Folded, Error> {
    let items = items(batch)?;
    let mut runs = Mutex::default();
    let mut workers = together(batch, &items, &runs, give)?;
    let crossed = workers.iter().enumerate().any(|(at, one)| {
        workers[..at]
            .iter()
            .any(|other| one.seen.meets(&other.seen))
    });
    if crossed || workers.iter().any(|worker| worker.doubtful) {
        let arrivals = Arc::new(arrivals(&workers));
        drop(workers);
        give(Piece::Restart)?;
        tracing::debug!(
            polls = arrivals.len(),
            "rows came more than once: folding in order"
        );
        runs = Mutex::default();
        workers = vec![in_order(batch, &items, arrivals, &runs, give)?];
    }
    let mut totals = Totals::default();
    let mut seen = Vec::new();
    for worker in workers {
        let (more, its) = worker.finish();
        totals.absorb(more);
        seen.push(its);
    }
    let times = || totals.polls.iter().map(|poll| poll.time);
    let span = times().min().zip(times().max());
    totals.polls.retain(|poll| poll.total > 0);
    totals
        .polls
        .sort_unstable_by_key(|poll| std::cmp::Reverse(poll.time));
    let places = std::mem::take(&mut totals.newest_rows);
    // The rows of the newest poll are read while the tables are filled.
    let newest = std::thread::scope(|scope| {
        let newest = scope.spawn(|| newest::read(&batch.files, &batch.schema, places));
        tables::give(batch, &mut totals, give)?;
        newest
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })?;
    for rows in newest {
        give(Piece::Rows {
            table: Table::LatestStates,
            rows,
        })?;
    }
    let folded = Folded {
        rows: totals.rows,
        repeated: totals.repeated,
        overtaken: totals.overtaken,
        span,
        polls: totals.polls.iter().map(|poll| poll.time).collect(),
        seen,
        tracks: runs
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
            .finish(),
    };
    Ok(folded)
}

/// What there is to do, piece by piece.
fn items(batch: &Batch) -> Result<Vec<Item>, Error> {
    let mut items = Vec::new();
    for (file, path) in batch.files.iter().enumerate() {
        let is_large = batch
            .rows
            .get(file)
            .is_some_and(|rows| *rows > ROWS_TO_SHARE);
        if is_large && batch.threads > 1 {
            let groups = DataFile::open(path, &batch.schema, worker::COLUMNS)?
                .row_groups()
                .len();
            items.extend((0..groups).map(|group| Item {
                file,
                groups: Some(group),
            }));
        } else {
            items.push(Item { file, groups: None });
        }
    }
    Ok(items)
}

/// The first pass: workers take one item after the other.
fn together<'a>(
    batch: &'a Batch,
    items: &[Item],
    runs: &Mutex<Runs>,
    give: &mut dyn FnMut(Piece) -> Result<(), Error>,
) -> Result<Vec<Worker<'a>>, Error> {
    let threads = batch.threads.min(items.len()).max(1);
    // Of many small files a worker takes several that follow each other: their tracks are joined
    // where they lie.
    let together = (items.len() / threads / 8).clamp(1, ITEMS_TOGETHER);
    let next = AtomicUsize::new(0);
    let stopped = AtomicBool::new(false);
    let work = |sender: SyncSender<Piece>| -> Result<Worker<'a>, Error> {
        let mut worker = Worker::new(batch);
        let mut send = |piece| {
            // Nobody listens any more when the others have failed; `stopped` says so too.
            let _ = sender.send(piece);
            Ok(())
        };
        loop {
            let turn = next.fetch_add(1, Ordering::Relaxed);
            let Some(items) = items.chunks(together).nth(turn) else {
                break;
            };
            for item in items {
                if stopped.load(Ordering::Relaxed) {
                    break;
                }
                let done = count(&mut worker, batch, item, &mut send);
                if done.is_err() {
                    stopped.store(true, Ordering::Relaxed);
                }
                done?;
            }
            worker.give_tracks(turn, runs);
        }
        Ok(worker)
    };
    std::thread::scope(|scope| {
        let (sender, pieces) = sync_channel(threads);
        let running: Vec<_> = (0..threads)
            .map(|_| {
                let sender = sender.clone();
                scope.spawn(|| work(sender))
            })
            .collect();
        drop(sender);
        let taken = pieces.iter().try_for_each(&mut *give);
        if taken.is_err() {
            stopped.store(true, Ordering::Relaxed);
        }
        drop(pieces);
        let workers: Vec<_> = running
            .into_iter()
            .map(|worker| {
                worker
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
            .collect();
        taken?;
        workers.into_iter().collect()
    })
}

/// The second pass: one worker, arrival after arrival.
fn in_order<'a>(
    batch: &'a Batch,
    items: &[Item],
    arrivals: Arc<Arrivals>,
    runs: &Mutex<Runs>,
    give: &mut dyn FnMut(Piece) -> Result<(), Error>,
) -> Result<Worker<'a>, Error> {
    let mut worker = Worker::new(batch);
    let mut items: Vec<&Item> = items.iter().collect();
    // Row groups of a file stay in their order.
    items.sort_by_key(|item| batch.files.get(item.file).map(|path| path.as_os_str()));
    for turn in 0..worker::turns(&arrivals) {
        worker.next_turn(Arc::clone(&arrivals), turn);
        for item in &items {
            count(&mut worker, batch, item, give)?;
        }
        worker.give_tracks(turn, runs);
    }
    Ok(worker)
}

fn count(
    worker: &mut Worker<'_>,
    batch: &Batch,
    item: &Item,
    give: &mut dyn FnMut(Piece) -> Result<(), Error>,
) -> Result<(), Error> {
    let Some(path) = batch.files.get(item.file) else {
        return Ok(());
    };
    let file = DataFile::open(path, &batch.schema, worker::COLUMNS)?;
    let sizes = file.row_groups();
    let (groups, first) = match item.groups {
        Some(group) => (vec![group], sizes.iter().take(group).sum()),
        None => ((0..sizes.len()).collect(), 0),
    };
    let mut place = Place {
        file: item.file,
        row: first,
    };
    for rows in file.read(groups, None)? {
        let rows = rows?;
        worker.count(&rows, place);
        place.row += rows.len as u64;
        let totals = &mut worker.totals;
        if totals.cell_slots.len() > HELD_AT_MOST {
            let slots = totals.cell_slots.take();
            give(tables::cell_slots(&slots)?)?;
        }
        if totals.repeats.len() > HELD_AT_MOST {
            let repeats = std::mem::take(&mut totals.repeats);
            give(
                batch
                    .registry
                    .texts(|texts| tables::repeats(&repeats, texts))?,
            )?;
        }
    }
    Ok(())
}

/// The arrivals of the polls that arrived more than once, earliest first.
fn arrivals(workers: &[Worker<'_>]) -> Arrivals {
    let mut arrivals = Arrivals::default();
    for (poll, times) in workers.iter().flat_map(Worker::arrivals) {
        arrivals.entry(poll).or_default().extend_from_slice(times);
    }
    arrivals.retain(|_, times| {
        times.sort_unstable();
        times.dedup();
        times.len() > 1
    });
    arrivals
}
