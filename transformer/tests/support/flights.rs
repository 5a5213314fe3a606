//! The mart `flights` computed again, by reading each aircraft's whole history.

use std::collections::BTreeMap;

use super::{Bench, Row, row};

/// 2025-09-26T20:00:00Z: histories cross midnight.
const START: i64 = 1_758_916_800;

const MINUTE: i64 = 60;

/// Aircraft that fly, land, wait, fall silent and change their names over days.
pub fn histories(aircraft: i64, minutes: i64) -> Vec<Row> {
    let mut rows = Vec::new();
    for n in 0..aircraft {
        let mut minute = n % 7;
        // Each aircraft has a rhythm of its own.
        let (flight, ground, pause) = (90 + 37 * n, 11 * (n % 4), 13 * n % 400);
        let cycle = flight + ground + pause;
        while minute < minutes {
            let at = minute % cycle;
            let leg = minute / cycle;
            let mut state = row(
                &format!("{:06x}", 0x3c_0000 + n * 977),
                START + minute * MINUTE,
            );
            let airborne = at < flight;
            state.callsign = match (at + n) % 9 {
                0 => None,
                _ => Some(format!("AB{n}X{leg}")),
            };
            state.on_ground = ((at + n) % 23 != 0).then_some(!airborne);
            state.baro_altitude = airborne.then_some(if at < 5 { 500.0 } else { 10_000.5 });
            state.vertical_rate = airborne.then_some(if at < 5 { 6.0 } else { 0.0 });
            state.velocity = Some(if airborne { 230.0 } else { 4.0 });
            state.latitude = ((at + n) % 17 != 0).then_some(30.0 + n as f64 + at as f64 * 0.1);
            state.longitude = Some(10.0 + leg as f64);
            if airborne || at < flight + ground {
                rows.push(state);
            }
            minute += if (at + leg) % 31 == 0 {
                26
            } else {
                2 + (at * n) % 5
            };
        }
    }
    rows
}

type Texts = Vec<Vec<Option<String>>>;

fn published(bench: &Bench) -> Texts {
    let mut found = bench.query(
        "select icao24, callsign, origin_country, epoch(first_seen)::bigint,
            epoch(last_seen)::bigint, epoch(takeoff_time)::bigint, epoch(landing_time)::bigint,
            takeoff_seen, landing_seen, max_altitude, round(distance_m), observations, is_open
        from flights",
    );
    found.sort();
    found
}

pub fn compare(bench: &Bench, rows: &[Row]) -> Result<(), String> {
    compare_since(bench, rows, i64::MIN)
}

/// The same of the flights that began at a time, in seconds, or later.
pub fn compare_since(bench: &Bench, rows: &[Row], since: i64) -> Result<(), String> {
    let (found, mut expected) = (published(bench), expected(rows));
    let began = |flight: &[Option<String>]| flight[3].as_ref().unwrap().parse::<i64>().unwrap();
    expected.retain(|flight| began(flight) >= since);
    if found == expected {
        return Ok(());
    }
    let missing = expected.iter().find(|row| !found.contains(row));
    let surplus = found.iter().find(|row| !expected.contains(row));
    Err(format!(
        "{} flights, expected {}; missing {missing:?}, surplus {surplus:?}",
        found.len(),
        expected.len()
    ))
}

/// What the documentation of the mart says, read off whole histories.
fn expected(rows: &[Row]) -> Texts {
    let mut aircraft: BTreeMap<&str, BTreeMap<i64, &Row>> = BTreeMap::new();
    for row in rows {
        aircraft
            .entry(&row.icao24)
            .or_default()
            .entry(row.time)
            .or_insert(row);
    }
    // Rows that say neither ground nor air tell nothing, unless they are fast.
    let tells = |row: &Row| row.on_ground.is_some() || row.velocity > Some(110.0);
    let newest = rows
        .iter()
        .filter(|row| tells(row))
        .map(|row| row.time)
        .max();
    let mut flights = Texts::new();
    for rows in aircraft.values() {
        let rows: Vec<&Row> = rows.values().copied().filter(|row| tells(row)).collect();
        let flying: Vec<usize> = (0..rows.len()).filter(|at| !on_ground(rows[*at])).collect();
        let same_flight = |a: &usize, b: &usize| {
            let heard = (*a..*b).all(|at| !lost(rows[at], rows[at + 1]));
            heard && (b - a == 1 || rows[*b].time - rows[a + 1].time <= 5 * MINUTE)
        };
        for flight in flying.chunk_by(same_flight) {
            flights.push(one(&rows, flight, newest.unwrap()));
        }
    }
    flights.sort();
    flights
}

fn one(rows: &[&Row], flight: &[usize], newest: i64) -> Vec<Option<String>> {
    let (first, last) = (flight[0], flight[flight.len() - 1]);
    let heard = |a: usize, b: usize| !lost(rows[a], rows[b]);
    let start = if first > 0 && on_ground(rows[first - 1]) && heard(first - 1, first) {
        first - 1
    } else {
        first
    };
    let end = if last + 1 < rows.len() && on_ground(rows[last + 1]) && heard(last, last + 1) {
        last + 1
    } else {
        last
    };
    let is_open = end == last && last + 1 == rows.len() && newest - rows[last].time <= 20 * MINUTE;
    // All of these aircraft climb, so that low is enough.
    let low = rows[first]
        .baro_altitude
        .is_some_and(|metres| metres <= 900.0);
    let took_off = (start < first || low).then(|| rows[first].time);
    let landed = (end > last).then(|| rows[end].time);

    // A moment on the ground is its first and its last row.
    let track: Vec<&Row> = (start..=end)
        .filter(|at| {
            !on_ground(rows[*at])
                || *at == start
                || *at == end
                || !on_ground(rows[at - 1])
                || !on_ground(rows[at + 1])
        })
        .map(|at| rows[at])
        .collect();
    let placed: Vec<&Row> = track
        .into_iter()
        .filter(|row| row.latitude.is_some())
        .collect();
    let hop = |pair: &[&Row]| {
        let way = metres(pair[0], pair[1]);
        let seconds = (pair[1].time - pair[0].time) as f64;
        let jumped = way > 1_500.0 / 3.6 * seconds + 1_000.0;
        if jumped {
            0
        } else {
            (way * 100.0).round() as i64
        }
    };
    let centimetres: i64 = placed.windows(2).map(hop).sum();
    let metres = centimetres as f64 / 100.0;
    let highest = flight
        .iter()
        .filter_map(|at| rows[*at].baro_altitude)
        .reduce(f64::max);
    let text = |value: String| Some(value);
    vec![
        text(rows[first].icao24.clone()),
        flight
            .iter()
            .rev()
            .find_map(|at| rows[*at].callsign.clone()),
        text("Germany".to_owned()),
        text(rows[start].time.to_string()),
        text(rows[end].time.to_string()),
        took_off.map(|time| time.to_string()),
        landed.map(|time| time.to_string()),
        text(took_off.is_some().to_string()),
        text(landed.is_some().to_string()),
        highest.map(|metres| format!("{metres:?}")),
        text(format!("{:?}", metres.round())),
        text((end - start + 1).to_string()),
        text(is_open.to_string()),
    ]
}

fn on_ground(row: &Row) -> bool {
    row.on_ground == Some(true) && row.velocity <= Some(110.0)
}

/// Whether nobody knows what happened between two rows.
fn lost(a: &Row, b: &Row) -> bool {
    let silence = b.time - a.time;
    let flying = !on_ground(a) && !on_ground(b);
    let names = a.callsign.as_ref().zip(b.callsign.as_ref());
    let renamed = names.is_some_and(|(one, other)| one != other);
    if silence <= 20 * MINUTE {
        return flying && renamed && silence > 5 * MINUTE;
    }
    let cruises = |row: &Row| row.baro_altitude.is_some_and(|metres| metres >= 5_000.0);
    let placed = a.latitude.is_some() && b.latitude.is_some();
    let known = flying && cruises(a) && cruises(b) && placed && names.is_some() && !renamed;
    let speed = if placed {
        metres(a, b) / silence as f64
    } else {
        0.0
    };
    !(known && silence <= 6 * 60 * MINUTE && (100.0..=1_500.0 / 3.6).contains(&speed))
}

/// Haversine.
fn metres(a: &Row, b: &Row) -> f64 {
    let radians = |value: Option<f64>| value.unwrap().to_radians();
    let (p, q) = (radians(a.latitude), radians(b.latitude));
    let east = radians(b.longitude) - radians(a.longitude);
    let h = ((q - p) / 2.0).sin().powi(2) + p.cos() * q.cos() * (east / 2.0).sin().powi(2);
    2.0 * 6_371_008.8 * h.sqrt().asin()
}
