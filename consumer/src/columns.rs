//! The table's columns, and the one among them whose day partitions the table.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{DataType, SchemaRef, TimeUnit, TimestampMicrosecondType};
use contract::flight_state::POLL_TIMES;
use iceberg::arrow::schema_to_arrow_schema;
use iceberg::spec::Transform;
use iceberg::table::Table;
use lake::LakeError;

use crate::ConsumerError;

const MICROS_PER_SECOND: i64 = 1_000_000;
const SECONDS_PER_DAY: i64 = 86_400;

/// The columns that rows are decoded into.
#[derive(Debug, Clone)]
pub struct Columns {
    /// As Arrow has them, with the field ids that Parquet readers need.
    pub schema: SchemaRef,
    /// Name of the required timestamptz column whose day partitions the table.
    day_of: String,
}

/// A row of a day that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{column} is {micros} µs since 1970, which is no time between 1970 and the year 10000")]
pub struct NoDay {
    column: String,
    micros: i64,
}

impl Columns {
    /// The columns that a table has now.
    ///
    /// # Errors
    /// The table is not partitioned as this version's tables are.
    pub fn of(table: &Table) -> Result<Columns, ConsumerError> {
        let metadata = table.metadata();
        let schema = schema_to_arrow_schema(metadata.current_schema())
            .map_err(ConsumerError::iceberg("cannot read the table's schema"))?;
        let spec = metadata.default_partition_spec();
        let day_of = match spec.fields() {
            [field] if field.transform == Transform::Day => {
                metadata.current_schema().name_by_field_id(field.source_id)
            }
            _ => None,
        };
        let columns = Columns {
            schema: Arc::new(schema.with_metadata(HashMap::new())),
            day_of: day_of.unwrap_or_default().to_owned(),
        };
        if columns.is_usable() {
            return Ok(columns);
        }
        Err(ConsumerError::Lake(LakeError::Table {
            table: table.identifier().to_string(),
            reason: "it is not partitioned by the day of one required timestamptz column"
                .to_owned(),
        }))
    }

    #[cfg(test)]
    pub(crate) fn new(schema: SchemaRef, day_of: &str) -> Columns {
        let columns = Columns {
            schema,
            day_of: day_of.to_owned(),
        };
        assert!(columns.is_usable());
        columns
    }

    fn is_usable(&self) -> bool {
        self.schema
            .field_with_name(&self.day_of)
            .is_ok_and(|field| {
                let of_type = matches!(
                    field.data_type(),
                    DataType::Timestamp(TimeUnit::Microsecond, Some(_))
                );
                of_type && !field.is_nullable()
            })
    }

    /// The day of each row, counted from 1970. `rows` are in these columns.
    ///
    /// # Errors
    /// A row has a time that no file can be named after, and that few readers could show.
    pub fn days(&self, rows: &RecordBatch) -> Result<Vec<i32>, NoDay> {
        self.times(rows)
            .iter()
            .map(|time| self.day(*time))
            .collect()
    }

    /// Whether each row has a day.
    ///
    /// # Errors
    /// As for [`Columns::days`].
    pub fn check_days(&self, rows: &RecordBatch) -> Result<(), NoDay> {
        self.times(rows)
            .iter()
            .try_for_each(|time| self.day(*time).map(drop))
    }

    fn times<'a>(&self, rows: &'a RecordBatch) -> &'a [i64] {
        rows.column_by_name(&self.day_of)
            .and_then(|column| column.as_primitive_opt::<TimestampMicrosecondType>())
            .map_or(&[][..], |times| &times.values()[..])
    }

    fn day(&self, micros: i64) -> Result<i32, NoDay> {
        let seconds = micros.div_euclid(MICROS_PER_SECOND);
        i32::try_from(seconds / SECONDS_PER_DAY)
            .ok()
            .filter(|_| POLL_TIMES.contains(&seconds))
            .ok_or_else(|| NoDay {
                column: self.day_of.clone(),
                micros,
            })
    }
}
