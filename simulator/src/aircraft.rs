//! One aircraft of the fleet: what it is, and its rotation, a closed chain of flights
//! from its base and back that repeats for ever, before and after any date.

use crate::airports::AIRPORTS;
use crate::draws::Draws;
use crate::motion::{Performance, Profile, THOUSAND_FEET};
use crate::registries::Registry;
use crate::routes::Routes;

/// A call sign, padded with blanks.
pub(crate) type Callsign = [u8; 8];

/// An aircraft and its rotation.
#[derive(Debug, Clone)]
pub(crate) struct Aircraft {
    pub(crate) address: u32,
    pub(crate) registry: &'static Registry,
    /// OpenSky's number for the kind of aircraft.
    pub(crate) category: i32,
    pub(crate) light: bool,
    /// Index into [`AIRPORTS`].
    pub(crate) base: u16,
    /// Call sign when it has no flight to name.
    pub(crate) own_callsign: Callsign,
    pub(crate) legs: Box<[Leg]>,
    /// Seconds after which the rotation repeats.
    period: i64,
    /// When a rotation begins, seconds since 1970, modulo the period.
    offset: i64,
}

/// One flight of a rotation, with the time on the ground after it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Leg {
    /// Indices into [`AIRPORTS`].
    pub(crate) from: u16,
    pub(crate) to: u16,
    pub(crate) profile: Profile,
    /// Seconds from the beginning of the rotation to the first movement.
    pub(crate) start: i64,
    pub(crate) callsign: Callsign,
}

/// Where in its rotation an aircraft is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Moment {
    /// Which repetition of the rotation, counted from 1970; negative before.
    pub(crate) rotation: i64,
    /// Index of the leg being flown, or that ended last.
    pub(crate) leg: usize,
    /// Seconds since that leg began.
    pub(crate) elapsed: i64,
}

struct Type {
    /// Share of the fleet.
    share: f64,
    performance: Performance,
    /// Metres per second.
    cruise: (f64, f64),
    /// Thousands of feet.
    level: (f64, f64),
    /// Kilometres.
    range: (f64, f64),
    /// Seconds on the ground between flights.
    turnaround: (f64, f64),
    category: i32,
    /// Flies for an airline, under a flight number.
    airline: bool,
}

const LIGHT: Type = Type {
    share: 0.07,
    performance: performance(30.0, 3.5, 3.0),
    cruise: (52.0, 75.0),
    level: (2.0, 9.0),
    range: (45.0, 450.0),
    turnaround: (1_800.0, 7_200.0),
    category: 2,
    airline: false,
};
const TURBOPROP: Type = Type {
    share: 0.12,
    performance: performance(55.0, 6.0, 6.0),
    cruise: (130.0, 150.0),
    level: (16.0, 25.0),
    range: (150.0, 900.0),
    turnaround: (1_200.0, 2_400.0),
    category: 3,
    airline: true,
};
const JET: Type = Type {
    share: 0.56,
    performance: performance(75.0, 9.0, 8.0),
    cruise: (215.0, 240.0),
    level: (31.0, 40.0),
    range: (300.0, 3_500.0),
    turnaround: (1_500.0, 3_600.0),
    category: 4,
    airline: true,
};
const HEAVY: Type = Type {
    share: 0.18,
    performance: performance(80.0, 8.0, 8.0),
    cruise: (240.0, 256.0),
    level: (33.0, 42.0),
    range: (3_000.0, 13_000.0),
    turnaround: (5_400.0, 9_000.0),
    category: 6,
    airline: true,
};
const BUSINESS: Type = Type {
    share: 0.07,
    performance: performance(60.0, 12.0, 9.0),
    cruise: (215.0, 240.0),
    level: (39.0, 46.0),
    range: (250.0, 5_000.0),
    turnaround: (2_400.0, 10_000.0),
    category: 3,
    airline: false,
};

const fn performance(take_off: f64, climb: f64, descent: f64) -> Performance {
    Performance {
        take_off,
        climb,
        descent,
    }
}

impl Aircraft {
    /// Draws an aircraft and its rotation.
    pub(crate) fn draw(
        address: u32,
        registry: &'static Registry,
        routes: &Routes,
        draws: &mut Draws,
    ) -> Self {
        let home = routes.of_country(registry.country);
        let base = draws.pick(home).copied().unwrap_or(0);
        let drawn = draw_type(draws);
        let (kind, places) = match routes.within(base, drawn.range) {
            places if places.is_empty() => (&HEAVY, routes.within(base, HEAVY.range)),
            places => (drawn, places),
        };
        let cruise = draws.between(kind.cruise.0, kind.cruise.1);
        let level = draws.between(kind.level.0, kind.level.1).round();
        let own_callsign = registration(registry, draws);
        let designator = draws.pick(registry.airlines).filter(|_| kind.airline);
        let mut legs = Vec::new();
        let mut start = 0;
        for _ in 0..1 + draws.below(2) {
            let Some(&place) = draws.pick(&places) else {
                break;
            };
            for (from, to) in [(base, place), (place, base)] {
                let length = routes.between(from, to).length();
                let altitude = level * THOUSAND_FEET;
                let Some(profile) = Profile::plan(length, kind.performance, cruise, altitude)
                else {
                    continue;
                };
                let callsign = match designator {
                    Some(designator) => flight(designator, draws),
                    None => own_callsign,
                };
                legs.push(Leg {
                    from,
                    to,
                    profile,
                    start,
                    callsign,
                });
                let turnaround = draws.between(kind.turnaround.0, kind.turnaround.1);
                start += (profile.duration() + turnaround) as i64;
            }
        }
        let period = start.max(1);
        Self {
            address,
            registry,
            category: if draws.chance(0.4) { 0 } else { kind.category },
            light: kind.category == LIGHT.category,
            base,
            own_callsign,
            legs: legs.into_boxed_slice(),
            period,
            offset: (draws.unit() * period as f64) as i64,
        }
    }

    /// Where in its rotation it is at a time, seconds since 1970; `None` when it never flies.
    pub(crate) fn moment(&self, time: i64) -> Option<Moment> {
        let since = time - self.offset;
        let within = since.rem_euclid(self.period);
        let leg = self.legs.iter().rposition(|leg| leg.start <= within)?;
        Some(Moment {
            rotation: since.div_euclid(self.period),
            leg,
            elapsed: within - self.legs[leg].start,
        })
    }

    /// When a rotation begins, seconds since 1970.
    pub(crate) fn rotation_start(&self, rotation: i64) -> i64 {
        self.offset + rotation * self.period
    }
}

fn draw_type(draws: &mut Draws) -> &'static Type {
    let mut left = draws.unit();
    for kind in [&LIGHT, &TURBOPROP, &HEAVY, &BUSINESS] {
        if left < kind.share {
            return kind;
        }
        left -= kind.share;
    }
    &JET
}

/// An airline's flight, such as `DLH4AB  ` or `UAL2439 `.
fn flight(designator: &str, draws: &mut Draws) -> Callsign {
    let mut text = format!("{designator}{}", 1 + draws.below(2_999));
    if draws.chance(0.25) {
        text.truncate(5);
        text.push(letter(draws));
        if draws.chance(0.5) {
            text.push(letter(draws));
        }
    }
    padded(&text)
}

/// A registration, such as `N759PA  ` or `DAIBC   `.
fn registration(registry: &Registry, draws: &mut Draws) -> Callsign {
    let mut text = registry.mark.to_owned();
    if registry.mark == "N" {
        text.push_str(&format!("{}", 1 + draws.below(999)));
        text.push(letter(draws));
        text.push(letter(draws));
    } else {
        while text.len() < 5 {
            text.push(letter(draws));
        }
    }
    padded(&text)
}

fn letter(draws: &mut Draws) -> char {
    // I and O are left out, as registries do: they read like 1 and 0.
    draws.pick(&LETTERS).copied().unwrap_or('A')
}

const LETTERS: [char; 24] = [
    'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'J', 'K', 'L', 'M', 'N', 'P', 'Q', 'R', 'S', 'T', 'U',
    'V', 'W', 'X', 'Y', 'Z',
];

fn padded(text: &str) -> Callsign {
    let mut callsign = [b' '; 8];
    for (to, from) in callsign.iter_mut().zip(text.bytes()) {
        *to = from;
    }
    callsign
}

/// The text of a call sign.
pub(crate) fn text(callsign: Callsign) -> String {
    String::from_utf8_lossy(&callsign).into_owned()
}

/// The (latitude, longitude) of an airport by its index.
pub(crate) fn place(airport: u16) -> (f64, f64) {
    let airport = &AIRPORTS[usize::from(airport)];
    (airport.latitude, airport.longitude)
}
