//! Files that are written from columns, without a query.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::error::ArrowError;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::schema::types::ColumnPath;

use crate::Error;

/// Columns, all of which may be null, as rows of a table.
pub(super) fn rows(
    table: &'static str,
    columns: Vec<(&str, ArrayRef)>,
) -> Result<RecordBatch, Error> {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, of)| (name, of, true)))
        .map_err(|source| Error::Fold { table, source })
}

/// Writes rows of a table as DuckDB would. In columns that are `repeating` many rows have the same value.
pub(super) fn write(
    table: &'static str,
    rows: &RecordBatch,
    repeating: &[&str],
    file: &Path,
) -> Result<u64, Error> {
    let bytes = parquet(rows, repeating).map_err(|error| Error::Fold {
        table,
        source: ArrowError::from(error),
    })?;
    fs::write(file, bytes).map_err(Error::file("write", file))?;
    Ok(rows.num_rows() as u64)
}

fn parquet(rows: &RecordBatch, repeating: &[&str]) -> Result<Vec<u8>, ParquetError> {
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_dictionary_enabled(false);
    for column in repeating {
        properties = properties.set_column_dictionary_enabled(ColumnPath::from(*column), true);
    }
    let options = ArrowWriterOptions::new()
        .with_properties(properties.build())
        .with_skip_arrow_metadata(true);
    let mut writer =
        ArrowWriter::try_new_with_options(Vec::new(), Arc::clone(rows.schema_ref()), options)?;
    writer.write(rows)?;
    writer.into_inner()
}
