//! Runs: what the transformer did, when, and how it ended.
//!
//! A run is one refresh with its publication; a look at a lake that has nothing new is none. Each
//! has an id, a row in the mart `pipeline_runs` and a log file `<run_id>.log`.
//!
//! The rows are kept in a journal beside the log files, a line of JSON each, and not in the
//! private DuckDB: that is locked while the transformer runs, is emptied by a rebuild and made
//! anew with other models, and may be the very thing that failed. The mart is made of the journal.
//!
//! What must hold:
//! - A run that has begun has a row, however the process ended: the one under way is in
//!   `running.json`, and the next start notes it as interrupted.
//! - A line of the journal is whole or absent.
//! - Records never fail the work: on a full disk they wait in memory.
//!
//! In reading order:
//! - `journal`: lines of JSON, a file a day.
//! - [`recorder`]: beginning and ending runs; the log files.
//! - `feed`: a journal as the input of a mart.
//! - [`listing`]: what `transformer runs` shows.
//! - [`schedule`]: when runs are due by a cron expression.

pub(crate) mod feed;
pub(crate) mod journal;
pub mod listing;
pub(crate) mod recorder;
pub mod schedule;

use chrono::{DateTime, SubsecRound, Utc};
use serde::{Deserialize, Serialize};

pub(crate) use recorder::Recorder;

use crate::Mode;

/// The marts of the transformer's own records.
pub(crate) const MARTS: [&str; 2] = ["audit_results", "pipeline_runs"];

/// What has started a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The service, because the lake had something new.
    Continuous,
    /// The schedule.
    Cron,
    /// A person or a scheduler of theirs, to publish everything the lake holds.
    Once,
    /// A person, for some marts.
    Refresh,
    /// A person, to count days, or everything, again.
    Rebuild,
    /// A person, to count what the marts lack.
    Backfill,
}

/// How a run is, or how it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum RunStatus {
    /// Under way.
    Running,
    /// What it has counted is published; or, without a generation, is left to a later run.
    Succeeded,
    /// An audit kept it from being published.
    Blocked,
    /// It ended with an error.
    Failed,
    /// The process ended before the run.
    Interrupted,
}

/// One run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Its id, a UUID that sorts by time.
    pub run_id: String,
    /// What has started it.
    pub kind: Kind,
    /// When it began.
    pub started: DateTime<Utc>,
    /// When it ended.
    pub finished: Option<DateTime<Utc>>,
    /// How it is.
    pub status: RunStatus,
    /// Polls that it saw first.
    pub polls: u64,
    /// Rows of the lake that it read.
    pub rows_in: u64,
    /// Rows of marts that it wrote.
    pub rows_out: u64,
    /// The lake's snapshot that it read.
    pub snapshot_id: Option<i64>,
    /// The generation that it published.
    pub generation: Option<u64>,
    /// Why it did not succeed.
    pub error: Option<String>,
}

impl Run {
    fn begin(kind: Kind) -> Run {
        Run {
            run_id: uuid::Uuid::now_v7().to_string(),
            kind,
            started: now(),
            finished: None,
            status: RunStatus::Running,
            polls: 0,
            rows_in: 0,
            rows_out: 0,
            snapshot_id: None,
            generation: None,
            error: None,
        }
    }
}

impl Kind {
    /// As it is written in `pipeline_runs`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Kind::Continuous => "continuous",
            Kind::Cron => "cron",
            Kind::Once => "once",
            Kind::Refresh => "refresh",
            Kind::Rebuild => "rebuild",
            Kind::Backfill => "backfill",
        }
    }
}

impl From<Mode> for Kind {
    fn from(mode: Mode) -> Kind {
        match mode {
            Mode::Continuous => Kind::Continuous,
            Mode::Cron => Kind::Cron,
            Mode::Once => Kind::Once,
        }
    }
}

impl RunStatus {
    /// As it is written in `pipeline_runs`.
    pub const fn as_str(self) -> &'static str {
        match self {
            RunStatus::Running => "running",
            RunStatus::Succeeded => "succeeded",
            RunStatus::Blocked => "blocked",
            RunStatus::Failed => "failed",
            RunStatus::Interrupted => "interrupted",
        }
    }
}

/// The time, as exact as the marts keep it.
pub(crate) fn now() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(6)
}
