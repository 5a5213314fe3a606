//! What is added up, and by which keys.

use super::groups::{Absorb, Ground, Groups, Measure};
use super::registry::{Callsign, Country};

/// Measures of one poll, over all of its rows.
#[derive(Debug, Default)]
pub(super) struct Poll {
    pub time: i64,
    pub total: i64,
    pub with_position: i64,
    pub dq_ok: i64,
    pub ground: Ground,
    pub velocity: Measure,
    /// One bit for each country, by its number less one.
    pub countries: Vec<u64>,
    /// By the place of the region.
    pub regions: Vec<RegionPoll>,
    /// The times at which bodies of this poll arrived: several when it was sent again.
    pub arrivals: Vec<i64>,
    /// When the last of the rows that count arrived.
    pub arrived: i64,
}

/// Measures of one poll's rows of one region of registration.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct RegionPoll {
    pub total: i64,
    pub dq_ok: i64,
    pub ground: Ground,
    pub velocity: Measure,
    pub velocity_in_air: Measure,
}

impl Poll {
    #[inline]
    pub fn note_country(&mut self, country: Country) {
        let Some(bit) = country.number().checked_sub(1) else {
            return;
        };
        let word = (bit / 64) as usize;
        if word >= self.countries.len() {
            self.countries.resize(word + 1, 0);
        }
        self.countries[word] |= 1 << (bit % 64);
    }

    #[inline]
    pub fn note_arrival(&mut self, time: i64) {
        if self.arrivals.last() != Some(&time) && !self.arrivals.contains(&time) {
            self.arrivals.push(time);
        }
    }
}

impl Absorb for Poll {
    fn absorb(&mut self, other: Self) {
        self.total += other.total;
        self.with_position += other.with_position;
        self.dq_ok += other.dq_ok;
        self.ground.absorb(other.ground);
        self.velocity.absorb(other.velocity);
        let words = self.countries.len().max(other.countries.len());
        self.countries.resize(words, 0);
        for (word, more) in self.countries.iter_mut().zip(other.countries) {
            *word |= more;
        }
        for (region, more) in self.regions.iter_mut().zip(other.regions) {
            region.total += more.total;
            region.dq_ok += more.dq_ok;
            region.ground.absorb(more.ground);
            region.velocity.absorb(more.velocity);
            region.velocity_in_air.absorb(more.velocity_in_air);
        }
        for arrival in other.arrivals {
            self.note_arrival(arrival);
        }
        self.arrived = self.arrived.max(other.arrived);
    }
}

/// An aircraft under one callsign in one hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct HourKey {
    /// Hours since 1970.
    pub hour: i64,
    pub aircraft: u32,
    pub callsign: Callsign,
    pub country: Country,
}

#[derive(Debug)]
pub(super) struct Hour {
    pub observations: i64,
    pub altitude: Measure,
    pub velocity: Measure,
    pub first_seen: i64,
    pub last_seen: i64,
    pub ground: Ground,
}

impl Default for Hour {
    fn default() -> Self {
        Hour {
            observations: 0,
            altitude: Measure::default(),
            velocity: Measure::default(),
            first_seen: i64::MAX,
            last_seen: i64::MIN,
            ground: Ground::default(),
        }
    }
}

impl Absorb for Hour {
    fn absorb(&mut self, other: Self) {
        self.observations += other.observations;
        self.altitude.absorb(other.altitude);
        self.velocity.absorb(other.velocity);
        self.first_seen = self.first_seen.min(other.first_seen);
        self.last_seen = self.last_seen.max(other.last_seen);
        self.ground.absorb(other.ground);
    }
}

/// An aircraft in a cell of one degree on one day. A cell is numbered
/// `(floor(latitude) + 90) * 361 + floor(longitude) + 180`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct CellDayKey {
    /// Days since 1970.
    pub day: i32,
    pub cell: i32,
    pub aircraft: u32,
}

/// An aircraft in a fine cell within five minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct CellSlotKey {
    /// Five minutes since 1970.
    pub slot: i32,
    /// See [`fine_cell`].
    pub cell: i32,
    pub aircraft: u32,
}

/// The number of a cell, by how many cells it lies from the equator and from the prime meridian.
#[inline]
pub(super) fn fine_cell(latitude: i32, longitude: i32) -> i32 {
    (latitude + 4096) * 8192 + longitude + 4096
}

/// Rows of an aircraft in a cell.
#[derive(Debug, Default)]
pub(super) struct Occupied {
    pub observations: i64,
    pub altitude_sum: f64,
    pub altitude_count: i64,
}

impl Occupied {
    #[inline]
    pub fn add(&mut self, altitude: Option<f64>) {
        self.observations += 1;
        if let Some(altitude) = altitude {
            self.altitude_sum += altitude;
            self.altitude_count += 1;
        }
    }
}

impl Absorb for Occupied {
    fn absorb(&mut self, other: Self) {
        self.observations += other.observations;
        self.altitude_sum += other.altitude_sum;
        self.altitude_count += other.altitude_count;
    }
}

/// A row with one of the squawks that call for help.
#[derive(Debug, Clone)]
pub(super) struct Emergency {
    pub aircraft: u32,
    pub callsign: Callsign,
    pub squawk: u32,
    pub time: i64,
    pub latitude: Option<f64>,
    pub longitude: Option<f64>,
    pub altitude: Option<f64>,
}

pub(super) type Hours = Groups<HourKey, Hour>;
pub(super) type CellDays = Groups<CellDayKey, Occupied>;
pub(super) type CellSlots = Groups<CellSlotKey, Occupied>;
