//! What comes out.

use super::rules::{Callsign, Position};

/// One flight of one aircraft. Times are in microseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Flight {
    /// Time of its first row: the last on the ground before the take-off, or the first in the air.
    pub first_seen: i64,
    /// Time of its last row: the first on the ground after the landing, or the last in the air.
    pub last_seen: i64,
    /// First row in the air, when the take-off was seen.
    pub takeoff_time: Option<i64>,
    /// First row on the ground, or the last one low and sinking, when the landing was seen.
    pub landing_time: Option<i64>,
    /// The last callsign that was sent in the air.
    pub callsign: Callsign,
    /// Number of the country of registration; 0 for none.
    pub country: u32,
    /// First known position.
    pub first_position: Option<Position>,
    /// Last known position.
    pub last_position: Option<Position>,
    /// Highest barometric altitude in metres.
    pub max_altitude: Option<f64>,
    /// Length of the track.
    pub centimetres: i64,
    /// Rows that were heard anew.
    pub observations: u32,
    /// Neither landed nor silent.
    pub is_open: bool,
}
