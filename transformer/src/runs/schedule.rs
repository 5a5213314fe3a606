//! When runs are due by a cron expression.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use croner::Cron;

use crate::{Error, TransformerConfig};

/// A cron expression in a time zone.
#[derive(Debug, Clone)]
pub struct Schedule {
    cron: Cron,
    zone: Tz,
}

impl Schedule {
    /// The schedule of the configuration.
    ///
    /// # Errors
    /// The expression or the time zone is none; the error names the key.
    pub fn of(config: &TransformerConfig) -> Result<Schedule, Error> {
        Schedule::parse(&config.schedule, &config.time_zone)
    }

    /// The schedule of an expression, such as `0 2 * * *`, in a time zone such as
    /// `Europe/Berlin`.
    ///
    /// # Errors
    /// As [`of`](Self::of).
    pub fn parse(expression: &str, zone: &str) -> Result<Schedule, Error> {
        let wrong = |reason: String| Error::Config {
            key: "schedule",
            reason,
        };
        let cron = Cron::from_str(expression).map_err(|error| {
            wrong(format!(
                "{expression:?} is not a cron expression of minute, hour, day, month and weekday \
                 ({}); write one such as \"0 2 * * *\" for every day at 02:00",
                error.to_string().trim_end_matches('.')
            ))
        })?;
        let schedule = Schedule {
            cron,
            zone: Tz::from_str(zone).map_err(|_| Error::Config {
                key: "time_zone",
                reason: format!(
                    "{zone:?} is not a time zone; write a name such as \"UTC\" or \"Europe/Berlin\""
                ),
            })?,
        };
        match schedule.after(Utc::now()) {
            Some(_) => Ok(schedule),
            None => Err(wrong(format!(
                "{expression:?} names a time that never comes; write one such as \"0 2 * * *\" \
                 for every day at 02:00"
            ))),
        }
    }

    /// The first time after `time`; none when it never comes.
    pub fn after(&self, time: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let local = time.with_timezone(&self.zone);
        let next = self.cron.find_next_occurrence(&local, false).ok()?;
        Some(next.with_timezone(&Utc))
    }

    /// Whether a time has passed between the last run and now.
    pub fn missed(&self, last: DateTime<Utc>, now: DateTime<Utc>) -> bool {
        self.after(last).is_some_and(|due| due <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn times_follow_the_clock_of_the_zone() {
        let cases = [
            (
                "0 2 * * *",
                "UTC",
                "2025-09-26T02:00:00Z",
                "2025-09-27T02:00:00Z",
            ),
            (
                "0 2 * * *",
                "UTC",
                "2025-09-26T01:59:59Z",
                "2025-09-26T02:00:00Z",
            ),
            (
                "0 2 * * *",
                "Europe/Berlin",
                "2025-09-26T12:00:00Z",
                "2025-09-27T00:00:00Z",
            ),
            (
                "0 2 * * *",
                "Europe/Berlin",
                "2025-12-26T12:00:00Z",
                "2025-12-27T01:00:00Z",
            ),
            (
                "*/15 * * * *",
                "UTC",
                "2025-09-26T02:07:00Z",
                "2025-09-26T02:15:00Z",
            ),
            (
                "* * * * * *",
                "UTC",
                "2025-09-26T02:07:00Z",
                "2025-09-26T02:07:01Z",
            ),
        ];
        for (expression, zone, from, due) in cases {
            let schedule = Schedule::parse(expression, zone).unwrap();
            assert_eq!(
                schedule.after(time(from)),
                Some(time(due)),
                "{expression} {zone}"
            );
        }
    }

    #[test]
    fn a_time_that_passed_while_nobody_ran_was_missed() {
        let schedule = Schedule::parse("0 2 * * *", "UTC").unwrap();
        let last = time("2025-09-26T02:00:00.5Z");
        assert!(!schedule.missed(last, time("2025-09-27T01:59:59Z")));
        assert!(schedule.missed(last, time("2025-09-27T02:00:00Z")));
        assert!(schedule.missed(last, time("2025-10-03T12:00:00Z")));
    }

    #[test]
    fn what_is_no_schedule_is_refused_with_key_rule_and_example() {
        for (expression, zone, key) in [
            ("0 25 * * *", "UTC", "transformer.schedule"),
            ("every day", "UTC", "transformer.schedule"),
            ("", "UTC", "transformer.schedule"),
            ("0 2 30 2 *", "UTC", "transformer.schedule"),
            ("0 2 * * *", "Berlin", "transformer.time_zone"),
        ] {
            let error = Schedule::parse(expression, zone).unwrap_err().to_string();
            assert!(error.contains(key) && error.contains("such as"), "{error}");
        }
    }
}
