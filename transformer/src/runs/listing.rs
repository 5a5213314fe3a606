//! What `transformer runs` shows.
//!
//! It reads the journal and the log files, so it works while a transformer runs, also when that
//! cannot publish.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use chrono::{DateTime, Utc};

use super::journal::Journal;
use super::recorder::{journal_folder, log_file, running};
use super::{Kind, Run, RunStatus};
use crate::Error;
use crate::engine::absolute;
use crate::query::QueryResult;

/// The last `last` runs, those with `status` only if it is given; the newest first.
pub fn list(logs: &Path, last: usize, status: Option<RunStatus>) -> Result<Vec<Run>, Error> {
    let is_meant = |run: &Run| status.is_none_or(|status| run.status == status);
    let mut found: Vec<Run> = newest_first(&absolute(logs)?)?
        .filter(|run| run.as_ref().map_or(true, is_meant))
        .take(last)
        .collect::<Result<_, _>>()?;
    // A run that was interrupted is written down after later ones could have begun.
    found.sort_by(|a, b| b.run_id.cmp(&a.run_id));
    Ok(found)
}

/// The one run whose id begins with `prefix`, and its log if it is still there.
pub fn find(logs: &Path, prefix: &str) -> Result<(Run, Option<String>), Error> {
    let logs = absolute(logs)?;
    let prefix = prefix.trim().to_lowercase();
    let is_meant = |run: &Run| run.run_id.starts_with(&prefix);
    let mut found = newest_first(&logs)?.filter(|run| run.as_ref().map_or(true, is_meant));
    let Some(run) = found.next().transpose()?.filter(|_| !prefix.is_empty()) else {
        return Err(Error::NoRun { id: prefix, logs });
    };
    if let Some(other) = found.next().transpose()? {
        return Err(Error::AmbiguousRun {
            id: prefix,
            one: run.run_id,
            other: other.run_id,
        });
    }
    let path = log_file(&logs, &run.run_id);
    let log = match fs::read(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        log => Some(log.map_err(Error::file("read", &path))?),
    };
    let log = log.map(|log| String::from_utf8_lossy(&log).into_owned());
    Ok((run, log))
}

/// When the last run of a kind began that has succeeded; without one, the first of the kind. What
/// cannot be read is said and left out: records never fail the work.
pub fn last_good(logs: &Path, kind: Kind) -> Result<Option<DateTime<Utc>>, Error> {
    let mut first = None;
    let runs = newest_first(&absolute(logs)?);
    let unread = |error: &Error| {
        let error = error.in_full();
        tracing::warn!(
            error,
            "records of runs are left out: runs that were missed are not made up for"
        );
    };
    let runs = runs.inspect_err(unread).into_iter().flatten();
    let runs = runs.filter_map(|run| run.inspect_err(unread).ok());
    for run in runs.filter(|run| run.kind == kind) {
        first = Some(run.started);
        if run.status == RunStatus::Succeeded {
            break;
        }
    }
    Ok(first)
}

/// The runs as a table.
pub fn table(runs: &[Run]) -> QueryResult {
    let columns = [
        ("run_id", "VARCHAR"),
        ("kind", "VARCHAR"),
        ("started", "VARCHAR"),
        ("seconds", "DOUBLE"),
        ("status", "VARCHAR"),
        ("polls", "BIGINT"),
        ("rows_in", "BIGINT"),
        ("rows_out", "BIGINT"),
        ("generation", "BIGINT"),
        ("error", "VARCHAR"),
    ];
    let row = |run: &Run| {
        vec![
            Some(run.run_id.clone()),
            Some(run.kind.as_str().to_owned()),
            Some(time(run.started)),
            seconds(run),
            Some(run.status.as_str().to_owned()),
            Some(run.polls.to_string()),
            Some(run.rows_in.to_string()),
            Some(run.rows_out.to_string()),
            run.generation.map(|number| number.to_string()),
            run.error.clone(),
        ]
    };
    QueryResult {
        columns: columns.iter().map(|(name, _)| (*name).to_owned()).collect(),
        types: columns.iter().map(|(_, of)| (*of).to_owned()).collect(),
        rows: runs.iter().map(row).collect(),
    }
}

/// A run for a person: its row, a line for each value, then its log.
pub fn show(run: &Run, log: Option<&str>) -> String {
    let number = |n: u64| n.to_string();
    let lines = [
        ("run", Some(run.run_id.clone())),
        ("kind", Some(run.kind.as_str().to_owned())),
        ("status", Some(run.status.as_str().to_owned())),
        ("started", Some(time(run.started))),
        ("finished", run.finished.map(time)),
        ("seconds", seconds(run)),
        ("polls", Some(number(run.polls))),
        ("rows in", Some(number(run.rows_in))),
        ("rows out", Some(number(run.rows_out))),
        ("snapshot", run.snapshot_id.map(|id| id.to_string())),
        ("generation", run.generation.map(number)),
        ("error", run.error.clone()),
    ];
    let mut text = String::new();
    for (name, value) in lines {
        if let Some(value) = value {
            text.push_str(&format!("{name:<11} {value}\n"));
        }
    }
    text.push('\n');
    text.push_str(log.unwrap_or("Its log file is not there any more.\n"));
    text
}

fn newest_first(logs: &Path) -> Result<impl Iterator<Item = Result<Run, Error>> + use<>, Error> {
    let journal: Journal<Run> = Journal::new(&journal_folder(logs), "runs");
    // Looked at before the journal: a run that ends meanwhile is then seen at least once.
    let running = running(logs);
    let id = running.as_ref().map(|run| run.run_id.clone());
    let days = journal.list()?.into_iter().rev();
    let ended = days.flat_map(move |day| match journal.rows(day) {
        Ok(rows) => rows.into_iter().rev().map(Ok).collect(),
        Err(error) => vec![Err(error)],
    });
    let mut ended = ended.peekable();
    let has_ended = ended.peek().is_some_and(|run| {
        let run = run.as_ref();
        run.is_ok_and(|run| Some(&run.run_id) == id.as_ref())
    });
    let running = running.filter(|_| !has_ended).into_iter();
    Ok(running.map(Ok).chain(ended))
}

fn time(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%d %H:%M:%S%.3f UTC").to_string()
}

fn seconds(run: &Run) -> Option<String> {
    let took = run.finished?.signed_duration_since(run.started);
    Some(format!("{:.3}", took.to_std().ok()?.as_secs_f64()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(id: &str, day: &str, status: RunStatus) -> Run {
        Run {
            run_id: id.to_owned(),
            status,
            started: format!("{day}T10:00:00Z").parse().unwrap(),
            ..Run::begin(Kind::Once)
        }
    }

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let mut journal = Journal::new(&journal_folder(folder.path()), "runs");
        for (id, day, status) in [
            ("0197-a", "2025-09-25", RunStatus::Failed),
            ("0198-b", "2025-09-26", RunStatus::Succeeded),
            ("0198-c", "2025-09-26", RunStatus::Failed),
        ] {
            let run = run(id, day, status);
            journal.append(run.started.date_naive(), &run);
        }
        folder
    }

    #[test]
    fn the_newest_come_first() {
        let folder = folder();
        let ids = |last, status| -> Vec<String> {
            let runs = list(folder.path(), last, status).unwrap();
            runs.into_iter().map(|run| run.run_id).collect()
        };
        assert_eq!(ids(10, None), ["0198-c", "0198-b", "0197-a"]);
        assert_eq!(ids(1, None), ["0198-c"]);
        assert_eq!(ids(10, Some(RunStatus::Failed)), ["0198-c", "0197-a"]);
        assert!(
            list(&folder.path().join("none"), 5, None)
                .unwrap()
                .is_empty()
        );
        let table = table(&list(folder.path(), 2, None).unwrap()).to_table();
        assert!(
            table.contains("0198-b") && table.contains("succeeded"),
            "{table}"
        );
    }

    #[test]
    fn a_folder_that_cannot_be_read_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let journal = journal_folder(folder.path());
        fs::write(&journal, "a file where the folder should be").unwrap();
        let refused = [
            list(folder.path(), 5, None).unwrap_err(),
            find(folder.path(), "0198").unwrap_err(),
        ];
        for error in refused {
            let said = error.in_full();
            let folder = journal.display().to_string();
            assert!(
                said.contains(&folder) && said.contains("ot a directory"),
                "{said}"
            );
        }
        assert_eq!(last_good(folder.path(), Kind::Cron).unwrap(), None);
    }

    #[test]
    fn a_run_that_did_not_succeed_made_up_for_nothing() {
        let folder = folder();
        let last = || last_good(folder.path(), Kind::Once).unwrap();
        assert_eq!(last(), Some("2025-09-26T10:00:00Z".parse().unwrap()));
        assert_eq!(last_good(folder.path(), Kind::Cron).unwrap(), None);
        let mut journal = Journal::new(&journal_folder(folder.path()), "runs");
        for (day, status) in [
            ("2025-09-27", RunStatus::Blocked),
            ("2025-09-28", RunStatus::Failed),
        ] {
            let run = Run {
                kind: Kind::Cron,
                ..run("0199", day, status)
            };
            journal.append(run.started.date_naive(), &run);
        }
        let cron = last_good(folder.path(), Kind::Cron).unwrap();
        assert_eq!(cron, Some("2025-09-27T10:00:00Z".parse().unwrap()));
        assert_eq!(last(), Some("2025-09-26T10:00:00Z".parse().unwrap()));
    }

    #[test]
    fn a_run_is_found_by_the_beginning_of_its_id() {
        let folder = folder();
        fs::write(log_file(folder.path(), "0198-c"), "counted\n").unwrap();
        let (run, log) = find(folder.path(), "0198-C").unwrap();
        let text = show(&run, log.as_deref());
        assert!(
            text.contains("status      failed") && text.ends_with("counted\n"),
            "{text}"
        );
        let (run, log) = find(folder.path(), "0197").unwrap();
        assert_eq!(log, None);
        assert!(show(&run, None).contains("not there any more"));
        for (id, reason) in [("0198", "0198-b"), ("03", "no run"), ("", "no run")] {
            let error = find(folder.path(), id).unwrap_err().to_string();
            assert!(error.contains(reason), "{id:?}: {error}");
        }
    }
}
