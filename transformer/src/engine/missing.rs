//! Days that the lake has and the marts have not: such as those that left with a retention that
//! was shorter than it is now.

use chrono::NaiveDate;

use super::Engine;
use super::forget::{date_of, ranges};
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
                where batch is not null
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
        let ranges = ranges(&days).into_iter();
        Ok(ranges
            .filter_map(|(from, to)| date_of(from).zip(date_of(to)))
            .collect())
    }
}
