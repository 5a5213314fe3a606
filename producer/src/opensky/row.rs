//! One row of a body: loose values on the way in, a [`FlightState`] on the way out.

use std::borrow::Cow;
use std::fmt;

use contract::FlightState;
use contract::flight_state::POLL_TIMES;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::states::ParseError;

/// Columns without the category, which comes with `extended=1` only.
pub(super) const FIELDS: usize = 17;
/// Columns with it.
pub(super) const WITH_CATEGORY: usize = 18;
/// Columns of the shape that OpenSky sent in its first years, still in January 2017.
pub(super) const LEGACY_FIELDS: usize = 13;
/// The columns, in OpenSky's order.
const NAMES: [&str; WITH_CATEGORY] = [
    "icao24",
    "callsign",
    "origin_country",
    "time_position",
    "last_contact",
    "longitude",
    "latitude",
    "baro_altitude",
    "on_ground",
    "velocity",
    "true_track",
    "vertical_rate",
    "sensors",
    "geo_altitude",
    "squawk",
    "spi",
    "position_source",
    "category",
];
/// So much of an odd text is shown in an error.
const SHOWN: usize = 60;
/// Below this, 2^53, every whole fraction is one integer and no other.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// One value as it is in the body.
pub(super) enum Cell<'de> {
    Null,
    Boolean(bool),
    Integer(i64),
    Fraction(f64),
    Text(Cow<'de, str>),
    Integers(Vec<i32>),
    /// Nothing any column takes; what it is, for the error.
    Other(&'static str),
}

impl Cell<'_> {
    fn describe(&self) -> String {
        match self {
            Cell::Null => "null".to_owned(),
            Cell::Boolean(value) => value.to_string(),
            Cell::Integer(value) => value.to_string(),
            Cell::Fraction(value) => value.to_string(),
            Cell::Text(text) => format!("{:?}", text.chars().take(SHOWN).collect::<String>()),
            Cell::Integers(_) => "a list".to_owned(),
            Cell::Other(what) => (*what).to_owned(),
        }
    }
}

impl<'de> Deserialize<'de> for Cell<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct CellVisitor;

        impl<'de> Visitor<'de> for CellVisitor {
            type Value = Cell<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_unit<E>(self) -> Result<Cell<'de>, E> {
                Ok(Cell::Null)
            }

            fn visit_bool<E>(self, value: bool) -> Result<Cell<'de>, E> {
                Ok(Cell::Boolean(value))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Cell<'de>, E> {
                Ok(Cell::Integer(value))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Cell<'de>, E> {
                Ok(i64::try_from(value).map_or(Cell::Fraction(value as f64), Cell::Integer))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Cell<'de>, E> {
                Ok(Cell::Fraction(value))
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Cell<'de>, E> {
                Ok(Cell::Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Cell<'de>, E> {
                Ok(Cell::Text(Cow::Owned(text.to_owned())))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Cell<'de>, A::Error> {
                let mut integers = Vec::new();
                let mut other = false;
                while let Some(cell) = seq.next_element::<Cell<'de>>()? {
                    match cell {
                        Cell::Integer(value) if i32::try_from(value).is_ok() => {
                            integers.push(value as i32);
                        }
                        _ => other = true,
                    }
                }
                Ok(if other {
                    Cell::Other("a list of other things than 32-bit integers")
                } else {
                    Cell::Integers(integers)
                })
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Cell<'de>, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Cell::Other("an object"))
            }
        }

        deserializer.deserialize_any(CellVisitor)
    }
}

/// A row of the right length, taken apart from left to right.
pub(super) struct Row<'de> {
    pub(super) row: usize,
    pub(super) cells: [Cell<'de>; WITH_CATEGORY],
    /// The value to take next; 0 at first.
    pub(super) next: usize,
}

impl<'de> Row<'de> {
    /// The state vector of the row.
    pub(super) fn state(mut self) -> Result<FlightState, ParseError> {
        // Fields of a struct expression are evaluated as they are written: in OpenSky's order.
        Ok(FlightState {
            icao24: self.address()?,
            callsign: self.callsign()?,
            origin_country: self.text()?,
            time_position: self.time()?,
            last_contact: self.time()?,
            longitude: self.fraction()?,
            latitude: self.fraction()?,
            baro_altitude: self.fraction()?,
            on_ground: self.boolean()?,
            velocity: self.fraction()?,
            true_track: self.fraction()?,
            vertical_rate: self.fraction()?,
            sensors: self.integers()?,
            geo_altitude: self.fraction()?,
            squawk: self.text()?,
            spi: self.boolean()?,
            position_source: self.small_integer()?,
            category: self.small_integer()?,
        })
    }

    fn take(&mut self) -> Cell<'de> {
        let cell = std::mem::replace(&mut self.cells[self.next], Cell::Null);
        self.next += 1;
        cell
    }

    /// The error about the value taken last.
    fn wrong<T>(&self, cell: &Cell<'de>, expected: &'static str) -> Result<T, ParseError> {
        let index = self.next - 1;
        Err(ParseError::Field {
            row: self.row,
            index,
            field: NAMES[index],
            found: cell.describe(),
            expected,
        })
    }

    /// The key of every record: the one value that must be there.
    fn address(&mut self) -> Result<String, ParseError> {
        match self.take() {
            Cell::Text(text) if !text.is_empty() => Ok(text.into_owned()),
            other => self.wrong(&other, "an ICAO 24-bit address as text"),
        }
    }

    fn callsign(&mut self) -> Result<Option<String>, ParseError> {
        match self.take() {
            Cell::Null => Ok(None),
            Cell::Text(text) => Ok(Some(text.trim())
                .filter(|trimmed| !trimmed.is_empty())
                .map(str::to_owned)),
            other => self.wrong(&other, "text or null"),
        }
    }

    fn text(&mut self) -> Result<Option<String>, ParseError> {
        match self.take() {
            Cell::Null => Ok(None),
            Cell::Text(text) => Ok(Some(text.into_owned())),
            other => self.wrong(&other, "text or null"),
        }
    }

    fn boolean(&mut self) -> Result<Option<bool>, ParseError> {
        match self.take() {
            Cell::Null => Ok(None),
            Cell::Boolean(value) => Ok(Some(value)),
            other => self.wrong(&other, "true, false or null"),
        }
    }

    fn fraction(&mut self) -> Result<Option<f64>, ParseError> {
        match self.take() {
            Cell::Null => Ok(None),
            Cell::Integer(value) => Ok(Some(value as f64)),
            Cell::Fraction(value) => Ok(Some(value)),
            other => self.wrong(&other, "a number or null"),
        }
    }

    /// A time that readers of the table can show; one of another unit would not be.
    fn time(&mut self) -> Result<Option<i64>, ParseError> {
        self.integer("whole seconds since 1970, to the year 9999", |value| {
            POLL_TIMES.contains(&value).then_some(value)
        })
    }

    fn small_integer(&mut self) -> Result<Option<i32>, ParseError> {
        self.integer("a 32-bit integer", |value| i32::try_from(value).ok())
    }

    fn integer<T>(
        &mut self,
        what: &'static str,
        accept: impl FnOnce(i64) -> Option<T>,
    ) -> Result<Option<T>, ParseError> {
        let cell = self.take();
        let value = match cell {
            Cell::Null => return Ok(None),
            Cell::Integer(value) => accept(value),
            Cell::Fraction(value) if value.fract() == 0.0 && value.abs() < EXACT => {
                accept(value as i64)
            }
            _ => None,
        };
        match value {
            Some(value) => Ok(Some(value)),
            None => self.wrong(&cell, what),
        }
    }

    fn integers(&mut self) -> Result<Option<Vec<i32>>, ParseError> {
        match self.take() {
            Cell::Null => Ok(None),
            Cell::Integers(values) => Ok(Some(values)),
            other => self.wrong(&other, "a list of integers or null"),
        }
    }
}
