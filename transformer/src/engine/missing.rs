//! Days that the lake has and the marts have not: such as those that left with a retention that
//! was shorter than it is now.

use chrono::NaiveDate;

use super::Engine;
use super::forget::date_of;
use crate::fold::MICROS_PER_DAY;
use crate::{Days, Error};

impl Engine {
    /// Ranges of days, both ends included, of which the lake has files that were counted once and
    /// of which no poll is left. What the retention would remove at once is not missing.
    pub fn missing_days(&self, days: Days) -> Result<Vec<(NaiveDate, NaiveDate)>, Error> {
        let bound = |day: Option<NaiveDate>| match day {
            Some(day) => format!("date '{day}' - date '1970-01-01'"),
            None => "null".to_owned(),
        };
        let kept = self.first_day_to_keep()?;
        let kept = kept.map_or_else(|| "null".to_owned(), |day| day.to_string());
        let sql = format!(
            "with files as (
                select
                    epoch_us(first_time) // {MICROS_PER_DAY} as first_day,
                    epoch_us(last_time) // {MICROS_PER_DAY} as last_day,
                from lake_files
                where live and batch is not null
                    and first_time is not null and last_time is not null
            ),
            days as (
                select distinct unnest(range(first_day, last_day + 1)) as day from files
            ),
            counted as (
                select distinct epoch_us(snapshot_time) // {MICROS_PER_DAY} as day from polls
            )
            select day::bigint
            from days
            anti join counted using (day)
            where coalesce(day >= {}, true)
                and coalesce(day <= {}, true)
                and coalesce(day >= {kept}, true)
            order by day",
            bound(days.from),
            bound(days.to),
        );
        let days: Vec<i64> = self.column("find the days that are missing", &sql)?;
        Ok(ranges(&days))
    }
}

/// Days since 1970 in ascending order as ranges of dates.
fn ranges(days: &[i64]) -> Vec<(NaiveDate, NaiveDate)> {
    let mut ranges: Vec<(i64, i64)> = Vec::new();
    for day in days {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == *day => *last = *day,
            _ => ranges.push((*day, *day)),
        }
    }
    let dates = ranges.into_iter();
    dates
        .filter_map(|(from, to)| date_of(from).zip(date_of(to)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_that_follow_each_other_are_one_range() {
        let date = |text: &str| -> NaiveDate { text.parse().unwrap() };
        assert_eq!(ranges(&[]), []);
        assert_eq!(
            ranges(&[0, 1, 2, 5]),
            [
                (date("1970-01-01"), date("1970-01-03")),
                (date("1970-01-06"), date("1970-01-06")),
            ]
        );
    }
}
