//! A row that counts: what it is checked for, and the groups it belongs to.

use super::Batch;
use super::measures::{CellDayKey, CellSlotKey, Emergency, HourKey, Poll, fine_cell};
use super::names::NULL;
use super::quality::{Checks, Rule};
use super::registry::{Callsign, Country};
use super::worker::Totals;
use super::{MICROS_PER_DAY, MICROS_PER_SLOT};

/// A position older than this is stale.
const STALE: i64 = 60_000_000;

/// A row that counts.
pub(super) struct Row {
    pub time: i64,
    pub hour: i64,
    pub aircraft: u32,
    pub callsign: Callsign,
    pub country: Country,
    pub latitude: Option<f64>,
    pub longitude: Option<f64>,
    pub altitude: Option<f64>,
    pub velocity: Option<f64>,
    pub on_ground: Option<bool>,
    /// How much older than the poll its position is, in microseconds.
    pub age: Option<i64>,
}

/// The quality flags of a state.
#[derive(Clone, Copy)]
pub(super) struct Flags {
    pub has_position: bool,
    pub position_in_range: bool,
    pub velocity_in_range: bool,
}

impl Flags {
    #[inline]
    fn ok(self) -> bool {
        self.has_position && self.position_in_range && self.velocity_in_range
    }
}

impl Row {
    #[inline]
    pub fn flags(&self) -> Flags {
        let within = |value: Option<f64>, limit: f64| {
            value.is_some_and(|value| (-limit..=limit).contains(&value))
        };
        Flags {
            has_position: self.latitude.is_some() && self.longitude.is_some(),
            position_in_range: within(self.latitude, 90.0) && within(self.longitude, 180.0),
            velocity_in_range: self
                .velocity
                .is_none_or(|velocity| (0.0..=400.0).contains(&velocity)),
        }
    }

    #[inline]
    pub fn check(&self, checks: &mut Checks, flags: Flags) {
        let if_position = |passes: bool| flags.has_position.then_some(passes);
        checks.count(Rule::HasPosition, Some(flags.has_position));
        checks.count(Rule::PositionInRange, if_position(flags.position_in_range));
        checks.count(
            Rule::VelocityInRange,
            self.velocity.map(|_| flags.velocity_in_range),
        );
        checks.count(Rule::DqOk, Some(flags.ok()));
        let altitude = |altitude: f64| (-500.0..=20_000.0).contains(&altitude);
        checks.count(Rule::AltitudeInRange, self.altitude.map(altitude));
        let fresh = self.age.map(|age| age <= STALE);
        checks.count(Rule::FreshPosition, fresh.filter(|_| flags.has_position));
        let country = (!self.country.is_null()).then(|| !self.country.is_unmapped());
        checks.count(Rule::KnownCountry, country);
        let callsign = (self.callsign.0 != NULL).then(|| !self.callsign.is_malformed());
        checks.count(Rule::CallsignForm, callsign);
    }

    #[inline]
    pub fn add_to_poll(&self, poll: &mut Poll, flags: Flags) {
        poll.total += 1;
        poll.with_position += i64::from(flags.has_position);
        poll.dq_ok += i64::from(flags.ok());
        poll.ground.add(self.on_ground);
        poll.velocity.add(self.velocity);
        poll.note_country(self.country);
        if let Some(region) = poll.regions.get_mut(self.country.region()) {
            region.total += 1;
            region.dq_ok += i64::from(flags.ok());
            region.ground.add(self.on_ground);
            region.velocity.add(self.velocity);
            if self.on_ground == Some(false) {
                region.velocity_in_air.add(self.velocity);
            }
        }
    }

    #[inline]
    pub fn add_to_groups(&self, totals: &mut Totals, batch: &Batch) {
        let hour = totals.hours.of(HourKey {
            hour: self.hour,
            aircraft: self.aircraft,
            callsign: self.callsign,
            country: self.country,
        });
        hour.observations += 1;
        hour.altitude.add(self.altitude);
        hour.velocity.add(self.velocity);
        hour.first_seen = hour.first_seen.min(self.time);
        hour.last_seen = hour.last_seen.max(self.time);
        hour.ground.add(self.on_ground);

        let (true, Some(latitude), Some(longitude)) =
            (self.on_ground == Some(false), self.latitude, self.longitude)
        else {
            return;
        };
        let cell = (floor(latitude) + 90) * 361 + floor(longitude) + 180;
        let day = totals.cell_days.of(CellDayKey {
            day: narrow(self.time.div_euclid(MICROS_PER_DAY)),
            cell,
            aircraft: self.aircraft,
        });
        day.add(self.altitude);
        if self.time >= batch.slots_from {
            let slot = totals.cell_slots.of(CellSlotKey {
                slot: narrow(self.time.div_euclid(MICROS_PER_SLOT)),
                cell: fine_cell(
                    floor(latitude / batch.cell_degrees),
                    floor(longitude / batch.cell_degrees),
                ),
                aircraft: self.aircraft,
            });
            slot.add(self.altitude);
        }
    }

    pub fn emergency(&self, squawk: u32) -> Emergency {
        Emergency {
            aircraft: self.aircraft,
            callsign: self.callsign,
            squawk,
            time: self.time,
            latitude: self.latitude,
            longitude: self.longitude,
            altitude: self.altitude,
        }
    }
}

/// The largest whole number that is not above `value`, which is a position or a cell of one.
#[expect(clippy::cast_possible_truncation, reason = "a cast to i32 saturates")]
#[inline]
fn floor(value: f64) -> i32 {
    let whole = value as i32;
    whole - i32::from(value < f64::from(whole))
}

#[inline]
pub(super) fn narrow(value: i64) -> i32 {
    i32::try_from(value).unwrap_or(if value < 0 { i32::MIN } else { i32::MAX })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_begins_at_its_south_western_corner() {
        let cases = [
            (0.0, 0),
            (0.9, 0),
            (-0.1, -1),
            (-1.0, -1),
            (90.0, 90),
            (-180.0, -180),
        ];
        for (value, cell) in cases {
            assert_eq!(floor(value), cell, "{value}");
        }
    }
}
