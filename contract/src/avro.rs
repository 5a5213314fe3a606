//! The Avro schema of a state vector, and its encoder.
//!
//! The encoder writes a [`FlightState`] straight into the message buffer: no tree of
//! values, no allocation. It must write the fields in the order of the schema; a property
//! test reads its bytes back with a general Avro reader under [`FLIGHT_STATE_SCHEMA`].

use crate::flight_state::{FlightState, Source};
use crate::wire;

/// The writer schema, as it is registered.
pub const FLIGHT_STATE_SCHEMA: &str = include_str!("../schemas/flight_state.avsc");

const MICROS_PER_SECOND: i64 = 1_000_000;

/// Appends one framed message to `out`.
///
/// `snapshot_time_us` and `ingestion_time_us` are microseconds since the Unix epoch.
pub fn encode(
    out: &mut Vec<u8>,
    schema_id: u32,
    state: &FlightState,
    snapshot_time_us: i64,
    ingestion_time_us: i64,
    source: Source,
) {
    wire::frame(out, schema_id);
    string(out, &state.icao24);
    optional(out, state.callsign.as_deref(), string);
    optional(out, state.origin_country.as_deref(), string);
    optional(out, state.time_position, seconds);
    optional(out, state.last_contact, seconds);
    optional(out, state.longitude, double);
    optional(out, state.latitude, double);
    optional(out, state.baro_altitude, double);
    optional(out, state.on_ground, boolean);
    optional(out, state.velocity, double);
    optional(out, state.true_track, double);
    optional(out, state.vertical_rate, double);
    optional(out, state.sensors.as_deref(), integers);
    optional(out, state.geo_altitude, double);
    optional(out, state.squawk.as_deref(), string);
    optional(out, state.spi, boolean);
    optional(out, state.position_source.map(i64::from), long);
    optional(out, state.category.map(i64::from), long);
    long(out, snapshot_time_us);
    long(out, ingestion_time_us);
    string(out, source.as_str());
}

/// A union of null and one type: the branch, then the value.
fn optional<T>(out: &mut Vec<u8>, value: Option<T>, write: impl FnOnce(&mut Vec<u8>, T)) {
    match value {
        None => long(out, 0),
        Some(value) => {
            long(out, 1);
            write(out, value);
        }
    }
}

/// Zig-zag, then seven bits a byte, low bits first; Avro's `int` is written the same way.
fn long(out: &mut Vec<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)).cast_unsigned();
    while rest >= 0x80 {
        out.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// A time beyond what microseconds can hold (292,000 years) stays at the edge.
fn seconds(out: &mut Vec<u8>, value: i64) {
    long(out, value.saturating_mul(MICROS_PER_SECOND));
}

fn double(out: &mut Vec<u8>, value: f64) {
    out.extend_from_slice(&value.to_le_bytes());
}

fn boolean(out: &mut Vec<u8>, value: bool) {
    out.push(u8::from(value));
}

fn string(out: &mut Vec<u8>, value: &str) {
    long(out, value.len() as i64);
    out.extend_from_slice(value.as_bytes());
}

/// One block of items, then the empty block that ends an array.
fn integers(out: &mut Vec<u8>, values: &[i32]) {
    if !values.is_empty() {
        long(out, values.len() as i64);
        for value in values {
            long(out, i64::from(*value));
        }
    }
    long(out, 0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use apache_avro::Schema;
    use apache_avro::types::Value;
    use proptest::option::of;
    use proptest::prelude::*;

    fn any_state() -> impl Strategy<Value = FlightState> {
        let text = (
            "[0-9a-f]{6}",
            of("[A-Z0-9]{1,8}"),
            of(".{0,20}"),
            of("[0-7]{4}"),
        );
        let times = (of(0i64..4_000_000_000), of(0i64..4_000_000_000));
        let numbers = proptest::collection::vec(of(any::<f64>()), 7);
        let flags = (of(any::<bool>()), of(any::<bool>()));
        let codes = (
            of(proptest::collection::vec(any::<i32>(), 0..5)),
            of(any::<i32>()),
            of(any::<i32>()),
        );
        (text, times, numbers, flags, codes).prop_map(|(text, times, numbers, flags, codes)| {
            FlightState {
                icao24: text.0,
                callsign: text.1,
                origin_country: text.2,
                squawk: text.3,
                time_position: times.0,
                last_contact: times.1,
                longitude: numbers[0],
                latitude: numbers[1],
                baro_altitude: numbers[2],
                velocity: numbers[3],
                true_track: numbers[4],
                vertical_rate: numbers[5],
                geo_altitude: numbers[6],
                on_ground: flags.0,
                spi: flags.1,
                sensors: codes.0,
                position_source: codes.1,
                category: codes.2,
            }
        })
    }

    fn union<T>(value: Option<T>, wrap: impl Fn(T) -> Value) -> Value {
        match value {
            None => Value::Union(0, Box::new(Value::Null)),
            Some(value) => Value::Union(1, Box::new(wrap(value))),
        }
    }

    fn expected(state: &FlightState, snapshot: i64, ingestion: i64, source: Source) -> Value {
        let s = state.clone();
        let micros = |seconds: i64| Value::TimestampMicros(seconds * MICROS_PER_SECOND);
        let sensors =
            |ids: Vec<i32>| Value::Array(ids.into_iter().map(Value::Int).collect::<Vec<_>>());
        let fields = [
            ("icao24", Value::String(s.icao24)),
            ("callsign", union(s.callsign, Value::String)),
            ("origin_country", union(s.origin_country, Value::String)),
            ("time_position", union(s.time_position, micros)),
            ("last_contact", union(s.last_contact, micros)),
            ("longitude", union(s.longitude, Value::Double)),
            ("latitude", union(s.latitude, Value::Double)),
            ("baro_altitude", union(s.baro_altitude, Value::Double)),
            ("on_ground", union(s.on_ground, Value::Boolean)),
            ("velocity", union(s.velocity, Value::Double)),
            ("true_track", union(s.true_track, Value::Double)),
            ("vertical_rate", union(s.vertical_rate, Value::Double)),
            ("sensors", union(s.sensors, sensors)),
            ("geo_altitude", union(s.geo_altitude, Value::Double)),
            ("squawk", union(s.squawk, Value::String)),
            ("spi", union(s.spi, Value::Boolean)),
            ("position_source", union(s.position_source, Value::Int)),
            ("category", union(s.category, Value::Int)),
            ("snapshot_time", Value::TimestampMicros(snapshot)),
            ("ingestion_time", Value::TimestampMicros(ingestion)),
            ("source", Value::String(source.as_str().to_owned())),
        ];
        Value::Record(fields.map(|(name, value)| (name.to_owned(), value)).into())
    }

    proptest! {
        #[test]
        fn a_general_reader_reads_what_was_encoded(
            state in any_state(),
            id: u32,
            snapshot: i64,
            ingestion: i64,
        ) {
            let schema = Schema::parse_str(FLIGHT_STATE_SCHEMA).unwrap();
            let mut message = Vec::new();
            encode(&mut message, id, &state, snapshot, ingestion, Source::Replay);
            let (read_id, mut body) = wire::parse(&message).unwrap();
            prop_assert_eq!(read_id, id);
            let value = apache_avro::from_avro_datum(&schema, &mut body, None).unwrap();
            prop_assert!(body.is_empty(), "{} bytes are left over", body.len());
            prop_assert_eq!(value, expected(&state, snapshot, ingestion, Source::Replay));
        }
    }

    #[test]
    fn every_field_is_documented() {
        let schema: serde_json::Value = serde_json::from_str(FLIGHT_STATE_SCHEMA).unwrap();
        let fields = schema["fields"].as_array().unwrap();
        assert_eq!(fields.len(), 21);
        for field in fields {
            assert!(
                field["doc"].as_str().is_some_and(|doc| doc.len() > 10),
                "{field}"
            );
        }
    }
}
