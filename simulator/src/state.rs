//! A state vector and the body of `/api/states/all`, as OpenSky writes them.

use serde::ser::{Serialize, SerializeSeq, Serializer};

/// One aircraft at one moment: a row of `/api/states/all`, fields in the API's order.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    /// 24-bit transponder address, six lower-case hexadecimal digits.
    pub icao24: String,
    /// Padded to eight characters, or blank, or empty.
    pub callsign: Option<String>,
    /// Country of registration, in OpenSky's spelling; may be empty.
    pub origin_country: &'static str,
    /// When the position was last updated, seconds since 1970.
    pub time_position: Option<i64>,
    /// When the aircraft was last heard, seconds since 1970.
    pub last_contact: i64,
    /// Degrees east.
    pub longitude: Option<f64>,
    /// Degrees north.
    pub latitude: Option<f64>,
    /// Barometric altitude, metres; absent on the ground.
    pub baro_altitude: Option<f64>,
    /// Whether the position comes from a surface position report.
    pub on_ground: bool,
    /// Speed over the ground, metres per second.
    pub velocity: Option<f64>,
    /// Degrees clockwise from north.
    pub true_track: Option<f64>,
    /// Metres per second, positive when climbing.
    pub vertical_rate: Option<f64>,
    /// Numbers of the receivers that contributed; mostly absent.
    pub sensors: Option<Vec<i32>>,
    /// Geometric altitude, metres.
    pub geo_altitude: Option<f64>,
    /// Transponder code, four octal digits.
    pub squawk: Option<String>,
    /// Special purpose indicator.
    pub spi: bool,
    /// 0 ADS-B, 1 ASTERIX, 2 MLAT, 3 FLARM.
    pub position_source: i32,
    /// Aircraft category; sent only with `extended=1`.
    pub category: i32,
}

/// How a body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Form {
    /// 18 fields a row instead of 17.
    pub extended: bool,
    /// Whole numbers without a fraction, `0` for `0.0`, as OpenSky writes them.
    pub whole_numbers: bool,
}

/// The JSON of a body, `{"time":…,"states":[[…],…]}`. No states at all are `null`.
pub fn body(time: i64, states: &[State], form: Form) -> Vec<u8> {
    // A row takes about 130 bytes; growing a body of megabytes would copy it.
    let mut out = Vec::with_capacity(64 + states.len() * 144);
    let body = Body { time, states, form };
    // Writing numbers and strings into memory cannot fail; were it ever to, the reader
    // would see a body cut off.
    if let Err(error) = serde_json::to_writer(&mut out, &body) {
        tracing::error!(%error, "cannot write a body");
    }
    out
}

struct Body<'a> {
    time: i64,
    states: &'a [State],
    form: Form,
}

impl Serialize for Body<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let rows = Rows {
            states: self.states,
            form: self.form,
        };
        let mut body = serializer.serialize_struct("Body", 2)?;
        body.serialize_field("time", &self.time)?;
        body.serialize_field("states", &(!self.states.is_empty()).then_some(rows))?;
        body.end()
    }
}

struct Rows<'a> {
    states: &'a [State],
    form: Form,
}

impl Serialize for Rows<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let form = self.form;
        serializer.collect_seq(self.states.iter().map(|state| Row { state, form }))
    }
}

struct Row<'a> {
    state: &'a State,
    form: Form,
}

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let state = self.state;
        let number = |value: Option<f64>| {
            value.map(|value| Number {
                value,
                whole: self.form.whole_numbers,
            })
        };
        let mut row = serializer.serialize_seq(Some(17 + usize::from(self.form.extended)))?;
        row.serialize_element(&state.icao24)?;
        row.serialize_element(&state.callsign)?;
        row.serialize_element(state.origin_country)?;
        row.serialize_element(&state.time_position)?;
        row.serialize_element(&state.last_contact)?;
        row.serialize_element(&number(state.longitude))?;
        row.serialize_element(&number(state.latitude))?;
        row.serialize_element(&number(state.baro_altitude))?;
        row.serialize_element(&state.on_ground)?;
        row.serialize_element(&number(state.velocity))?;
        row.serialize_element(&number(state.true_track))?;
        row.serialize_element(&number(state.vertical_rate))?;
        row.serialize_element(&state.sensors)?;
        row.serialize_element(&number(state.geo_altitude))?;
        row.serialize_element(&state.squawk)?;
        row.serialize_element(&state.spi)?;
        row.serialize_element(&state.position_source)?;
        if self.form.extended {
            row.serialize_element(&state.category)?;
        }
        row.end()
    }
}

struct Number {
    value: f64,
    whole: bool,
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.whole && self.value.fract() == 0.0 && self.value.abs() < 1e15 {
            serializer.serialize_i64(self.value as i64)
        } else {
            serializer.serialize_f64(self.value)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> State {
        State {
            icao24: "4b1816".into(),
            callsign: Some("SWR1951 ".into()),
            origin_country: "Türkiye",
            time_position: Some(1_649_392_658),
            last_contact: 1_649_392_659,
            longitude: Some(3.6738),
            latitude: Some(41.0),
            baro_altitude: None,
            on_ground: false,
            velocity: Some(0.0),
            true_track: Some(66.19),
            vertical_rate: Some(-0.33),
            sensors: Some(vec![1, 2]),
            geo_altitude: Some(8755.38),
            squawk: Some("0051".into()),
            spi: false,
            position_source: 0,
            category: 4,
        }
    }

    fn check(states: &[State], extended: bool, whole_numbers: bool, expected: &str) {
        let form = Form {
            extended,
            whole_numbers,
        };
        assert_eq!(
            String::from_utf8(body(7, states, form)).unwrap(),
            expected,
            "{form:?}"
        );
    }

    #[test]
    fn bodies_are_written_as_opensky_writes_them() {
        check(&[], false, true, r#"{"time":7,"states":null}"#);
        check(
            &[state()],
            false,
            true,
            r#"{"time":7,"states":[["4b1816","SWR1951 ","Türkiye",1649392658,1649392659,3.6738,41,null,false,0,66.19,-0.33,[1,2],8755.38,"0051",false,0]]}"#,
        );
        check(
            &[state()],
            true,
            false,
            r#"{"time":7,"states":[["4b1816","SWR1951 ","Türkiye",1649392658,1649392659,3.6738,41.0,null,false,0.0,66.19,-0.33,[1,2],8755.38,"0051",false,0,4]]}"#,
        );
    }
}
