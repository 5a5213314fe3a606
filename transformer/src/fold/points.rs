//! Rows as points of their aircraft's tracks.

use arrow::array::{Array, AsArray, BooleanArray, Float64Array, StringArray};
use arrow::array::{DictionaryArray, TimestampMicrosecondArray};
use arrow::datatypes::Int32Type;

use super::columns::Rows;
use crate::flights::Point;

/// The columns of some rows that tracks are made of, as [`super::worker::COLUMNS`] has them.
pub(super) struct Points<'a> {
    callsigns: &'a DictionaryArray<Int32Type>,
    callsign_texts: &'a StringArray,
    times: &'a TimestampMicrosecondArray,
    positions: &'a TimestampMicrosecondArray,
    contacts: &'a TimestampMicrosecondArray,
    latitudes: &'a Float64Array,
    longitudes: &'a Float64Array,
    altitudes: &'a Float64Array,
    velocities: &'a Float64Array,
    grounds: &'a BooleanArray,
    vertical_rates: &'a Float64Array,
}

impl<'a> Points<'a> {
    pub fn of(rows: &'a Rows) -> Points<'a> {
        let callsigns = rows.texts(1);
        Points {
            callsigns,
            callsign_texts: callsigns.values().as_string(),
            times: rows.times(4),
            positions: rows.times(6),
            contacts: rows.times(7),
            latitudes: rows.doubles(8),
            longitudes: rows.doubles(9),
            altitudes: rows.doubles(10),
            velocities: rows.doubles(11),
            grounds: rows.flags(12),
            vertical_rates: rows.doubles(13),
        }
    }

    /// The row at a place, which has a time.
    #[inline]
    pub fn at(&self, at: usize, aircraft: u32, country: u32) -> Point<'a> {
        Point {
            aircraft,
            time: self.times.value(at),
            last_contact: time_at(self.contacts, at),
            time_position: time_at(self.positions, at),
            latitude: double_at(self.latitudes, at),
            longitude: double_at(self.longitudes, at),
            altitude: double_at(self.altitudes, at),
            velocity: double_at(self.velocities, at),
            vertical_rate: double_at(self.vertical_rates, at),
            on_ground: self.grounds.is_valid(at).then(|| self.grounds.value(at)),
            callsign: self
                .callsigns
                .key(at)
                .map(|key| self.callsign_texts.value(key)),
            country,
        }
    }
}

#[inline]
fn time_at(column: &TimestampMicrosecondArray, at: usize) -> Option<i64> {
    column.is_valid(at).then(|| column.value(at))
}

#[inline]
fn double_at(column: &Float64Array, at: usize) -> f64 {
    if column.is_valid(at) {
        column.value(at)
    } else {
        f64::NAN
    }
}
