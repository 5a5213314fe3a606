//! Beginning and ending runs.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use service::span_file::{self, Attached};
use tracing::Span;

use super::feed::{Feed, Row};
use super::journal::{Journal, Trouble};
use super::{Kind, Run, RunStatus, now};
use crate::engine::{Engine, absolute};
use crate::{Error, TransformerConfig};

/// The run under way; beside the journal.
const RUNNING: &str = "running.json";
/// How often old log files and rows are looked for.
const TIDY_EVERY: Duration = Duration::from_secs(3600);

/// Where the journals are, below the folder of the log files.
pub(crate) fn journal_folder(logs: &Path) -> PathBuf {
    logs.join("journal")
}

/// Where a run's log is.
pub(crate) fn log_file(logs: &Path, run_id: &str) -> PathBuf {
    logs.join(format!("{run_id}.log"))
}

/// The run under way, as its process wrote it.
pub(crate) fn running(logs: &Path) -> Option<Run> {
    let text = fs::read_to_string(journal_folder(logs).join(RUNNING)).ok()?;
    serde_json::from_str(&text).ok()
}

impl Row for Run {
    const TABLE: &'static str = "recorded_runs";
    const ID: &'static str = "run_id";
    const TIME: &'static str = "started";
    const COLUMNS: &'static str = r#"{"run_id": "varchar", "kind": "varchar",
        "started": "timestamptz", "finished": "timestamptz", "status": "varchar",
        "polls": "bigint", "rows_in": "bigint", "rows_out": "bigint", "snapshot_id": "bigint",
        "generation": "bigint", "error": "varchar"}"#;
}

/// Keeps the records of the transformer that holds the folder; there is one at a time.
#[derive(Debug)]
pub(crate) struct Recorder {
    logs: PathBuf,
    kind: Kind,
    journal: Journal<Run>,
    open: Option<Open>,
    feed: Feed<Run>,
    keep_logs: Duration,
    keep_rows: Duration,
    tidied: Option<Instant>,
    /// Why runs have no log file.
    trouble: Trouble,
}

#[derive(Debug)]
struct Open {
    run: Run,
    span: Span,
    log: Option<File>,
    _attached: Option<Attached>,
}

impl Recorder {
    /// Opens the records, and notes a run that was under way when its process ended. Call it
    /// only while holding the lock of the private folder.
    pub(crate) fn open(config: &TransformerConfig) -> Result<Recorder, Error> {
        let logs = absolute(&config.logs)?;
        let mut recorder = Recorder {
            journal: Journal::new(&journal_folder(&logs), "runs"),
            feed: Feed::default(),
            kind: config.mode.into(),
            open: None,
            keep_logs: config.keep_run_logs,
            keep_rows: config.keep_runs,
            tidied: None,
            trouble: Trouble::default(),
            logs,
        };
        recorder.recover();
        Ok(recorder)
    }

    /// Runs begun from here on are of this kind.
    pub(crate) fn set_kind(&mut self, kind: Kind) {
        self.kind = kind;
    }

    /// Whether runs follow the lake, so that its newest poll should be of now.
    pub(crate) fn follows(&self) -> bool {
        matches!(self.kind, Kind::Continuous | Kind::Cron)
    }

    /// Rows before this time are kept no longer.
    pub(crate) fn oldest_kept(&self) -> Option<DateTime<Utc>> {
        before(now(), self.keep_rows)
    }

    fn recover(&mut self) {
        let Some(mut run) = running(&self.logs) else {
            return;
        };
        let day = run.started.date_naive();
        // It may have ended between its line in the journal and the removal of the file.
        if !self
            .journal
            .read(day)
            .iter()
            .any(|row| row.run_id == run.run_id)
        {
            tracing::warn!(run_id = run.run_id, "the last run was interrupted");
            run.status = RunStatus::Interrupted;
            run.error = Some("the process ended before the run".to_owned());
            self.write(&run);
        }
        self.remove_running();
    }

    /// The run under way, or a new one; with the span to work in.
    pub(crate) fn begin(&mut self) -> (String, Span) {
        let open = match self.open.take() {
            Some(open) => open,
            None => self.start(),
        };
        let seen = (open.run.run_id.clone(), open.span.clone());
        self.open = Some(open);
        seen
    }

    fn start(&mut self) -> Open {
        self.journal.flush();
        let run = Run::begin(self.kind);
        let span = tracing::info_span!("run", run_id = run.run_id);
        let path = log_file(&self.logs, &run.run_id);
        let log = fs::create_dir_all(&self.logs).and_then(|()| File::create(&path));
        let mut log = self.noted(log);
        if let Some(log) = &mut log {
            let (id, kind) = (&run.run_id, run.kind.as_str());
            // A log that cannot be written does not keep a run from its work.
            let _ = writeln!(log, "{} run {id} ({kind})", stamp(run.started));
        }
        let own = log.as_ref().and_then(|log| log.try_clone().ok());
        let attached = own.map(|file| span_file::attach(&span, file));
        self.write_running(&run);
        service::crash_point!("transformer.run.begun");
        Open {
            run,
            span,
            log,
            _attached: attached,
        }
    }

    /// The log file of a run, if it could be made. Without it the run goes on.
    fn noted(&mut self, log: std::io::Result<File>) -> Option<File> {
        match log {
            Ok(file) => {
                self.trouble.is_over();
                Some(file)
            }
            Err(error) => {
                if self.trouble.is_new(&error) {
                    tracing::warn!(
                        folder = %self.logs.display(), %error,
                        "runs have no log file: the folder cannot be written; make it writable, \
                         or give another transformer.logs"
                    );
                }
                None
            }
        }
    }

    /// The row of the run under way.
    pub(crate) fn current(&mut self) -> Option<&mut Run> {
        self.open.as_mut().map(|open| &mut open.run)
    }

    /// Ends the run under way, if there is one.
    pub(crate) fn end(&mut self, status: RunStatus, error: Option<String>) {
        let Some(mut open) = self.open.take() else {
            return;
        };
        let run = &mut open.run;
        run.status = status;
        run.error = error;
        run.finished = Some(now());
        if status != RunStatus::Succeeded {
            run.generation = None;
            run.rows_out = 0;
        }
        if let Some(log) = &mut open.log {
            let _ = writeln!(log, "{}", last_line(run));
        }
        metrics::counter!("contrail_transformer_runs_total", "status" => status.as_str())
            .increment(1);
        self.write(&open.run);
        service::crash_point!("transformer.run.noted");
        self.remove_running();
        self.tidy();
    }

    /// The run under way as it ends well with a generation that is being written.
    pub(crate) fn succeeding(&mut self, generation: u64, rows_out: u64) -> Run {
        let run = match self.current() {
            Some(run) => {
                run.generation = Some(generation);
                run.rows_out = rows_out;
                run.clone()
            }
            None => Run::begin(self.kind),
        };
        Run {
            status: RunStatus::Succeeded,
            finished: Some(now()),
            ..run
        }
    }

    /// Puts the rows that the mart lacks, all of them if it is to be made anew, into the table
    /// that the model reads; and the run under way as it will be once its generation is current,
    /// which is when readers see it.
    pub(crate) fn load(&mut self, engine: &Engine, anew: bool, current: &Run) -> Result<(), Error> {
        let passing = Some((current.run_id.as_str(), current));
        self.feed.load(engine, &self.journal, anew, passing)
    }

    /// A generation with what was loaded is current.
    pub(crate) fn published(&mut self, current: &Run) {
        self.feed.published(current.started.date_naive());
    }

    fn write(&mut self, run: &Run) {
        let day = run.started.date_naive();
        self.journal.append(day, run);
        self.feed.add(run);
    }

    fn write_running(&self, run: &Run) {
        let folder = journal_folder(&self.logs);
        let write = || -> std::io::Result<()> {
            fs::create_dir_all(&folder)?;
            let fresh = folder.join(".running.json");
            fs::write(&fresh, serde_json::to_string(run)?)?;
            fs::rename(&fresh, folder.join(RUNNING))
        };
        if let Err(error) = write() {
            tracing::debug!(%error, "cannot note that a run is under way");
        }
    }

    fn remove_running(&self) {
        let path = journal_folder(&self.logs).join(RUNNING);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                tracing::debug!(%error, "cannot note that the run has ended");
            }
            _ => {}
        }
    }

    /// Removes log files and rows that are too old.
    fn tidy(&mut self) {
        if self.tidied.is_some_and(|at| at.elapsed() < TIDY_EVERY) {
            return;
        }
        self.tidied = Some(Instant::now());
        if let Some(oldest) = self.oldest_kept() {
            self.journal.remove_before(oldest.date_naive());
        }
        let Some(oldest) = before(now(), self.keep_logs) else {
            return;
        };
        let entries = fs::read_dir(&self.logs).into_iter().flatten().flatten();
        for entry in entries {
            let started = started(&entry.file_name().to_string_lossy());
            if started.is_some_and(|started| started < oldest)
                && let Err(error) = fs::remove_file(entry.path())
            {
                tracing::warn!(path = %entry.path().display(), %error, "cannot remove an old log");
            }
        }
    }
}

impl Drop for Recorder {
    /// What a run has counted is not lost when nothing is published any more in this life.
    fn drop(&mut self) {
        self.end(RunStatus::Succeeded, None);
    }
}

/// When the run of a log file began: its id says it.
fn started(file_name: &str) -> Option<DateTime<Utc>> {
    let id: uuid::Uuid = file_name.strip_suffix(".log")?.parse().ok()?;
    let (seconds, nanos) = id.get_timestamp()?.to_unix();
    DateTime::from_timestamp(i64::try_from(seconds).ok()?, nanos)
}

/// The time `age` before `now`; none when nothing is that old.
pub(crate) fn before(now: DateTime<Utc>, age: Duration) -> Option<DateTime<Utc>> {
    now.checked_sub_signed(chrono::TimeDelta::from_std(age).ok()?)
}

fn stamp(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(chrono::SecondsFormat::Micros, true)
}

fn last_line(run: &Run) -> String {
    let mut line = format!(
        "{} {}: {} rows of {} polls in, {} rows out",
        stamp(run.finished.unwrap_or(run.started)),
        run.status.as_str(),
        run.rows_in,
        run.polls,
        run.rows_out
    );
    if let Some(generation) = run.generation {
        line.push_str(&format!(", generation {generation}"));
    }
    if let Some(error) = &run.error {
        line.push_str(&format!(": {error}"));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorder(logs: &Path) -> Recorder {
        let mut recorder = Recorder {
            logs: logs.to_owned(),
            kind: Kind::Once,
            journal: Journal::new(&journal_folder(logs), "runs"),
            open: None,
            feed: Feed::default(),
            keep_logs: Duration::from_secs(3600),
            keep_rows: Duration::from_secs(30 * 86_400),
            tidied: None,
            trouble: Trouble::default(),
        };
        recorder.recover();
        recorder
    }

    fn rows(recorder: &Recorder) -> Vec<Run> {
        let days = recorder.journal.days();
        days.iter()
            .flat_map(|day| recorder.journal.read(*day))
            .collect()
    }

    #[test]
    fn a_run_has_a_row_and_a_log() {
        let folder = tempfile::tempdir().unwrap();
        let mut recorder = recorder(folder.path());
        let (id, _) = recorder.begin();
        assert_eq!(recorder.begin().0, id, "it goes on");
        assert_eq!(running(folder.path()).unwrap().run_id, id);
        recorder.current().unwrap().rows_in = 7;
        recorder.end(RunStatus::Failed, Some("no room".to_owned()));
        assert_eq!(running(folder.path()), None);
        let [run] = &rows(&recorder)[..] else {
            panic!("one row was expected");
        };
        assert_eq!((run.rows_in, run.status), (7, RunStatus::Failed));
        let log = fs::read_to_string(log_file(folder.path(), &id)).unwrap();
        assert!(
            log.contains("failed: 7 rows") && log.contains("no room"),
            "{log}"
        );
        assert_ne!(recorder.begin().0, id);
    }

    #[test]
    fn a_run_whose_process_was_killed_is_found_once() {
        let folder = tempfile::tempdir().unwrap();
        let mut first = recorder(folder.path());
        let (id, _) = first.begin();
        std::mem::forget(first);
        for _ in 0..2 {
            let recorder = recorder(folder.path());
            let rows = rows(&recorder);
            assert_eq!(rows.len(), 1);
            assert_eq!(rows[0].run_id, id);
            assert_eq!(rows[0].status, RunStatus::Interrupted);
            assert_eq!(rows[0].finished, None);
        }
    }

    #[test]
    fn a_kill_right_after_the_row_leaves_it_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let mut first = recorder(folder.path());
        first.begin();
        let run = running(folder.path()).unwrap();
        first.end(RunStatus::Succeeded, None);
        first.write_running(&run);
        drop(first);
        let rows = rows(&recorder(folder.path()));
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].status, RunStatus::Succeeded);
        assert_eq!(running(folder.path()), None);
    }

    #[test]
    fn old_log_files_go() {
        let folder = tempfile::tempdir().unwrap();
        let old = uuid::Timestamp::from_unix(uuid::NoContext, 1_600_000_000, 0);
        let old = log_file(folder.path(), &uuid::Uuid::new_v7(old).to_string());
        let strange = folder.path().join("notes.log");
        for path in [&old, &strange] {
            fs::write(path, "x").unwrap();
        }
        let mut recorder = recorder(folder.path());
        let (id, _) = recorder.begin();
        recorder.end(RunStatus::Succeeded, None);
        assert!(!old.exists());
        assert!(strange.exists() && log_file(folder.path(), &id).exists());
    }
}
