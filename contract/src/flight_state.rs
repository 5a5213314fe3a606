//! One aircraft in one poll, in OpenSky's own units.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// A state vector: what was known of one aircraft when OpenSky was asked.
///
/// Field names and units are those of OpenSky's `/api/states/all`: metres, metres per
/// second, degrees. Times are seconds since the Unix epoch.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FlightState {
    /// ICAO 24-bit address, six lower-case hexadecimal digits.
    pub icao24: String,
    /// Callsign without surrounding white space; `None` when blank.
    pub callsign: Option<String>,
    /// Country of registration; may be empty.
    pub origin_country: Option<String>,
    /// Time of the last position report, in seconds.
    pub time_position: Option<i64>,
    /// Time of the last message, in seconds.
    pub last_contact: Option<i64>,
    /// Longitude in degrees, east positive.
    pub longitude: Option<f64>,
    /// Latitude in degrees, north positive.
    pub latitude: Option<f64>,
    /// Barometric altitude in metres.
    pub baro_altitude: Option<f64>,
    /// Whether the position came from a surface report.
    pub on_ground: Option<bool>,
    /// Speed over ground in metres per second.
    pub velocity: Option<f64>,
    /// Track over ground in degrees clockwise from north.
    pub true_track: Option<f64>,
    /// Vertical rate in metres per second, climbing positive.
    pub vertical_rate: Option<f64>,
    /// Identifiers of the contributing receivers.
    pub sensors: Option<Vec<i32>>,
    /// Geometric altitude in metres.
    pub geo_altitude: Option<f64>,
    /// Transponder code with leading zeros.
    pub squawk: Option<String>,
    /// Special purpose indicator.
    pub spi: Option<bool>,
    /// Origin of the position: 0 ADS-B, 1 ASTERIX, 2 MLAT, 3 FLARM.
    pub position_source: Option<i32>,
    /// Aircraft category, 0 to 20; `None` when it was not asked for.
    pub category: Option<i32>,
}

/// Times that a poll, and an aircraft in it, can have, in seconds since the Unix epoch: to the end
/// of the year 9999, up to which every reader of the table can show them. Another time was not
/// made by a clock.
pub const POLL_TIMES: RangeInclusive<i64> = 0..=253_402_300_799;

/// One answer of OpenSky: every aircraft it knew at one time.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Poll {
    /// The body's `time`, in seconds since the Unix epoch.
    pub time: i64,
    /// The state vectors, in the body's order.
    pub states: Vec<FlightState>,
}

/// Where a poll came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Asked of OpenSky just now.
    Live,
    /// Read from a recording.
    Replay,
    /// Asked of the simulator.
    Simulator,
}

impl Source {
    /// The value of the `source` column.
    pub const fn as_str(self) -> &'static str {
        match self {
            Source::Live => "live",
            Source::Replay => "replay",
            Source::Simulator => "simulator",
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A `source` that is none of the three.
#[derive(Debug, thiserror::Error)]
#[error("unknown source {0:?}: expected live, replay or simulator")]
pub struct UnknownSource(String);

impl FromStr for Source {
    type Err = UnknownSource;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "live" => Ok(Source::Live),
            "replay" => Ok(Source::Replay),
            "simulator" => Ok(Source::Simulator),
            other => Err(UnknownSource(other.to_owned())),
        }
    }
}
