//! What makes a flight out of state vectors: the numbers, and the decisions that need no more
//! than one or two rows.
//!
//! Each rule looks at a row by itself, or at two rows that follow each other. That is why a track
//! can be cut anywhere and put together again ([`super::piece`]), and why a row that comes late
//! changes nothing farther away than [`LONGEST_SILENCE`].

/// Microseconds of a second.
const SECOND: i64 = 1_000_000;

/// A row is no sighting when the last contact is older than this. OpenSky goes on sending the
/// last state for five minutes after an aircraft was heard for the last time.
pub const STALE_AFTER: i64 = 60 * SECOND;

/// A silence up to this long is bridged whatever the aircraft did: receivers lose aircraft behind
/// hills and between stations, and polls are missed. Turnarounds are rarely shorter.
pub const SILENCE: i64 = 20 * 60 * SECOND;

/// The longest silence that is bridged at all: oceans and deserts are crossed unheard for hours.
pub const LONGEST_SILENCE: i64 = 6 * 3600 * SECOND;

/// To bridge more than [`SILENCE`] the aircraft must be above this many metres before and after:
/// whoever goes silent below may have landed.
pub const CRUISE_ABOVE: f64 = 5_000.0;

/// Speeds over ground, in metres per second, between which a long silence was one flight: slower
/// than the first, and there was time to land and start again.
pub const CRUISE_SPEED: std::ops::RangeInclusive<f64> = 100.0..=JUMP_SPEED;

/// After a silence longer than this another callsign is another flight: islands are hopped with
/// turnarounds under twenty minutes. Within it crews correct what they typed.
pub const RENAMED_AFTER: i64 = 5 * 60 * SECOND;

/// Longer on the ground than this, and the next take-off begins another flight; less is a
/// touch-and-go.
pub const GROUND_TIME: i64 = 5 * 60 * SECOND;

/// Nothing is faster on the ground, in metres per second (tyres are made for about 100): a row
/// that says so is in the air, with a wrong flag.
pub const GROUND_SPEED: f64 = 110.0;

/// First or last seen below this many metres, and climbing or sinking, is a take-off or landing
/// that was seen, though the receivers do not reach the ground. Altitudes are above the pressure
/// of sea level, so at airports higher than this it takes a row on the ground.
pub const LOW: f64 = 900.0;

/// Metres per second of climbing or sinking that count as such.
pub const CLIMB: f64 = 1.0;

/// Metres per second (1,500 km/h) beyond which a position is a jump of the receiver, left out of
/// the distance.
pub const JUMP_SPEED: f64 = 1_500.0 / 3.6;

/// Metres that any hop may have, however short its time: times are cut to seconds.
const JUMP_SLACK: f64 = 1_000.0;

/// Altitudes that are taken, in metres.
const ALTITUDES: std::ops::RangeInclusive<f64> = -500.0..=20_000.0;

/// Mean radius of the earth in metres.
const EARTH: f64 = 6_371_008.8;

/// One row as it comes: what is absent is `None`, or not a number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point<'a> {
    /// Number of the aircraft.
    pub aircraft: u32,
    /// `snapshot_time`, in microseconds since 1970, as all times here.
    pub time: i64,
    /// When the aircraft was last heard.
    pub last_contact: Option<i64>,
    /// When the position was reported.
    pub time_position: Option<i64>,
    /// Degrees, north positive.
    pub latitude: f64,
    /// Degrees, east positive.
    pub longitude: f64,
    /// Barometric altitude in metres.
    pub altitude: f64,
    /// Speed over ground in metres per second.
    pub velocity: f64,
    /// Metres per second, climbing positive.
    pub vertical_rate: f64,
    /// Whether the position came from a surface report.
    pub on_ground: Option<bool>,
    /// Callsign, trimmed.
    pub callsign: Option<&'a str>,
    /// Number of the country of registration; 0 for none.
    pub country: u32,
}

/// A callsign; longer ones than the eight characters there can be are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Callsign(pub [u8; 8]);

/// A place on earth and when an aircraft was there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Position {
    /// When it was reported.
    pub time: i64,
    /// Degrees, north positive.
    pub latitude: f64,
    /// Degrees, east positive.
    pub longitude: f64,
}

/// A row that tells something about a flight.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sighting {
    /// `snapshot_time`.
    pub time: i64,
    /// When the aircraft was heard.
    pub contact: i64,
    /// Whether it is in the air.
    pub airborne: bool,
    /// Where, if known.
    pub position: Option<Position>,
    /// Barometric altitude in metres, if known and possible.
    pub altitude: Option<f64>,
    /// Metres per second, climbing positive, if known.
    pub vertical_rate: Option<f64>,
    /// Callsign, if there is one.
    pub callsign: Callsign,
    /// Number of the country of registration; 0 for none.
    pub country: u32,
}

impl Callsign {
    /// The callsign of a row.
    pub fn of(text: Option<&str>) -> Callsign {
        let bytes = text.unwrap_or_default().as_bytes();
        let mut callsign = [0; 8];
        if let Some(start) = callsign.get_mut(..bytes.len()) {
            start.copy_from_slice(bytes);
        }
        Callsign(callsign)
    }

    /// Its text, unless there is none.
    pub fn text(&self) -> Option<&str> {
        let length = self.0.iter().position(|byte| *byte == 0).unwrap_or(8);
        let text = std::str::from_utf8(self.0.get(..length)?).ok()?;
        (!text.is_empty()).then_some(text)
    }

    fn is_none(self) -> bool {
        self.0[0] == 0
    }

    /// This one, or the other where this is none.
    pub(super) fn or(self, other: Callsign) -> Callsign {
        if self.is_none() { other } else { self }
    }
}

impl Point<'_> {
    /// What the row tells, or `None` when it is stale or says neither ground nor air.
    #[inline]
    pub fn sighting(&self) -> Option<Sighting> {
        let contact = self.last_contact.unwrap_or(self.time).min(self.time);
        if self.time - contact > STALE_AFTER {
            return None;
        }
        let airborne = self.velocity > GROUND_SPEED || !self.on_ground?;
        let in_range = self.latitude.abs() <= 90.0 && self.longitude.abs() <= 180.0;
        let position = in_range.then(|| Position {
            time: self.time_position.unwrap_or(self.time).min(self.time),
            latitude: self.latitude,
            longitude: self.longitude,
        });
        Some(Sighting {
            time: self.time,
            contact,
            airborne,
            position,
            altitude: ALTITUDES.contains(&self.altitude).then_some(self.altitude),
            vertical_rate: (!self.vertical_rate.is_nan()).then_some(self.vertical_rate),
            callsign: Callsign::of(self.callsign),
            country: self.country,
        })
    }
}

impl Sighting {
    /// Whether `next`, the next row of the aircraft, may be of the same flight.
    #[inline]
    pub fn leads_to(&self, next: &Sighting) -> bool {
        let silence = next.time - self.time;
        if silence <= RENAMED_AFTER {
            return true;
        }
        let airborne = self.airborne && next.airborne;
        let named = !self.callsign.is_none() && !next.callsign.is_none();
        let renamed = named && self.callsign != next.callsign;
        if silence <= SILENCE {
            return !(airborne && renamed);
        }
        if silence > LONGEST_SILENCE || !self.cruises() || !next.cruises() || renamed {
            return false;
        }
        let (Some(from), Some(to)) = (self.position, next.position) else {
            return false;
        };
        CRUISE_SPEED.contains(&(from.metres_to(&to) / seconds(silence)))
    }

    /// The time after which no further row can be of the same flight.
    pub fn reach(&self) -> i64 {
        let longest = if self.cruises() {
            LONGEST_SILENCE
        } else {
            SILENCE
        };
        self.time.saturating_add(longest)
    }

    fn cruises(&self) -> bool {
        self.airborne
            && self.altitude.is_some_and(|metres| metres >= CRUISE_ABOVE)
            && self.position.is_some()
            && !self.callsign.is_none()
    }

    /// Low, and climbing: just taken off.
    pub fn takes_off(&self) -> bool {
        self.low() && self.vertical_rate.is_some_and(|rate| rate >= CLIMB)
    }

    /// Low, and sinking: about to land.
    pub fn lands(&self) -> bool {
        self.low() && self.vertical_rate.is_some_and(|rate| rate <= -CLIMB)
    }

    fn low(&self) -> bool {
        self.airborne && self.altitude.is_some_and(|metres| metres <= LOW)
    }
}

impl Position {
    /// Centimetres flown from here to `next`; none when it is a jump. Whole numbers, so that sums
    /// do not depend on their order.
    #[inline]
    pub fn hop(&self, next: &Position) -> i64 {
        let metres = self.metres_to(next);
        let possible = JUMP_SPEED * seconds((next.time - self.time).max(0)) + JUMP_SLACK;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "half the earth fits, and not a number is 0"
        )]
        if metres <= possible {
            (metres * 100.0).round() as i64
        } else {
            0
        }
    }

    /// The great circle's length in metres.
    #[inline]
    pub fn metres_to(&self, other: &Position) -> f64 {
        let north = (other.latitude - self.latitude).to_radians();
        let mut east = (other.longitude - self.longitude).abs();
        if east > 180.0 {
            east = 360.0 - east;
        }
        let east = east.to_radians();
        let between = f64::midpoint(self.latitude, other.latitude).to_radians();
        // Within half a degree, and not at the poles, the plane is as good, and a third of the
        // work.
        if north.abs() < 0.0087 && east < 0.0087 && between.abs() < 1.4 {
            let east = east * between.cos();
            return EARTH * (north * north + east * east).sqrt();
        }
        let cosines = self.latitude.to_radians().cos() * other.latitude.to_radians().cos();
        let half = (north / 2.0).sin().powi(2) + cosines * (east / 2.0).sin().powi(2);
        2.0 * EARTH * half.sqrt().min(1.0).asin()
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a silence of centuries would be rounded"
)]
fn seconds(micros: i64) -> f64 {
    micros as f64 / 1e6
}
