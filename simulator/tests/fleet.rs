//! The fleet as its readers see it: the same for a seed, shaped like OpenSky's, and
//! moving like aircraft.
#![cfg(test)]

use std::collections::{HashMap, HashSet};
use std::time::Instant;

use serde_json::Value;
use simulator::Fleet;
use simulator::geo;
use simulator::registries::REGISTRIES;
use simulator::state::State;

const TIME: i64 = 1_750_000_000;

fn rows(body: &[u8]) -> Vec<Vec<Value>> {
    let mut body: Value = serde_json::from_slice(body).unwrap();
    serde_json::from_value(body["states"].take()).unwrap()
}

fn place(state: &State) -> Option<(f64, f64)> {
    state.latitude.zip(state.longitude)
}

#[test]
fn the_same_seed_size_and_time_give_the_same_bytes() {
    let body = |seed, size, time| Fleet::new(seed, size).body(time, true);
    let first = body(7, 500, TIME);
    assert_eq!(first, body(7, 500, TIME));
    assert_ne!(first, body(8, 500, TIME));
    assert_ne!(first, body(7, 500, TIME + 1));
}

#[test]
fn a_larger_fleet_holds_the_smaller_one() {
    let small = Fleet::new(7, 100).states_at(TIME);
    let large = Fleet::new(7, 300).states_at(TIME);
    assert_eq!(small[..], large[..100]);
}

#[test]
fn rows_have_the_fields_and_types_of_opensky() {
    let kinds: [fn(&Value) -> bool; 18] = [
        |v| v.as_str().is_some_and(is_address),
        |v| v.is_null() || v.as_str().is_some_and(|s| s.len() == 8 || s.is_empty()),
        Value::is_string,
        |v| v.is_null() || v.is_i64(),
        Value::is_i64,
        |v| v.is_null() || v.as_f64().is_some_and(|d| d.abs() <= 180.0),
        |v| v.is_null() || v.as_f64().is_some_and(|d| d.abs() <= 90.0),
        |v| v.is_null() || v.is_number(),
        Value::is_boolean,
        |v| v.is_null() || v.as_f64().is_some_and(|speed| speed >= 0.0),
        |v| v.as_f64().is_some_and(|d| (0.0..360.0).contains(&d)),
        |v| v.is_null() || v.is_number(),
        |v| v.is_null() || v.as_array().is_some_and(|a| a.iter().all(Value::is_i64)),
        |v| v.is_null() || v.is_number(),
        |v| v.is_null() || v.as_str().is_some_and(is_squawk),
        Value::is_boolean,
        |v| v.as_i64().is_some_and(|source| (0..=3).contains(&source)),
        |v| {
            v.as_i64()
                .is_some_and(|category| (0..=20).contains(&category))
        },
    ];
    let fleet = Fleet::new(1, 20_000);
    for (extended, fields) in [(false, 17), (true, 18)] {
        let rows = rows(&fleet.body(TIME, extended));
        assert_eq!(rows.len(), fleet.len());
        for row in rows {
            assert_eq!(row.len(), fields, "{row:?}");
            for (field, (value, fits)) in row.iter().zip(kinds).enumerate() {
                assert!(fits(value), "field {field} of {row:?}");
            }
        }
    }
}

fn is_address(text: &str) -> bool {
    text.len() == 6 && text.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'))
}

fn is_squawk(text: &str) -> bool {
    text.len() == 4 && text.chars().all(|c| c.is_digit(8))
}

#[test]
fn addresses_are_unique_and_belong_to_the_country() {
    let states = Fleet::new(1, 100_000).with_quirks(false).states_at(TIME);
    let addresses: HashSet<&str> = states.iter().map(|s| s.icao24.as_str()).collect();
    assert_eq!(addresses.len(), states.len());
    for state in &states {
        let address = u32::from_str_radix(&state.icao24, 16).unwrap();
        let registry = REGISTRIES
            .iter()
            .find(|registry| (registry.first..registry.first + registry.size).contains(&address));
        assert_eq!(registry.unwrap().country, state.origin_country);
    }
    let countries: HashSet<&str> = states.iter().map(|s| s.origin_country).collect();
    assert_eq!(countries.len(), REGISTRIES.len());
}

#[test]
fn every_quirk_shows_and_none_takes_over() {
    let fleet = Fleet::new(1, 20_000);
    let mut seen: HashMap<&str, usize> = HashMap::new();
    let mut all = 0;
    for time in [TIME, TIME + 6_000] {
        let states = fleet.states_at(time);
        all += states.len();
        for state in &states {
            let stale = time - state.last_contact;
            assert!((0..=310).contains(&stale), "{state:?}");
            assert!(
                state
                    .time_position
                    .is_none_or(|at| at <= state.last_contact)
            );
            assert_eq!(
                [state.latitude, state.longitude].map(|degrees| degrees.is_some()),
                [state.time_position.is_some(); 2],
                "null together: {state:?}"
            );
            let mut count = |quirk, hit| *seen.entry(quirk).or_default() += usize::from(hit);
            count("empty call sign", state.callsign.as_deref() == Some(""));
            count(
                "blank call sign",
                state.callsign.as_deref() == Some("        "),
            );
            count("no call sign", state.callsign.is_none());
            count("no position", state.latitude.is_none());
            count("no country", state.origin_country.is_empty());
            count("Turkey", state.origin_country == "Turkey");
            count("Türkiye", state.origin_country == "Türkiye");
            count("Viet Nam", state.origin_country == "Viet Nam");
            count("Korea", state.origin_country == "Republic of Korea");
            count("too fast", state.velocity.is_some_and(|v| v > 2_000.0));
            count(
                "too high",
                state.baro_altitude.is_some_and(|m| m > 30_000.0),
            );
            count("lingers", stale > 60);
            count(
                "leading zero",
                state.squawk.as_deref().is_some_and(|s| s.starts_with('0')),
            );
            count("emergency", state.squawk.as_deref() == Some("7700"));
            count("sensors", state.sensors.is_some());
            count("spi", state.spi);
            count("not ADS-B", state.position_source != 0);
        }
    }
    for (quirk, count) in seen {
        assert!(count > 0, "never: {quirk}");
        assert!(count < all / 4, "too often: {quirk}, {count}");
    }
    let text = String::from_utf8(fleet.body(TIME, false)).unwrap();
    let rows = rows(text.as_bytes());
    for column in [7, 9, 10, 11, 13] {
        let whole = rows.iter().filter(|row| row[column].is_i64()).count();
        assert!(whole > 0, "no whole number in column {column}");
    }
}

#[test]
fn without_quirks_rows_are_clean() {
    let fleet = Fleet::new(1, 5_000).with_quirks(false);
    for state in fleet.states_at(TIME) {
        assert_eq!(state.time_position, Some(TIME));
        assert_eq!(state.last_contact, TIME);
        assert!(place(&state).is_some());
        assert!(
            state
                .callsign
                .is_some_and(|callsign| !callsign.trim().is_empty())
        );
        assert!(!state.origin_country.is_empty());
        assert!(state.velocity.is_some_and(|speed| speed < 300.0));
        assert_eq!(state.on_ground, state.baro_altitude.is_none());
    }
    for row in rows(&fleet.body(TIME, false)) {
        for column in [5, 6, 7, 9, 10, 11, 13] {
            assert!(row[column].is_f64() || row[column].is_null(), "{row:?}");
        }
    }
}

/// Positions between polls are as far apart as the time between them allows, with quirks
/// and without, and the reported speed is the one flown.
#[test]
fn aircraft_move_like_aircraft() {
    for quirks in [false, true] {
        let fleet = Fleet::new(5, 2_000).with_quirks(quirks);
        let mut last = fleet.states_at(TIME);
        for poll in 1..=60 {
            let next = fleet.states_at(TIME + 30 * poll);
            for (before, after) in last.iter().zip(&next) {
                check_step(before, after);
            }
            last = next;
        }
    }
}

fn check_step(before: &State, after: &State) {
    assert_eq!(before.icao24, after.icao24);
    assert!(before.last_contact <= after.last_contact);
    let (Some(from), Some(to)) = (place(before), place(after)) else {
        return;
    };
    let seconds = after.time_position.unwrap() - before.time_position.unwrap();
    assert!(seconds >= 0);
    let moved = geo::distance(from, to);
    // Four decimals of a degree are up to 8 m off at either end.
    assert!(
        moved <= 350.0 * seconds as f64 + 20.0,
        "{moved} m in {seconds} s: {before:?} {after:?}"
    );
    let speeds = before.velocity.zip(after.velocity);
    if let Some((first, second)) = speeds.filter(|(a, b)| a.max(*b) < 400.0 && seconds == 30) {
        let (low, high) = (first.min(second), first.max(second));
        let mean = moved / 30.0;
        // Stops and turns happen between polls only near the ground.
        let bounds = match before.on_ground || after.on_ground {
            true => 0.0..=high.max(90.0) + 1.0,
            false => low - 5.0..=high + 5.0,
        };
        assert!(bounds.contains(&mean), "{mean} m/s: {before:?} {after:?}");
    }
}

#[test]
fn aircraft_take_off_cruise_and_land() {
    let fleet = Fleet::new(2, 200).with_quirks(false);
    let (mut take_offs, mut landings, mut airborne, mut all) = (0, 0, 0, 0);
    let mut cruising = HashSet::new();
    let mut last = fleet.states_at(TIME);
    for minute in 1..=24 * 60 {
        let next = fleet.states_at(TIME + 60 * minute);
        for (before, after) in last.iter().zip(&next) {
            take_offs += usize::from(before.on_ground && !after.on_ground);
            landings += usize::from(!before.on_ground && after.on_ground);
            airborne += usize::from(!after.on_ground);
            all += 1;
            if after.baro_altitude.is_some_and(|metres| metres > 9_000.0) {
                cruising.insert(after.icao24.clone());
            }
        }
        last = next;
    }
    assert!(take_offs > 300 && landings > 300, "{take_offs} {landings}");
    assert!(cruising.len() > 120, "{}", cruising.len());
    let share = f64::from(airborne as u32) / f64::from(all as u32);
    assert!((0.6..0.95).contains(&share), "{share} in the air");
}

/// Times are printed, not asserted: a busy machine must not fail the test.
#[test]
fn large_bodies_are_quick() {
    for size in [10_000, 100_000] {
        let started = Instant::now();
        let fleet = Fleet::new(1, size);
        let drawn = started.elapsed();
        let started = Instant::now();
        let body = fleet.body(TIME, true);
        println!(
            "{size} aircraft: drawn in {drawn:?}, body of {} bytes in {:?}",
            body.len(),
            started.elapsed()
        );
        assert_eq!(rows(&body).len(), size);
    }
}

#[test]
fn an_empty_fleet_has_no_states() {
    let fleet = Fleet::new(1, 0);
    assert!(fleet.is_empty());
    assert_eq!(fleet.body(5, false), br#"{"time":5,"states":null}"#);
}
