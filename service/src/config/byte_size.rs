//! Sizes as people write them.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The units a size may be written in, with their bytes, largest first where sizes are shown.
const UNITS: &[(&str, u64)] = &[
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("B", 1),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("KB", 1_000),
];

/// A number of bytes, written as text such as `"64MiB"`, `"1.5 GB"` or `"4096"`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(pub u64);

/// The text is not a size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a size; write one such as \"64MiB\"")]
pub struct ParseByteSizeError(String);

impl ByteSize {
    /// So many times 1,048,576 bytes.
    pub const fn mib(mebibytes: u64) -> ByteSize {
        ByteSize(mebibytes << 20)
    }

    /// The number of bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }

    /// The number of bytes, or the largest `usize` where that is smaller.
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl fmt::Display for ByteSize {
    /// The largest binary unit that divides it evenly, so that nothing is rounded.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let even = |(_, bytes): &&(&str, u64)| self.0 >= *bytes && self.0.is_multiple_of(*bytes);
        match UNITS.iter().find(even) {
            Some((unit, bytes)) => write!(f, "{}{unit}", self.0 / bytes),
            None => write!(f, "{}B", self.0),
        }
    }
}

impl FromStr for ByteSize {
    type Err = ParseByteSizeError;

    fn from_str(text: &str) -> Result<ByteSize, ParseByteSizeError> {
        let bad = || ParseByteSizeError(text.to_owned());
        let trimmed = text.trim();
        let digits = trimmed
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(trimmed.len());
        let (number, unit) = trimmed.split_at(digits);
        let unit = unit.trim_start();
        let bytes = match unit {
            "" => 1,
            _ => UNITS
                .iter()
                .find_map(|(name, bytes)| (*name == unit).then_some(*bytes))
                .ok_or_else(bad)?,
        };
        if let Ok(whole) = number.parse::<u64>() {
            return whole.checked_mul(bytes).map(ByteSize).ok_or_else(bad);
        }
        let size = number.parse::<f64>().map_err(|_| bad())? * bytes as f64;
        // A fraction of a byte is a mistake, as is more than a machine can address.
        if size.fract() != 0.0 || size >= u64::MAX as f64 {
            return Err(bad());
        }
        Ok(ByteSize(size as u64))
    }
}

impl Serialize for ByteSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ByteSize, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

impl JsonSchema for ByteSize {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "ByteSize".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "byte-size" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_sizes() {
        for (text, bytes, shown) in [
            ("0", 0, "0B"),
            ("4096", 4096, "4KiB"),
            ("64MiB", 64 << 20, "64MiB"),
            (" 1.5 GiB ", 3 << 29, "1536MiB"),
            ("10MB", 10_000_000, "10000000B"),
            ("7B", 7, "7B"),
            ("2TiB", 2 << 40, "2TiB"),
        ] {
            let size: ByteSize = text.parse().unwrap();
            assert_eq!(size.bytes(), bytes, "{text}");
            assert_eq!(size.to_string(), shown, "{text}");
            assert_eq!(size.to_string().parse(), Ok(size), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_none() {
        for text in [
            "",
            "MiB",
            "-1",
            "64 mib",
            "1.3B",
            "1..2MiB",
            "99999999TiB",
            "64MiB x",
        ] {
            assert!(text.parse::<ByteSize>().is_err(), "{text:?}");
        }
    }
}
