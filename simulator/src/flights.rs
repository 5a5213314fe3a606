//! What `/api/flights/*` knows: the flights the fleet has flown, read off its schedule.
//! OpenSky computes flights in a batch at night, so those of today are not there yet, and
//! an airport that was not recognised at first may be a day later.

use serde::Serialize;

use crate::aircraft;
use crate::airports::AIRPORTS;
use crate::draws::{About, Draws};
use crate::fleet::Fleet;

const DAY: i64 = 86_400;
/// Seconds after landing until an airport that can still be recognised is.
const RECOGNISED_AFTER: i64 = 2 * DAY;

/// One flight, with the API's field names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Flight {
    /// 24-bit transponder address, six lower-case hexadecimal digits.
    pub icao24: String,
    /// Lift-off, seconds since 1970.
    pub first_seen: i64,
    /// ICAO code; absent when it was not recognised.
    pub est_departure_airport: Option<&'static str>,
    /// Touch-down, seconds since 1970.
    pub last_seen: i64,
    /// ICAO code; absent when it was not recognised.
    pub est_arrival_airport: Option<&'static str>,
    /// Padded to eight characters.
    pub callsign: Option<String>,
    /// Metres from the departure airport to the first position.
    pub est_departure_airport_horiz_distance: Option<i64>,
    /// Metres above it.
    pub est_departure_airport_vert_distance: Option<i64>,
    /// Metres from the arrival airport to the last position.
    pub est_arrival_airport_horiz_distance: Option<i64>,
    /// Metres above it.
    pub est_arrival_airport_vert_distance: Option<i64>,
    /// Other airports that would do for departure.
    pub departure_airport_candidates_count: i64,
    /// Other airports that would do for arrival.
    pub arrival_airport_candidates_count: i64,
}

/// Which flights are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// Those that landed at an airport within the interval.
    Arrivals(String),
    /// Those that took off from an airport within the interval.
    Departures(String),
    /// Those of one aircraft that took off within the interval.
    Aircraft(String),
    /// All that took off within the interval.
    All,
}

/// One flight of one rotation of one aircraft.
#[derive(Debug, Clone, Copy)]
struct Flown {
    number: usize,
    rotation: i64,
    leg: usize,
    first_seen: i64,
    last_seen: i64,
}

impl Fleet {
    /// The flights in `begin..=end` that are known at `now`, the latest landing first; all
    /// times are seconds since 1970.
    pub fn flights(&self, wanted: &Wanted, begin: i64, end: i64, now: i64) -> Vec<Flight> {
        let midnight = now - now.rem_euclid(DAY);
        let within = |seen: i64| (begin..=end).contains(&seen);
        let mut found: Vec<Flight> = (0..self.len())
            .flat_map(|number| self.flown(number, begin, end))
            .filter(|flown| flown.last_seen < midnight)
            .filter(|flown| match wanted {
                Wanted::Arrivals(_) => within(flown.last_seen),
                _ => within(flown.first_seen),
            })
            .map(|flown| self.known(flown, now))
            .filter(|flight| match wanted {
                Wanted::Arrivals(airport) => flight.est_arrival_airport == Some(airport),
                Wanted::Departures(airport) => flight.est_departure_airport == Some(airport),
                Wanted::Aircraft(icao24) => flight.icao24 == *icao24,
                Wanted::All => true,
            })
            .collect();
        found.sort_by(|a, b| (b.last_seen, &a.icao24).cmp(&(a.last_seen, &b.icao24)));
        found
    }

    /// The flights of one aircraft that touch an interval.
    fn flown(&self, number: usize, begin: i64, end: i64) -> impl Iterator<Item = Flown> + '_ {
        let aircraft = &self.aircraft[number];
        let rotation = |time| aircraft.moment(time).map_or(0, |moment| moment.rotation);
        (rotation(begin)..=rotation(end)).flat_map(move |rotation| {
            let legs = aircraft.legs.iter().enumerate();
            legs.map(move |(leg, flight)| {
                let start = aircraft.rotation_start(rotation) + flight.start;
                Flown {
                    number,
                    rotation,
                    leg,
                    first_seen: start + flight.profile.lift_off() as i64,
                    last_seen: start + flight.profile.touch_down() as i64,
                }
            })
        })
    }

    /// What is known of a flight at `now`: with quirks, one airport in six is not.
    fn known(&self, flown: Flown, now: i64) -> Flight {
        let aircraft = &self.aircraft[flown.number];
        let leg = &aircraft.legs[flown.leg];
        let subject = [flown.number as u64, flown.rotation as u64, flown.leg as u64];
        let mut draws = Draws::of(self.seed, About::Flight, subject);
        let mut airport = |index: u16| {
            let hidden = draws.chance(1.0 / 6.0);
            let for_ever = draws.chance(0.5);
            let late = now - flown.last_seen > RECOGNISED_AFTER;
            let away = (200.0 + draws.unit() * 9_000.0) as i64;
            let above = (draws.unit() * 900.0) as i64;
            let others = draws.below(6) as i64;
            match self.quirks && hidden && (for_ever || !late) {
                true => (None, None, None, 0),
                false => {
                    let code = AIRPORTS[usize::from(index)].code;
                    (Some(code), Some(away), Some(above), others)
                }
            }
        };
        let (departure, departure_away, departure_above, departure_others) = airport(leg.from);
        let (arrival, arrival_away, arrival_above, arrival_others) = airport(leg.to);
        Flight {
            icao24: format!("{:06x}", aircraft.address),
            first_seen: flown.first_seen,
            est_departure_airport: departure,
            last_seen: flown.last_seen,
            est_arrival_airport: arrival,
            callsign: Some(aircraft::text(leg.callsign)),
            est_departure_airport_horiz_distance: departure_away,
            est_departure_airport_vert_distance: departure_above,
            est_arrival_airport_horiz_distance: arrival_away,
            est_arrival_airport_vert_distance: arrival_above,
            departure_airport_candidates_count: departure_others,
            arrival_airport_candidates_count: arrival_others,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: i64 = 1_750_000_000 - 1_750_000_000 % DAY + DAY / 2;

    #[test]
    fn arrivals_and_departures_are_the_same_flights() {
        let fleet = Fleet::new(3, 2_000).with_quirks(false);
        let (begin, end) = (NOON - 2 * DAY, NOON - DAY);
        let all = fleet.flights(&Wanted::All, begin, end, NOON);
        assert!(all.len() > 1_000, "{}", all.len());
        let departures = fleet.flights(&Wanted::Departures("KATL".into()), begin, end, NOON);
        assert!(!departures.is_empty());
        for flight in &departures {
            assert!(all.contains(flight));
            assert_eq!(flight.est_departure_airport, Some("KATL"));
            assert!((begin..=end).contains(&flight.first_seen));
            let arrival = flight.est_arrival_airport.unwrap().to_owned();
            let seen = flight.last_seen;
            let there = fleet.flights(&Wanted::Arrivals(arrival), seen, seen, NOON);
            assert!(there.contains(flight));
        }
    }

    #[test]
    fn flights_agree_with_the_states() {
        let fleet = Fleet::new(3, 300).with_quirks(false);
        let flights = fleet.flights(&Wanted::All, NOON - 2 * DAY, NOON - DAY, NOON);
        let ground = |icao24: &str, time| {
            let states = fleet.states_at(time);
            states
                .iter()
                .find(|s| s.icao24 == icao24)
                .unwrap()
                .on_ground
        };
        for flight in flights.iter().take(40) {
            for (time, expected) in [
                (flight.first_seen - 5, true),
                (flight.first_seen + 5, false),
                (flight.last_seen - 5, false),
                (flight.last_seen + 5, true),
            ] {
                assert_eq!(
                    ground(&flight.icao24, time),
                    expected,
                    "{flight:?} at {time}"
                );
            }
        }
    }

    #[test]
    fn today_is_not_there_yet_and_a_later_fetch_knows_more() {
        let fleet = Fleet::new(3, 2_000);
        assert!(
            fleet
                .flights(&Wanted::All, NOON - 3_600, NOON, NOON)
                .is_empty()
        );
        // All have landed before today, and none two days before noon.
        let (begin, end) = (NOON - 2 * DAY, NOON - 3 * DAY / 2);
        let known = |now| {
            let flights = fleet.flights(&Wanted::All, begin, end, now);
            let unknown = flights
                .iter()
                .filter(|flight| flight.est_arrival_airport.is_none())
                .count();
            (flights.len(), unknown)
        };
        let (flights, unknown) = known(NOON);
        let (flights_later, unknown_later) = known(NOON + 7 * DAY);
        assert_eq!(flights, flights_later);
        assert!(0 < unknown_later && unknown_later < unknown);
    }
}
