//! Flights as columns: as the private database has those that ended, and as the mart has those that
//! go on.
//!
//! Nearly all flights that go on are others with every poll, so they are never rows of the database:
//! they are a part of the mart by themselves, with the columns that its `@select` gives the others.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray, UInt32Array,
};

use super::flight::Flight;
use super::rules::Position;
use super::tracker::Closed;
use crate::Error;
use crate::fold::registry::Texts;

/// Flights that ended, as `flights_recent` and `flights_past` have them.
pub(super) fn stored(table: &'static str, flights: &[Closed]) -> Result<RecordBatch, Error> {
    record_batch(
        table,
        vec![
            ("aircraft", numbers(flights, |one| one.aircraft)),
            ("callsign", callsigns(flights)),
            ("country", numbers(flights, |one| one.flight.country)),
            ("first_seen", of(flights, |one| Some(one.first_seen))),
            ("last_seen", of(flights, |one| Some(one.last_seen))),
            ("takeoff_time", of(flights, |one| one.takeoff_time)),
            ("landing_time", of(flights, |one| one.landing_time)),
            ("first_latitude", first(flights, latitude)),
            ("first_longitude", first(flights, longitude)),
            ("last_latitude", last(flights, latitude)),
            ("last_longitude", last(flights, longitude)),
            ("max_altitude", doubles(flights, |one| one.max_altitude)),
            ("centimetres", counts(flights, |one| one.centimetres)),
            (
                "observations",
                counts(flights, |one| i64::from(one.observations)),
            ),
            ("is_open", flags(flights, |one| one.is_open)),
        ],
    )
}

/// Flights that go on, as the mart has them.
pub(super) fn shown(mut flights: Vec<Closed>, texts: &Texts<'_>) -> Result<RecordBatch, Error> {
    flights.sort_unstable_by_key(|one| (one.flight.first_seen, one.aircraft));
    let flights = flights.as_slice();
    let icao24 = flights.iter().map(|one| texts.icao24(one.aircraft));
    let country = |one: &Closed| texts.country_of(one.flight.country);
    let minutes = |one: &Flight| (one.last_seen - one.first_seen) as f64 / 60_000_000.0;
    record_batch(
        "flights",
        vec![
            ("icao24", Arc::new(StringArray::from_iter_values(icao24))),
            ("callsign", callsigns(flights)),
            (
                "origin_country",
                Arc::new(StringArray::from_iter(flights.iter().map(country))),
            ),
            ("first_seen", of(flights, |one| Some(one.first_seen))),
            ("last_seen", of(flights, |one| Some(one.last_seen))),
            ("takeoff_time", of(flights, |one| one.takeoff_time)),
            ("landing_time", of(flights, |one| one.landing_time)),
            (
                "takeoff_seen",
                flags(flights, |one| one.takeoff_time.is_some()),
            ),
            (
                "landing_seen",
                flags(flights, |one| one.landing_time.is_some()),
            ),
            ("first_latitude", first(flights, latitude)),
            ("first_longitude", first(flights, longitude)),
            ("last_latitude", last(flights, latitude)),
            ("last_longitude", last(flights, longitude)),
            ("max_altitude", doubles(flights, |one| one.max_altitude)),
            (
                "distance_m",
                doubles(flights, |one| Some(one.centimetres as f64 / 100.0)),
            ),
            (
                "duration_minutes",
                doubles(flights, |one| Some(minutes(one))),
            ),
            (
                "observations",
                counts(flights, |one| i64::from(one.observations)),
            ),
            ("is_open", flags(flights, |one| one.is_open)),
        ],
    )
}

/// Columns of a table, all of which may be null.
pub(super) fn record_batch(
    table: &'static str,
    columns: Vec<(&str, ArrayRef)>,
) -> Result<RecordBatch, Error> {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, of)| (name, of, true)))
        .map_err(|source| Error::Fold { table, source })
}

pub(super) fn numbers<T>(rows: &[T], of: impl Fn(&T) -> u32) -> ArrayRef {
    Arc::new(UInt32Array::from_iter_values(rows.iter().map(of)))
}

pub(super) fn times<T>(rows: &[T], of: impl Fn(&T) -> Option<i64>) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from_iter(rows.iter().map(of)).with_timezone("UTC"))
}

fn of(flights: &[Closed], time: impl Fn(&Flight) -> Option<i64>) -> ArrayRef {
    times(flights, |one| time(&one.flight))
}

fn counts(flights: &[Closed], of: impl Fn(&Flight) -> i64) -> ArrayRef {
    let counts = flights.iter().map(|one| of(&one.flight));
    Arc::new(Int64Array::from_iter_values(counts))
}

fn doubles(flights: &[Closed], of: impl Fn(&Flight) -> Option<f64>) -> ArrayRef {
    let doubles = flights.iter().map(|one| of(&one.flight));
    Arc::new(Float64Array::from_iter(doubles))
}

fn flags(flights: &[Closed], of: impl Fn(&Flight) -> bool) -> ArrayRef {
    let flags = flights.iter().map(|one| Some(of(&one.flight)));
    Arc::new(BooleanArray::from_iter(flags))
}

fn callsigns(flights: &[Closed]) -> ArrayRef {
    let callsigns = flights.iter().map(|one| one.flight.callsign.text());
    Arc::new(StringArray::from_iter(callsigns))
}

fn first(flights: &[Closed], of: impl Fn(Position) -> f64) -> ArrayRef {
    doubles(flights, |one| one.first_position.map(&of))
}

fn last(flights: &[Closed], of: impl Fn(Position) -> f64) -> ArrayRef {
    doubles(flights, |one| one.last_position.map(&of))
}

fn latitude(at: Position) -> f64 {
    at.latitude
}

fn longitude(at: Position) -> f64 {
    at.longitude
}
