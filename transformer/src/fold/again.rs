//! Rows of some aircraft that were counted before, read again from the lake, in the order of
//! aircraft and time.

use std::path::PathBuf;

use arrow::array::Array;

use super::columns::{DataFile, Rows};
use super::names::Entries;
use super::points::Points;
use super::registry::{Country, Registry};
use super::worker::COLUMNS;
use crate::Error;
use crate::flights::rules::Sighting;
use crate::schema::SourceSchema;

/// What is read, and how.
pub(crate) struct Reading<'a> {
    /// The data files, in the order of their paths, as they count in [`super`].
    pub files: &'a [PathBuf],
    /// The table's columns.
    pub schema: &'a SourceSchema,
    /// The numbers of aircraft and countries.
    pub registry: &'a Registry,
    /// Rows that may lie in memory: when there are more, the files are read several times.
    pub at_most: usize,
}

/// A row that was found.
struct Found {
    aircraft: u32,
    time: i64,
    /// When its body arrived.
    arrived: i64,
    /// Its number among all rows of the files.
    place: u64,
    /// What it tells; a row that tells nothing counts too, in the place of its repeats.
    sighting: Option<Sighting>,
}

/// The aircraft from the first number up to the second, which is not one of them.
struct Range {
    from: u32,
    to: Option<u32>,
}

impl Reading<'_> {
    /// Reads the sightings of each aircraft from the first to the last time that `span` gives,
    /// and hands them out in the order of aircraft and time, each row once. A part has all of an
    /// aircraft.
    pub fn read(
        &self,
        span: &dyn Fn(u32) -> Option<(i64, i64)>,
        give: &mut dyn FnMut(Vec<(u32, Sighting)>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut from = 0;
        loop {
            let mut range = Range { from, to: None };
            let mut found = Vec::new();
            let mut place = 0;
            for path in self.files {
                let file = DataFile::open(path, self.schema, COLUMNS)?;
                let groups = (0..file.row_groups().len()).collect();
                let mut entries = [Entries::default(), Entries::default()];
                for rows in file.read(groups, None)? {
                    let rows = rows?;
                    self.pick(&rows, place, &mut entries, span, &range, &mut found);
                    place += rows.len as u64;
                    if found.len() > self.at_most {
                        halve(&mut found, &mut range);
                    }
                }
            }
            // Of a row that was sent several times the one that arrived first counts.
            found.sort_unstable_by_key(|one| (one.aircraft, one.time, one.arrived, one.place));
            found.dedup_by_key(|one| (one.aircraft, one.time));
            let told = found.into_iter();
            give(
                told.filter_map(|one| Some((one.aircraft, one.sighting?)))
                    .collect(),
            )?;
            match range.to {
                Some(to) => from = to,
                None => return Ok(()),
            }
        }
    }

    fn pick(
        &self,
        rows: &Rows,
        first: u64,
        [aircraft_entries, country_entries]: &mut [Entries; 2],
        span: &dyn Fn(u32) -> Option<(i64, i64)>,
        range: &Range,
        found: &mut Vec<Found>,
    ) {
        let (icao24, countries) = (rows.texts(0), rows.texts(2));
        let (times, arrivals) = (rows.times(4), rows.times(5));
        aircraft_entries.begin(icao24);
        country_entries.begin(countries);
        let points = Points::of(rows);
        let mut last = None;
        for at in 0..rows.len {
            let (Some(key), true) = (icao24.key(at), times.is_valid(at)) else {
                continue;
            };
            // Numbers of entries begin with 1.
            let number = aircraft_entries.number(i32::try_from(key).unwrap_or(-1), |text| {
                self.registry.aircraft(text).saturating_add(1)
            });
            let Some(aircraft) = number.checked_sub(1).filter(|number| range.holds(*number)) else {
                continue;
            };
            let wanted = match last {
                Some((same, wanted)) if same == aircraft => wanted,
                _ => span(aircraft),
            };
            last = Some((aircraft, wanted));
            if !wanted.is_some_and(|(from, to)| (from..=to).contains(&times.value(at))) {
                continue;
            }
            let country = countries.key(at).map_or(0, |key| {
                country_entries.number(i32::try_from(key).unwrap_or(-1), |text| {
                    self.registry.country(text).0
                })
            });
            let arrived = arrivals.is_valid(at).then(|| arrivals.value(at));
            let point = points.at(at, aircraft, Country(country).number());
            found.push(Found {
                aircraft,
                time: times.value(at),
                arrived: arrived.unwrap_or(i64::MAX),
                place: first + at as u64,
                sighting: point.sighting(),
            });
        }
    }
}

impl Range {
    fn holds(&self, aircraft: u32) -> bool {
        aircraft >= self.from && self.to.is_none_or(|to| aircraft < to)
    }
}

/// Leaves the upper half of the aircraft for the next time, or all but one.
fn halve(found: &mut Vec<Found>, range: &mut Range) {
    let middle = found.len() / 2;
    let (_, half, _) = found.select_nth_unstable_by_key(middle, |one| one.aircraft);
    let half = half.aircraft;
    let lowest = found.iter().map(|one| one.aircraft).min();
    let cut = if lowest < Some(half) {
        half
    } else {
        half.saturating_add(1)
    };
    if range.to.is_none_or(|to| cut < to) {
        found.retain(|one| one.aircraft < cut);
        range.to = Some(cut);
    }
}
