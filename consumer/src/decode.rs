//! From raw records to Arrow columns, without a tree of values for each row.
//!
//! Decoding is optimistic: a run of records of one schema goes into one column builder. When
//! one of them turns out to be bad, the builder's columns are of unequal length, so the run
//! is decoded again record by record, and only the bad ones are rejected. That costs the hot
//! path two comparisons a record.

use std::collections::HashMap;

use arrow::array::RecordBatch;
use arrow::datatypes::{Field, SchemaRef};
use arrow_avro::reader::Decoder as AvroDecoder;
use contract::wire;

use crate::chunk::{Chunk, Record};
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
    table: SchemaRef,
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
    pub fn new(table: SchemaRef) -> Decoder {
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

    /// Notes what the registry says of an id. Returns the columns that the table lacks; when
    /// there are some, add them to the table and call [`Decoder::set_table`].
    pub fn add(&mut self, id: u32, schema: &WriterSchema) -> Vec<std::sync::Arc<Field>> {
        let entry = match schema {
            WriterSchema::None(reason) => Entry::Refused(reason.clone()),
            WriterSchema::Avro(text) => self.entry(id, text),
        };
        let missing = match &entry {
            Entry::Readable(reader) => {
                schema::missing_columns(&reader.decoder.schema(), &self.table)
            }
            Entry::Refused(_) => Vec::new(),
        };
        self.schemas.insert(id, entry);
        missing
    }

    /// The table's columns have changed.
    pub fn set_table(&mut self, table: SchemaRef) {
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
            let projection = Projection::new(id, &decoder.schema(), &self.table)?;
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
                Some(Entry::Readable(reader)) => reader.run(chunk, start..end, &mut decoded),
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
    fn run(&mut self, chunk: &Chunk, run: std::ops::Range<usize>, decoded: &mut Decoded) {
        let payloads = run.clone().map(|index| chunk.get(index).1);
        match self.rows(payloads) {
            Ok(batch) => decoded.batches.extend(batch),
            Err(_) if run.len() > 1 => {
                for index in run {
                    self.run(chunk, index..index + 1, decoded);
                }
            }
            Err(reason) => reject_all(chunk, run, &reason, decoded),
        }
    }

    /// One batch of all the payloads, or the reason why one of them is none. After an error
    /// the decoder is a new one.
    fn rows<'a>(
        &mut self,
        payloads: impl Iterator<Item = &'a [u8]>,
    ) -> Result<Option<RecordBatch>, String> {
        let result = self.try_rows(payloads);
        if result.is_err()
            && let Ok(fresh) = schema::decoder(self.id, &self.avro)
        {
            self.decoder = fresh;
        }
        result
    }

    fn try_rows<'a>(
        &mut self,
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
        let batch = self.decoder.flush().map_err(|error| error.to_string())?;
        batch
            .map(|batch| self.projection.apply(&batch))
            .transpose()
            .map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use arrow::array::AsArray;
    use arrow::datatypes::{DataType, Int64Type, Schema};
    use proptest::prelude::*;

    const AVRO: &str = r#"{"type":"record","name":"R","fields":[
        {"name":"n","type":"long"},{"name":"s","type":["null","string"],"default":null}]}"#;

    fn table() -> SchemaRef {
        Arc::new(Schema::new(vec![
            Field::new("n", DataType::Int64, false),
            Field::new("s", DataType::Utf8, true),
        ]))
    }

    fn decoder() -> Decoder {
        let mut decoder = Decoder::new(table());
        assert!(
            decoder
                .add(1, &WriterSchema::Avro(AVRO.to_owned()))
                .is_empty()
        );
        decoder.add(2, &WriterSchema::None("no schema has the id 2".to_owned()));
        decoder
    }

    /// `n` is below 64, so that it is one byte.
    fn row(n: u8) -> Vec<u8> {
        vec![0, 0, 0, 0, 1, n * 2, 2, 4, b'o', b'k']
    }

    fn chunk(payloads: &[Vec<u8>]) -> Chunk {
        let mut chunk = Chunk::default();
        for (offset, payload) in (0..).zip(payloads) {
            chunk.push(0, offset, payload);
        }
        chunk
    }

    fn numbers(decoded: &Decoded) -> Vec<i64> {
        decoded
            .batches
            .iter()
            .flat_map(|batch| {
                batch
                    .column(0)
                    .as_primitive::<Int64Type>()
                    .values()
                    .to_vec()
            })
            .collect()
    }

    #[test]
    fn every_kind_of_bad_record_is_rejected_with_its_reason() {
        let cases: [(Vec<u8>, &str); 8] = [
            (vec![], "too few for a schema id"),
            (b"{\"n\":1}".to_vec(), "first byte is 0x7b"),
            (vec![0, 0, 0, 0, 9, 2], "schema 9 was not looked up"),
            (vec![0, 0, 0, 0, 2, 2], "no schema has the id 2"),
            (vec![0, 0, 0, 0, 1, 2, 2, 4, b'o'], "ends after 9 bytes"),
            ([row(3), vec![1]].concat(), "after the record's last field"),
            ([row(3), row(4)].concat(), "after the record's last field"),
            (vec![0, 0, 0, 0, 1, 2, 2, 4, 0xff, 0xfe], "UTF"),
        ];
        for (payload, reason) in cases {
            let decoded = decoder().decode(&chunk(&[row(1), payload.clone(), row(2)]));
            assert_eq!(numbers(&decoded), [1, 2], "{reason}");
            assert_eq!(decoded.rejects.len(), 1, "{reason}");
            let reject = &decoded.rejects[0];
            assert_eq!((reject.record.offset, &reject.payload), (1, &payload));
            assert!(
                reject.reason.contains(reason),
                "{}: {reason}",
                reject.reason
            );
        }
    }

    #[test]
    fn a_new_column_is_reported_and_read_once_the_table_has_it() {
        let mut decoder = Decoder::new(Arc::new(Schema::new(vec![Field::new(
            "n",
            DataType::Int64,
            false,
        )])));
        let missing = decoder.add(1, &WriterSchema::Avro(AVRO.to_owned()));
        assert_eq!(missing.len(), 1);
        assert_eq!(missing[0].name(), "s");
        decoder.set_table(table());
        let decoded = decoder.decode(&chunk(&[row(1)]));
        assert_eq!(
            decoded.batches[0].column(1).as_string::<i32>().value(0),
            "ok"
        );
    }

    proptest! {
        /// Good and bad records in any order: each is a row or a reject, in order, and a bad
        /// one never costs a good one.
        #[test]
        fn nothing_is_lost(kinds in proptest::collection::vec((0u8..60, 0usize..4), 0..200)) {
            let mut payloads = Vec::new();
            let mut good = Vec::new();
            for (n, kind) in &kinds {
                let mut payload = row(*n);
                match kind {
                    0 | 1 => good.push(i64::from(*n)),
                    2 => payload.truncate(7),
                    _ => payload.push(0),
                }
                payloads.push(payload);
            }
            let decoded = decoder().decode(&chunk(&payloads));
            prop_assert_eq!(decoded.rejects.len(), payloads.len() - good.len());
            prop_assert_eq!(numbers(&decoded), good);
        }
    }
}
