//! What the private database does with tracks, in memory.

use super::*;

/// A lake, and the flights that have ended, as the private database keeps them.
#[derive(Default)]
pub(super) struct Store {
    pub lake: Vec<Row>,
    pub ended: Vec<Closed>,
    pub tracker: Tracker,
}

impl Store {
    /// Counts a batch; whether any of it was late.
    pub fn count(&mut self, batch: &[Row]) -> bool {
        let mut runs = Runs::default();
        // Two files, of which the second is read first.
        let (first, second) = batch.split_at(batch.len() / 2);
        for (place, file) in [(1, second), (0, first)] {
            let mut sorted: Vec<&Row> = file.iter().collect();
            sorted.sort_by_key(|row| (row.aircraft, row.time));
            let mut run = Tracks::default();
            for row in sorted {
                run.observe(&row.point());
            }
            runs.add(place, run);
        }
        self.tracker.absorb(runs.finish());
        self.tracker.end_of_batch();
        self.ended.extend(self.tracker.take_closed());
        !self.tracker.late.is_empty()
    }

    /// Derives again what late rows have changed.
    pub fn derive(&mut self) {
        let late = self.tracker.take_late();
        let mut windows = self.tracker.windows(&late);
        let mut derived = Tracks::default();
        for window in &mut windows {
            let read = *window;
            self.ended.retain(|one| {
                let (first, last) = (one.flight.first_seen, one.flight.last_seen);
                let taken = one.aircraft == read.aircraft && read.touches(first, last);
                if taken {
                    window.touch(first, last);
                }
                !taken
            });
            let wanted = |row: &&Row| {
                row.aircraft == window.aircraft
                    && row.time >= window.from
                    && window.to.is_none_or(|to| row.time <= to)
            };
            let mut rows: Vec<&Row> = self.lake.iter().filter(wanted).collect();
            rows.sort_by_key(|row| row.time);
            rows.dedup_by_key(|row| row.time);
            rows.iter().for_each(|row| derived.observe(&row.point()));
        }
        self.tracker.forget(&windows);
        let ended = self.tracker.derive_again(&windows, derived);
        self.ended.extend(ended);
        self.tracker.end_of_batch();
        self.ended.extend(self.tracker.take_closed());
    }
}
