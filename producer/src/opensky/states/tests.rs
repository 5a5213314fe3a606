use super::*;
use proptest::option::of;
use proptest::prelude::*;
use serde_json::{Value, json};

/// A row as OpenSky sends it, with 18 fields.
fn row() -> Value {
    json!([
        "4b1805",
        "SWR123  ",
        "Switzerland",
        1745700214,
        1745700223,
        8.54,
        47.45,
        6088.38,
        false,
        188.41,
        128.9,
        13.66,
        [1, -7],
        6423.66,
        "0042",
        true,
        0,
        3
    ])
}

fn body(rows: &[Value]) -> Vec<u8> {
    serde_json::to_vec(&json!({"time": 1745700530, "states": rows})).unwrap()
}

/// The one state of a body whose row was changed by `change`.
fn read(change: impl FnOnce(&mut Vec<Value>)) -> Result<FlightState, ParseError> {
    let mut row = row();
    change(row.as_array_mut().unwrap());
    parse(&body(&[row])).map(|poll| poll.states.into_iter().next().unwrap())
}

#[test]
fn a_time_that_is_none_makes_a_body_unreadable() {
    let read = |time: i64| parse(json!({"time": time, "states": []}).to_string().as_bytes());
    for time in [0, 1_745_700_530, 253_402_300_799] {
        assert_eq!(read(time).unwrap().time, time);
    }
    for time in [-1, 253_402_300_800, i64::MIN, i64::MAX] {
        assert_eq!(read(time), Err(ParseError::Time { time }));
    }
}

#[test]
fn a_time_ahead_of_the_clock_is_refused_by_those_who_have_one() {
    let time = 1_745_700_530;
    let read = |now| parse_at(&body(&[]), now).map(|poll| poll.time);
    for now in [time, time - 3600, time + 86_400] {
        assert_eq!(read(now), Ok(time));
    }
    assert_eq!(read(time - 3601), Err(ParseError::Ahead { seconds: 3601 }));
}

#[test]
fn every_field_has_its_place() {
    let expected = FlightState {
        icao24: "4b1805".into(),
        callsign: Some("SWR123".into()),
        origin_country: Some("Switzerland".into()),
        time_position: Some(1_745_700_214),
        last_contact: Some(1_745_700_223),
        longitude: Some(8.54),
        latitude: Some(47.45),
        baro_altitude: Some(6088.38),
        on_ground: Some(false),
        velocity: Some(188.41),
        true_track: Some(128.9),
        vertical_rate: Some(13.66),
        sensors: Some(vec![1, -7]),
        geo_altitude: Some(6423.66),
        squawk: Some("0042".into()),
        spi: Some(true),
        position_source: Some(0),
        category: Some(3),
    };
    assert_eq!(read(|_| {}), Ok(expected.clone()));
    let without_category = FlightState {
        category: None,
        ..expected
    };
    assert_eq!(read(|row| row.truncate(17)), Ok(without_category));
}

#[test]
fn quirks_are_read() {
    let callsign = |text: Value| read(|row| row[1] = text).unwrap().callsign;
    assert_eq!(callsign(json!("        ")), None);
    assert_eq!(callsign(json!("")), None);
    assert_eq!(callsign(json!(" A B\t")), Some("A B".into()));

    let altered = read(|row| {
        row[2] = json!("");
        row[7] = json!(11000);
        row[9] = json!(0);
        row[12] = json!([]);
        row[3] = json!(1745700214.0);
    })
    .unwrap();
    assert_eq!(altered.origin_country.as_deref(), Some(""));
    assert_eq!(altered.baro_altitude, Some(11000.0));
    assert_eq!(altered.velocity, Some(0.0));
    assert_eq!(altered.sensors, Some(vec![]));
    assert_eq!(altered.time_position, Some(1_745_700_214));
    for edge in [0, 253_402_300_799_i64] {
        let contact = read(|row| row[4] = json!(edge)).unwrap().last_contact;
        assert_eq!(contact, Some(edge));
    }

    let nulls = read(|row| row[1..].fill(Value::Null)).unwrap();
    let expected = FlightState {
        icao24: "4b1805".into(),
        ..FlightState::default()
    };
    assert_eq!(nulls, expected);
}

#[test]
fn no_aircraft_is_a_poll() {
    let empty = Poll {
        time: 7,
        states: vec![],
    };
    for text in [
        r#"{"time":7,"states":null}"#,
        r#"{"states":[],"time":7}"#,
        " {\"time\": 7, \"note\": [{}], \"states\": null}\r\n",
    ] {
        assert_eq!(parse(text.as_bytes()), Ok(empty.clone()), "{text}");
    }
}

#[test]
fn what_is_wrong_with_a_field_is_said() {
    let check = |index: usize, value: Value, expected: &str| {
        let mut wrong = row();
        wrong[index] = value;
        let error = parse(&body(&[row(), row(), wrong])).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("row 2, field {index} {expected}")
        );
    };
    check(
        9,
        json!("fast"),
        "(velocity): found \"fast\", expected a number or null",
    );
    check(
        0,
        Value::Null,
        "(icao24): found null, expected an ICAO 24-bit address as text",
    );
    check(
        8,
        json!(1),
        "(on_ground): found 1, expected true, false or null",
    );
    check(
        3,
        json!(1.5),
        "(time_position): found 1.5, expected whole seconds since 1970, to the year 9999",
    );
    // Milliseconds, as other programs write them: the year 57289, which no reader can show.
    check(
        4,
        json!(1_745_700_223_000_i64),
        "(last_contact): found 1745700223000, expected whole seconds since 1970, to the year 9999",
    );
    check(
        3,
        json!(-1),
        "(time_position): found -1, expected whole seconds since 1970, to the year 9999",
    );
    check(14, json!(42), "(squawk): found 42, expected text or null");
    check(
        12,
        json!(["a"]),
        "(sensors): found a list of other things than 32-bit integers, expected a list of integers or null",
    );
    check(
        17,
        json!({"a": [1]}),
        "(category): found an object, expected a 32-bit integer",
    );
    check(
        16,
        json!(3_000_000_000_u32),
        "(position_source): found 3000000000, expected a 32-bit integer",
    );
}

#[test]
fn rows_of_other_lengths_are_refused() {
    let of = |length: usize| read(|row| row.resize(length, Value::Null)).unwrap_err();
    assert_eq!(of(13), ParseError::Legacy { row: 0 });
    assert_eq!(of(16), ParseError::RowLength { row: 0, found: 16 });
    assert_eq!(of(25), ParseError::RowLength { row: 0, found: 19 });
}

#[test]
fn other_bodies_are_refused() {
    let error = |text: &str| parse(text.as_bytes()).unwrap_err().to_string();
    assert_eq!(
        error("<html><title>502 Bad Gateway</title>"),
        "the body is not a JSON object: it starts with \"<html><title>502 Bad Gateway</title>\""
    );
    assert_eq!(
        error(""),
        "the body is not a JSON object: it starts with \"\""
    );
    assert_eq!(
        error("[1,2]"),
        "the body is not a JSON object: it starts with \"[1,2]\""
    );
    assert_eq!(
        error(r#"{"time":7,"flights":[]}"#),
        "the body has no \"states\": it is not an answer to /states/all"
    );
    assert_eq!(
        error(r#"{"states":null}"#),
        "the body has no \"time\": it is not an answer to /states/all"
    );
    assert!(error(r#"{"time":"now","states":null}"#).contains("expected i64"));
    assert!(error(r#"{"time":7,"states":null} trailing"#).contains("trailing characters"));
    assert!(error(r#"{"time":7,"states":[{"icao24":"a"}]}"#).contains("17 or 18 values as row 0"));
    assert!(parse(b"{\"time\":7,\"states\":[[\"\xff\xfe\"]]}").is_err());
}

/// A value of a fraction column, at times as the integer OpenSky makes of a whole one.
fn fraction(value: Option<f64>) -> Value {
    match value {
        Some(whole) if whole.fract() == 0.0 && whole.abs() < 1e9 => json!(whole as i64),
        other => json!(other),
    }
}

fn any_row() -> impl Strategy<Value = (FlightState, Value)> {
    let decimals = (-99_999_999_999..99_999_999_999_i64, 0..5)
        .prop_map(|(digits, places)| digits as f64 / 10_f64.powi(places));
    let number = || of(decimals.clone());
    let text = (
        "[0-9a-f]{6}",
        of("[A-Z0-9]{1,8}"),
        of(".{0,20}"),
        of("[0-7]{4}"),
        0..4usize,
    );
    let times = (of(0i64..4_000_000_000), of(0i64..4_000_000_000));
    let numbers = [(); 7].map(|()| number());
    let flags = (of(any::<bool>()), of(any::<bool>()));
    let codes = (
        of(proptest::collection::vec(any::<i32>(), 0..5)),
        of(0..4i32),
        of(of(0..21i32)),
    );
    (text, times, numbers, flags, codes).prop_map(|(text, times, n, flags, codes)| {
        let state = FlightState {
            icao24: text.0,
            callsign: text.1,
            origin_country: text.2,
            time_position: times.0,
            last_contact: times.1,
            longitude: n[0],
            latitude: n[1],
            baro_altitude: n[2],
            on_ground: flags.0,
            velocity: n[3],
            true_track: n[4],
            vertical_rate: n[5],
            sensors: codes.0,
            geo_altitude: n[6],
            squawk: text.3,
            spi: flags.1,
            position_source: codes.1,
            category: codes.2.flatten(),
        };
        let s = &state;
        let padded = s
            .callsign
            .as_ref()
            .map(|c| format!("{}{c:<8}", " ".repeat(text.4)));
        let mut row = json!([
            s.icao24,
            padded,
            s.origin_country,
            s.time_position,
            s.last_contact,
            fraction(n[0]),
            fraction(n[1]),
            fraction(n[2]),
            s.on_ground,
            fraction(n[3]),
            fraction(n[4]),
            fraction(n[5]),
            s.sensors,
            fraction(n[6]),
            s.squawk,
            s.spi,
            s.position_source
        ]);
        if let (Some(category), Some(row)) = (codes.2, row.as_array_mut()) {
            row.push(json!(category));
        }
        (state, row)
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        time in 0i64..4_000_000_000,
        rows in proptest::collection::vec(any_row(), 0..20),
    ) {
        let (states, rows): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
        let text = serde_json::to_vec(&json!({"time": time, "states": rows})).unwrap();
        prop_assert_eq!(parse(&text), Ok(Poll { time, states }));
    }

    /// OpenSky writes at most seven significant digits. Up to fifteen a number is read exactly;
    /// beyond that serde_json would need its slower `float_roundtrip`.
    #[test]
    fn numbers_keep_every_bit(
        negative: bool,
        digits in 0u64..1_000_000_000_000_000,
        decimals in 1usize..=15,
    ) {
        let sign = if negative { "-" } else { "" };
        let digits = format!("{digits:016}");
        let (whole, fraction) = digits.split_at(16 - decimals);
        let whole: u64 = whole.parse().unwrap();
        let number = format!("{sign}{whole}.{fraction}");
        let text = String::from_utf8(body(&[row()])).unwrap();
        let text = text.replacen(&row()[9].to_string(), &number, 1);
        let velocity = parse(text.as_bytes()).unwrap().states[0].velocity.unwrap();
        let expected: f64 = number.parse().unwrap();
        prop_assert_eq!(velocity.to_bits(), expected.to_bits(), "{}", number);
    }

    #[test]
    fn every_part_of_a_body_is_truncated(
        rows in proptest::collection::vec(any_row(), 1..4),
        cut: proptest::sample::Index,
    ) {
        let rows: Vec<_> = rows.into_iter().map(|(_, row)| row).collect();
        let text = body(&rows);
        let length = 1 + cut.index(text.len() - 1);
        let error = parse(&text[..length]).unwrap_err();
        prop_assert_eq!(error, ParseError::Truncated { length });
    }

    #[test]
    fn no_bytes_make_it_panic(bytes: Vec<u8>) {
        let _ = parse(&bytes);
        let _ = parse(&[b"{\"time\":1,\"states\":[[".as_slice(), &bytes].concat());
    }
}
