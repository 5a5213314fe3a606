//! What rows that came late change: which flights are taken back, which rows are read again, and
//! what becomes of them.

use super::piece::Piece;
use super::rules::{LONGEST_SILENCE, Sighting};
use super::tracker::{Closed, LAG, Tracker};
use super::tracks::{Late, Tracks};

/// A stretch of one aircraft's track that is derived again.
///
/// `reach_from` and `reach_to` are as far as the late rows can change anything: flights of the
/// aircraft that touch this are taken back. `from` and `to` bound the rows to read, which are
/// those, and all of the flights that are taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Number of the aircraft.
    pub aircraft: u32,
    /// Where flights begin to be touched.
    pub reach_from: i64,
    /// Where they end to be; `None` when the open end of the track is derived again too.
    pub reach_to: Option<i64>,
    /// Time of the first row to read.
    pub from: i64,
    /// Time of the last, `None` for all that follow.
    pub to: Option<i64>,
}

impl Window {
    /// Widens what is read by a flight that is taken back.
    pub fn touch(&mut self, first_seen: i64, last_seen: i64) {
        self.from = self.from.min(first_seen);
        self.to = self.to.map(|to| to.max(last_seen));
    }

    /// Whether a flight is to be taken back.
    pub fn touches(&self, first_seen: i64, last_seen: i64) -> bool {
        last_seen >= self.reach_from && self.reach_to.is_none_or(|to| first_seen <= to)
    }
}

impl Tracker {
    /// Rows from `from` to `to` may be gone: what aircraft did then whose track is open, and those
    /// with flights that have ended, is as if they had come late.
    pub fn doubt(&mut self, ended: &[u32], from: i64, to: i64) {
        let touches = |piece: &Piece| {
            let ends = piece.first().zip(piece.last());
            ends.is_some_and(|(first, last)| first.time <= to && last.time >= from)
        };
        let open = self.open.iter().filter(|(_, piece)| touches(piece));
        for aircraft in open.map(|(aircraft, _)| aircraft).chain(ended) {
            self.late.note(*aircraft, from, to);
        }
    }

    /// What to derive again. Each window is then to be widened by the ended flights it touches.
    pub fn windows(&self, late: &Late) -> Vec<Window> {
        let window = |(aircraft, first, last): (u32, i64, i64)| {
            let from = first.saturating_sub(LONGEST_SILENCE);
            let to = last.saturating_add(LONGEST_SILENCE);
            // Rows this new may belong to a flight that has not ended.
            let recent = to >= self.newest.saturating_sub(LONGEST_SILENCE + LAG);
            let open = self.open.get(&aircraft).and_then(|piece| piece.first());
            let reach_to = match open {
                Some(start) => (start.time > to).then_some(to),
                None => (!recent).then_some(to),
            };
            let start = open.filter(|_| reach_to.is_none()).map(|start| start.time);
            Window {
                aircraft,
                reach_from: from,
                reach_to,
                from: from.min(start.unwrap_or(from)),
                to: reach_to,
            }
        };
        let mut windows: Vec<Window> = late.spans().map(window).collect();
        windows.sort_unstable_by_key(|window| window.aircraft);
        windows
    }

    /// Whether a window reaches only flights that began before `from` and are not shown, and
    /// nothing that is known of open and ended tracks.
    pub fn is_past(&self, window: &Window, from: i64) -> bool {
        window
            .reach_to
            .is_some_and(|to| to < from && to <= self.horizon)
    }

    /// Forgets the ends of tracks that are derived again.
    pub fn forget(&mut self, windows: &[Window]) {
        for window in windows.iter().filter(|window| window.reach_to.is_none()) {
            self.open.remove(&window.aircraft);
            self.ended.remove(&window.aircraft);
        }
    }

    /// Takes in what the rows of the windows give, which come in the order of time, and all of an
    /// aircraft together; what is returned has ended. The windows must have been
    /// [forgotten](Self::forget).
    pub fn derive_again(&mut self, windows: &[Window], rows: Tracks) -> Vec<Closed> {
        let mut ended = Vec::new();
        let open_end = |aircraft: u32| {
            let found = windows.binary_search_by_key(&aircraft, |window| window.aircraft);
            found
                .ok()
                .and_then(|at| windows.get(at))
                .is_some_and(|window| window.reach_to.is_none())
        };
        for (index, flight) in &rows.closed {
            ended.extend(rows.tracks.get(*index).map(|track| Closed {
                aircraft: track.aircraft,
                flight: *flight,
            }));
        }
        for track in rows.tracks {
            let aircraft = track.aircraft;
            let (complete, tail) = match track.last {
                Some(last) => (Some(track.first), *last),
                None => (None, track.first),
            };
            let mut end = |flight| ended.push(Closed { aircraft, flight });
            complete.and_then(|piece| piece.flight(None)).map(&mut end);
            if open_end(aircraft) {
                self.open.insert(aircraft, tail);
                continue;
            }
            tail.flight(None).map(&mut end);
            if let Some(last) = tail.last()
                && !self.open.contains_key(&aircraft)
                && last.reach() > self.horizon
            {
                let until = self.ended.entry(aircraft).or_insert(last.reach());
                *until = last.reach().max(*until);
            }
        }
        ended
    }

    /// Takes in again what was counted since these tracks were stored, in the order of aircraft
    /// and time; in any number of parts, then [`replayed`](Self::replayed). Tracks are stored
    /// whenever rows came late; so rows that do not follow what is known are repeats, and flights
    /// that end were stored when they ended first.
    pub fn replay(&mut self, rows: impl IntoIterator<Item = (u32, Sighting)>) {
        let mut run = Tracks::default();
        for (aircraft, sighting) in rows {
            if self.follows(aircraft, sighting.time) {
                run.see(aircraft, sighting);
            }
        }
        let late = std::mem::take(&mut self.late);
        self.absorb(run);
        self.late = late;
    }

    /// Everything counted since was taken in again.
    pub fn replayed(&mut self) {
        self.end_of_batch();
        self.closed.clear();
    }
}
