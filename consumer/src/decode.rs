//! From raw records to Arrow columns, without a tree of values for each row.
//!
//! Decoding is optimistic: a run of records of one schema goes into one column builder. When
//! one of them turns out to be bad, the builder's columns are of unequal length, so the run
//! is decoded again record by record, and only the bad ones are rejected. That costs the hot
//! path two comparisons a record.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::Field;
use arrow_avro::reader::Decoder as AvroDecoder;
use contract::wire;

use crate::chunk::{Chunk, Record};
use crate::columns::Columns;
use crate::schema::{self, DECODE_BATCH_ROWS, Projection, SchemaError};

/// A record that cannot become a row, with the bytes it had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// Where it was read.
    pub record: Record,
    /// Its bytes.
    pub payload: Vec<u8>,
    /// Why.
    pub reason: String,
}

impl Reject {
    /// Memory in use, in bytes.
    pub fn size(&self) -> usize {
        size_of::<Reject>() + self.payload.capacity() + self.reason.capacity()
    }
}

/// What a chunk was decoded to.
#[derive(Debug, Default)]
pub struct Decoded {
    /// Rows in the table's columns.
    pub batches: Vec<RecordBatch>,
    /// What is none.
    pub rejects: Vec<Reject>,
}

/// What the registry says of a schema id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriterSchema {
    /// The schema's text.
    Avro(String),
    /// There is none of this id, or it is not Avro.
    None(String),
}

/// Decoders for every schema seen so far.
#[derive(Debug)]
pub struct Decoder {
    table: Columns,
    schemas: HashMap<u32, Entry>,
}

#[derive(Debug)]
enum Entry {
    Readable(Box<Reader>),
    Refused(String),
}

#[derive(Debug)]
struct Reader {
    id: u32,
    avro: String,
    decoder: AvroDecoder,
    projection: Projection,
}

impl Decoder {
    /// A decoder into the columns of `table`.
    pub fn new(table: Columns) -> Decoder {
        Decoder {
            table,
            schemas: HashMap::new(),
        }
    }

    /// The ids in the chunk that [`Decoder::add`] has not been told of.
    pub fn unknown_schemas(&self, chunk: &Chunk) -> Vec<u32> {
        let mut unknown = Vec::new();
        for (_, payload) in chunk.iter() {
            if let Ok((id, _)) = wire::parse(payload)
                && !self.schemas.contains_key(&id)
                && !unknown.contains(&id)
            {
                unknown.push(id);
            }
        }
        unknown
    }

    /// The columns of a schema that the table lacks. Add them to the table and call
    /// [`Decoder::set_table`] before [`Decoder::add`]: an id that was added while a column was
    /// missing would lose what its records have in that column.
    pub fn missing(&self, id: u32, schema: &WriterSchema) -> Vec<Arc<Field>> {
        let WriterSchema::Avro(text) = schema else {
            return Vec::new();
        };
        match self.entry(id, text) {
            Entry::Readable(reader) => {
                schema::missing_columns(&reader.decoder.schema(), &self.table.schema)
            }
            Entry::Refused(_) => Vec::new(),
        }
    }

    /// Notes what the registry says of an id.
    pub fn add(&mut self, id: u32, schema: &WriterSchema) {
        let entry = match schema {
            WriterSchema::None(reason) => Entry::Refused(reason.clone()),
            WriterSchema::Avro(text) => self.entry(id, text),
        };
        self.schemas.insert(id, entry);
    }

    /// The table's columns have changed.
    pub fn set_table(&mut self, table: Columns) {
        self.table = table;
        let known: Vec<(u32, String)> = self
            .schemas
            .iter()
            .filter_map(|(id, entry)| match entry {
                Entry::Readable(reader) => Some((*id, reader.avro.clone())),
                Entry::Refused(_) => None,
            })
            .collect();
        for (id, avro) in known {
            let entry = self.entry(id, &avro);
            self.schemas.insert(id, entry);
        }
    }

    fn entry(&self, id: u32, avro: &str) -> Entry {
        let reader = || -> Result<Reader, SchemaError> {
            let decoder = schema::decoder(id, avro)?;
            let projection = Projection::new(id, &decoder.schema(), &self.table.schema)?;
            Ok(Reader {
                id,
                avro: avro.to_owned(),
                decoder,
                projection,
            })
        };
        match reader() {
            Ok(reader) => Entry::Readable(Box::new(reader)),
            Err(error) => Entry::Refused(error.to_string()),
        }
    }

    /// Decodes the chunk; every record ends up as a row or as a reject.
    pub fn decode(&mut self, chunk: &Chunk) -> Decoded {
        let mut decoded = Decoded::default();
        let mut start = 0;
        while start < chunk.len() {
            let (record, payload) = chunk.get(start);
            let id = match wire::parse(payload) {
                Ok((id, _)) => id,
                Err(error) => {
                    decoded
                        .rejects
                        .push(reject(record, payload, error.to_string()));
                    start += 1;
                    continue;
                }
            };
            let end = run_end(chunk, start, id);
            match self.schemas.get_mut(&id) {
                Some(Entry::Readable(reader)) => {
                    reader.run(&self.table, chunk, start..end, &mut decoded);
                }
                Some(Entry::Refused(reason)) => {
                    reject_all(chunk, start..end, reason, &mut decoded);
                }
                None => {
                    let reason = format!("schema {id} was not looked up");
                    reject_all(chunk, start..end, &reason, &mut decoded);
                }
            }
            start = end;
        }
        decoded
    }
}

/// The end of the run of records of schema `id` that begins at `start`.
fn run_end(chunk: &Chunk, start: usize, id: u32) -> usize {
    let limit = chunk.len().min(start + DECODE_BATCH_ROWS);
    let same =
        |index: &usize| matches!(wire::parse(chunk.get(*index).1), Ok((other, _)) if other == id);
    (start + 1..limit)
        .find(|index| !same(index))
        .unwrap_or(limit)
}

fn reject(record: Record, payload: &[u8], reason: String) -> Reject {
    Reject {
        record,
        payload: payload.to_vec(),
        reason,
    }
}

fn reject_all(chunk: &Chunk, run: std::ops::Range<usize>, reason: &str, decoded: &mut Decoded) {
    for index in run {
        let (record, payload) = chunk.get(index);
        decoded
            .rejects
            .push(reject(record, payload, reason.to_owned()));
    }
}

impl Reader {
    fn run(
        &mut self,
        table: &Columns,
        chunk: &Chunk,
        run: std::ops::Range<usize>,
        decoded: &mut Decoded,
    ) {
        let payloads = run.clone().map(|index| chunk.get(index).1);
        match self.rows(table, payloads) {
            Ok(batch) => decoded.batches.extend(batch),
            Err(_) if run.len() > 1 => {
                for index in run {
                    self.run(table, chunk, index..index + 1, decoded);
                }
            }
            Err(reason) => reject_all(chunk, run, &reason, decoded),
        }
    }

    /// One batch of all the payloads, or the reason why one of them is none. After an error
    /// the decoder is a new one.
    fn rows<'a>(
        &mut self,
        table: &Columns,
        payloads: impl Iterator<Item = &'a [u8]>,
    ) -> Result<Option<RecordBatch>, String> {
        let result = self.try_rows(table, payloads);
        if result.is_err()
            && let Ok(fresh) = schema::decoder(self.id, &self.avro)
        {
            self.decoder = fresh;
        }
        result
    }

    fn try_rows<'a>(
        &mut self,
        table: &Columns,
        payloads: impl Iterator<Item = &'a [u8]>,
    ) -> Result<Option<RecordBatch>, String> {
        for payload in payloads {
            let before = self.decoder.capacity();
            let result = self.decoder.decode(payload);
            let rows = before - self.decoder.capacity();
            // What follows the row is not looked at: whatever it is, it should not be there.
            if rows > 0 && !matches!(result, Ok(consumed) if rows == 1 && consumed == payload.len())
            {
                return Err("there are bytes after the record's last field".to_owned());
            }
            result.map_err(|error| error.to_string())?;
            if rows == 0 {
                return Err(format!(
                    "the record ends after {} bytes, before its last field",
                    payload.len()
                ));
            }
        }
        let Some(batch) = self.decoder.flush().map_err(|error| error.to_string())? else {
            return Ok(None);
        };
        let rows = self.projection.apply(&batch);
        let rows = rows.map_err(|error| error.to_string())?;
        let checked = table.check_days(&rows);
        checked.map_err(|error| error.to_string())?;
        Ok(Some(rows))
    }
}

#[cfg(test)]
mod tests;
