//! One refresh: the rows of new data files enter the models' state, in one transaction with the
//! watermark.
//!
//! Each (icao24, snapshot_time) counts once; see [`crate::fold`]. Rows of a poll that was counted
//! before are rare (a late half, a replay): then, and only then, who was counted in it is
//! recalled, from memory or from the lake.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::thread::{self, Scope};
use std::time::{Duration, Instant};

use super::Engine;
use super::beside::{Beside, Share};
use super::folding::{Counting, Done};
use crate::Error;
use crate::changes::Changes;
use crate::fold::MICROS_PER_DAY;
use crate::models::Kind;
use crate::schema::{SourceSchema, quote, quote_list};

/// Days of one step at most.
const DAYS_TOGETHER: i64 = 2;

/// What one refresh did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// Rows of the data files.
    pub rows: u64,
    /// Rows among them that had been counted before, or came twice.
    pub repeated: u64,
    /// Number of the batch, unless there was nothing to count.
    pub batch: Option<i64>,
    /// Id of the run it is of.
    pub run_id: String,
    /// How long it took.
    pub duration: Duration,
    /// How long of it the pass over the rows took.
    pub folding: Duration,
}

impl Counted {
    fn nothing(run_id: &str) -> Counted {
        Counted {
            rows: 0,
            repeated: 0,
            batch: None,
            run_id: run_id.to_owned(),
            duration: Duration::ZERO,
            folding: Duration::ZERO,
        }
    }
}

/// Where the second connection's share of a batch is done: to its end, whatever becomes of the batch.
#[derive(Clone, Copy)]
struct Side<'scope, 'env> {
    scope: &'scope Scope<'scope, 'env>,
    beside: Beside<'env>,
    /// Whether the batch is merged.
    is_over: &'env AtomicBool,
}

/// A data file to count.
pub(super) struct Waiting {
    pub path: String,
    pub rows: u64,
    /// First and last poll in it, if its writer noted them.
    pub first_time: Option<i64>,
    pub last_time: Option<i64>,
}

impl Waiting {
    /// The day its rows begin with, since 1970; files that do not say it come first.
    fn day(&self) -> i64 {
        self.first_time
            .map_or(i64::MIN, |time| time.div_euclid(MICROS_PER_DAY))
    }
}

impl Engine {
    /// Notes the changes of the lake and counts the next of the files that wait, as many as
    /// `step_rows` allow, in one transaction.
    pub(crate) fn refresh(
        &self,
        changes: &Changes,
        schema: &SourceSchema,
        run_id: &str,
        beside: Beside<'_>,
    ) -> Result<Counted, Error> {
        let began = Instant::now();
        self.with_room(|| self.show_newest())?;
        let attempt = || {
            let is_over = AtomicBool::new(false);
            thread::scope(|scope| {
                let side = Side {
                    scope,
                    beside,
                    is_over: &is_over,
                };
                let count = || self.count_changes(changes, schema, run_id, side);
                let counted = self.transaction(count);
                is_over.store(true, Ordering::Relaxed);
                // What is kept in memory must never be ahead of what is committed.
                counted.map(|(counted, done)| {
                    if let Some(done) = done {
                        self.remember(done);
                    }
                    counted
                })
            })
        };
        let counted = self.with_room(attempt);
        let counted = match counted {
            Err(Error::FileGone(path)) if !matches!(changes, Changes::Rebuild { .. }) => {
                tracing::warn!(%path, "a data file is gone: everything is counted again");
                self.transaction(|| self.forget_watermark())?;
                Counted::nothing(run_id)
            }
            counted => counted?,
        };
        service::crash_point!(
            "transformer.commit.after",
            return Err(Error::CrashPoint("transformer.commit.after"))
        );
        Ok(Counted {
            duration: began.elapsed(),
            ..counted
        })
    }

    /// Whether what was done beside the batch that was counted last is of what is committed now.
    pub(crate) fn stands_beside(&self) -> bool {
        self.newest.is_known()
    }

    /// All of it, within the caller's transaction.
    fn count_changes<'scope, 'env>(
        &'env self,
        changes: &Changes,
        schema: &SourceSchema,
        run_id: &str,
        side: Side<'scope, 'env>,
    ) -> Result<(Counted, Option<Done<'scope>>), Error> {
        let mut left = Vec::new();
        if let Changes::Moved { added, removed, .. } = changes {
            self.store_flights(schema)?;
            // Rows that are not elsewhere now have left the lake, and leave the marts.
            if added.is_empty() {
                left = self.days_of_files(removed)?;
            }
        }
        self.register(changes)?;
        if !left.is_empty() {
            self.recent.clear();
            self.next_batch()?;
        }
        for days in left {
            self.count_again(days, schema)?;
        }
        // What the table names now and does not exist, no rebuild brings back.
        if let Changes::Rebuild { files, .. } = changes {
            self.must_exist(files.iter().map(|file| file.path.as_str()))?;
        }
        let (files, are_all) = self.waiting()?;
        if files.is_empty() {
            self.note_all_counted()?;
            return Ok((Counted::nothing(run_id), None));
        }
        self.must_exist(files.iter().map(|file| file.path.as_str()))?;
        self.count(&files, are_all, schema, run_id, side)
    }

    /// Counts files, which `are_all` that wait or not.
    fn count<'scope, 'env>(
        &'env self,
        files: &[Waiting],
        are_all: bool,
        schema: &SourceSchema,
        run_id: &str,
        side: Side<'scope, 'env>,
    ) -> Result<(Counted, Option<Done<'scope>>), Error> {
        service::crash_point!(
            "transformer.stage.before",
            return Err(Error::CrashPoint("transformer.stage.before"))
        );
        let batch = self.next_batch()?;
        let setting = format!("set variable run_id = {}", quote(run_id));
        self.run("name the run", &setting)?;
        self.make_room(files.iter().map(|file| file.rows).sum())?;
        let began = Instant::now();
        let Some(counting) = self.fold(files, schema)? else {
            self.recent.clear();
            return Ok((Counted::nothing(run_id), None));
        };
        let folding = began.elapsed();
        let Counting {
            mut folded,
            registry,
            newest,
            before,
        } = counting;
        tracing::debug!(rows = folded.rows, elapsed = ?folding, "folded");
        service::crash_point!(
            "transformer.stage.after",
            return Err(Error::CrashPoint("transformer.stage.after"))
        );
        // Tracks and tables in memory are not of the transaction. Where it fails, they are read again.
        let ahead = self.take_tracks(schema)?;
        let tracks = std::mem::take(&mut folded.tracks);
        let share = Share {
            batch,
            twin: &self.twin,
            models: &self.models,
            newest: self.keep_newest(folded.polls.first().copied(), newest)?,
            registry,
            flights_since: self.detail_from()?,
            beside: are_all.then_some(side.beside),
            is_over: side.is_over,
        };
        let (joined, ahead_joined) = sync_channel(1);
        let span = tracing::Span::current();
        let share = side.scope.spawn(move || {
            let _entered = span.entered();
            share.work(ahead, tracks, &joined)
        });
        self.run_models()?;
        // First the days that leave: no flight of theirs is to be stored.
        self.keep_retention(folded.span)?;
        let Ok(ahead) = ahead_joined.recv() else {
            // It has ended before: with a panic, which goes on here.
            let panic = share.join().err();
            std::panic::resume_unwind(panic.unwrap_or_else(|| Box::new("the tracks are gone")));
        };
        let flights = self.count_flights(ahead, &folded)?;
        self.empty_native_tables()?;
        let paths = quote_list(files.iter().map(|file| file.path.as_str()));
        let finish =
            format!("update lake_files set batch = {batch} where path in (select unnest({paths}))");
        self.run("note the files as counted", &finish)?;
        if !self.is_waiting()? {
            self.note_all_counted()?;
        }
        let counted = Counted {
            rows: folded.rows,
            repeated: folded.repeated,
            batch: Some(batch),
            folding,
            ..Counted::nothing(run_id)
        };
        let done = Done {
            folded,
            before,
            flights,
            share,
        };
        Ok((counted, Some(done)))
    }

    fn run_models(&self) -> Result<(), Error> {
        for model in self.models.iter().filter(|model| !model.in_memory) {
            let began = Instant::now();
            self.run(&format!("merge into {}", model.name), &model.merge)?;
            if model.settles_backlog && self.is_backlog() {
                self.run(&format!("settle {}", model.name), &model.settle)?;
            }
            let what = match model.kind {
                Kind::Table => "table",
                Kind::View => "view",
                Kind::Incremental | Kind::Full | Kind::Native => "",
            };
            if !model.mart && !what.is_empty() {
                let sql = format!(
                    "create or replace temp {what} {} as {}",
                    model.name, model.select
                );
                self.run(&format!("compute {}", model.name), &sql)?;
            }
            tracing::debug!(model = model.name, elapsed = ?began.elapsed(), "merged");
        }
        Ok(())
    }

    /// The next files to count, in the order of their rows' time: at most `step_rows` rows, and of
    /// a few days, since what a day adds up to depends little on how often it was looked at. A
    /// day is left to the next step rather than cut in two, and where one must be cut, files with the
    /// same polls stay together, up to twice as many rows: so that a poll is seldom met twice.
    /// Says too whether these are all.
    fn waiting(&self) -> Result<(Vec<Waiting>, bool), Error> {
        let sql = "select path, rows, epoch_us(first_time), epoch_us(last_time)
            from lake_files where batch is null order by first_time nulls first, path";
        let read = || -> duckdb::Result<(Vec<Waiting>, bool)> {
            let mut statement = self.connection().prepare(sql)?;
            let mut rows = statement.query([])?;
            let mut files: Vec<Waiting> = Vec::new();
            let (mut sum, mut until) = (0, i64::MIN);
            while let Some(row) = rows.next()? {
                let file = Waiting {
                    path: row.get(0)?,
                    rows: u64::try_from(row.get::<_, i64>(1)?).unwrap_or(0),
                    first_time: row.get(2)?,
                    last_time: row.get(3)?,
                };
                if let Some(first) = files.first() {
                    let is_late = file.day() >= first.day().saturating_add(DAYS_TOGETHER);
                    let whole_days = files.partition_point(|one| one.day() < file.day());
                    let overlaps = file.first_time.is_none_or(|first| first <= until);
                    let most = match overlaps && whole_days == 0 {
                        true => self.step_rows.saturating_mul(2),
                        false => self.step_rows,
                    };
                    if is_late || sum + file.rows > most {
                        if whole_days > 0 {
                            files.truncate(whole_days);
                        }
                        return Ok((files, false));
                    }
                }
                sum += file.rows;
                until = until.max(file.last_time.unwrap_or(i64::MAX));
                files.push(file);
            }
            Ok((files, true))
        };
        read().map_err(Error::duck("cannot list the files that wait"))
    }

    /// Expiry removes what waited too long: then everything is counted again from what the table
    /// names by now.
    pub(crate) fn must_exist<'a>(
        &self,
        mut paths: impl Iterator<Item = &'a str>,
    ) -> Result<(), Error> {
        match paths.find(|path| !Path::new(path).exists()) {
            Some(path) => Err(Error::FileGone(path.to_owned())),
            None => Ok(()),
        }
    }
}
