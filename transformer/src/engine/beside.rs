//! What is done on the second connection while the models merge on the first: the newest poll is put
//! into memory, and what readers are to see of it is written ahead.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;

use arrow::array::RecordBatch;

use super::newest::{NewestRows, Shows};
use super::{Session, Twin};
use crate::flights::Tracks;
use crate::flights::keep::Pending;
use crate::fold::registry::Registry;
use crate::models::Models;

/// Writes ahead what a batch will show, unless further files wait. Nothing of it may count before the
/// batch does, which is committed meanwhile: what is not begun by then is not begun any more.
pub(crate) type Beside<'a> = &'a (dyn Fn(&Session, &Merging<'_>) + Sync);

/// A batch that is being merged.
pub(crate) struct Merging<'a> {
    /// Its number.
    pub batch: i64,
    /// The flights that go on after it, as the mart shows them.
    pub open_flights: RecordBatch,
    /// From when on flights are shown.
    pub flights_since: Option<i64>,
    is_over: &'a AtomicBool,
}

impl Merging<'_> {
    /// The batch is merged and committed, or has failed: the first connection waits.
    pub fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }
}

/// The second connection's share of a batch.
pub(super) struct Share<'a> {
    pub batch: i64,
    pub twin: &'a Twin,
    pub models: &'a Models,
    pub newest: Option<NewestRows>,
    pub registry: Registry,
    pub flights_since: Option<i64>,
    pub beside: Option<Beside<'a>>,
    /// Whether the batch is merged.
    pub is_over: &'a AtomicBool,
}

impl Share<'_> {
    /// Joins the tracks of the batch to those before it, hands these back and does the rest. Says what
    /// is in memory then.
    pub fn work(self, mut ahead: Pending, tracks: Tracks, joined: &SyncSender<Pending>) -> Shows {
        ahead.join(tracks);
        let open = self.beside.filter(|_| self.newest.is_some());
        let open = open.map(|beside| {
            (
                beside,
                ahead.open_flights(&self.registry, self.flights_since),
            )
        });
        // Nobody waits for them any more when the models have failed.
        let _ = joined.send(ahead);
        let Some(newest) = &self.newest else {
            return Shows::Same;
        };
        let session = self.twin.session();
        let shows = newest.show(&session, self.models);
        let Some((beside, open)) = open.filter(|_| shows != Shows::Unknown) else {
            return shows;
        };
        match open {
            Ok(open_flights) => {
                let merging = Merging {
                    batch: self.batch,
                    open_flights,
                    flights_since: self.flights_since,
                    is_over: self.is_over,
                };
                beside(&session, &merging);
            }
            Err(error) => tracing::debug!(reason = error.in_full(), "not written ahead"),
        }
        shows
    }
}
