//! Publishing without locks.
//!
//! A generation is a folder `gen-N` of Parquet files that never changes. It is written under
//! another name, synced and renamed; then `CURRENT`, which names it, is replaced by a rename.
//! `views.duckdb` holds views over `gen-N` by a session variable that the init SQL sets, and is
//! replaced, by a rename too, only when the views themselves change.
//!
//! - [`generation`]: what is in a generation, as `generation.json` says.
//! - `turn`: which marts it writes anew. `export`: writing one; `share`: by two connections; `ahead`: before
//!   the batch is committed; `open`: flights that go on;
//!   `columns`: files without a query.
//! - `views`: `views.duckdb` and `init.sql`; `comments`: what the views say of themselves.
//! - `sync`: making files survive a power failure. `sweep`: removing old ones.
//! - [`postgres`]: a copy of the current one in a PostgreSQL schema.

mod ahead;
mod columns;
mod comments;
mod export;
pub mod generation;
mod open;
pub mod postgres;
mod share;
mod sweep;
mod sync;
mod turn;
mod views;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::iter;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

pub(crate) use generation::folder_name;
pub use generation::{Generation, MartEntry};
pub(crate) use sweep::kept;
pub(crate) use sync::{sync, sync_all};
pub use views::init_sql;
pub(crate) use views::init_sql_of;

use self::ahead::Ahead;
use self::share::{Job, share};
use self::sync::Synced;
use crate::audit::history::History;
use crate::audit::{AUDIT_RESULTS, Arrived, Auditor, Subject};
use crate::engine::{Engine, Totals, folder_of};
use crate::flights::keep as flights;
use crate::models::Model;
use crate::runs::{self, Recorder, Run};
use crate::schema::SourceSchema;
use crate::{Error, TransformerConfig};

/// Writes generations into one folder.
#[derive(Debug)]
pub struct Publisher {
    folder: PathBuf,
    window: Duration,
    keep: Duration,
    current: Option<Generation>,
    ahead: Ahead,
    /// Nothing was published since this was opened: the program may be another than before.
    fresh: bool,
}

/// Rows of the lake that views are audited on at most, the newest first.
const AUDITED_ROWS: u64 = 200_000;

/// Which of the marts that have changed a publication writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Those whose turn has come and that are quickly written: what follows every refresh.
    Quick,
    /// All whose turn has come.
    Due,
    /// All.
    Full,
}

/// What a publication is to do, and for whom.
pub(crate) struct Request<'a> {
    /// Which marts it writes.
    pub scope: Scope,
    /// The marts that are written instead, whether or not they have changed.
    pub only: Option<&'a BTreeSet<String>>,
    /// The records, of which a run is under way.
    pub runs: &'a mut Recorder,
    /// Who looks at the generation before readers do.
    pub auditor: &'a mut Auditor,
}

/// What a generation says of the transformer itself.
struct Records {
    run: Run,
    marts: BTreeMap<String, MartEntry>,
}

/// What one publication did.
#[derive(Debug, Clone, PartialEq)]
pub struct Published {
    /// The generation that readers now see.
    pub generation: u64,
    /// Marts written anew; the others are the files of the generation before.
    pub written: Vec<String>,
    /// Marts that have changed and wait for their turn.
    pub waiting: Vec<String>,
    /// How long it took until readers saw it.
    pub duration: Duration,
}

impl Publisher {
    /// Opens the folder, makes it when it is not there, and clears what a crash has left.
    pub fn open(config: &TransformerConfig) -> Result<Publisher, Error> {
        let folder = folder_of("published", &config.published)?;
        fs::create_dir_all(&folder).map_err(Error::file("create the folder", &folder))?;
        let current = Generation::current(&folder)?;
        sweep::clear_unfinished(&folder, current.as_ref())?;
        Ok(Publisher {
            ahead: Ahead::of(&folder),
            folder,
            window: config.window,
            keep: config.keep_generations,
            current,
            fresh: true,
        })
    }

    /// The generation readers see.
    pub fn current(&self) -> Option<&Generation> {
        self.current.as_ref()
    }

    /// What can be written before a batch is committed.
    pub(crate) fn ahead(&self) -> &Ahead {
        &self.ahead
    }

    /// Whether there is anything to publish: something was counted since, or a mart's turn has
    /// come, or the models or the folder are not what they were.
    pub fn due(&self, engine: &Engine, totals: &Totals, scope: Scope) -> bool {
        let Some(current) = &self.current else {
            return true;
        };
        self.fresh
            || current.batch != totals.batch
            || current.epoch != totals.epoch
            || current.snapshot_id != totals.snapshot_id
            || engine
                .models()
                .marts()
                .any(|mart| !is_record(mart) && self.turn(mart, totals, scope))
    }

    /// Writes a generation and makes it the current one. When that fails, what was written of it
    /// is removed, and readers keep the one before.
    pub(crate) fn publish(
        &mut self,
        engine: &Engine,
        schema: &SourceSchema,
        mut request: Request<'_>,
    ) -> Result<Published, Error> {
        let began = Instant::now();
        let number = 1 + sweep::newest(&self.folder)?;
        let unfinished = self.folder.join(format!(".unfinished-{number}"));
        fs::create_dir(&unfinished).map_err(Error::file("create the folder", &unfinished))?;
        let done = self.write(engine, schema, &mut request, number, &unfinished);
        match &done {
            Ok(_) => sweep::discard(&self.refused()),
            // What is wrong can be looked at there.
            Err(Error::Blocked { .. }) => sweep::set_aside(&unfinished, &self.refused()),
            Err(_) => sweep::discard(&unfinished),
        }
        let (published, records) = done?;
        let duration = began.elapsed();
        self.look_after(engine, request, records);
        Ok(Published {
            duration,
            ..published
        })
    }

    fn write(
        &mut self,
        engine: &Engine,
        schema: &SourceSchema,
        request: &mut Request<'_>,
        number: u64,
        unfinished: &Path,
    ) -> Result<(Published, Records), Error> {
        let totals = engine.totals()?;
        engine.with_room(|| engine.show_newest())?;
        let final_folder = self.folder.join(generation::folder_name(number));
        let written: Vec<&Model> = engine
            .models()
            .marts()
            .filter(|mart| self.is_written(mart, &totals, request))
            .collect();
        let long = written.iter().any(|mart| self.is_long(mart, &totals));
        engine.use_threads(long || engine.is_backlog())?;
        let since = self.since(&totals);
        let at = export::At {
            number,
            totals: &totals,
            lake: export::Window { schema, since },
            budget: (request.scope != Scope::Full && request.only.is_none())
                .then(|| Duration::from_secs_f64(turn::LONG)),
        };
        let mut marts = BTreeMap::new();
        self.export_marts(engine, unfinished, &written, at, &mut marts)?;
        let (run_id, _) = request.runs.begin();
        let refused = self.refused();
        let counted = self
            .current
            .as_ref()
            .filter(|now| now.epoch == totals.epoch);
        let counted = counted.map_or(0, |now| now.batch);
        let arrived = Arrived {
            files: engine.arrived(counted, since, AUDITED_ROWS)?,
            schema,
            since,
        };
        let subject = Subject {
            number,
            run_id: &run_id,
            folder: unfinished,
            refused: &refused,
            marts: &marts,
            following: request.runs.follows() && !totals.waiting,
            arrived: Some(&arrived),
        };
        // What is written by now is synced meanwhile, which waits for the disk and not for a processor.
        let synced = thread::scope(|scope| {
            let synced = scope.spawn(|| Synced::files(unfinished));
            request.auditor.check(engine, subject)?;
            synced
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })?;
        service::crash_point!(
            "transformer.audit.after",
            return Err(Error::CrashPoint("transformer.audit.after"))
        );
        let history = request.auditor.history();
        let run = self.export_records(engine, unfinished, at, &mut marts, request.runs, history)?;
        let status = export::mart_status(unfinished, &marts, at)?;
        let records = marts.iter().filter(|(name, _)| is_record_named(name));
        let records = records.map(|(name, entry)| (name.clone(), entry.clone()));
        let records = Records {
            marts: records
                .chain([(export::STATUS.to_owned(), status)])
                .collect(),
            run,
        };
        let views = views::prepare(engine, schema, &self.folder, unfinished)?;
        let next = Generation {
            generation: number,
            epoch: totals.epoch.clone(),
            batch: totals.batch,
            snapshot_id: totals.snapshot_id,
            as_of: totals.as_of,
            created_at: chrono::Utc::now(),
            views: views.fingerprint().to_owned(),
            marts,
        };
        next.write(unfinished)?;
        synced.rest(unfinished)?;
        fs::rename(unfinished, &final_folder).map_err(Error::file("rename", unfinished))?;
        sync(&self.folder)?;
        service::crash_point!(
            "transformer.current.before",
            return Err(Error::CrashPoint("transformer.current.before"))
        );
        views.install(&self.folder)?;
        generation::set_current(&self.folder, number)?;
        service::crash_point!(
            "transformer.current.after",
            return Err(Error::CrashPoint("transformer.current.after"))
        );
        let waiting = |mart: &&Model| {
            let entry = next.marts.get(&mart.name);
            entry.is_some_and(|entry| entry.batch != totals.batch)
        };
        let published = Published {
            generation: number,
            written: written.iter().map(|mart| mart.name.clone()).collect(),
            waiting: engine
                .models()
                .marts()
                .filter(waiting)
                .map(|mart| mart.name.clone())
                .collect(),
            duration: Duration::ZERO,
        };
        self.current = Some(next);
        self.fresh = false;
        Ok((published, records))
    }

    /// What follows when readers have the generation: audits of the transformer's own records, which
    /// only warn, and the end of what is over.
    fn look_after(&self, engine: &Engine, request: Request<'_>, records: Records) {
        let Some(current) = &self.current else {
            return;
        };
        self.ahead.clear();
        let number = current.generation;
        let folder = self.folder.join(generation::folder_name(number));
        let subject = Subject {
            number,
            run_id: &records.run.run_id,
            folder: &folder,
            refused: &folder,
            marts: &records.marts,
            following: false,
            arrived: None,
        };
        if let Err(error) = request.auditor.check(engine, subject) {
            let error = error.in_full();
            tracing::warn!(error, "the transformer's own records were not audited");
        }
        request.runs.published(&records.run);
        let oldest = request.runs.oldest_kept();
        let history = request.auditor.history();
        history.published(records.run.started, oldest);
        sweep::remove_old(&self.folder, number, self.keep, SystemTime::now());
    }

    /// Writes or takes over all marts but those of the transformer's own records.
    fn export_marts(
        &self,
        engine: &Engine,
        into: &Path,
        written: &[&Model],
        at: export::At<'_>,
        marts: &mut BTreeMap<String, MartEntry>,
    ) -> Result<(), Error> {
        let mut jobs = Vec::new();
        for mart in engine.models().marts().filter(|mart| !is_record(mart)) {
            let before = self.before(mart, at.totals);
            match before {
                Some((folder, entry)) if !written.iter().any(|w| w.name == mart.name) => {
                    export::link(&folder, into, entry)?;
                    let entry = MartEntry {
                        written: BTreeSet::new(),
                        ..entry.clone()
                    };
                    marts.insert(mart.name.clone(), entry);
                }
                before => match self.ahead.take(mart, at.totals.batch, into) {
                    Some(whole) => drop(marts.insert(mart.name.clone(), whole.entry(mart, at))),
                    None => jobs.push(Job { mart, before }),
                },
            }
        }
        // Late rows change flights when that mart has its turn.
        let of_flights = |mart: &Model| {
            mart.name == flights::MART || mart.depends.iter().any(|name| name == flights::MART)
        };
        let (first, free) = share(jobs, of_flights);
        let next = AtomicUsize::new(0);
        let turns = || iter::from_fn(|| free.get(next.fetch_add(1, Ordering::Relaxed)));
        let (twin, span) = (engine.twin(), tracing::Span::current());
        let others = thread::scope(|scope| {
            let turns = &turns;
            let others = scope.spawn(move || {
                let _entered = span.entered();
                let session = twin.session();
                let window = export::window(&session, into, at.lake);
                let written = turns().map(|job| {
                    let entry =
                        export::mart(&session, into, job.mart, job.before.clone(), None, at);
                    (job, entry)
                });
                (written.collect::<Vec<_>>(), window)
            });
            for job in first.iter().chain(turns()) {
                let entry = self.write_first(engine, into, job, at)?;
                marts.insert(job.mart.name.clone(), entry);
                service::crash_point!(
                    "transformer.export.middle",
                    return Err(Error::CrashPoint("transformer.export.middle"))
                );
            }
            others
                .join()
                .map_err(|panic| std::panic::resume_unwind(panic))
        })?;
        let (others, window) = others;
        // What reads a table that is temporary, or lacked memory, is done on the first.
        if let Err(error) = window {
            again_on_first("lake_files", &error);
            engine.with_room(|| export::window(engine.session(), into, at.lake))?;
        }
        for (job, written) in others {
            let entry = match written {
                Err(error) => {
                    again_on_first(&job.mart.name, &error);
                    self.write_first(engine, into, job, at)?
                }
                Ok(entry) => entry,
            };
            marts.insert(job.mart.name.clone(), entry);
        }
        Ok(())
    }

    /// Writes the marts of the transformer's own records, last, so that they can tell of the
    /// others; with the run under way as it will be when readers see it.
    fn export_records(
        &self,
        engine: &Engine,
        into: &Path,
        at: export::At<'_>,
        marts: &mut BTreeMap<String, MartEntry>,
        runs: &mut Recorder,
        audits: &mut History,
    ) -> Result<Run, Error> {
        let rows_out = marts.values().map(MartEntry::rows_written).sum();
        let run = runs.succeeding(at.number, rows_out);
        for mart in engine.models().marts().filter(|mart| is_record(mart)) {
            let before = self.before(mart, at.totals);
            match mart.name.as_str() {
                AUDIT_RESULTS => audits.load(engine, before.is_none())?,
                _ => runs.load(engine, before.is_none(), &run)?,
            }
            let mut entry = self.write_first(engine, into, &Job { mart, before }, at)?;
            if let Some(oldest) = runs.oldest_kept() {
                let oldest = format!("{}/{}.parquet", mart.name, oldest.date_naive());
                export::drop_parts(into, &mut entry, |file| file < oldest.as_str())?;
            }
            marts.insert(mart.name.clone(), entry);
        }
        Ok(run)
    }

    /// Writes a mart on the first connection, once it is settled.
    fn write_first(
        &self,
        engine: &Engine,
        into: &Path,
        job: &Job<'_>,
        at: export::At<'_>,
    ) -> Result<MartEntry, Error> {
        let began = Instant::now();
        let mut made = None;
        if job.mart.name == flights::MART {
            made = open::settle(engine, &self.ahead, into, at)?;
            // Those that ended are others than those that went on in the generation before.
            if let (None, Some((folder, entry))) = (&made, &job.before) {
                export::link(folder, into, entry)?;
                return Ok(MartEntry {
                    written: BTreeSet::new(),
                    ..(*entry).clone()
                });
            }
        }
        if !job.mart.settle.is_empty() {
            engine.settle(job.mart)?;
        }
        let (session, before) = (engine.session(), &job.before);
        let mut entry = engine.with_room(|| {
            export::mart(session, into, job.mart, before.clone(), made.as_ref(), at)
        })?;
        entry.duration = began.elapsed().as_secs_f64();
        Ok(entry)
    }

    /// Where the last generation lies that an audit has refused.
    fn refused(&self) -> PathBuf {
        self.folder.join("refused")
    }

    /// The mart as readers see it now, and the folder of its files; `None` unless the same model
    /// wrote it from the same life of the state.
    fn before(&self, mart: &Model, totals: &Totals) -> Option<(PathBuf, &MartEntry)> {
        let current = self.current.as_ref()?;
        let entry = current.marts.get(&mart.name)?;
        let same = current.epoch == totals.epoch && entry.model == mart.fingerprint();
        let folder = self
            .folder
            .join(generation::folder_name(current.generation));
        same.then_some((folder, entry))
    }

    /// Start of the window of `cleaned_flights`, in microseconds since 1970.
    fn since(&self, totals: &Totals) -> i64 {
        let window = i64::try_from(self.window.as_micros()).unwrap_or(i64::MAX);
        totals.as_of.unwrap_or(0).saturating_sub(window)
    }
}

fn again_on_first(what: &str, error: &Error) {
    let reason = service::fault::chain(error);
    tracing::debug!(what, reason, "written again on the first connection");
}

/// Whether a mart is of the transformer's own records: it is written with every generation.
fn is_record(mart: &Model) -> bool {
    is_record_named(&mart.name)
}

fn is_record_named(mart: &str) -> bool {
    runs::MARTS.contains(&mart)
}
