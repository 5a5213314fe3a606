//! Reads a body of `/api/states/all`.
//!
//! The body is an object with `time` and `states`, a list of rows that are themselves lists:
//! 17 values in a fixed order, or 18 with the aircraft category. Rows are read straight into
//! [`FlightState`]s, without a tree of JSON values in between.
//!
//! Tolerated, because OpenSky sends it: `states: null` for no aircraft, null in any column but
//! the first, integers where fractions are expected and whole fractions where integers are,
//! callsigns padded or blank, unknown keys beside the two. Whatever else differs makes the
//! whole body unreadable: a poll is published whole or not at all, and nothing is dropped in
//! silence.
//!
//! Fractions are read exactly up to 15 significant digits, of which OpenSky sends at most ten;
//! beyond that the JSON reader may be off by one in the last binary place.

use std::borrow::Cow;
use std::fmt;

use contract::flight_state::POLL_TIMES;
use contract::{FlightState, Poll};
use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::row::{Cell, FIELDS, LEGACY_FIELDS, Row, WITH_CATEGORY};

/// A row is seldom shorter.
const ROW_BYTES: usize = 110;
/// How far clocks may differ, in seconds.
const AHEAD: i64 = 3600;
/// So much of an odd body is shown in an error.
const SHOWN: usize = 60;

/// Why a body cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Something else than a JSON object: an error page, perhaps.
    #[error("the body is not a JSON object: it starts with {start:?}")]
    NotAnObject {
        /// The first characters of the body.
        start: String,
    },
    /// It starts as JSON and ends too early.
    #[error("the body is cut off after {length} bytes")]
    Truncated {
        /// Length of the body in bytes.
        length: usize,
    },
    /// An object without one of the two keys that make an answer to `/states/all`.
    #[error("the body has no {key:?}: it is not an answer to /states/all")]
    Missing {
        /// The key.
        key: &'static str,
    },
    /// A `time` that no clock shows: of another unit, perhaps.
    #[error("the body's time is {time}, which is not in seconds since 1970")]
    Time {
        /// What it is.
        time: i64,
    },
    /// A `time` that is yet to come. Published, it would make every poll after it an older one.
    #[error("the body's time is {seconds} s ahead of this machine's clock")]
    Ahead {
        /// How far, in seconds.
        seconds: i64,
    },
    /// The shape that OpenSky sent in its first years, still in January 2017, whose columns differ
    /// in meaning.
    #[error(
        "row {row} has 13 fields, the shape of OpenSky's early recordings (those of January 2017 still have it), which is not supported"
    )]
    Legacy {
        /// Index of the row, from 0.
        row: usize,
    },
    /// A row of another length.
    #[error("row {row} has {found} fields, expected 17 or 18")]
    RowLength {
        /// Index of the row, from 0.
        row: usize,
        /// Fields it has; 19 stands for any more than 18.
        found: usize,
    },
    /// A value of the wrong type or out of range.
    #[error("row {row}, field {index} ({field}): found {found}, expected {expected}")]
    Field {
        /// Index of the row, from 0.
        row: usize,
        /// Index of the field, from 0.
        index: usize,
        /// OpenSky's name of the field.
        field: &'static str,
        /// What is there.
        found: String,
        /// What should be there.
        expected: &'static str,
    },
    /// Anything else, as the JSON reader says it.
    #[error("the body is not what OpenSky sends: {0}")]
    Json(String),
}

/// Reads one body.
///
/// # Errors
/// The body is not a whole answer to `/states/all` in a known shape; the error says where.
pub fn parse(body: &[u8]) -> Result<Poll, ParseError> {
    let start = body.trim_ascii_start();
    if start.first() != Some(&b'{') {
        let text = String::from_utf8_lossy(&start[..start.len().min(SHOWN)]);
        return Err(ParseError::NotAnObject {
            start: text.into_owned(),
        });
    }
    let mut found = None;
    let mut reader = serde_json::Deserializer::from_slice(body);
    let read = BodySeed {
        error: &mut found,
        rows: body.len() / ROW_BYTES,
    }
    .deserialize(&mut reader)
    .and_then(|poll| reader.end().map(|()| poll));
    read.map_err(|error| match found {
        Some(found) => found,
        None if error.is_eof() => ParseError::Truncated { length: body.len() },
        None => ParseError::Json(error.to_string()),
    })
}

/// Reads one body that was asked for at `now`, in seconds since the epoch.
///
/// # Errors
/// As [`parse`]; also when its time is further ahead of `now` than clocks differ.
pub fn parse_at(body: &[u8], now: i64) -> Result<Poll, ParseError> {
    let poll = parse(body)?;
    match poll.time.saturating_sub(now) {
        seconds if seconds > AHEAD => Err(ParseError::Ahead { seconds }),
        _ => Ok(poll),
    }
}

/// Notes `error` where the caller finds it: serde's own errors only carry a text.
fn fail<T, E: de::Error>(slot: &mut Option<ParseError>, error: ParseError) -> Result<T, E> {
    let text = E::custom(&error);
    *slot = Some(error);
    Err(text)
}

/// The object around everything.
struct BodySeed<'e> {
    error: &'e mut Option<ParseError>,
    /// Rows to make room for.
    rows: usize,
}

impl<'de> DeserializeSeed<'de> for BodySeed<'_> {
    type Value = Poll;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Poll, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for BodySeed<'_> {
    type Value = Poll;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with `time` and `states`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Poll, A::Error> {
        let (mut time, mut states) = (None, None);
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            match key.as_ref() {
                "time" => time = Some(map.next_value::<i64>()?),
                "states" => {
                    states = Some(map.next_value_seed(StatesSeed {
                        error: self.error,
                        rows: self.rows,
                    })?)
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        match (time, states) {
            (Some(time), _) if !POLL_TIMES.contains(&time) => {
                fail(self.error, ParseError::Time { time })
            }
            (Some(time), Some(states)) => Ok(Poll { time, states }),
            (None, _) => fail(self.error, ParseError::Missing { key: "time" }),
            (_, None) => fail(self.error, ParseError::Missing { key: "states" }),
        }
    }
}

/// The list of rows, or null.
struct StatesSeed<'e> {
    error: &'e mut Option<ParseError>,
    rows: usize,
}

impl<'de> DeserializeSeed<'de> for StatesSeed<'_> {
    type Value = Vec<FlightState>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for StatesSeed<'_> {
    type Value = Vec<FlightState>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of state vectors, or null")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Vec::new())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<Self::Value, A::Error> {
        // Room for all of them at once: growing would take twice the memory for a moment.
        let mut states = Vec::with_capacity(self.rows);
        loop {
            let seed = RowSeed {
                row: states.len(),
                error: self.error,
            };
            match rows.next_element_seed(seed)? {
                Some(state) => states.push(state),
                None => return Ok(states),
            }
        }
    }
}

/// One row.
struct RowSeed<'e> {
    row: usize,
    error: &'e mut Option<ParseError>,
}

impl<'de> DeserializeSeed<'de> for RowSeed<'_> {
    type Value = FlightState;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for RowSeed<'_> {
    type Value = FlightState;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of 17 or 18 values as row {}", self.row)
    }

    /// Takes all values first: a row of the wrong length is one error, not one of types.
    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<FlightState, A::Error> {
        let mut cells = [const { Cell::Null }; WITH_CATEGORY];
        let mut found = 0;
        for cell in &mut cells {
            let Some(value) = values.next_element()? else {
                break;
            };
            *cell = value;
            found += 1;
        }
        while found >= cells.len() && values.next_element::<IgnoredAny>()?.is_some() {
            found = cells.len() + 1;
        }
        let row = self.row;
        match found {
            FIELDS | WITH_CATEGORY => {}
            LEGACY_FIELDS => return fail(self.error, ParseError::Legacy { row }),
            _ => return fail(self.error, ParseError::RowLength { row, found }),
        }
        match (Row {
            row,
            cells,
            next: 0,
        })
        .state()
        {
            Ok(state) => Ok(state),
            Err(error) => fail(self.error, error),
        }
    }
}

#[cfg(test)]
mod tests;
