//! Rows that wait for their commit.

use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use uuid::Uuid;

use crate::decode::Reject;
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
    first_at: Option<Instant>,
}

impl Default for Batch {
    fn default() -> Self {
        Batch {
            id: Uuid::now_v7(),
            rows: Vec::new(),
            rejects: Vec::new(),
            advances: Advances::default(),
            first_at: None,
        }
    }
}

impl Batch {
    /// Notes that something is in the batch: its age counts from the first time.
    pub fn touch(&mut self, now: Instant) {
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
        let rows: usize = self
            .rows
            .iter()
            .map(RecordBatch::get_array_memory_size)
            .sum();
        let rejects: usize = self.rejects.iter().map(|reject| reject.payload.len()).sum();
        rows + rejects
    }

    /// When it is to be committed at the latest.
    pub fn due(&self, age: Duration) -> Option<Instant> {
        self.first_at.map(|first| first + age)
    }
}
