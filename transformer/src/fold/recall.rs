//! What earlier batches counted, read again from the lake: only who was seen, and when.

use std::collections::HashSet;
use std::hash::BuildHasher;
use std::path::PathBuf;

use super::columns::{DataFile, Shape, Wanted};
use super::names::Entries;
use super::registry::Registry;
use super::seen::Seen;
use super::worker::NEVER;
use crate::Error;
use crate::schema::SourceSchema;

const TIMES: &Wanted = &[("snapshot_time", Shape::Time)];
const PAIRS: &Wanted = &[
    ("icao24", Shape::Text),
    ("snapshot_time", Shape::Time),
    ("ingestion_time", Shape::Time),
];

/// Those of the polls `known` that the files have rows of.
pub(crate) fn polls_among<S: BuildHasher + Default>(
    files: &[PathBuf],
    schema: &SourceSchema,
    known: &HashSet<i64, S>,
) -> Result<HashSet<i64, S>, Error> {
    let mut found = HashSet::default();
    for path in files {
        let file = DataFile::open(path, schema, TIMES)?;
        let groups = (0..file.row_groups().len()).collect();
        let mut last = None;
        for rows in file.read(groups, None)? {
            for time in rows?.times(0).iter().flatten() {
                if last != Some(time) && known.contains(&time) {
                    found.insert(time);
                }
                last = Some(time);
            }
        }
    }
    Ok(found)
}

/// Notes in `seen` who the files have in the given polls, and when the last of them arrived.
pub(crate) fn recall<S: BuildHasher>(
    files: &[PathBuf],
    schema: &SourceSchema,
    registry: &Registry,
    polls: &HashSet<i64, S>,
    seen: &mut Seen,
) -> Result<(), Error> {
    let mut entries = Entries::default();
    for path in files {
        let file = DataFile::open(path, schema, PAIRS)?;
        let groups = (0..file.row_groups().len()).collect();
        for rows in file.read(groups, None)? {
            let rows = rows?;
            let (icao24, times, arrivals) = (rows.texts(0), rows.times(1), rows.times(2));
            entries.begin(icao24);
            let pairs = icao24.keys().iter().zip(times.iter());
            for ((key, time), arrived) in pairs.zip(arrivals.iter()) {
                let (Some(key), Some(time)) = (key, time) else {
                    continue;
                };
                if polls.contains(&time) {
                    let aircraft = entries.number(key, |text| registry.aircraft(text));
                    seen.note(aircraft, time);
                    seen.note_arrival(time, arrived.unwrap_or(NEVER));
                }
            }
        }
    }
    Ok(())
}
