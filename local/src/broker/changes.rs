//! How fetches that wait for records learn that there are some.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Counts changes of the log.
#[derive(Default)]
pub(super) struct Changes {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    count: u64,
    closed: bool,
}

impl Changes {
    /// Something was produced, committed or aborted.
    pub(super) fn notify(&self) {
        self.lock().count += 1;
        self.changed.notify_all();
    }

    /// Ends every wait, now and later.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// How many changes there were.
    pub(super) fn count(&self) -> u64 {
        self.lock().count
    }

    /// Waits for a change after `seen`; false when `deadline` or the close came first.
    pub(super) fn wait(&self, seen: u64, deadline: Instant) -> bool {
        let mut state = self.lock();
        while state.count == seen && !state.closed {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = self
                .changed
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        !state.closed
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_wait_ends_by_a_change_by_time_or_by_closing() {
        let changes = Changes::default();
        let soon = Instant::now() + Duration::from_millis(5);
        assert!(!changes.wait(0, soon), "nothing changed");
        changes.notify();
        let late = Instant::now() + Duration::from_secs(3_600);
        assert!(changes.wait(0, late), "it changed before");
        changes.close();
        assert!(!changes.wait(1, late), "it is closed");
    }
}
