//! Audits: what must hold of the marts, checked before readers see them; those of the transformer's own
//! records after, since they only warn.
//!
//! They run on the files of a generation that is not named yet, and only on marts, or parts of
//! marts, that it writes anew; those of a view on the rows that came since the generation before.
//! One that reads a mart that is behind is left out. One that is `block` keeps the generation from
//! readers: they go on with the one before, the run ends as `blocked`, and the next batch is tried again. One that is
//! `warn` is told of and stops nothing. Results are the mart `audit_results`.
//!
//! | audit | what is wrong |
//! |---|---|
//! | `not_null(a, b)` | rows where one of the columns is null |
//! | `unique(a, b)` | rows whose values of the columns came before |
//! | `range(column, low, high)` | rows outside; null is inside |
//! | `freshness(10m)` | the newest poll is older, while the transformer follows the lake |
//! | `volume(50)` | the polls of the last 15 minutes are this many percent off the usual of the hour |
//! | `reference(column, mart.column)` | rows whose value the other mart does not have; null is none |
//! | `sql NAME: select …` | the rows of the query, which may read other marts too |
//!
//! Those of the transformer's own records only warn, and are found with the next generation.
//!
//! A mart without lines of its own is `block not_null` on the columns of its grain that are never
//! null, and `block unique` on its grain; a line of the same kind takes their place. Audits across
//! marts are files, `models/audits/NAME.sql`, with a header of `description`, `mart` and
//! `severity`; they run when their mart is written.
//!
//! In reading order:
//! - `parse`: audits from header lines and files.
//! - `sql`: audits as SQL over the files of a generation.
//! - [`history`]: what was found before: what to tell, and what to keep.
//! - `auditor`: the three together, as publishing uses them.

mod auditor;
pub(crate) mod history;
mod parse;
mod sql;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub(crate) use auditor::{Arrived, Auditor, Subject};

/// The mart of what audits found.
pub(crate) const AUDIT_RESULTS: &str = "audit_results";

/// What a failed audit leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// A notification.
    Warn,
    /// The generation is not published.
    Block,
}

/// Something that must hold of a mart.
#[derive(Debug, Clone, PartialEq)]
pub struct Audit {
    /// The mart.
    pub mart: String,
    /// Its name: as it is written in the header, or the file's.
    pub name: String,
    /// What a failure leads to.
    pub severity: Severity,
    /// What is looked at.
    pub check: Check,
}

/// What an audit looks at.
#[derive(Debug, Clone, PartialEq)]
pub enum Check {
    /// Columns that have no null.
    NotNull(Vec<String>),
    /// Columns whose values together come once.
    Unique(Vec<String>),
    /// The mart has one row at most.
    OneRow,
    /// A column's values are within bounds.
    Range {
        /// The column.
        column: String,
        /// The lowest value.
        low: f64,
        /// The highest value.
        high: f64,
    },
    /// The newest poll is no older.
    Freshness(Duration),
    /// Percent by which recent polls may differ from the usual of the hour.
    Volume(f64),
    /// A column's values are among those of another mart's.
    Reference {
        /// The column.
        column: String,
        /// The other mart.
        mart: String,
        /// Its column.
        of: String,
    },
    /// A query has no rows.
    Sql(String),
}

/// How an audit came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AuditStatus {
    /// It holds.
    Passed,
    /// It does not.
    Failed,
}

/// What an audit found.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// The audit.
    pub audit: Audit,
    /// How it came out.
    pub status: AuditStatus,
    /// What was measured: wrong rows, seconds, or percent of the usual.
    pub value: f64,
    /// The query that shows it.
    pub query: String,
}

impl Severity {
    /// As it is written in headers and in `audit_results`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Severity::Warn => "warn",
            Severity::Block => "block",
        }
    }
}

impl Check {
    /// The bound of the value: the most that is well, or the deviation that is.
    pub fn threshold(&self) -> f64 {
        match self {
            Check::Freshness(age) => age.as_secs_f64(),
            Check::Volume(percent) => *percent,
            _ => 0.0,
        }
    }

    /// Whether a value that was measured is well.
    pub fn holds(&self, value: f64) -> bool {
        match self {
            Check::Volume(percent) => (value - 100.0).abs() <= *percent,
            check => value <= check.threshold(),
        }
    }

    /// A value with its unit.
    pub fn shown(&self, value: f64) -> String {
        match self {
            Check::Freshness(_) => {
                let age = Duration::try_from_secs_f64(value.max(0.0).floor());
                humantime::format_duration(age.unwrap_or_default()).to_string()
            }
            Check::Volume(_) => format!("{value:.0}% of the usual"),
            _ => format!("{value} wrong rows"),
        }
    }

    /// The threshold with its unit.
    pub fn threshold_shown(&self) -> String {
        match self {
            Check::Volume(percent) => format!("{percent}% off at most"),
            check => check.shown(check.threshold()),
        }
    }
}

impl Finding {
    /// Whether readers must not see the generation.
    pub fn blocks(&self) -> bool {
        self.status == AuditStatus::Failed && self.audit.severity == Severity::Block
    }

    /// The finding in one line.
    pub fn line(&self) -> String {
        format!(
            "{} of {} has {}, threshold {}; see: {}",
            self.audit.name,
            self.audit.mart,
            self.audit.check.shown(self.value),
            self.audit.check.threshold_shown(),
            self.query,
        )
    }
}
