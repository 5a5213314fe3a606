//! The algebra against a naive reading of whole histories, and the snapshot.

mod naive;
mod store;

use proptest::prelude::*;

use super::rules::{
    CRUISE_ABOVE, GROUND_SPEED, GROUND_TIME, LONGEST_SILENCE, LOW, Position, RENAMED_AFTER,
    SILENCE, STALE_AFTER,
};
use super::*;
use naive::naive;
use store::Store;

const MINUTE: i64 = 60_000_000;
const NAMES: [&str; 3] = ["", "DLH1", "DLH2"];

/// An owned row.
#[derive(Debug, Clone, PartialEq)]
struct Row {
    aircraft: u32,
    time: i64,
    contact_age: i64,
    latitude: f64,
    longitude: f64,
    altitude: f64,
    velocity: f64,
    vertical_rate: f64,
    on_ground: Option<bool>,
    callsign: usize,
}

impl Row {
    fn point(&self) -> Point<'_> {
        Point {
            aircraft: self.aircraft,
            time: self.time,
            last_contact: (self.contact_age >= 0).then_some(self.time - self.contact_age),
            time_position: None,
            latitude: self.latitude,
            longitude: self.longitude,
            altitude: self.altitude,
            velocity: self.velocity,
            vertical_rate: self.vertical_rate,
            on_ground: self.on_ground,
            callsign: NAMES
                .get(self.callsign)
                .copied()
                .filter(|name| !name.is_empty()),
            country: 7,
        }
    }
}

/// A row in the air, cruising eastwards at about 230 m/s.
fn cruising(minute: i64) -> Row {
    Row {
        aircraft: 0x3c_6444,
        time: minute * MINUTE,
        contact_age: 0,
        latitude: 50.0,
        longitude: (140.0 + minute as f64 * 0.19).rem_euclid(360.0) - 180.0,
        altitude: 11_000.0,
        velocity: 230.0,
        vertical_rate: 0.0,
        on_ground: Some(false),
        callsign: 1,
    }
}

fn on_ground(minute: i64) -> Row {
    Row {
        altitude: f64::NAN,
        velocity: 5.0,
        vertical_rate: f64::NAN,
        on_ground: Some(true),
        ..cruising(minute)
    }
}

/// All flights of rows, open ones last.
fn flights(rows: &[Row]) -> Vec<Flight> {
    let mut tracker = Tracker::default();
    let mut run = Tracks::default();
    for row in rows {
        run.observe(&row.point());
    }
    tracker.absorb(run);
    all(tracker)
}

fn all(mut tracker: Tracker) -> Vec<Flight> {
    let mut flights = tracker.take_closed();
    flights.extend(tracker.open_flights());
    flights.sort_by_key(|one| (one.aircraft, one.flight.first_seen));
    flights.into_iter().map(|one| one.flight).collect()
}

#[test]
fn a_flight_from_gate_to_gate() {
    let mut rows: Vec<Row> = (0..4).map(on_ground).collect();
    rows.extend((4..60).map(cruising));
    rows.extend((60..90).map(on_ground));
    let found = flights(&rows);
    assert_eq!(found.len(), 1);
    let flight = found[0];
    assert_eq!(flight.first_seen, 3 * MINUTE);
    assert_eq!(flight.takeoff_time, Some(4 * MINUTE));
    assert_eq!(flight.landing_time, Some(60 * MINUTE));
    assert_eq!(flight.last_seen, 60 * MINUTE);
    assert_eq!(flight.callsign.text(), Some("DLH1"));
    assert_eq!(flight.max_altitude, Some(11_000.0));
    assert_eq!(flight.observations, 58);
    assert!(!flight.is_open);
    // 57 hops of 0.19 degrees of longitude at 50 degrees north.
    let metres = flight.centimetres as f64 / 100.0;
    assert!((metres - 57.0 * 13_580.0).abs() < 1_000.0, "{metres}");
}

#[test]
fn what_separates_flights() {
    type Change = fn(&mut Row);
    let nothing: Change = |_| {};
    let renamed: Change = |row| row.callsign = 2;
    let low: Change = |row| row.altitude = CRUISE_ABOVE - 1.0;
    let elsewhere: Change = |row| row.longitude += 170.0;
    let waited: Change = |row| row.longitude = -40.0;
    let nameless: Change = |row| row.callsign = 0;
    let cases = [
        ("20 minutes unheard", 20, nothing, 1),
        ("an ocean", 300, nothing, 1),
        ("more than any ocean", 361, nothing, 2),
        ("another callsign after a while", 6, renamed, 2),
        ("another callsign at once", 5, renamed, 1),
        ("another callsign beyond an ocean", 300, renamed, 2),
        ("low after 20 minutes", 20, low, 1),
        ("low after more", 21, low, 2),
        ("too far away", 30, elsewhere, 2),
        ("still there", 300, waited, 2),
        ("no callsign after an ocean", 300, nameless, 2),
    ];
    for (name, minutes, change, expected) in cases {
        let mut after = cruising(minutes);
        change(&mut after);
        assert_eq!(flights(&[cruising(0), after]).len(), expected, "{name}");
    }
}

#[test]
fn on_the_ground_between_flights_or_for_a_moment() {
    let turnaround = [cruising(0), on_ground(1), on_ground(30), cruising(31)];
    let found = flights(&turnaround);
    assert_eq!(found.len(), 2);
    assert_eq!(found[0].landing_time, Some(MINUTE));
    assert_eq!(found[1].first_seen, 30 * MINUTE);
    assert_eq!(found[1].takeoff_time, Some(31 * MINUTE));

    let touch_and_go = [cruising(0), on_ground(1), on_ground(2), cruising(3)];
    assert_eq!(flights(&touch_and_go).len(), 1);
    assert!(flights(&[on_ground(0), on_ground(10)]).is_empty());

    let mut flagged = on_ground(1);
    flagged.velocity = 240.0;
    let found = flights(&[cruising(0), flagged, cruising(2)]);
    assert_eq!((found.len(), found[0].landing_time), (1, None));
}

#[test]
fn take_off_and_landing_are_seen_from_low_flight() {
    let at = |minute, altitude, rate| Row {
        altitude,
        vertical_rate: rate,
        ..cruising(minute)
    };
    let found = flights(&[
        at(0, 500.0, 8.0),
        at(10, 9_000.0, 0.0),
        at(19, 400.0, -4.0),
        // Long after, so that the first is over.
        cruising(400),
    ]);
    assert_eq!(found.len(), 2);
    assert_eq!(found[0].takeoff_time, Some(0));
    assert_eq!(found[0].landing_time, Some(19 * MINUTE));
    assert_eq!(found[1].takeoff_time, None);
    // While it may go on, it has not landed.
    let open = flights(&[at(0, 9_000.0, 0.0), at(9, 400.0, -4.0)]);
    assert_eq!((open[0].landing_time, open[0].is_open), (None, true));
}

#[test]
fn repeats_of_a_last_state_and_jumps_count_for_nothing() {
    let mut lingering: Vec<Row> = (0..5).map(|_| cruising(3)).collect();
    for (seconds, row) in (10..).step_by(20).zip(&mut lingering) {
        row.time += seconds * 1_000_000;
        row.contact_age = seconds * 1_000_000;
    }
    let mut rows = vec![cruising(0), cruising(3)];
    rows.extend(lingering);
    let found = flights(&rows);
    assert_eq!(found[0].observations, 2);
    assert_eq!(found[0].last_seen, 3 * MINUTE + 50_000_000);

    let mut jump = cruising(1);
    jump.latitude = -50.0;
    let with = flights(&[cruising(0), jump, cruising(2), cruising(3)])[0];
    let without = flights(&[cruising(2), cruising(3)])[0];
    assert_eq!(with.centimetres, without.centimetres);
}

#[test]
fn a_jump_over_the_date_line_is_short() {
    let at = |longitude| Position {
        time: 0,
        latitude: 0.0,
        longitude,
    };
    let metres = at(179.9).metres_to(&at(-179.9));
    assert!((metres - 22_239.0).abs() < 1.0, "{metres}");
    // The two formulas meet.
    let near = Position {
        latitude: 60.49,
        ..at(10.49)
    };
    let far = Position {
        latitude: 60.51,
        ..at(10.51)
    };
    let from = Position {
        latitude: 60.0,
        ..at(10.0)
    };
    let half = (from.metres_to(&near) + from.metres_to(&far)) / 2.0;
    let between = from.metres_to(&Position {
        latitude: 60.5,
        ..at(10.5)
    });
    assert!((half - between).abs() < 2.0, "{half} {between}");
}

/// Rows of a few aircraft over hours, with silences, ground, changes of name and oddities.
fn histories() -> impl Strategy<Value = Vec<Row>> {
    let step = prop_oneof![
        6 => 1..3_i64,
        2 => 3..8_i64,
        1 => 15..25_i64,
        1 => 100..400_i64,
    ];
    let row = (
        step,
        0..3_u32,
        (0..12_u8, 0..12_u8, 0..14_usize),
        prop_oneof![5 => Just(0_i64), 1 => Just(-1), 2 => 0..90_i64],
    );
    proptest::collection::vec(row, 1..150).prop_map(|steps| {
        let mut minute = 0;
        let mut ground = false;
        let mut height = 1.0;
        let mut rows = Vec::new();
        for (step, aircraft, (phase, quirk, name), age) in steps {
            minute += step;
            if phase < 2 {
                ground = !ground;
            }
            if phase == 2 {
                height = if height > 0.5 { 0.04 } else { 1.0 };
            }
            let mut row = if ground {
                on_ground(minute)
            } else {
                cruising(minute)
            };
            row.aircraft += aircraft;
            row.altitude *= height;
            row.vertical_rate = f64::from(phase) - 5.0;
            row.contact_age = if age < 0 { -1 } else { age * 1_000_000 };
            row.callsign = match name {
                0 => 0,
                1 => 2,
                _ => 1,
            };
            match quirk {
                0 => row.latitude = f64::NAN,
                1 => row.latitude = 10.0,
                2 => row.on_ground = None,
                3 => row.velocity = 240.0,
                _ => {}
            }
            rows.push(row);
        }
        rows
    })
}

/// Cuts rows at the given places.
fn cut<'a>(rows: &'a [Row], places: &[usize]) -> Vec<&'a [Row]> {
    let mut places: Vec<usize> = places.iter().map(|at| at % (rows.len() + 1)).collect();
    places.extend([0, rows.len()]);
    places.sort_unstable();
    places
        .windows(2)
        .map(|pair| &rows[pair[0]..pair[1]])
        .collect()
}

proptest! {
    #[test]
    fn a_history_in_one_run_is_what_reading_it_by_hand_gives(rows in histories()) {
        let mut expected = Vec::new();
        for aircraft in 0..3 {
            expected.extend(naive(&rows, 0x3c_6444 + aircraft));
        }
        prop_assert_eq!(flights(&rows), expected);
    }

    #[test]
    fn it_does_not_matter_where_a_history_is_cut_nor_that_it_is_stored_between(
        rows in histories(),
        places in proptest::collection::vec(any::<usize>(), 0..8),
    ) {
        let mut tracker = Tracker::default();
        let mut closed = Vec::new();
        for batch in cut(&rows, &places) {
            let mut run = Tracks::default();
            for row in batch {
                run.observe(&row.point());
            }
            tracker.absorb(run);
            prop_assert!(tracker.take_late().is_empty());
            tracker.end_of_batch();
            closed.extend(tracker.take_closed());
            let stored = Tracker::from_bytes(&tracker.to_bytes()).unwrap();
            prop_assert_eq!(&stored, &tracker);
            tracker = stored;
        }
        tracker.closed = closed;
        prop_assert_eq!(all(tracker), flights(&rows));
    }

    #[test]
    fn pieces_may_be_joined_in_any_order(
        rows in histories(),
        places in proptest::collection::vec(any::<usize>(), 0..20),
    ) {
        // Runs of runs: the middle of the history is put together before its beginning is known.
        let mut whole = Tracker::default();
        for batch in cut(&rows, &places) {
            // By aircraft, as a sorted file has them.
            let mut sorted: Vec<&Row> = batch.iter().collect();
            sorted.sort_by_key(|row| (row.aircraft, row.time));
            let mut run = Tracks::default();
            for row in sorted {
                run.observe(&row.point());
            }
            whole.absorb(run);
        }
        prop_assert!(whole.take_late().is_empty());
        prop_assert_eq!(all(whole), flights(&rows));
    }

    #[test]
    fn bytes_that_are_no_snapshot_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Tracker::from_bytes(&bytes).is_none());
    }

    #[test]
    fn a_late_row_is_noted_and_changes_nothing(rows in histories(), late in any::<prop::sample::Index>()) {
        let late = late.get(&rows).clone();
        let mut tracker = Tracker::default();
        for batch in [rows.as_slice(), std::slice::from_ref(&late)] {
            let mut run = Tracks::default();
            for row in batch {
                run.observe(&row.point());
            }
            tracker.absorb(run);
        }
        let noted = tracker.take_late();
        let counts = late.point().sighting().is_some();
        prop_assert_eq!(noted.0.contains_key(&late.aircraft), counts);
        prop_assert_eq!(all(tracker), flights(&rows));
    }

    #[test]
    fn rows_in_any_order_with_restarts_between_give_the_same(
        rows in histories(),
        order in any::<u64>(),
        disorder in 0..200_usize,
        places in proptest::collection::vec(any::<usize>(), 0..8),
        turns in proptest::collection::vec(any::<(bool, bool)>(), 10),
    ) {
        let mut shuffled: Vec<(usize, &Row)> = rows.iter().enumerate().collect();
        // From a few rows too late to anything.
        shuffled.sort_by_key(|(at, row)| {
            let mixed = (order ^ row.time.unsigned_abs()).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            at + usize::try_from(mixed >> 40).unwrap() % (disorder + 1)
        });
        let shuffled: Vec<Row> = shuffled.into_iter().map(|(_, row)| row.clone()).collect();
        let mut store = Store::default();
        let mut saved = (Tracker::default().to_bytes(), 0);
        for (batch, (restart, derive)) in cut(&shuffled, &places).into_iter().zip(turns) {
            store.lake.extend_from_slice(batch);
            let late = store.count(batch);
            if derive {
                store.derive();
            }
            if late || derive || !restart {
                saved = (store.tracker.to_bytes(), store.lake.len());
            } else {
                store.tracker = Tracker::from_bytes(&saved.0).unwrap();
                // Some rows of before lie in the same files as those since.
                let mut since = store.lake[saved.1.saturating_sub(3)..].to_vec();
                since.sort_by_key(|row| (row.aircraft, row.time));
                let since = since.iter().map(|row| (row.aircraft, row.point().sighting()));
                let mut since = since.filter_map(|(aircraft, row)| Some((aircraft, row?)));
                let part: Vec<_> = since.by_ref().take(20).collect();
                store.tracker.replay(part);
                store.tracker.replay(since);
                store.tracker.replayed();
            }
        }
        store.derive();
        let mut found = store.ended;
        found.extend(store.tracker.open_flights());
        found.sort_by_key(|one| (one.aircraft, one.flight.first_seen));
        let found: Vec<Flight> = found.into_iter().map(|one| one.flight).collect();
        prop_assert_eq!(found, flights(&rows));
    }
}
