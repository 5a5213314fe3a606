//! Rows that arrived before others of the same aircraft and poll, and come after these were counted.
//!
//! Of such rows the first counts, in views and in every rebuild. What was counted cannot be taken
//! back row by row: where another row would have counted, its day is counted again. Days that are
//! being counted again are not looked at: they are counted in the order in which a rebuild would,
//! so that it comes to an end.

use std::collections::HashSet;
use std::path::PathBuf;

use ahash::RandomState;

use super::Engine;
use super::forget::Days;
use crate::Error;
use crate::fold::MICROS_PER_DAY;
use crate::schema::{SourceSchema, quote_list};

/// The note of the days that are being counted again.
const AGAIN: &str = "days_again";
/// What it says when all are.
const ALL: &str = "all";

/// Polls whose rows are compared; of more the days are counted again without asking.
const COMPARED: usize = 20;

impl Engine {
    /// Those of the `polls` that do not add up any more to what all of their rows do, with those of
    /// `files`, which are not counted yet.
    pub(super) fn truly_overtaken(
        &self,
        mut polls: HashSet<i64, RandomState>,
        files: &[PathBuf],
        schema: &SourceSchema,
    ) -> Result<Vec<i64>, Error> {
        if polls.is_empty() {
            return Ok(Vec::new());
        }
        let again = self.days_again()?;
        let is_again = |day: i64| again.iter().any(|(from, to)| (*from..=*to).contains(&day));
        polls.retain(|poll| !is_again(poll.div_euclid(MICROS_PER_DAY)));
        if polls.is_empty() || polls.len() > COMPARED {
            return Ok(polls.into_iter().collect());
        }
        let counted = self.counted_files(&polls)?;
        let times: Vec<String> = polls.iter().map(i64::to_string).collect();
        let firsts = |files: &[PathBuf]| {
            let files: Vec<_> = files.iter().map(|path| path.to_string_lossy()).collect();
            format!(
                "select
                    lower(icao24) as aircraft,
                    snapshot_time,
                    min(place) as place,
                    arg_min(shown, place) as shown,
                from (
                    select
                        icao24,
                        snapshot_time,
                        row(coalesce(ingestion_time, 'infinity'::timestamptz), data_file, row_in_file)
                            as place,
                        row({}) as shown,
                    from (select {} from {})
                    where epoch_us(snapshot_time) in ({})
                )
                group by all",
                SourceSchema::shown().join(", "),
                schema.select_list(false),
                schema.read_parquet(&quote_list(files.iter().map(AsRef::as_ref))),
                times.join(", "),
            )
        };
        let sql = format!(
            "with counted as ({}),
            fresh as ({})
            select distinct epoch_us(snapshot_time)
            from fresh
            join counted using (aircraft, snapshot_time)
            where fresh.place < counted.place and fresh.shown is distinct from counted.shown",
            firsts(&counted),
            firsts(files),
        );
        self.column("compare rows with those that were counted", &sql)
    }

    /// Notes that days are being counted again.
    pub(super) fn note_days_again(&self, (from, to): Days) -> Result<(), Error> {
        let known = self.fact(AGAIN)?.unwrap_or_default();
        if known == ALL {
            return Ok(());
        }
        self.note(&[(AGAIN, &format!("{known} {from}..{to}"))])
    }

    /// Notes that all days are.
    pub(super) fn note_all_again(&self) -> Result<(), Error> {
        self.note(&[(AGAIN, ALL)])
    }

    /// Notes that nothing waits any more to be counted, for the first time or again.
    pub(super) fn note_all_counted(&self) -> Result<(), Error> {
        self.note(&[("rebuilding", "false"), (AGAIN, "")])
    }

    fn days_again(&self) -> Result<Vec<Days>, Error> {
        let noted = self.fact(AGAIN)?.unwrap_or_default();
        if noted == ALL {
            return Ok(vec![(i64::MIN, i64::MAX)]);
        }
        let range = |range: &str| {
            let (from, to) = range.split_once("..")?;
            Some((from.parse().ok()?, to.parse().ok()?))
        };
        Ok(noted.split_whitespace().filter_map(range).collect())
    }
}
