//! The simulated fleet: any number of aircraft, each with a rotation of flights between
//! real airports. It has no clock and no state; every moment is computed from the seed
//! alone, so the same seed, size and time always give the same bytes.

use crate::aircraft::{self, Aircraft, Moment};
use crate::draws::{About, Draws};
use crate::motion::Motion;
use crate::quirks;
use crate::registries::{REGISTRIES, Registry};
use crate::routes::Routes;
use crate::state::{self, Form, State};

/// The largest fleet the simulator serves.
pub const MAX_AIRCRAFT: usize = 100_000;

/// A fleet of aircraft.
#[derive(Debug, Clone)]
pub struct Fleet {
    pub(crate) seed: u64,
    pub(crate) quirks: bool,
    pub(crate) routes: Routes,
    pub(crate) aircraft: Vec<Aircraft>,
}

impl Fleet {
    /// A fleet of `size` aircraft with OpenSky's quirks; at most [`MAX_AIRCRAFT`].
    /// Aircraft number n of a seed is the same in a fleet of any size.
    pub fn new(seed: u64, size: usize) -> Self {
        let routes = Routes::new();
        let mut addresses = Addresses::new(seed);
        let aircraft = (0..size.min(MAX_AIRCRAFT) as u64)
            .map(|number| {
                let mut draws = Draws::of(seed, About::Aircraft, [number, 0, 0]);
                let (address, registry) = addresses.next(&mut draws);
                Aircraft::draw(address, registry, &routes, &mut draws)
            })
            .collect();
        Self {
            seed,
            quirks: true,
            routes,
            aircraft,
        }
    }

    /// The same fleet with or without OpenSky's quirks: without, every aircraft has a
    /// fresh position, a call sign and a country, and numbers keep their fraction.
    pub fn with_quirks(mut self, quirks: bool) -> Self {
        self.quirks = quirks;
        self
    }

    /// The number of aircraft.
    pub fn len(&self) -> usize {
        self.aircraft.len()
    }

    /// Whether there is no aircraft.
    pub fn is_empty(&self) -> bool {
        self.aircraft.is_empty()
    }

    /// Every aircraft at a time, seconds since 1970, always in the same order.
    pub fn states_at(&self, time: i64) -> Vec<State> {
        (0..self.len()).map(|n| self.state(n, time)).collect()
    }

    /// The body OpenSky would send at a time, seconds since 1970; 17 fields a row, or 18.
    pub fn body(&self, time: i64, extended: bool) -> Vec<u8> {
        state::body(time, &self.states_at(time), self.form(extended))
    }

    /// How this fleet's bodies are written.
    pub fn form(&self, extended: bool) -> Form {
        Form {
            extended,
            whole_numbers: self.quirks,
        }
    }

    fn state(&self, number: usize, time: i64) -> State {
        let aircraft = &self.aircraft[number];
        let contact = match self.quirks {
            true => quirks::contact(self.seed, number, time),
            false => quirks::Contact {
                last_contact: time,
                time_position: time,
            },
        };
        // The row says what was last heard, so everything in it is as of the position.
        let moment = aircraft.moment(contact.time_position);
        let (motion, fix, callsign) = match moment {
            Some(at) => {
                let leg = &aircraft.legs[at.leg];
                let motion = leg.profile.at(at.elapsed as f64);
                let fix = self.routes.between(leg.from, leg.to).at(motion.distance);
                (motion, fix, leg.callsign)
            }
            None => {
                let path = self.routes.between(aircraft.base, aircraft.base);
                (Motion::PARKED, path.at(0.0), aircraft.own_callsign)
            }
        };
        let in_air = !motion.on_ground;
        // Transponders report altitudes in steps of 25 feet and rates of 64 feet a minute.
        let altitude = in_air.then(|| stepped(motion.altitude, 7.62));
        let mut state = State {
            icao24: format!("{:06x}", aircraft.address),
            callsign: Some(aircraft::text(callsign)),
            origin_country: aircraft.registry.country,
            time_position: Some(contact.time_position),
            last_contact: contact.last_contact,
            longitude: Some(rounded(fix.longitude, 1e4)),
            latitude: Some(rounded(fix.latitude, 1e4)),
            baro_altitude: altitude,
            on_ground: motion.on_ground,
            velocity: Some(rounded(motion.speed, 1e2)),
            true_track: Some(rounded(fix.track, 1e2) % 360.0),
            vertical_rate: in_air.then(|| stepped(motion.vertical_rate, 0.32512)),
            sensors: None,
            geo_altitude: altitude.map(|metres| stepped(metres * 1.03 + 15.24, 7.62)),
            squawk: moment.and_then(|at| self.squawk(number, at)),
            spi: Draws::of(
                self.seed,
                About::Ident,
                [number as u64, (time / 60) as u64, 0],
            )
            .chance(0.001),
            position_source: 0,
            category: aircraft.category,
        };
        self.receive(number, &mut state);
        if self.quirks {
            quirks::apply(self.seed, number, time, &mut state);
        }
        state
    }

    /// How the aircraft is received, which stays as it is: most by ADS-B, some otherwise.
    fn receive(&self, number: usize, state: &mut State) {
        let mut draws = Draws::of(self.seed, About::Position, [number as u64, u64::MAX, 0]);
        state.position_source = match draws.unit() {
            share if share < 0.93 => 0,
            share if share < 0.98 => 2,
            share if share < 0.99 => 1,
            _ => 3,
        };
        if draws.chance(0.005) {
            let first = 1 + draws.below(9_000) as i32;
            state.sensors = Some((0..1 + draws.below(3) as i32).map(|n| first + n).collect());
        }
    }

    /// The transponder code of a flight: one per flight, absent for many, an emergency in
    /// the middle of one flight in a thousand.
    fn squawk(&self, number: usize, at: Moment) -> Option<String> {
        let aircraft = &self.aircraft[number];
        let flight = [number as u64, at.rotation as u64, at.leg as u64];
        let mut draws = Draws::of(self.seed, About::Squawk, flight);
        if draws.chance(0.001) {
            let share = at.elapsed as f64 / aircraft.legs[at.leg].profile.duration();
            let code = match draws.below(10) {
                0 => "7500",
                1 => "7600",
                _ => "7700",
            };
            if (0.3..0.7).contains(&share) {
                return Some(code.to_owned());
            }
        }
        if draws.chance(0.4) {
            return None;
        }
        if aircraft.light {
            let american = matches!(aircraft.registry.country, "United States" | "Canada");
            return Some(if american { "1200" } else { "7000" }.to_owned());
        }
        if draws.chance(0.06) {
            return Some("1000".to_owned());
        }
        let code = draws.below(0o7500);
        Some(format!("{code:04o}"))
    }
}

/// Hands out 24-bit addresses, each once, the registries in proportion to their weight.
struct Addresses {
    used: Vec<u32>,
    total: u32,
    seed: u64,
}

impl Addresses {
    fn new(seed: u64) -> Self {
        Self {
            used: vec![0; REGISTRIES.len()],
            total: REGISTRIES.iter().map(|registry| registry.weight).sum(),
            seed,
        }
    }

    fn next(&mut self, draws: &mut Draws) -> (u32, &'static Registry) {
        let mut left = draws.below(self.total as usize) as u32;
        let drawn = REGISTRIES
            .iter()
            .position(|registry| {
                let found = left < registry.weight;
                left = left.saturating_sub(registry.weight);
                found
            })
            .unwrap_or(0);
        // A small block runs out in a large fleet; the first registry's holds a million.
        let drawn = if self.used[drawn] < REGISTRIES[drawn].size {
            drawn
        } else {
            0
        };
        let registry = &REGISTRIES[drawn];
        let count = self.used[drawn];
        self.used[drawn] += 1;
        // An odd multiplier visits every address of a power of two once, in no plain order.
        let spread = count
            .wrapping_mul(0x9e37_79b1)
            .wrapping_add(self.seed as u32)
            % registry.size;
        (registry.first + spread, registry)
    }
}

fn rounded(value: f64, scale: f64) -> f64 {
    // Adding zero turns -0 into 0, which JSON would show.
    (value * scale).round() / scale + 0.0
}

fn stepped(value: f64, step: f64) -> f64 {
    rounded((value / step).round() * step, 1e2)
}
