//! Days that leave the state: because their time is over, or because they are counted again.
//!
//! Every table of a model is keyed by a day or a time, and the model's `@forget` removes a range
//! of days from it: detail that `forget_from` and `forget_to` name, and daily aggregates, which
//! live longer, that `forget_daily_from` and `forget_daily_to` name.

use std::time::Duration;

use chrono::{DateTime, NaiveDate};

use super::Engine;
use crate::Error;
use crate::fold::MICROS_PER_DAY;
use crate::schema::{SourceSchema, timestamptz};

/// How many days are kept; all of them when there is no number.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Retention {
    detail: Option<i64>,
    daily: Option<i64>,
}

impl Retention {
    /// The retention that is configured; no time at all keeps everything.
    ///
    /// # Errors
    /// Daily aggregates, and with them what tells which polls were counted, would leave before the
    /// detail does: a poll that is replayed would then count twice.
    pub(crate) fn of(detail: Duration, daily: Duration) -> Result<Retention, Error> {
        let kept = Retention {
            detail: days(detail),
            daily: days(daily),
        };
        let shorter = |daily| kept.detail.is_none_or(|detail| daily < detail);
        if kept.daily.is_some_and(shorter) {
            return Err(Error::Config {
                key: "daily_retention",
                reason: format!(
                    "{} is shorter than transformer.retention, {}; make it as long, or 0s to keep everything",
                    humantime::format_duration(daily),
                    match detail.is_zero() {
                        true => "0s, which keeps everything".to_owned(),
                        false => humantime::format_duration(detail).to_string(),
                    }
                ),
            });
        }
        Ok(kept)
    }
}

/// Days since 1970, both included.
pub(super) type Days = (i64, i64);

/// The day that stands for the beginning of time: 0001-01-01.
pub(super) const FIRST_DAY: i64 = -719_162;

/// A poll from further in the future than this is an error of a clock: no day leaves for it.
const FUTURE: i64 = MICROS_PER_DAY;

impl Engine {
    /// Forgets the days whose time is over, when a new day has begun or the batch had rows of
    /// such a day.
    pub(super) fn keep_retention(&self, span: Option<(i64, i64)>) -> Result<(), Error> {
        let Some((first, _)) = span else {
            return Ok(());
        };
        let Some(today) = self.today()? else {
            return Ok(());
        };
        let first = first.div_euclid(MICROS_PER_DAY);
        let over = |key: &str, kept: Option<i64>| -> Result<Option<Days>, Error> {
            let Some(kept) = kept else {
                return Ok(None);
            };
            let first_kept = today - kept + 1;
            let before = self.fact(key)?.and_then(|day| day.parse::<i64>().ok());
            self.note(&[(key, &first_kept.to_string())])?;
            let is_due = first < first_kept || before.is_none_or(|before| before < first_kept);
            Ok(is_due.then_some((FIRST_DAY, first_kept - 1)))
        };
        let detail = over("first_kept_day", self.retention.detail)?;
        let daily = over("first_kept_daily_day", self.retention.daily)?;
        if detail.is_none() && daily.is_none() {
            return Ok(());
        }
        self.forget_days(detail, daily)
    }

    /// The day of the newest poll.
    fn today(&self) -> Result<Option<i64>, Error> {
        let newest: Option<i64> = self.value(
            "find the newest poll",
            "select epoch_us(max(snapshot_time)) from polls",
        )?;
        let now = chrono::Utc::now().timestamp_micros();
        let latest = now.saturating_add(FUTURE);
        Ok(newest.map(|newest| newest.min(latest).div_euclid(MICROS_PER_DAY)))
    }

    /// The first day of which detail is to be kept from the next batch on.
    pub(super) fn first_day_to_keep(&self) -> Result<Option<i64>, Error> {
        let today = self.today()?;
        Ok(today
            .zip(self.retention.detail)
            .map(|(today, kept)| today - kept + 1))
    }

    /// The first day of which detail is kept, in microseconds since 1970.
    pub(crate) fn detail_from(&self) -> Result<Option<i64>, Error> {
        let day = self.fact("first_kept_day")?;
        let day = day.and_then(|day| day.parse::<i64>().ok());
        Ok(day
            .filter(|_| self.retention.detail.is_some())
            .map(|day| day * MICROS_PER_DAY))
    }

    /// Forgets the days `from` to `to` and lets the lake's files of them be counted again by the
    /// refreshes that follow; nothing is published until then. All of it is one transaction, so
    /// whatever happens later, the files wait. Returns how many there are.
    pub fn rebuild_days(
        &self,
        from: NaiveDate,
        to: NaiveDate,
        schema: &SourceSchema,
    ) -> Result<u64, Error> {
        if from > to {
            return Err(Error::Days { from, to });
        }
        let files = self.transaction(|| {
            self.next_batch()?;
            self.count_again((days_of(from), days_of(to)), schema)?;
            let count = "select count(*)::ubigint from lake_files where batch is null";
            self.value("count the files that wait", count)
        })?;
        self.recent.clear();
        Ok(files)
    }

    /// Forgets days and lets their files wait, within the caller's transaction and batch. Daily
    /// aggregates are forgotten only of days that the lake has files of: of others nobody could
    /// count them again.
    pub(super) fn count_again(&self, days: Days, schema: &SourceSchema) -> Result<(), Error> {
        let days = self.whole_files(days)?;
        // Whatever ends before the rows come again, to the tracks they must come late.
        let time = |day: i64| day.saturating_mul(MICROS_PER_DAY);
        self.doubt_flights((time(days.0), time(days.1 + 1) - 1), schema)?;
        self.forget_days(Some(days), None)?;
        for days in self.days_with_files(days)? {
            self.forget_days(None, Some(days))?;
        }
        let again = format!(
            "update lake_files set batch = null where batch is not null and {}",
            overlap(days)
        );
        self.run("let the files of the days wait", &again)?;
        match self.is_waiting()? {
            true => {
                self.note(&[("rebuilding", "true")])?;
                self.note_days_again(days)
            }
            false => Ok(()),
        }
    }

    /// Those of the days that files of the lake may have rows of, as ranges.
    fn days_with_files(&self, (from, to): Days) -> Result<Vec<Days>, Error> {
        let sql = format!(
            "select distinct unnest(range(
                greatest(coalesce(epoch_us(first_time) // {MICROS_PER_DAY}, {from}), {from}),
                least(coalesce(epoch_us(last_time) // {MICROS_PER_DAY}, {to}), {to}) + 1
            ))::bigint as day
            from lake_files
            where {}
            order by day",
            overlap((from, to))
        );
        let days: Vec<i64> = self.column("find the days of the files", &sql)?;
        Ok(ranges(&days))
    }

    /// The days of a range, and those that the files of it have rows of beside them: a file is
    /// counted again whole.
    fn whole_files(&self, mut days: Days) -> Result<Days, Error> {
        loop {
            let sql = format!(
                "select
                    min(coalesce(epoch_us(first_time), {FIRST_DAY} * {MICROS_PER_DAY})),
                    max(coalesce(
                        epoch_us(last_time),
                        (select epoch_us(max(snapshot_time)) from polls)
                    )),
                from lake_files
                where batch is not null and {}",
                overlap(days)
            );
            let read = self.connection().query_row(&sql, [], |row| {
                Ok((row.get::<_, Option<i64>>(0)?, row.get::<_, Option<i64>>(1)?))
            });
            let (first, last) = read.map_err(Error::duck("cannot find the files of the days"))?;
            let day = |time: i64| time.div_euclid(MICROS_PER_DAY);
            let wider = (
                first.map_or(days.0, |first| days.0.min(day(first))),
                last.map_or(days.1, |last| days.1.max(day(last))),
            );
            if wider == days {
                return Ok(days);
            }
            days = wider;
        }
    }

    /// Runs every model's `@forget`.
    fn forget_days(&self, detail: Option<Days>, daily: Option<Days>) -> Result<(), Error> {
        tracing::debug!(?detail, ?daily, "forgetting days");
        let mut sql = String::new();
        for (name, days) in [("forget", detail), ("forget_daily", daily)] {
            let date = |day: Option<i64>| match day.and_then(date_of) {
                Some(date) => format!("date '{date}'"),
                None => "null::date".to_owned(),
            };
            let time = |day: Option<i64>| match day {
                Some(day) => timestamptz(day.saturating_mul(MICROS_PER_DAY)),
                None => "null::timestamptz".to_owned(),
            };
            let (from, to) = days.unzip();
            sql.push_str(&format!(
                "set variable {name}_from = {};
                set variable {name}_to = {};
                set variable {name}_from_time = {};
                set variable {name}_before_time = {};",
                date(from),
                date(to),
                time(from),
                time(to.map(|to| to + 1)),
            ));
        }
        self.run("name the days to forget", &sql)?;
        if detail.is_some() {
            // The newest poll outlives the retention, unless its own day is counted again.
            let newest = "delete from newest_rows
                where snapshot_time >= getvariable('forget_from_time')
                    and snapshot_time < getvariable('forget_before_time')";
            self.run("forget the newest poll", newest)?;
            self.newest.forget();
        }
        for model in self.models.iter().filter(|model| !model.forget.is_empty()) {
            self.run(&format!("forget days of {}", model.name), &model.forget)?;
        }
        Ok(())
    }
}

/// Days since 1970 in ascending order as ranges.
pub(super) fn ranges(days: &[i64]) -> Vec<Days> {
    let mut ranges: Vec<Days> = Vec::new();
    for day in days {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == *day => *last = *day,
            _ => ranges.push((*day, *day)),
        }
    }
    ranges
}

/// Files that may have rows of these days.
fn overlap((from, to): Days) -> String {
    format!(
        "coalesce(epoch_us(last_time) >= {}, true) and coalesce(epoch_us(first_time) < {}, true)",
        from.saturating_mul(MICROS_PER_DAY),
        (to + 1).saturating_mul(MICROS_PER_DAY),
    )
}

/// A time in days, begun ones as whole ones; none for no time at all.
fn days(time: Duration) -> Option<i64> {
    let days = time.as_secs().div_ceil(86_400);
    i64::try_from(days).ok().filter(|days| *days > 0)
}

fn days_of(date: NaiveDate) -> i64 {
    date.signed_duration_since(NaiveDate::default()).num_days()
}

pub(super) fn date_of(day: i64) -> Option<NaiveDate> {
    DateTime::from_timestamp(day.checked_mul(86_400)?, 0).map(|time| time.date_naive())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_that_follow_each_other_are_one_range() {
        assert_eq!(ranges(&[]), []);
        assert_eq!(ranges(&[0, 1, 2, 5]), [(0, 2), (5, 5)]);
    }

    #[test]
    fn daily_aggregates_are_not_kept_for_a_shorter_time_than_detail() {
        let of = |retention, daily| {
            let days = |days: u64| Duration::from_secs(days * 86_400);
            Retention::of(days(retention), days(daily))
        };
        for (retention, daily) in [(30, 730), (30, 30), (30, 0), (0, 0)] {
            assert!(of(retention, daily).is_ok(), "{retention} {daily}");
        }
        for (retention, daily) in [(30, 7), (0, 730)] {
            let error = of(retention, daily).unwrap_err().to_string();
            assert!(error.contains("daily_retention"), "{error}");
        }
    }

    #[test]
    fn days_are_counted_from_1970() {
        let cases = [
            (0, "1970-01-01"),
            (20_357, "2025-09-26"),
            (FIRST_DAY, "0001-01-01"),
        ];
        for (day, date) in cases {
            assert_eq!(date_of(day).unwrap().to_string(), date);
            assert_eq!(days_of(date.parse().unwrap()), day);
        }
    }
}
