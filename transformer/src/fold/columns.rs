//! Data files as Arrow columns: only those that are needed, found by their Iceberg field ids.
//!
//! A column that a file does not have, because it is older, is null. Texts come as dictionaries,
//! as the files hold them.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, DictionaryArray, Float64Array, RecordBatch,
    TimestampMicrosecondArray, new_null_array,
};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Field, Float64Type, Int32Type, Schema, SchemaRef, TimeUnit, TimestampMicrosecondType,
};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader,
    ParquetRecordBatchReaderBuilder, RowSelection,
};
use parquet::errors::ParquetError;

use crate::Error;
use crate::schema::SourceSchema;

/// Rows that are looked at in one go: their columns stay in the processor's cache.
const BATCH_ROWS: usize = 8192;

/// How a column is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Text,
    Time,
    Double,
    Integer,
    Flag,
}

impl Shape {
    pub fn data_type(self) -> DataType {
        match self {
            Shape::Text => {
                DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
            }
            Shape::Time => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Shape::Double => DataType::Float64,
            Shape::Integer => DataType::Int32,
            Shape::Flag => DataType::Boolean,
        }
    }
}

/// Columns to read, by name.
pub(super) type Wanted = [(&'static str, Shape)];

/// A data file whose footer has been read.
pub(super) struct DataFile<'a> {
    path: &'a Path,
    metadata: ArrowReaderMetadata,
    mask: ProjectionMask,
    wanted: &'a Wanted,
    /// Where each wanted column is among those that are read.
    places: Vec<Option<usize>>,
}

/// The wanted columns of some rows, in the order they were asked for.
pub(super) struct Rows {
    columns: Vec<ArrayRef>,
    pub len: usize,
}

impl<'a> DataFile<'a> {
    pub fn open(
        path: &'a Path,
        schema: &SourceSchema,
        wanted: &'a Wanted,
    ) -> Result<DataFile<'a>, Error> {
        let file = file(path)?;
        let unreadable = unreadable(path);
        let options = || ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let plain = ArrowReaderMetadata::load(&file, options()).map_err(&unreadable)?;
        let roots = roots(&plain, schema, wanted);
        let typed = options().with_schema(as_dictionaries(plain.schema(), &roots, wanted));
        let metadata = ArrowReaderMetadata::try_new(Arc::clone(plain.metadata()), typed)
            .map_err(&unreadable)?;
        let mut read: Vec<usize> = roots.iter().copied().flatten().collect();
        read.sort_unstable();
        let mask = ProjectionMask::roots(metadata.parquet_schema(), read.iter().copied());
        let place = |root: &Option<usize>| read.binary_search(&(*root)?).ok();
        Ok(DataFile {
            path,
            mask,
            wanted,
            places: roots.iter().map(place).collect(),
            metadata,
        })
    }

    /// Rows of each row group.
    pub fn row_groups(&self) -> Vec<u64> {
        let groups = self.metadata.metadata().row_groups().iter();
        groups
            .map(|group| u64::try_from(group.num_rows()).unwrap_or(0))
            .collect()
    }

    /// Reads row groups one after the other; of their rows only those of `selection`, if any.
    pub fn read(
        &self,
        groups: Vec<usize>,
        selection: Option<RowSelection>,
    ) -> Result<impl Iterator<Item = Result<Rows, Error>> + use<'_, 'a>, Error> {
        let file = file(self.path)?;
        let mut builder =
            ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.metadata.clone())
                .with_projection(self.mask.clone())
                .with_row_groups(groups)
                .with_batch_size(BATCH_ROWS);
        if let Some(selection) = selection {
            builder = builder.with_row_selection(selection);
        }
        let reader: ParquetRecordBatchReader = builder.build().map_err(unreadable(self.path))?;
        let rows = reader.map(|batch| {
            let rows = batch.and_then(|batch| self.rows(&batch));
            rows.map_err(|error| unreadable(self.path)(error.into()))
        });
        Ok(rows)
    }

    fn rows(&self, batch: &RecordBatch) -> Result<Rows, arrow::error::ArrowError> {
        let columns = self.wanted.iter().zip(&self.places);
        let columns = columns.map(|((_, shape), place)| {
            let data_type = shape.data_type();
            let Some(place) = place else {
                return Ok(new_null_array(&data_type, batch.num_rows()));
            };
            let column = batch.column(*place);
            if *column.data_type() == data_type {
                Ok(Arc::clone(column))
            } else {
                cast(column, &data_type)
            }
        });
        Ok(Rows {
            columns: columns.collect::<Result<_, _>>()?,
            len: batch.num_rows(),
        })
    }
}

impl Rows {
    pub fn texts(&self, at: usize) -> &DictionaryArray<Int32Type> {
        self.columns[at].as_dictionary()
    }

    pub fn times(&self, at: usize) -> &TimestampMicrosecondArray {
        self.columns[at].as_primitive::<TimestampMicrosecondType>()
    }

    pub fn doubles(&self, at: usize) -> &Float64Array {
        self.columns[at].as_primitive::<Float64Type>()
    }

    pub fn flags(&self, at: usize) -> &BooleanArray {
        self.columns[at].as_boolean()
    }

    /// The columns as a batch of their own, texts as plain texts.
    pub fn into_batch(self, wanted: &Wanted) -> Result<RecordBatch, arrow::error::ArrowError> {
        let mut fields = Vec::new();
        let mut columns = Vec::new();
        for ((name, shape), column) in wanted.iter().zip(self.columns) {
            let column = match shape {
                Shape::Text => cast(&column, &DataType::Utf8)?,
                _ => column,
            };
            fields.push(Field::new(*name, column.data_type().clone(), true));
            columns.push(column);
        }
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
    }
}

/// Where the wanted columns are among the top-level fields of a file: by field id, or by name in
/// a file that has no ids at all.
fn roots(
    metadata: &ArrowReaderMetadata,
    schema: &SourceSchema,
    wanted: &Wanted,
) -> Vec<Option<usize>> {
    let fields = metadata.parquet_schema().root_schema().get_fields();
    let has_ids = fields.iter().any(|field| field.get_basic_info().has_id());
    let find = |(name, _): &(&'static str, Shape)| {
        let id = schema.id_of(name)?;
        fields.iter().position(|field| {
            let info = field.get_basic_info();
            if has_ids {
                info.has_id() && info.id() == id
            } else {
                info.name() == *name
            }
        })
    };
    wanted.iter().map(find).collect()
}

/// A file's schema with the wanted texts as dictionaries.
fn as_dictionaries(schema: &SchemaRef, roots: &[Option<usize>], wanted: &Wanted) -> SchemaRef {
    let fields = schema.fields().iter().enumerate().map(|(index, field)| {
        let wanted = roots
            .iter()
            .zip(wanted)
            .find(|(root, _)| **root == Some(index));
        match wanted {
            Some((_, (_, Shape::Text))) if *field.data_type() == DataType::Utf8 => {
                let field = field.as_ref().clone();
                Arc::new(field.with_data_type(Shape::Text.data_type()))
            }
            _ => Arc::clone(field),
        }
    });
    let fields: Vec<Arc<Field>> = fields.collect();
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}

fn file(path: &Path) -> Result<File, Error> {
    File::open(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Error::FileGone(path.to_string_lossy().into_owned()),
        _ => Error::file("open the data file", path)(error),
    })
}

fn unreadable(path: &Path) -> impl Fn(ParquetError) -> Error {
    move |source| Error::DataFile {
        path: path.to_owned(),
        source: source.into(),
    }
}
