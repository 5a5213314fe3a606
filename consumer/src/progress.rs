//! How far the consumer has come, for people and for monitors.

use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::watch;

use crate::position::Positions;

/// What the consumer has done since it started.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Progress {
    /// Rows committed.
    pub rows_committed: u64,
    /// Commits made.
    pub commits: u64,
    /// Records that could not be decoded.
    pub dead_letters: u64,
    /// Rows that wait for their commit.
    pub buffered_rows: u64,
    /// The next offset of each partition, as the table has it.
    pub positions: Positions,
    /// When the last commit was made.
    pub last_commit: Option<DateTime<Utc>>,
}

/// What the consumer had done when it ended.
pub type Summary = Progress;

/// Keeps [`Progress`] and the metrics in step.
pub struct Reporter {
    progress: watch::Sender<Progress>,
}

impl Reporter {
    /// Reports to `progress`, whether or not somebody listens.
    pub fn new(progress: watch::Sender<Progress>) -> Reporter {
        Reporter { progress }
    }

    /// What was reported last.
    pub fn latest(&self) -> Progress {
        self.progress.borrow().clone()
    }

    pub(crate) fn buffered(&self, rows: usize) {
        metrics::gauge!("contrail_consumer_buffered_rows").set(rows as f64);
        self.progress.send_if_modified(|progress| {
            let rows = rows as u64;
            std::mem::replace(&mut progress.buffered_rows, rows) != rows
        });
    }

    pub(crate) fn committed(
        &self,
        rows: usize,
        dead_letters: usize,
        positions: &Positions,
        took: Duration,
    ) {
        metrics::counter!("contrail_consumer_rows_total").increment(rows as u64);
        metrics::counter!("contrail_consumer_commits_total").increment(1);
        metrics::counter!("contrail_consumer_dead_letters_total").increment(dead_letters as u64);
        metrics::histogram!("contrail_consumer_commit_seconds").record(took.as_secs_f64());
        for (partition, next) in positions {
            let partition = partition.to_string();
            metrics::gauge!("contrail_consumer_position", "partition" => partition)
                .set(*next as f64);
        }
        self.progress.send_modify(|progress| {
            progress.rows_committed += rows as u64;
            progress.commits += 1;
            progress.dead_letters += dead_letters as u64;
            progress.positions.clone_from(positions);
            progress.last_commit = Some(Utc::now());
        });
    }
}
