//! What is known of all aircraft between batches: the open end of each track.

use super::flight::Flight;
use super::piece::{Joined, Piece};
use super::tracks::{ByAircraft, Late, Tracks};

/// Microseconds that a track is kept beyond the last time at which rows could continue it, so
/// that a partition that lags behind the others finds it.
pub(super) const LAG: i64 = 40 * 60 * 1_000_000;

/// How long it is remembered when a track ended.
const REMEMBERED: i64 = 48 * 3600 * 1_000_000;

/// A flight and whose it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Closed {
    /// Number of the aircraft.
    pub aircraft: u32,
    /// The flight.
    pub flight: Flight,
}

/// The open ends of the tracks of all aircraft.
#[derive(Debug, Clone, PartialEq)]
pub struct Tracker {
    /// Tracks that further rows may continue.
    pub(super) open: ByAircraft<Piece>,
    /// Of tracks that ended: until when a row would have continued them.
    pub(super) ended: ByAircraft<i64>,
    /// Of aircraft that are neither open nor ended nothing is known up to here; nothing was seen
    /// of them after it.
    pub(super) horizon: i64,
    /// The newest row of all.
    pub(super) newest: i64,
    /// Flights that ended since they were taken.
    pub(super) closed: Vec<Closed>,
    /// Rows that came late since they were taken.
    pub(super) late: Late,
}

impl Default for Tracker {
    fn default() -> Tracker {
        Tracker {
            open: ByAircraft::default(),
            ended: ByAircraft::default(),
            horizon: i64::MIN,
            newest: i64::MIN,
            closed: Vec::new(),
            late: Late::default(),
        }
    }
}

impl Tracker {
    /// Joins the tracks of the next run of rows to what is known. A track that begins before the
    /// end of what is known of its aircraft is late as a whole: what it changes is derived again.
    pub fn absorb(&mut self, run: Tracks) {
        self.late.add(&run.late);
        // What is late in its run may still be the newest of all.
        let late = run.late.spans().map(|(_, _, to)| to).max();
        self.newest = self.newest.max(late.unwrap_or(i64::MIN));
        let mut taken = Vec::with_capacity(run.tracks.len());
        for track in run.tracks {
            self.newest = self.newest.max(track.end);
            if !self.follows(track.aircraft, track.start) {
                self.late.note(track.aircraft, track.start, track.end);
                taken.push(None);
                continue;
            }
            taken.push(Some(track.aircraft));
            self.push(track.aircraft, track.first);
            if let Some(last) = track.last {
                // The run has found the break between the two.
                self.replace(track.aircraft, *last);
            }
        }
        for (index, flight) in run.closed {
            let aircraft = taken.get(index).copied().flatten();
            self.closed
                .extend(aircraft.map(|aircraft| Closed { aircraft, flight }));
        }
    }

    /// Ends the tracks that nothing can continue any more.
    pub fn end_of_batch(&mut self) {
        let newest = self.newest;
        let over = |piece: &Piece| piece.last().is_none_or(|last| newest - LAG > last.reach());
        for (aircraft, piece) in self.open.extract_if(|_, piece| over(piece)) {
            self.closed
                .extend(piece.flight(None).map(|flight| Closed { aircraft, flight }));
            if let Some(last) = piece.last() {
                self.ended.insert(aircraft, last.reach());
            }
        }
        self.horizon = self.horizon.max(newest.saturating_sub(REMEMBERED));
        let horizon = self.horizon;
        self.ended.retain(|_, until| *until > horizon);
    }

    /// The flights that have not ended, as of the newest row.
    pub fn open_flights(&self) -> impl Iterator<Item = Closed> {
        self.open.iter().filter_map(|(aircraft, piece)| {
            Some(Closed {
                aircraft: *aircraft,
                flight: piece.flight(Some(self.newest))?,
            })
        })
    }

    /// The flights that ended since this was asked last.
    pub fn take_closed(&mut self) -> Vec<Closed> {
        std::mem::take(&mut self.closed)
    }

    /// What came late since this was asked last.
    pub fn take_late(&mut self) -> Late {
        std::mem::take(&mut self.late)
    }

    /// Whether a row, or a run of rows from `start` on, comes after all that is known of the
    /// aircraft.
    pub fn follows(&self, aircraft: u32, start: i64) -> bool {
        if let Some(piece) = self.open.get(&aircraft) {
            return piece.last().is_none_or(|last| start > last.time);
        }
        let until = self.ended.get(&aircraft).copied();
        start > until.unwrap_or(self.horizon)
    }

    fn push(&mut self, aircraft: u32, next: Piece) {
        let Some(piece) = self.open.get_mut(&aircraft) else {
            self.ended.remove(&aircraft);
            self.open.insert(aircraft, next);
            return;
        };
        match piece.clone().join(next) {
            Joined::One(joined) => *piece = joined,
            Joined::Two(complete, open) => {
                *piece = open;
                let flight = complete.flight(None);
                self.closed
                    .extend(flight.map(|flight| Closed { aircraft, flight }));
            }
        }
    }

    /// Ends what is open, at a break that is known, and goes on with another piece.
    fn replace(&mut self, aircraft: u32, next: Piece) {
        if let Some(piece) = self.open.insert(aircraft, next) {
            self.closed
                .extend(piece.flight(None).map(|flight| Closed { aircraft, flight }));
        }
    }
}
