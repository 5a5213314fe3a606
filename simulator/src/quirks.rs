//! What makes OpenSky's data what it is. Each quirk is small, hits a fixed share of
//! aircraft or moments, and depends on the seed alone. The shares follow recorded bodies,
//! the rare ones raised a little so that a fleet of some thousands shows them.

use crate::draws::{About, Draws};
use crate::state::State;

/// A row stays listed for up to this many seconds after the last contact.
pub const LINGER_SECONDS: i64 = 300;

/// When an aircraft was last heard, seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Contact {
    pub(crate) last_contact: i64,
    pub(crate) time_position: i64,
}

/// In one window of [`LINGER_SECONDS`] out of eight contact is lost, from some moment to
/// the window's end: the row lingers, its position repeats. Contact times never go back.
pub(crate) fn contact(seed: u64, number: usize, time: i64) -> Contact {
    let number = number as u64;
    let mut own = Draws::of(seed, About::Contact, [number, u64::MAX, 0]);
    let shifted = time + own.below(LINGER_SECONDS as usize) as i64;
    let heard_before = own.below(2) as i64;
    let position_before = own.below(3) as i64;
    let window = shifted.div_euclid(LINGER_SECONDS);
    let within = shifted.rem_euclid(LINGER_SECONDS);
    let mut draws = Draws::of(seed, About::Contact, [number, window as u64, 1]);
    let lost_for = if draws.chance(0.125) {
        (within - draws.below(LINGER_SECONDS as usize) as i64).max(0)
    } else {
        0
    };
    let last_contact = time - lost_for - heard_before;
    Contact {
        last_contact,
        time_position: last_contact - position_before,
    }
}

/// Spoils a row the way rows are spoiled.
pub(crate) fn apply(seed: u64, number: usize, time: i64, state: &mut State) {
    let number = number as u64;
    let mut own = Draws::of(seed, About::Aircraft, [number, u64::MAX, 1]);
    let callsign = own.unit();
    if callsign < 0.013 {
        state.callsign = Some(String::new());
    } else if callsign < 0.018 {
        state.callsign = Some(" ".repeat(8));
    } else if callsign < 0.023 {
        state.callsign = None;
    }
    // Countries come in more than one spelling, and some addresses belong to none.
    let spelling = own.unit();
    if spelling < 0.002 {
        state.origin_country = "";
    } else if state.origin_country == "Turkey" && spelling < 0.5 {
        state.origin_country = "Türkiye";
    }
    let mut window = Draws::of(
        seed,
        About::Position,
        [number, time.div_euclid(600) as u64, 0],
    );
    if window.chance(0.01) {
        state.time_position = None;
        state.latitude = None;
        state.longitude = None;
        state.baro_altitude = None;
        state.geo_altitude = None;
    }
    let minute = time.div_euclid(60) as u64;
    let mut outlier = Draws::of(seed, About::Outlier, [number, minute, 0]);
    match outlier.below(12_000) {
        0 => state.velocity = Some(2_326.11),
        1 => state.baro_altitude = Some(36_576.0),
        2 => state.velocity = None,
        _ => {}
    }
}
