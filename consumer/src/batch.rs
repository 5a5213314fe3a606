//! Rows that wait for their commit.

use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use uuid::Uuid;

use crate::decode::{Decoded, Reject};
use crate::position::Advances;

/// Everything the next commit will hold.
#[derive(Debug)]
pub struct Batch {
    /// Its id, by which it is found again in the table.
    pub id: Uuid,
    /// Rows in the table's columns.
    pub rows: Vec<RecordBatch>,
    /// What could not be decoded.
    pub rejects: Vec<Reject>,
    /// How it moves the positions.
    pub advances: Advances,
    size: usize,
    first_at: Option<Instant>,
}

impl Default for Batch {
    fn default() -> Self {
        Batch {
            id: Uuid::now_v7(),
            rows: Vec::new(),
            rejects: Vec::new(),
            advances: Advances::default(),
            size: 0,
            first_at: None,
        }
    }
}

impl Batch {
    /// Takes what was decoded. The batch's age counts from the first time.
    pub fn push(&mut self, decoded: Decoded, now: Instant) {
        let rows = decoded.batches.iter();
        self.size += rows.map(RecordBatch::get_array_memory_size).sum::<usize>();
        self.size += decoded.rejects.iter().map(Reject::size).sum::<usize>();
        self.rows.extend(decoded.batches);
        self.rejects.extend(decoded.rejects);
        self.first_at.get_or_insert(now);
    }

    /// Whether a commit would change nothing.
    pub fn is_empty(&self) -> bool {
        self.advances.is_empty()
    }

    /// Number of rows.
    pub fn row_count(&self) -> usize {
        self.rows.iter().map(RecordBatch::num_rows).sum()
    }

    /// Memory of the rows and rejects, in bytes.
    pub fn size(&self) -> usize {
        self.size
    }

    /// When it is to be committed at the latest.
    pub fn due(&self, age: Duration) -> Option<Instant> {
        self.first_at.map(|first| first + age)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::Chunk;

    #[test]
    fn a_reject_weighs_what_it_takes_and_not_only_its_bytes() {
        let mut chunk = Chunk::default();
        chunk.push(0, 0, b"small");
        let (record, payload) = chunk.get(0);
        let reject = Reject {
            record,
            payload: payload.to_vec(),
            reason: "r".repeat(80),
        };
        let decoded = Decoded {
            batches: Vec::new(),
            rejects: vec![reject; 1_000],
        };
        let mut batch = Batch::default();
        batch.push(decoded, Instant::now());
        let least = 1_000 * (size_of::<Reject>() + 5 + 80);
        assert!(batch.size() >= least, "{} bytes", batch.size());
    }
}
