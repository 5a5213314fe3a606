//! The simulator's time: runs as fast as it is told to from where it is told to, or is
//! held at a moment by a test.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// A clock in seconds since 1970.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    started: Instant,
    start: f64,
    speed: f64,
    held: Option<i64>,
}

impl Clock {
    /// A clock that starts now, at `start` or else at the system's time.
    pub(crate) fn new(start: Option<i64>, speed: f64) -> Self {
        let system = || {
            SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0.0, |since| since.as_secs_f64())
        };
        Self {
            started: Instant::now(),
            start: start.map_or_else(system, |start| start as f64),
            speed,
            held: None,
        }
    }

    /// The time it shows.
    pub(crate) fn now(&self) -> i64 {
        self.held.unwrap_or_else(|| {
            (self.start + self.started.elapsed().as_secs_f64() * self.speed).floor() as i64
        })
    }

    /// Holds it at a moment, or lets it run again from the moment it is held at.
    pub(crate) fn hold(&mut self, at: Option<i64>) {
        if at.is_none() && self.held.is_some() {
            self.start = self.now() as f64;
            self.started = Instant::now();
        }
        self.held = at;
    }

    /// Whether it is held.
    pub(crate) fn is_held(&self) -> bool {
        self.held.is_some()
    }

    /// How long a span of its seconds takes, in real seconds rounded up.
    pub(crate) fn real_seconds(&self, seconds: i64) -> u64 {
        (seconds.max(0) as f64 / self.speed).ceil() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_can_be_held_and_goes_on_from_there() {
        let mut clock = Clock::new(Some(1_000), 1.0);
        assert!((1_000..1_100).contains(&clock.now()));
        clock.hold(Some(5_000));
        assert_eq!(clock.now(), 5_000);
        assert!(clock.is_held());
        clock.hold(None);
        assert!((5_000..5_100).contains(&clock.now()));
    }

    #[test]
    fn a_fast_clock_needs_less_real_time() {
        let clock = Clock::new(Some(0), 60.0);
        assert_eq!(clock.real_seconds(3_600), 60);
        assert_eq!(clock.real_seconds(61), 2);
        assert_eq!(clock.real_seconds(-5), 0);
    }
}
