//! Raw records on their way from Kafka to the decoder.

/// Bytes of records that travel to the pipeline together at the most.
pub const CHUNK_BYTES: usize = 256 << 10;

/// Where one record of a [`Chunk`] came from, and where its bytes end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// Partition it was read from.
    pub partition: i32,
    /// Its offset there.
    pub offset: i64,
    end: usize,
}

/// Records as they came, their bytes one after another in one buffer: no allocation a
/// record, and what cannot be decoded can still be kept as it was.
#[derive(Debug, Default)]
pub struct Chunk {
    bytes: Vec<u8>,
    records: Vec<Record>,
}

impl Chunk {
    /// Appends a record. A record without a value (a tombstone) is an empty one.
    pub fn push(&mut self, partition: i32, offset: i64, payload: &[u8]) {
        self.bytes.extend_from_slice(payload);
        self.records.push(Record {
            partition,
            offset,
            end: self.bytes.len(),
        });
    }

    /// Number of records.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there is no record.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Memory in use, in bytes.
    pub fn size(&self) -> usize {
        self.bytes.len() + self.records.len() * size_of::<Record>()
    }

    /// The record at `index` and its bytes.
    pub fn get(&self, index: usize) -> (Record, &[u8]) {
        let start = match index.checked_sub(1) {
            None => 0,
            Some(before) => self.records[before].end,
        };
        let record = self.records[index];
        (record, &self.bytes[start..record.end])
    }

    /// The records in the order they were read.
    pub fn iter(&self) -> impl Iterator<Item = (Record, &[u8])> {
        (0..self.len()).map(|index| self.get(index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_keep_their_bytes_and_positions() {
        let mut chunk = Chunk::default();
        for (partition, offset, payload) in [(0, 5, &b"ab"[..]), (1, 9, b""), (0, 6, b"c")] {
            chunk.push(partition, offset, payload);
        }
        let read: Vec<_> = chunk
            .iter()
            .map(|(record, bytes)| (record.partition, record.offset, bytes.to_vec()))
            .collect();
        assert_eq!(
            read,
            [
                (0, 5, b"ab".to_vec()),
                (1, 9, vec![]),
                (0, 6, b"c".to_vec())
            ]
        );
    }
}
