//! What audits found before: what to tell a person, and what to keep.
//!
//! With every refresh a result for each audit would be millions of rows a month that say the same.
//! A result is kept when it differs from the one before, and then once a day while an audit
//! holds, and once an hour while it does not. A person is told of the same, but of the days.

use std::collections::HashMap;
use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use service::notify::{Level, Notification};

use super::{AuditStatus, Finding, Severity};
use crate::Error;
use crate::engine::Engine;
use crate::runs::feed::{Feed, Row};
use crate::runs::journal::Journal;

/// How often a failure that lasts is kept and told again.
const REMIND_EVERY: TimeDelta = TimeDelta::hours(1);
/// Days of results that are read at the start, to know what was told.
const DAYS_READ: usize = 2;

/// A result that is kept: a row of `audit_results`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct AuditResult {
    pub run_id: Option<String>,
    pub mart: String,
    pub audit: String,
    pub severity: Severity,
    pub status: AuditStatus,
    pub value: f64,
    pub threshold: f64,
    pub query: String,
    pub checked_at: DateTime<Utc>,
}

impl Row for AuditResult {
    const TABLE: &'static str = "recorded_audits";
    const TIME: &'static str = "checked_at";
    const ID: &'static str = "audit";
    const COLUMNS: &'static str = r#"{"run_id": "varchar", "mart": "varchar", "audit": "varchar",
        "severity": "varchar", "status": "varchar", "value": "double", "threshold": "double",
        "query": "varchar", "checked_at": "timestamptz"}"#;
}

/// The results that were kept.
#[derive(Debug)]
pub(crate) struct History {
    journal: Journal<AuditResult>,
    feed: Feed<AuditResult>,
    /// The last result that was kept of each audit, by mart and name.
    last: HashMap<(String, String), AuditResult>,
}

impl History {
    /// Opens the journal below the folder of the runs' logs.
    pub(crate) fn open(logs: &Path) -> History {
        let journal: Journal<AuditResult> = Journal::new(&logs.join("journal"), "audits");
        let days = journal.days();
        let recent = &days[days.len().saturating_sub(DAYS_READ)..];
        let rows = recent.iter().flat_map(|day| journal.read(*day));
        let last = rows
            .map(|row| ((row.mart.clone(), row.audit.clone()), row))
            .collect();
        History {
            journal,
            feed: Feed::default(),
            last,
        }
    }

    /// Keeps what is worth it of what was found, and gives what a person should be told.
    pub(crate) fn add(
        &mut self,
        run_id: Option<&str>,
        findings: &[Finding],
        now: DateTime<Utc>,
    ) -> Vec<Notification> {
        let mut tell = Vec::new();
        for finding in findings {
            let key = (finding.audit.mart.clone(), finding.audit.name.clone());
            let last = self.last.get(&key);
            let failed = finding.status == AuditStatus::Failed;
            let changed = match last {
                Some(last) => last.status != finding.status,
                None => failed,
            };
            let again = last.is_none_or(|last| match failed {
                true => now.signed_duration_since(last.checked_at) >= REMIND_EVERY,
                false => last.checked_at.date_naive() < now.date_naive(),
            });
            if !changed && !again {
                continue;
            }
            if changed || failed {
                tell.push(notification(finding, last.filter(|_| !changed)));
            }
            let row = AuditResult {
                run_id: run_id.map(str::to_owned),
                mart: key.0.clone(),
                audit: key.1.clone(),
                severity: finding.audit.severity,
                status: finding.status,
                value: finding.value,
                threshold: finding.audit.check.threshold(),
                query: finding.query.clone(),
                checked_at: now,
            };
            self.journal.append(now.date_naive(), &row);
            self.feed.add(&row);
            self.last.insert(key, row);
        }
        tell
    }

    /// Puts the rows that the mart lacks into the table that the model reads.
    pub(crate) fn load(&mut self, engine: &Engine, anew: bool) -> Result<(), Error> {
        self.feed.load(engine, &self.journal, anew, None)
    }

    /// A generation with what was loaded is current; what is older than `oldest` goes.
    pub(crate) fn published(&mut self, now: DateTime<Utc>, oldest: Option<DateTime<Utc>>) {
        self.feed.published(now.date_naive());
        self.journal.flush();
        if let Some(oldest) = oldest {
            self.journal.remove_before(oldest.date_naive());
        }
    }
}

fn notification(finding: &Finding, before: Option<&AuditResult>) -> Notification {
    let audit = &finding.audit;
    let (name, mart, check) = (&audit.name, &audit.mart, &audit.check);
    let (level, title, text) = match (finding.status, audit.severity) {
        (AuditStatus::Passed, _) => (
            Level::Info,
            format!("Audit of {mart} holds again"),
            format!("{name} of {mart} holds again."),
        ),
        (AuditStatus::Failed, Severity::Warn) => (
            Level::Warning,
            format!("Audit of {mart} failed"),
            format!("{name} of {mart} does not hold. The mart is published all the same."),
        ),
        (AuditStatus::Failed, Severity::Block) => (
            Level::Error,
            format!("Audit of {mart} keeps the marts from being published"),
            format!("{name} of {mart} does not hold. Readers keep the generation before."),
        ),
    };
    let text = match before {
        Some(_) => format!("Still: {text}"),
        None => text,
    };
    Notification::new(level, title, text)
        .field("audit", name)
        .field("mart", mart)
        .field("value", check.shown(finding.value))
        .field("threshold", check.threshold_shown())
        .field("query", &finding.query)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{Audit, Check};

    fn finding(status: AuditStatus) -> Finding {
        Finding {
            audit: Audit {
                mart: "country_stats".to_owned(),
                name: "unique(origin_country)".to_owned(),
                severity: Severity::Block,
                check: Check::Unique(vec!["origin_country".to_owned()]),
            },
            status,
            value: if status == AuditStatus::Failed {
                3.0
            } else {
                0.0
            },
            query: "select 1".to_owned(),
        }
    }

    #[test]
    fn an_episode_is_told_at_its_begin_hourly_and_at_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let mut history = History::open(folder.path());
        let noon: DateTime<Utc> = "2025-09-26T12:00:00Z".parse().unwrap();
        let (failed, passed) = (AuditStatus::Failed, AuditStatus::Passed);
        // Minutes after noon, what was found, titles told, rows kept.
        let steps = [
            (0, passed, 0, 1),
            (1, passed, 0, 1),
            (2, failed, 1, 2),
            (3, failed, 1, 2),
            (61, failed, 1, 2),
            (62, failed, 2, 3),
            (63, passed, 3, 4),
            (64, passed, 3, 4),
            (24 * 60, passed, 3, 5),
        ];
        let mut told = 0;
        for (minute, status, want_told, want_rows) in steps {
            let now = noon + TimeDelta::minutes(minute);
            let tell = history.add(Some("run"), &[finding(status)], now);
            told += tell.len();
            let days = history.journal.days();
            let rows: usize = days
                .iter()
                .map(|day| history.journal.read(*day).len())
                .sum();
            assert_eq!((told, rows), (want_told, want_rows), "minute {minute}");
        }
    }

    #[test]
    fn a_restart_knows_what_was_told() {
        let folder = tempfile::tempdir().unwrap();
        let now: DateTime<Utc> = "2025-09-26T12:00:00Z".parse().unwrap();
        let failed = [finding(AuditStatus::Failed)];
        let tell = History::open(folder.path()).add(None, &failed, now);
        let fields = &tell[0].fields;
        assert_eq!(fields["value"], "3 wrong rows");
        assert_eq!(fields["threshold"], "0 wrong rows");
        assert_eq!(fields["query"], "select 1");
        let mut again = History::open(folder.path());
        assert!(
            again
                .add(None, &failed, now + TimeDelta::minutes(1))
                .is_empty()
        );
        assert_eq!(again.add(None, &failed, now + TimeDelta::hours(1)).len(), 1);
    }
}
