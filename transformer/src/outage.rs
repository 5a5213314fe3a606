//! What is said while the marts cannot be kept fresh: once, not with every try.

use std::time::{Duration, Instant};

use service::notify::{Level, Notification, Notifier};

use crate::Error;

/// Failures in a row before a person is told; most are over with the next try.
const BEFORE_TELLING: u32 = 3;
/// How often it is said again.
const REMIND_EVERY: Duration = Duration::from_secs(3600);
/// The longest pause after errors.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// The same while the disk is full: there may be room at any moment, and to look costs little.
const LONGEST_PAUSE_DISK_FULL: Duration = Duration::from_secs(10);

/// Failures in a row.
#[derive(Debug)]
pub(crate) struct Outage {
    notifier: Notifier,
    failures: u32,
    /// What was logged last.
    logged: Option<String>,
    /// When a person was told last.
    told: Option<Instant>,
}

impl Outage {
    pub(crate) fn new(notifier: Notifier) -> Outage {
        Outage {
            notifier,
            failures: 0,
            logged: None,
            told: None,
        }
    }

    pub(crate) fn notifier(&self) -> Notifier {
        self.notifier.clone()
    }

    /// Notes a failure after which the work is tried again; gives what to say about it.
    pub(crate) fn failed(&mut self, error: &Error) -> String {
        self.failures = self.failures.saturating_add(1);
        let reason = reason(error);
        if self.logged.as_ref() == Some(&reason) {
            tracing::debug!(
                error = reason,
                failures = self.failures,
                "still not refreshed"
            );
        } else {
            tracing::warn!(error = reason, "the marts are not refreshed; trying again");
            self.logged = Some(reason.clone());
        }
        // An audit has told its own story.
        let blocked = matches!(error, Error::Blocked { .. });
        let lasting = error.is_disk_full() || self.failures >= BEFORE_TELLING;
        let due = self.told.is_none_or(|told| told.elapsed() >= REMIND_EVERY);
        if lasting && due && !blocked {
            self.told = Some(Instant::now());
            self.tell("The marts are not refreshed", &reason);
        }
        reason
    }

    /// Notes an error that ends the work.
    pub(crate) fn ended(&self, error: &Error) {
        if !matches!(error, Error::Blocked { .. }) {
            self.tell("The transformer has ended", &reason(error));
        }
    }

    /// Notes that everything works.
    pub(crate) fn over(&mut self) {
        if self.logged.take().is_some() {
            tracing::info!(failures = self.failures, "the marts are refreshed again");
        }
        if self.told.take().is_some() {
            let text = "What kept them from it is over.";
            let title = "The marts are refreshed again";
            self.notifier
                .send(Notification::new(Level::Info, title, text));
        }
        self.failures = 0;
    }

    /// How long to wait before the next try.
    pub(crate) fn pause(&self, error: &Error, interval: Duration) -> Duration {
        let longest = match error {
            // Nothing is broken: rows are counted on, and only what is published waits.
            Error::Blocked { .. } => return interval,
            error if error.is_disk_full() => LONGEST_PAUSE_DISK_FULL,
            _ => LONGEST_PAUSE,
        };
        let factor = 2u32.saturating_pow(self.failures.min(16));
        interval.saturating_mul(factor).min(longest)
    }

    fn tell(&self, title: &str, reason: &str) {
        let text = format!("{reason}. Readers keep what was published before.");
        let notification = Notification::new(Level::Error, title, text);
        self.notifier
            .send(notification.field("failures", self.failures));
    }
}

fn reason(error: &Error) -> String {
    let text = error.in_full();
    match error.is_disk_full() {
        true => format!("the disk is full: {text}; make room, and it goes on by itself"),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Error as IoError, ErrorKind};
    use std::path::Path;

    use super::*;

    fn error(kind: ErrorKind) -> Error {
        Error::file("write", Path::new("/gen-1/x"))(IoError::from(kind))
    }

    #[test]
    fn a_person_is_told_of_what_lasts_and_not_of_every_try() {
        let mut outage = Outage::new(Notifier::log_only());
        let refused = error(ErrorKind::PermissionDenied);
        outage.failed(&refused);
        assert!(outage.told.is_none());
        outage.over();
        for _ in 0..2 {
            outage.failed(&refused);
            assert!(outage.told.is_none());
        }
        outage.failed(&refused);
        let told = outage.told;
        assert!(told.is_some());
        outage.failed(&refused);
        assert_eq!(outage.told, told);
        outage.over();
        assert!(outage.told.is_none());
    }

    #[test]
    fn a_full_disk_is_told_at_once_and_looked_at_often() {
        let mut outage = Outage::new(Notifier::log_only());
        let full = error(ErrorKind::StorageFull);
        assert!(
            outage
                .failed(&full)
                .starts_with("the disk is full: cannot write /gen-1/x")
        );
        assert!(outage.told.is_some());
        for _ in 0..100 {
            outage.failed(&full);
        }
        let interval = Duration::from_secs(2);
        assert_eq!(outage.pause(&full, interval), LONGEST_PAUSE_DISK_FULL);
        let other = error(ErrorKind::PermissionDenied);
        assert_eq!(outage.pause(&other, interval), LONGEST_PAUSE);
    }
}
