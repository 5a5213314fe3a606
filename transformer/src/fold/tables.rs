//! What was added up, as Arrow batches of the native tables.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, Date32Array, Float64Array, Int32Array, Int64Array, RecordBatch,
    StringArray, TimestampMicrosecondArray, UInt32Array,
};
use arrow::error::ArrowError;

use super::measures::{CellSlotKey, Occupied, Poll};
use super::quality::Rule;
use super::registry::Texts;
use super::row::narrow;
use super::worker::Totals;
use super::{Batch, MICROS_PER_HOUR, Piece, Table};
use crate::Error;

/// Rows of one Arrow batch: those of a row group of DuckDB's. Each batch begins row groups of its
/// own, and those that are not full take memory that cannot be spilled.
const ROWS: usize = 122_880;

/// Countries by which the bit strings of countries grow.
const COUNTRY_BITS: usize = 512;

/// Hands over everything that was added up.
pub(super) fn give(
    batch: &Batch,
    totals: &mut Totals,
    give: &mut dyn FnMut(Piece) -> Result<(), Error>,
) -> Result<(), Error> {
    let slots = totals.cell_slots.take();
    for rows in slots.chunks(ROWS) {
        give(cell_slots(rows)?)?;
    }
    drop(slots);
    give(polls(batch, &totals.polls)?)?;
    give(region_polls(batch, &totals.polls)?)?;
    give(quality(totals)?)?;
    // The registry is locked meanwhile.
    batch.registry.texts(|texts| {
        give(emergencies(totals, texts)?)?;
        give(repeats(&totals.repeats, texts)?)?;
        for rows in totals.hours.entries().chunks(ROWS) {
            give(hours(rows, texts)?)?;
        }
        for rows in totals.cell_days.entries().chunks(ROWS) {
            give(cell_days(rows)?)?;
        }
        Ok(())
    })
}

fn polls(batch: &Batch, polls: &[Poll]) -> Result<Piece, Error> {
    let width = country_bits(batch.registry.countries()) / 8;
    let countries: Vec<Vec<u8>> = polls
        .iter()
        .map(|poll| bits(&poll.countries, width))
        .collect();
    let countries = BinaryArray::from_iter_values(&countries);
    piece(
        Table::Polls,
        vec![
            ("snapshot_time", times(polls, |poll| poll.time)),
            ("aircraft_total", counts(polls, |poll| poll.total)),
            (
                "aircraft_with_position",
                counts(polls, |poll| poll.with_position),
            ),
            ("dq_ok", counts(polls, |poll| poll.dq_ok)),
            ("on_ground", counts(polls, |poll| poll.ground.ground)),
            ("airborne", counts(polls, |poll| poll.ground.airborne)),
            (
                "velocity_sum",
                doubles(polls, |poll| Some(poll.velocity.sum)),
            ),
            ("velocity_count", counts(polls, |poll| poll.velocity.count)),
            ("velocity_max", doubles(polls, |poll| poll.velocity.max())),
            ("countries", Arc::new(countries)),
        ],
    )
}

fn region_polls(batch: &Batch, polls: &[Poll]) -> Result<Piece, Error> {
    let regions = polls.iter().flat_map(|poll| {
        let names = batch.registry.regions().iter();
        names
            .zip(&poll.regions)
            .filter(|(_, region)| region.total > 0)
            .map(|(name, region)| (poll.time, name, region))
    });
    let regions: Vec<_> = regions.collect();
    let regions = regions.as_slice();
    let name: StringArray = regions.iter().map(|(_, name, _)| Some(name)).collect();
    piece(
        Table::RegionPolls,
        vec![
            ("snapshot_time", times(regions, |row| row.0)),
            ("region", Arc::new(name)),
            ("aircraft_total", counts(regions, |row| row.2.total)),
            ("on_ground", counts(regions, |row| row.2.ground.ground)),
            ("airborne", counts(regions, |row| row.2.ground.airborne)),
            ("dq_ok", counts(regions, |row| row.2.dq_ok)),
            (
                "velocity_sum",
                doubles(regions, |row| Some(row.2.velocity.sum)),
            ),
            (
                "velocity_count",
                counts(regions, |row| row.2.velocity.count),
            ),
            (
                "velocity_sum_in_air",
                doubles(regions, |row| Some(row.2.velocity_in_air.sum)),
            ),
            (
                "velocity_count_in_air",
                counts(regions, |row| row.2.velocity_in_air.count),
            ),
        ],
    )
}

fn hours(
    rows: &[(super::measures::HourKey, super::measures::Hour)],
    texts: &Texts<'_>,
) -> Result<Piece, Error> {
    let callsigns: StringArray = rows
        .iter()
        .map(|(key, _)| texts.callsign(key.callsign))
        .collect();
    let countries: StringArray = rows
        .iter()
        .map(|(key, _)| texts.country(key.country))
        .collect();
    piece(
        Table::AircraftHours,
        vec![
            ("hour", times(rows, |(key, _)| key.hour * MICROS_PER_HOUR)),
            ("aircraft", numbers(rows, |(key, _)| key.aircraft)),
            ("callsign", Arc::new(callsigns)),
            ("origin_country", Arc::new(countries)),
            ("observations", counts(rows, |(_, hour)| hour.observations)),
            (
                "altitude_sum",
                doubles(rows, |(_, hour)| Some(hour.altitude.sum)),
            ),
            (
                "altitude_count",
                counts(rows, |(_, hour)| hour.altitude.count),
            ),
            (
                "altitude_max",
                doubles(rows, |(_, hour)| hour.altitude.max()),
            ),
            (
                "velocity_sum",
                doubles(rows, |(_, hour)| Some(hour.velocity.sum)),
            ),
            (
                "velocity_count",
                counts(rows, |(_, hour)| hour.velocity.count),
            ),
            (
                "velocity_max",
                doubles(rows, |(_, hour)| hour.velocity.max()),
            ),
            ("first_seen", times(rows, |(_, hour)| hour.first_seen)),
            ("last_seen", times(rows, |(_, hour)| hour.last_seen)),
            ("ground", counts(rows, |(_, hour)| hour.ground.ground)),
            ("airborne", counts(rows, |(_, hour)| hour.ground.airborne)),
        ],
    )
}

fn cell_days(rows: &[(super::measures::CellDayKey, Occupied)]) -> Result<Piece, Error> {
    let days: Date32Array = rows.iter().map(|(key, _)| Some(key.day)).collect();
    let cells: Int32Array = rows.iter().map(|(key, _)| Some(key.cell)).collect();
    piece(
        Table::CellDays,
        vec![
            ("day", Arc::new(days)),
            ("cell", Arc::new(cells)),
            ("aircraft", numbers(rows, |(key, _)| key.aircraft)),
            (
                "observations",
                counts(rows, |(_, occupied)| occupied.observations),
            ),
            (
                "altitude_sum",
                doubles(rows, |(_, occupied)| Some(occupied.altitude_sum)),
            ),
            (
                "altitude_count",
                counts(rows, |(_, occupied)| occupied.altitude_count),
            ),
        ],
    )
}

pub(super) fn cell_slots(rows: &[(CellSlotKey, Occupied)]) -> Result<Piece, Error> {
    piece(
        Table::CellSlots,
        vec![
            ("slot", integers(rows, |(key, _)| key.slot)),
            ("cell", integers(rows, |(key, _)| key.cell)),
            ("aircraft", numbers(rows, |(key, _)| key.aircraft)),
            (
                "observations",
                integers(rows, |(_, occupied)| narrow(occupied.observations)),
            ),
            (
                "altitude_sum",
                doubles(rows, |(_, occupied)| Some(occupied.altitude_sum)),
            ),
            (
                "altitude_count",
                integers(rows, |(_, occupied)| narrow(occupied.altitude_count)),
            ),
        ],
    )
}

fn quality(totals: &Totals) -> Result<Piece, Error> {
    let hours = totals.quality.entries().iter();
    let rows = hours.flat_map(|(hour, checks)| {
        let rules = Rule::ALL.iter();
        rules.map(move |(rule, name)| (*hour, *name, checks.of(*rule)))
    });
    let rows: Vec<_> = rows.filter(|(_, _, (checked, _))| *checked > 0).collect();
    let rows = rows.as_slice();
    let names: StringArray = rows.iter().map(|(_, name, _)| Some(*name)).collect();
    piece(
        Table::Quality,
        vec![
            ("hour", times(rows, |row| row.0 * MICROS_PER_HOUR)),
            ("rule", Arc::new(names)),
            ("checked", counts(rows, |row| row.2.0)),
            ("failed", counts(rows, |row| row.2.1)),
        ],
    )
}

fn emergencies(totals: &Totals, texts: &Texts<'_>) -> Result<Piece, Error> {
    let rows = totals.emergencies.as_slice();
    let icao24: StringArray = rows
        .iter()
        .map(|row| Some(texts.icao24(row.aircraft)))
        .collect();
    let callsigns: StringArray = rows
        .iter()
        .map(|row| texts.callsign(row.callsign))
        .collect();
    let squawks: StringArray = rows
        .iter()
        .map(|row| Some(row.squawk.to_string()))
        .collect();
    piece(
        Table::Emergencies,
        vec![
            ("icao24", Arc::new(icao24)),
            ("callsign", Arc::new(callsigns)),
            ("squawk", Arc::new(squawks)),
            ("snapshot_time", times(rows, |row| row.time)),
            ("latitude", doubles(rows, |row| row.latitude)),
            ("longitude", doubles(rows, |row| row.longitude)),
            ("baro_altitude", doubles(rows, |row| row.altitude)),
        ],
    )
}

pub(super) fn repeats(rows: &[(u32, i64)], texts: &Texts<'_>) -> Result<Piece, Error> {
    let icao24: StringArray = rows.iter().map(|row| Some(texts.icao24(row.0))).collect();
    piece(
        Table::Repeats,
        vec![
            ("icao24", Arc::new(icao24)),
            ("snapshot_time", times(rows, |row| row.1)),
        ],
    )
}

/// How many bits a set of countries has, when there are `countries`.
pub(crate) fn country_bits(countries: usize) -> usize {
    countries.max(1).div_ceil(COUNTRY_BITS) * COUNTRY_BITS
}

/// A set as a bit string in bytes, its first member last, so that it can be made longer in front.
fn bits(words: &[u64], width: usize) -> Vec<u8> {
    let bytes = words.iter().flat_map(|word| word.to_le_bytes());
    let mut bytes: Vec<u8> = bytes.chain(std::iter::repeat(0)).take(width).collect();
    bytes.reverse();
    bytes
}

pub(super) fn piece(table: Table, columns: Vec<(&str, ArrayRef)>) -> Result<Piece, Error> {
    let rows = RecordBatch::try_from_iter_with_nullable(
        columns
            .into_iter()
            .map(|(name, column)| (name, column, true)),
    );
    let rows = rows.map_err(|error: ArrowError| Error::Fold {
        table: table.name(),
        source: error,
    })?;
    Ok(Piece::Rows { table, rows })
}

fn counts<T>(rows: &[T], of: impl Fn(&T) -> i64) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(rows.iter().map(of)))
}

fn integers<T>(rows: &[T], of: impl Fn(&T) -> i32) -> ArrayRef {
    Arc::new(Int32Array::from_iter_values(rows.iter().map(of)))
}

fn numbers<T>(rows: &[T], of: impl Fn(&T) -> u32) -> ArrayRef {
    Arc::new(UInt32Array::from_iter_values(rows.iter().map(of)))
}

fn doubles<T>(rows: &[T], of: impl Fn(&T) -> Option<f64>) -> ArrayRef {
    Arc::new(Float64Array::from_iter(rows.iter().map(of)))
}

fn times<T>(rows: &[T], of: impl Fn(&T) -> i64) -> ArrayRef {
    let times = TimestampMicrosecondArray::from_iter_values(rows.iter().map(of));
    Arc::new(times.with_timezone("UTC"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_of_countries_has_its_first_member_last() {
        assert_eq!(country_bits(0), 512);
        assert_eq!(country_bits(512), 512);
        assert_eq!(country_bits(513), 1024);
        assert_eq!(bits(&[0b101, 1], 10), [0, 1, 0, 0, 0, 0, 0, 0, 0, 5]);
    }
}
