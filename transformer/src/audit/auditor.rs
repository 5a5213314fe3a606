//! Audits as publishing uses them.

use std::collections::BTreeMap;
use std::iter;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use chrono::{DateTime, Utc};
use service::notify::Notifier;

use super::history::History;
use super::sql::{Files, count_in, repeated, shown, volume};
use super::{Audit, AuditStatus, Check, Finding, Severity, parse};
use crate::Error;
use crate::engine::{Engine, Session};
use crate::models::{Model, Models};
use crate::publish::MartEntry;
use crate::runs;
use crate::schema::SourceSchema;

/// Marts of a generation that is about to be published, or of its records, which are looked at after.
#[derive(Clone, Copy)]
pub(crate) struct Subject<'a> {
    /// Its number.
    pub number: u64,
    /// The run that made it.
    pub run_id: &'a str,
    /// Where its files lie.
    pub folder: &'a Path,
    /// Where they will lie if it is refused.
    pub refused: &'a Path,
    /// Its marts.
    pub marts: &'a BTreeMap<String, MartEntry>,
    /// Whether it is made by following the lake, so that its newest poll should be of now.
    pub following: bool,
    /// What of the lake views are audited on.
    pub arrived: Option<&'a Arrived<'a>>,
}

/// The lake's rows that came since the generation before.
pub(crate) struct Arrived<'a> {
    /// Data files.
    pub files: Vec<String>,
    /// Their columns.
    pub schema: &'a SourceSchema,
    /// Where the window of the views begins, in microseconds since 1970.
    pub since: i64,
}

/// Runs the audits and knows what they found before.
#[derive(Debug)]
pub(crate) struct Auditor {
    audits: Vec<Audit>,
    history: History,
    notifier: Notifier,
}

impl Auditor {
    /// Reads the audits of all marts.
    pub(crate) fn open(models: &Models, logs: &Path, notifier: Notifier) -> Result<Auditor, Error> {
        Ok(Auditor {
            audits: all(models)?,
            history: History::open(&crate::engine::absolute(logs)?),
            notifier,
        })
    }

    /// What is kept of the results.
    pub(crate) fn history(&mut self) -> &mut History {
        &mut self.history
    }

    /// Runs the audits of what a generation has written anew, and refuses it when one that is
    /// `block` does not hold.
    pub(crate) fn check(&mut self, engine: &Engine, subject: Subject<'_>) -> Result<(), Error> {
        let began = Instant::now();
        let findings = self.findings(engine, subject)?;
        let now = crate::runs::now();
        for notification in self.history.add(Some(subject.run_id), &findings, now) {
            self.notifier.send(notification);
        }
        let elapsed = began.elapsed();
        tracing::debug!(audits = findings.len(), ?elapsed, "audited");
        metrics::histogram!("contrail_transformer_audit_seconds").record(elapsed.as_secs_f64());
        for finding in findings.iter().filter(|f| f.status == AuditStatus::Failed) {
            tracing::debug!(finding = finding.line(), "an audit failed");
        }
        let blocking = findings.iter().filter(|finding| finding.blocks());
        let blocking: Vec<String> = blocking.map(Finding::line).collect();
        if blocking.is_empty() {
            return Ok(());
        }
        Err(Error::Blocked {
            generation: subject.number,
            findings: blocking.join("; "),
        })
    }

    /// Looks at the age of what is published, which grows while nothing comes.
    pub(crate) fn watch(&mut self, marts: &BTreeMap<String, MartEntry>) {
        let now = crate::runs::now();
        let audits = self.audits.iter();
        let findings: Vec<Finding> = audits
            .filter_map(|audit| freshness(audit, marts, now))
            .collect();
        for notification in self.history.add(None, &findings, now) {
            self.notifier.send(notification);
        }
    }

    fn findings(&self, engine: &Engine, subject: Subject<'_>) -> Result<Vec<Finding>, Error> {
        let files = Files {
            folder: subject.folder,
            marts: subject.marts,
        };
        let refused = Files {
            folder: subject.refused,
            ..files
        };
        let written = subject.marts.iter();
        let written = written.filter(|(_, entry)| !entry.written.is_empty());
        let written: Vec<&str> = written.map(|(mart, _)| mart.as_str()).collect();
        let looks = Looks {
            audits: &self.audits,
            subject,
            files,
            refused,
        };
        // Two connections take one mart after the other; what is temporary is on the first.
        let next = AtomicUsize::new(0);
        let turns = || iter::from_fn(|| written.get(next.fetch_add(1, Ordering::Relaxed)).copied());
        let (twin, span) = (engine.twin(), tracing::Span::current());
        let (own, others) = thread::scope(|scope| {
            let (looks, turns) = (&looks, &turns);
            let others = scope.spawn(move || {
                let _entered = span.entered();
                looks.findings(&twin.session(), turns())
            });
            let own = self
                .findings_of_views(engine, looks)
                .and_then(|mut findings| {
                    findings.extend(looks.findings(engine.session(), turns())?);
                    Ok(findings)
                });
            let others = others.join();
            (
                own,
                others.unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            )
        });
        let mut findings = own?;
        findings.extend(others?);
        findings.sort_by_cached_key(|finding| {
            let same = |audit: &Audit| {
                audit.mart == finding.audit.mart && audit.name == finding.audit.name
            };
            self.audits.iter().position(same)
        });
        Ok(findings)
    }

    /// Those of views over the lake, on what arrived.
    fn findings_of_views(&self, engine: &Engine, looks: &Looks<'_>) -> Result<Vec<Finding>, Error> {
        let mut findings = Vec::new();
        let arrived = looks.subject.arrived;
        if let Some(arrived) = arrived.filter(|arrived| !arrived.files.is_empty()) {
            engine.run("show what arrived", &looks.files.show(arrived))?;
            for view in engine.models().views() {
                self.findings_of_view(engine, view, looks, &mut findings)?;
            }
        }
        Ok(findings)
    }

    fn findings_of_view(
        &self,
        engine: &Engine,
        view: &Model,
        looks: &Looks<'_>,
        findings: &mut Vec<Finding>,
    ) -> Result<(), Error> {
        let of_view = self.audits.iter().filter(|audit| audit.mart == view.name);
        let audits: Vec<&Audit> = of_view.collect();
        let Some(tables) = looks.files.tables_of_view(engine.models(), view, &audits) else {
            return Ok(());
        };
        let action = format!("audit {}", view.name);
        let values = engine.session().numbers(
            &action,
            &count_in(&tables, &view.name, &audits),
            audits.len(),
        )?;
        for (audit, value) in audits.into_iter().zip(values) {
            let value = match &audit.check {
                Check::Unique(columns) if value.is_some_and(|value| value > 0.0) => {
                    let sql = format!("{tables} {}", repeated(&view.name, columns));
                    engine
                        .session()
                        .numbers(&action, &sql, 1)?
                        .first()
                        .copied()
                        .flatten()
                }
                _ => value,
            };
            let Some(value) = value else { continue };
            let shown = || looks.refused.shown_by_readers(audit);
            findings.push(finding(audit, value, shown));
        }
        Ok(())
    }
}

/// What the audits of some marts need to look at them.
struct Looks<'a> {
    audits: &'a [Audit],
    subject: Subject<'a>,
    files: Files<'a>,
    refused: Files<'a>,
}

impl Looks<'_> {
    fn findings<'m>(
        &self,
        session: &Session,
        marts: impl Iterator<Item = &'m str>,
    ) -> Result<Vec<Finding>, Error> {
        let (files, subject) = (&self.files, &self.subject);
        let mut findings = Vec::new();
        for mart in marts {
            let of_mart = self.audits.iter().filter(|audit| audit.mart == *mart);
            let of_mart = of_mart.filter(|audit| files.is_level(audit));
            let audits: Vec<&Audit> = of_mart.collect();
            if audits.is_empty() {
                continue;
            }
            let action = format!("audit {mart}");
            let number = |sql: &str| -> Result<Option<f64>, Error> {
                Ok(session.numbers(&action, sql, 1)?.first().copied().flatten())
            };
            let values = session.numbers(&action, &files.count(mart, &audits), audits.len())?;
            for (audit, value) in audits.into_iter().zip(values) {
                let value = match &audit.check {
                    Check::Freshness(_) if subject.following => {
                        findings.extend(freshness(audit, subject.marts, crate::runs::now()));
                        continue;
                    }
                    Check::Volume(_) => number(&volume())?,
                    Check::Unique(columns) if value.is_some_and(|value| value > 0.0) => {
                        number(&files.count_repeated(mart, columns))?
                    }
                    _ => value,
                };
                // What cannot be said, such as a volume without a history, holds.
                let Some(value) = value else { continue };
                let here = || self.refused.shown_here(audit);
                findings.push(finding(audit, value, here));
            }
        }
        Ok(findings)
    }
}

/// A finding with the query that shows it, which is `here` where nobody will see it published.
fn finding(audit: &Audit, value: f64, here: impl FnOnce() -> String) -> Finding {
    let finding = Finding {
        audit: audit.clone(),
        status: status(audit, value),
        value,
        query: shown(audit),
    };
    match finding.blocks() {
        true => Finding {
            query: here(),
            ..finding
        },
        false => finding,
    }
}

fn freshness(
    audit: &Audit,
    marts: &BTreeMap<String, MartEntry>,
    now: DateTime<Utc>,
) -> Option<Finding> {
    if !matches!(audit.check, Check::Freshness(_)) {
        return None;
    }
    let as_of = DateTime::from_timestamp_micros(marts.get(&audit.mart)?.as_of?)?;
    let age = now
        .signed_duration_since(as_of)
        .to_std()
        .unwrap_or_default();
    let value = age.as_secs_f64();
    Some(Finding {
        audit: audit.clone(),
        status: status(audit, value),
        value,
        query: shown(audit),
    })
}

fn status(audit: &Audit, value: f64) -> AuditStatus {
    match audit.check.holds(value) {
        true => AuditStatus::Passed,
        false => AuditStatus::Failed,
    }
}

/// Every audit there is, of the headers and of files.
fn all(models: &Models) -> Result<Vec<Audit>, Error> {
    let mut audits = Vec::new();
    for mart in models.marts().chain(models.native_marts()) {
        audits.extend(parse::of_model(mart)?);
    }
    for view in models.views() {
        audits.extend(parse::of_model(view)?);
    }
    for (name, text) in models.files().audits() {
        audits.push(parse::of_file(name, text)?);
    }
    // What the transformer notes of itself keeps nothing from readers.
    let of_records = |name: &str| {
        runs::MARTS.contains(&name) || models.native_marts().any(|mart| mart.name == name)
    };
    for audit in audits.iter_mut().filter(|audit| of_records(&audit.mart)) {
        audit.severity = Severity::Warn;
    }
    let known = |name: &str| models.marts().any(|mart| mart.name == name);
    let files = |audit: &&Audit| models.views().all(|view| view.name != audit.mart);
    let native = |name: &str| models.native_marts().any(|mart| mart.name == name);
    for audit in audits.iter().filter(files) {
        let other = match &audit.check {
            Check::Reference { mart, .. } => mart,
            _ => &audit.mart,
        };
        let mut read = [&audit.mart, other].into_iter();
        if let Some(unknown) = read.find(|name| !known(name) && !native(name)) {
            return Err(Error::Audit {
                audit: format!("{} of {}", audit.name, audit.mart),
                reason: format!("no mart kept as files is called {unknown:?}"),
            });
        }
    }
    Ok(audits)
}
