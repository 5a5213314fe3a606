//! From a writer's Avro schema to the table's columns.
//!
//! A column of the writer goes to the table's column of the same name. One that the table
//! does not have yet is added to the table first (see [`missing_columns`]); one that the
//! writer does not have is null. Types may widen, never narrow.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, new_null_array};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow_avro::reader::{Decoder, ReaderBuilder};
use arrow_avro::schema::{AvroSchema, Fingerprint, FingerprintAlgorithm, SchemaStore};

/// Rows of one decoded batch at the most.
pub const DECODE_BATCH_ROWS: usize = 8192;

/// Why a writer's schema cannot be read into the table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// Not an Avro record schema.
    #[error("schema {id} is not an Avro schema of a record: {reason}")]
    Unreadable {
        /// The registry's id.
        id: u32,
        /// What the parser said.
        reason: String,
    },
    /// A column's type does not fit the table's.
    #[error("schema {id} has {column} as {writer}, the table as {table}")]
    Type {
        /// The registry's id.
        id: u32,
        /// The column.
        column: String,
        /// The writer's type.
        writer: DataType,
        /// The table's type.
        table: DataType,
    },
}

/// A decoder for the messages of one writer's schema.
pub fn decoder(id: u32, avro: &str) -> Result<Decoder, SchemaError> {
    let unreadable = |error: ArrowError| SchemaError::Unreadable {
        id,
        reason: error.to_string(),
    };
    let fingerprint = Fingerprint::Id(id);
    let mut store = SchemaStore::new_with_type(FingerprintAlgorithm::Id);
    store
        .set(fingerprint, AvroSchema::new(avro.to_owned()))
        .map_err(unreadable)?;
    ReaderBuilder::new()
        .with_writer_schema_store(store)
        .with_active_fingerprint(fingerprint)
        .with_batch_size(DECODE_BATCH_ROWS)
        .build_decoder()
        .map_err(unreadable)
}

/// The writer's columns that the table lacks.
pub fn missing_columns(writer: &Schema, table: &Schema) -> Vec<Arc<Field>> {
    writer
        .fields()
        .iter()
        .filter(|field| table.field_with_name(field.name()).is_err())
        .cloned()
        .collect()
}

/// How the writer's batches become the table's.
#[derive(Debug, Clone)]
pub struct Projection {
    table: SchemaRef,
    /// For each column of the table, the writer's.
    sources: Vec<Option<usize>>,
}

impl Projection {
    /// Maps the columns by name. Columns that the table lacks are left out.
    pub fn new(id: u32, writer: &Schema, table: &SchemaRef) -> Result<Projection, SchemaError> {
        let mut sources = Vec::with_capacity(table.fields().len());
        for column in table.fields() {
            let Ok(index) = writer.index_of(column.name()) else {
                sources.push(None);
                continue;
            };
            let from = writer.field(index).data_type();
            if !widens(from, column.data_type()) {
                return Err(SchemaError::Type {
                    id,
                    column: column.name().clone(),
                    writer: from.clone(),
                    table: column.data_type().clone(),
                });
            }
            sources.push(Some(index));
        }
        Ok(Projection {
            table: Arc::clone(table),
            sources,
        })
    }

    /// The batch in the table's columns, in the table's order.
    ///
    /// # Errors
    /// When a column that the table requires is null.
    pub fn apply(&self, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        let columns = self
            .table
            .fields()
            .iter()
            .zip(&self.sources)
            .map(|(field, source)| match source {
                None => Ok(new_null_array(field.data_type(), batch.num_rows())),
                Some(index) => convert(batch.column(*index), field.data_type()),
            })
            .collect::<Result<Vec<_>, _>>()?;
        RecordBatch::try_new(Arc::clone(&self.table), columns)
    }
}

fn convert(column: &ArrayRef, to: &DataType) -> Result<ArrayRef, ArrowError> {
    if column.data_type() == to {
        return Ok(Arc::clone(column));
    }
    let strict = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    cast_with_options(column, to, &strict)
}

/// Whether every value of `from` is one of `to`. Of what is inside a type the names may differ
/// (Avro's items are Iceberg's elements), but not those of a structure's fields.
fn widens(from: &DataType, to: &DataType) -> bool {
    match (from, to) {
        (DataType::List(from), DataType::List(to))
        | (DataType::Map(from, _), DataType::Map(to, _)) => {
            widens(from.data_type(), to.data_type())
        }
        (DataType::Struct(from), DataType::Struct(to)) => {
            from.len() == to.len()
                && from.iter().zip(to).all(|(from, to)| {
                    from.name() == to.name() && widens(from.data_type(), to.data_type())
                })
        }
        // An Avro enumeration.
        (DataType::Dictionary(_, from), to) => widens(from, to),
        (DataType::Timestamp(from, Some(_)), DataType::Timestamp(to, Some(_))) => from == to,
        (DataType::Int32, DataType::Int64 | DataType::Float64)
        | (DataType::Float32, DataType::Float64) => true,
        (from, to) => from == to,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Array, AsArray};
    use arrow::datatypes::Int64Type;

    fn record(fields: &str) -> String {
        format!(r#"{{"type":"record","name":"R","fields":[{fields}]}}"#)
    }

    fn table(fields: Vec<Field>) -> SchemaRef {
        Arc::new(Schema::new(fields))
    }

    #[test]
    fn columns_are_matched_by_name_and_widened() {
        let avro = record(r#"{"name":"n","type":"int"},{"name":"new","type":"string"}"#);
        let mut decoder = decoder(7, &avro).unwrap();
        decoder.decode(&[0, 0, 0, 0, 7, 84, 2, b'x']).unwrap();
        let batch = decoder.flush().unwrap().unwrap();
        let table = table(vec![
            Field::new("absent", DataType::Utf8, true),
            Field::new("n", DataType::Int64, false),
        ]);
        let missing = missing_columns(&batch.schema(), &table);
        assert_eq!(missing.len(), 1);
        assert_eq!(missing[0].name(), "new");
        let projected = Projection::new(7, &batch.schema(), &table)
            .unwrap()
            .apply(&batch)
            .unwrap();
        assert_eq!(projected.column(0).null_count(), 1);
        assert_eq!(projected.column(1).as_primitive::<Int64Type>().value(0), 42);
    }

    #[test]
    fn a_narrower_column_is_refused_by_name() {
        let avro = record(r#"{"name":"n","type":"long"}"#);
        let writer = decoder(3, &avro).unwrap().schema();
        let table = table(vec![Field::new("n", DataType::Int32, true)]);
        let error = Projection::new(3, &writer, &table).unwrap_err().to_string();
        assert_eq!(error, "schema 3 has n as Int64, the table as Int32");
    }

    #[test]
    fn what_is_no_record_schema_is_refused() {
        assert!(decoder(1, "{").is_err());
        assert!(decoder(1, r#""string""#).is_err());
    }
}
