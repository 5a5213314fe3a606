//! Rows in PostgreSQL's binary copy format.
//!
//! A stream is [`HEADER`], rows, [`TRAILER`]. A row is the number of its fields, then each
//! field's length and bytes, in network order; the length of a null is -1. The format is in
//! PostgreSQL's documentation of `COPY`, the types' own in their `send` functions.

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Date32Array, Float64Array, Int64Array, RecordBatch,
    StringArray, TimestampMicrosecondArray,
};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{
    DataType, Date32Type, Float64Type, Int64Type, TimeUnit, TimestampMicrosecondType,
};
use arrow::error::ArrowError;

/// Signature, flags, and the length of a header extension that is not there.
pub(super) const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// Ends the stream.
pub(super) const TRAILER: &[u8] = &(-1i16).to_be_bytes();

/// From 1970-01-01 to 2000-01-01, where PostgreSQL counts from.
const EPOCH_DAYS: i32 = 10_957;
const EPOCH_MICROS: i64 = 946_684_800_000_000;

/// A column's type: those that marts may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Boolean,
    Bigint,
    Double,
    Text,
    Date,
    Timestamptz,
}

impl Type {
    /// The type for an Arrow type; `None` for one that marts may not have.
    pub(super) fn of(arrow: &DataType) -> Option<Type> {
        Some(match arrow {
            DataType::Boolean => Type::Boolean,
            other if other.is_integer() => Type::Bigint,
            other if other.is_floating() => Type::Double,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Type::Text,
            DataType::Date32 => Type::Date,
            DataType::Timestamp(_, _) => Type::Timestamptz,
            _ => return None,
        })
    }

    /// As PostgreSQL's own catalog writes it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Type::Boolean => "boolean",
            Type::Bigint => "bigint",
            Type::Double => "double precision",
            Type::Text => "text",
            Type::Date => "date",
            Type::Timestamptz => "timestamp with time zone",
        }
    }

    fn arrow(self) -> DataType {
        match self {
            Type::Boolean => DataType::Boolean,
            Type::Bigint => DataType::Int64,
            Type::Double => DataType::Float64,
            Type::Text => DataType::Utf8,
            Type::Date => DataType::Date32,
            Type::Timestamptz => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        }
    }
}

/// A column whose values can be written.
enum Column {
    Boolean(BooleanArray),
    Bigint(Int64Array),
    Double(Float64Array),
    Text(StringArray),
    Date(Date32Array),
    Timestamptz(TimestampMicrosecondArray),
}

impl Column {
    fn new(array: &ArrayRef, of: Type) -> Result<Column, ArrowError> {
        // A value that does not fit is an error, not a null.
        let options = CastOptions {
            safe: false,
            ..CastOptions::default()
        };
        let array = cast_with_options(array, &of.arrow(), &options)?;
        Ok(match of {
            Type::Boolean => Column::Boolean(array.as_boolean().clone()),
            Type::Bigint => Column::Bigint(array.as_primitive::<Int64Type>().clone()),
            Type::Double => Column::Double(array.as_primitive::<Float64Type>().clone()),
            Type::Text => Column::Text(array.as_string::<i32>().clone()),
            Type::Date => Column::Date(array.as_primitive::<Date32Type>().clone()),
            Type::Timestamptz => {
                Column::Timestamptz(array.as_primitive::<TimestampMicrosecondType>().clone())
            }
        })
    }

    fn array(&self) -> &dyn Array {
        match self {
            Column::Boolean(array) => array,
            Column::Bigint(array) => array,
            Column::Double(array) => array,
            Column::Text(array) => array,
            Column::Date(array) => array,
            Column::Timestamptz(array) => array,
        }
    }

    fn write(&self, row: usize, into: &mut Vec<u8>) {
        if self.array().is_null(row) {
            into.extend_from_slice(&(-1i32).to_be_bytes());
            return;
        }
        match self {
            Column::Boolean(array) => field(&[u8::from(array.value(row))], into),
            Column::Bigint(array) => field(&array.value(row).to_be_bytes(), into),
            Column::Double(array) => field(&array.value(row).to_be_bytes(), into),
            Column::Text(array) => text(array.value(row), into),
            Column::Date(array) => field(&days(array.value(row)).to_be_bytes(), into),
            Column::Timestamptz(array) => field(&micros(array.value(row)).to_be_bytes(), into),
        }
    }
}

/// Appends the rows of a batch, each with `part` as its last field if there is one.
pub(super) fn rows(
    batch: &RecordBatch,
    types: &[Type],
    part: Option<&str>,
    into: &mut Vec<u8>,
) -> Result<(), ArrowError> {
    let columns = batch.columns().iter().zip(types);
    let columns = columns.map(|(array, of)| Column::new(array, *of));
    let columns: Vec<Column> = columns.collect::<Result<_, _>>()?;
    let fields = columns.len() + usize::from(part.is_some());
    let fields = i16::try_from(fields)
        .map_err(|_| ArrowError::SchemaError(format!("{fields} columns are too many")))?;
    for row in 0..batch.num_rows() {
        into.extend_from_slice(&fields.to_be_bytes());
        for column in &columns {
            column.write(row, into);
        }
        if let Some(part) = part {
            text(part, into);
        }
    }
    Ok(())
}

fn field(bytes: &[u8], into: &mut Vec<u8>) {
    // A field's size is limited by Arrow's 32-bit offsets.
    #[expect(clippy::cast_possible_truncation, reason = "below 2 GiB, see above")]
    let length = bytes.len() as u32;
    into.extend_from_slice(&length.to_be_bytes());
    into.extend_from_slice(bytes);
}

/// PostgreSQL has no text with a zero byte in it: such bytes are left out.
fn text(value: &str, into: &mut Vec<u8>) {
    if value.contains('\0') {
        field(value.replace('\0', "").as_bytes(), into);
    } else {
        field(value.as_bytes(), into);
    }
}

/// DuckDB's infinities are the outermost values but one on the negative side, PostgreSQL's the
/// outermost.
fn days(since_1970: i32) -> i32 {
    match since_1970 {
        i32::MAX => i32::MAX,
        days if days == -i32::MAX => i32::MIN,
        days => days.saturating_sub(EPOCH_DAYS),
    }
}

fn micros(since_1970: i64) -> i64 {
    match since_1970 {
        i64::MAX => i64::MAX,
        micros if micros == -i64::MAX => i64::MIN,
        micros => micros.saturating_sub(EPOCH_MICROS),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Int32Array, UInt64Array};

    use super::*;

    fn encoded(columns: Vec<(&str, ArrayRef)>, part: Option<&str>) -> Result<Vec<u8>, ArrowError> {
        let batch = RecordBatch::try_from_iter_with_nullable(
            columns.into_iter().map(|(name, array)| (name, array, true)),
        )?;
        let types = batch.schema();
        let types: Vec<Type> = types
            .fields()
            .iter()
            .map(|field| Type::of(field.data_type()).unwrap())
            .collect();
        let mut bytes = Vec::new();
        rows(&batch, &types, part, &mut bytes)?;
        Ok(bytes)
    }

    #[test]
    fn a_row_is_as_postgresql_documents_it() {
        let of: Vec<(&str, ArrayRef)> = vec![
            ("n", Arc::new(Int32Array::from(vec![Some(-2), None]))),
            ("t", Arc::new(StringArray::from(vec!["a\0b", "ü"]))),
            ("ok", Arc::new(BooleanArray::from(vec![true, false]))),
            ("d", Arc::new(Date32Array::from(vec![10_958, 0]))),
        ];
        let bytes = encoded(of, Some("p")).unwrap();
        let first = [
            &[0, 5][..],
            &[0, 0, 0, 8, 255, 255, 255, 255, 255, 255, 255, 254],
            &[0, 0, 0, 2, b'a', b'b'],
            &[0, 0, 0, 1, 1],
            &[0, 0, 0, 4, 0, 0, 0, 1],
            &[0, 0, 0, 1, b'p'],
        ];
        let second = [
            &[0, 5][..],
            &[255, 255, 255, 255],
            &[0, 0, 0, 2, 0xc3, 0xbc],
            &[0, 0, 0, 1, 0],
            &[0, 0, 0, 4, 255, 255, 213, 51],
            &[0, 0, 0, 1, b'p'],
        ];
        assert_eq!(bytes, [first.concat(), second.concat()].concat());
        assert_eq!((HEADER.len(), TRAILER), (19, &[255u8, 255][..]));
    }

    #[test]
    fn times_count_from_2000_and_infinities_stay() {
        assert_eq!(micros(EPOCH_MICROS + 1), 1);
        assert_eq!(micros(i64::MAX), i64::MAX);
        assert_eq!(micros(-i64::MAX), i64::MIN);
        assert_eq!((days(0), days(-i32::MAX)), (-EPOCH_DAYS, i32::MIN));
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        let large: ArrayRef = Arc::new(UInt64Array::from(vec![u64::MAX]));
        assert!(encoded(vec![("n", large)], None).is_err());
        assert_eq!(Type::of(&DataType::Binary), None);
    }
}
