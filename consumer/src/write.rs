//! From rows in memory to sorted data files, one for each day.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, UInt32Array, UInt64Array};
use arrow::compute::{
    SortColumn, SortOptions, concat_batches, filter_record_batch, lexsort_to_indices, take,
};
use arrow::error::ArrowError;
use iceberg::spec::{DataFile, Literal, Struct};
use iceberg::table::Table;
use iceberg::writer::file_writer::{FileWriter, FileWriterBuilder, ParquetWriterBuilder};
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use crate::ConsumerError;
use crate::columns::Columns;

/// Writes the rows of a batch as data files that no snapshot names yet.
///
/// The files lie in the folder of their day, sorted by the table's sort order, and are named
/// after the batch. Rows that this order does not tell apart stay as they arrived: readers take
/// the first of several. All `batches` have the table's columns.
pub async fn write_files(
    table: &Table,
    batches: &[RecordBatch],
    batch_id: &str,
) -> Result<Vec<DataFile>, ConsumerError> {
    let Some(first) = batches.first() else {
        return Ok(Vec::new());
    };
    let rows = concat_batches(&first.schema(), batches)
        .map_err(ConsumerError::arrow("cannot join the batches of a commit"))?;
    let mut files = Vec::new();
    for (day, rows) in by_day(table, rows)? {
        let rows =
            sort(table, &rows).map_err(ConsumerError::arrow("cannot sort the rows of a commit"))?;
        files.push(write_file(table, rows, day, batch_id).await?);
    }
    Ok(files)
}

/// Days since the epoch, with the rows of each.
fn by_day(table: &Table, rows: RecordBatch) -> Result<Vec<(i32, RecordBatch)>, ConsumerError> {
    let days = Columns::of(table)?.days(&rows);
    let days = days.map_err(|error| {
        let error = ArrowError::ExternalError(Box::new(error));
        ConsumerError::arrow("cannot tell the day of a row")(error)
    })?;
    let mut distinct = days.clone();
    distinct.sort_unstable();
    distinct.dedup();
    if let [day] = distinct.as_slice() {
        return Ok(vec![(*day, rows)]);
    }
    distinct
        .into_iter()
        .map(|day| {
            let mask: BooleanArray = days.iter().map(|other| Some(*other == day)).collect();
            let rows = filter_record_batch(&rows, &mask).map_err(ConsumerError::arrow(
                "cannot split the rows of a commit by day",
            ))?;
            Ok((day, rows))
        })
        .collect()
}

fn sort(table: &Table, rows: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let schema = table.metadata().current_schema();
    let columns: Vec<SortColumn> = table
        .metadata()
        .default_sort_order()
        .fields
        .iter()
        .filter_map(|field| {
            let name = schema.name_by_field_id(field.source_id)?;
            Some(SortColumn {
                values: Arc::clone(rows.column_by_name(name)?),
                options: Some(SortOptions::default()),
            })
        })
        .collect();
    if columns.is_empty() {
        return Ok(rows.clone());
    }
    let order = stable_order(columns, rows.num_rows())?;
    let sorted = rows
        .columns()
        .iter()
        .map(|column| take(column, &order, None))
        .collect::<Result<Vec<ArrayRef>, _>>()?;
    RecordBatch::try_new(rows.schema(), sorted)
}

/// The order of the rows by these columns. Arrow's sort is not stable by itself.
fn stable_order(mut columns: Vec<SortColumn>, rows: usize) -> Result<UInt32Array, ArrowError> {
    columns.push(SortColumn {
        values: Arc::new(UInt64Array::from_iter_values(0..rows as u64)),
        options: None,
    });
    lexsort_to_indices(&columns, None)
}

async fn write_file(
    table: &Table,
    rows: RecordBatch,
    day: i32,
    batch_id: &str,
) -> Result<DataFile, ConsumerError> {
    let metadata = table.metadata();
    let spec = metadata.default_partition_spec();
    let partition = Struct::from_iter([Some(Literal::date(day))]);
    let path = format!(
        "{}/data/{}/{batch_id}.parquet",
        metadata.location(),
        spec.partition_to_path(&partition, Arc::clone(metadata.current_schema())),
    );
    let action = format!("cannot write {path}");
    let write = async {
        let output = table.file_io().new_output(&path)?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .build();
        let mut writer =
            ParquetWriterBuilder::new(properties, Arc::clone(metadata.current_schema()))
                .build(output)
                .await?;
        writer.write(&rows).await?;
        let mut files = writer.close().await?;
        let mut file = files.pop().ok_or_else(|| {
            iceberg::Error::new(iceberg::ErrorKind::Unexpected, "the writer made no file")
        })?;
        file.partition_spec_id(spec.spec_id())
            .partition(partition)
            .sort_order_id(i32::try_from(metadata.default_sort_order().order_id).unwrap_or(0))
            .build()
            .map_err(|error| iceberg::Error::new(iceberg::ErrorKind::Unexpected, error.to_string()))
    };
    write.await.map_err(ConsumerError::iceberg(action))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_the_same_aircraft_and_poll_stay_as_they_arrived() {
        let key = |of: fn(u32) -> u32| SortColumn {
            values: Arc::new(UInt32Array::from_iter_values((0..5_000).map(of))),
            options: Some(SortOptions::default()),
        };
        let (aircraft, poll) = (|row: u32| row % 7, |row: u32| row / 7 % 3);
        let order = stable_order(vec![key(aircraft), key(poll)], 5_000).unwrap();
        let mut expected: Vec<u32> = (0..5_000).collect();
        expected.sort_by_key(|row| (aircraft(*row), poll(*row)));
        assert_eq!(order.values().to_vec(), expected);
    }
}
