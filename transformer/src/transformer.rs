//! Lake, private database and publisher together, as the service and the tests use them.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use service::notify::Notifier;

use crate::audit::Auditor;
use crate::catalog::Catalog;
use crate::changes::{self, Changes};
pub use crate::engine::Counted as Refreshed;
use crate::engine::{Engine, Merging, Session, Totals};
pub use crate::publish::Published;
use crate::publish::{Publisher, Request, Scope};
use crate::runs::{Kind, Recorder, RunStatus};
use crate::schema::SourceSchema;
use crate::tasks::Days;
use crate::{Config, Error};

/// When a generation that an audit has refused is tried again although nothing has come.
pub(crate) const TRY_REFUSED_AGAIN: Duration = Duration::from_secs(300);

/// An open transformer: the one writer of its folders.
#[derive(Debug)]
pub struct Transformer {
    catalog: Catalog,
    works: Arc<Mutex<Works>>,
    schema: SourceSchema,
    step_rows: u64,
    /// Where the table's metadata was when everything of it was counted.
    seen: Option<String>,
    table_snapshot: Option<i64>,
    totals: Totals,
    generation: u64,
    /// Epoch and batch of what an audit has refused, and when.
    refused: Option<((String, i64), Instant)>,
}

/// What blocks, and is therefore used from blocking threads only.
#[derive(Debug)]
struct Works {
    engine: Engine,
    publisher: Publisher,
    runs: Recorder,
    auditor: Auditor,
}

/// How far the transformer is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Status {
    /// The lake's snapshot that was counted last.
    pub watermark: Option<i64>,
    /// The lake's current snapshot when it was last looked at.
    pub table_snapshot: Option<i64>,
    /// The generation readers see; 0 before the first.
    pub generation: u64,
    /// Rows counted, each (icao24, snapshot_time) once.
    pub rows: u64,
    /// Polls counted.
    pub polls: u64,
    /// Time of the newest poll that was counted.
    pub as_of: Option<DateTime<Utc>>,
    /// Whether everything is being counted again from the lake.
    pub rebuilding: bool,
    /// Everything the lake held when it was last looked at is counted and published.
    pub caught_up: bool,
}

impl Transformer {
    /// Opens the lake and the folders, and takes the lock of the private one.
    pub async fn open(config: &Config) -> Result<Transformer, Error> {
        Transformer::open_with(config, Notifier::log_only()).await
    }

    /// As [`open`](Self::open), with somebody to tell what needs a person.
    pub async fn open_with(config: &Config, notifier: Notifier) -> Result<Transformer, Error> {
        let catalog = Catalog::open(&config.lake).await?;
        let section = config.transformer.clone();
        let opened = tokio::task::spawn_blocking(move || {
            let engine = Engine::open(&section)?;
            let publisher = Publisher::open(&section)?;
            // The lock of the engine is what makes these records ours.
            let runs = Recorder::open(&section)?;
            let auditor = Auditor::open(engine.models(), &section.logs, notifier)?;
            let totals = engine.totals()?;
            let generation = publisher.current().map_or(0, |current| current.generation);
            let works = Works {
                engine,
                publisher,
                runs,
                auditor,
            };
            Ok::<_, Error>((works, totals, generation))
        });
        let (works, totals, generation) = opened.await??;
        Ok(Transformer {
            catalog,
            works: Arc::new(Mutex::new(works)),
            schema: SourceSchema::flight_states(),
            step_rows: config.transformer.step_rows.max(1),
            seen: None,
            table_snapshot: None,
            totals,
            generation,
            refused: None,
        })
    }

    /// Counts the next rows of the lake, at most about `transformer.step_rows`; `None` when all
    /// are counted. Readers see nothing of it until [`publish`](Self::publish).
    pub async fn refresh(&mut self) -> Result<Option<Refreshed>, Error> {
        let began = Instant::now();
        let table = contract::names::FLIGHT_STATES_TABLE;
        let Some(table) = self.catalog.load(table).await? else {
            return self.without_table().map(|()| None);
        };
        let location = table.metadata_location().map(str::to_owned);
        if location.is_some() && location == self.seen && !self.totals.waiting {
            return Ok(None);
        }
        self.table_snapshot = table.metadata().current_snapshot_id();
        self.schema = SourceSchema::of(table.metadata().current_schema());
        let watermark = self.blocking(|works| works.engine.watermark()).await?;
        // Files that were noted come first: only then may later changes move rows about. Without a
        // watermark everything begins anew, whatever waits.
        let changes = if self.totals.waiting && watermark.is_some() {
            Changes::None
        } else {
            changes::since(&table, watermark.as_ref(), self.step_rows).await?
        };
        if changes == Changes::None && !self.totals.waiting {
            self.seen = location;
            return Ok(None);
        }
        tracing::trace!(elapsed = ?began.elapsed(), "looked at the lake");
        let schema = self.schema.clone();
        let work = move |works: &mut Works| {
            works.in_run(|works, run_id| {
                let (engine, ahead) = (&works.engine, works.publisher.ahead());
                ahead.clear();
                let models = engine.models();
                let beside = |session: &Session, merging: &Merging<'_>| {
                    ahead.write(session, models, merging)
                };
                let counted = engine.refresh(&changes, &schema, run_id, &beside);
                if counted.is_err() || !engine.stands_beside() {
                    ahead.clear();
                }
                let counted = counted?;
                let totals = works.engine.totals()?;
                works.note(&counted, &totals)?;
                // During a backlog no publication follows that would do it.
                if totals.waiting {
                    works.engine.checkpoint()?;
                }
                Ok((counted, totals))
            })
        };
        let (refreshed, totals) = self.blocking(work).await?;
        self.totals = totals;
        Ok(Some(refreshed))
    }

    /// Nothing was ever written, or the catalog is not the one that rows were counted from: then
    /// what waits can never be counted, and nothing may be published as if it had been.
    fn without_table(&self) -> Result<(), Error> {
        let totals = &self.totals;
        if totals.snapshot_id.is_none() && !totals.waiting && !totals.rebuilding {
            return Ok(());
        }
        Err(Error::TableGone {
            table: contract::names::FLIGHT_STATES_TABLE,
            rows: totals.rows,
        })
    }

    /// Forgets these days, both included, and counts them again from the lake's files with the
    /// refreshes that follow. Nothing is published until then, even if the process ends before.
    /// Returns how many files wait. A file that has rows of other days too takes these along.
    pub async fn rebuild_days(&mut self, from: NaiveDate, to: NaiveDate) -> Result<u64, Error> {
        // What has left the lake since must not be forgotten as if it could be counted again.
        while self.refresh().await?.is_some() {}
        let schema = self.schema.clone();
        let work = move |works: &mut Works| {
            works.in_run(|works, _| {
                let files = works.engine.rebuild_days(from, to, &schema)?;
                tracing::info!(%from, %to, files, "the days are counted again");
                Ok((files, works.engine.totals()?))
            })
        };
        let (files, totals) = self.blocking(work).await?;
        self.totals = totals;
        self.seen = None;
        Ok(files)
    }

    /// Whether a publication of this scope would change what readers see.
    pub async fn publication_due(&self, scope: Scope) -> Result<bool, Error> {
        if self.totals.rebuilding || self.is_refused() {
            return Ok(false);
        }
        let totals = self.totals.clone();
        self.blocking(move |works| Ok(works.publisher.due(&works.engine, &totals, scope)))
            .await
    }

    /// Whether an audit has refused what was counted, and nothing came since: it is not tried
    /// again with every look, but after a while, since what is wrong may lie in other marts.
    pub fn is_refused(&self) -> bool {
        self.refused.as_ref().is_some_and(|((epoch, batch), at)| {
            let same = *epoch == self.totals.epoch && *batch == self.totals.batch;
            same && at.elapsed() < TRY_REFUSED_AGAIN
        })
    }

    /// Lets what an audit has refused be tried again at once.
    pub(crate) fn try_refused(&mut self) {
        self.refused = None;
    }

    /// Looks at the age of what is published, which grows while nothing comes.
    pub async fn watch(&self) -> Result<(), Error> {
        self.blocking(|works| {
            if works.runs.follows()
                && let Some(current) = works.publisher.current()
            {
                works.auditor.watch(&current.marts);
            }
            Ok(())
        })
        .await
    }

    /// Publishes a generation. `full` writes every mart that has changed; otherwise those that
    /// are large wait for their turn.
    pub async fn publish(&mut self, full: bool) -> Result<Published, Error> {
        let scope = if full { Scope::Full } else { Scope::Quick };
        self.publish_scope(scope).await
    }

    /// Publishes a generation with the marts that `scope` says.
    pub async fn publish_scope(&mut self, scope: Scope) -> Result<Published, Error> {
        self.publish_only(scope, None).await
    }

    /// Publishes a generation. With `only`, the marts of these names are written, whether or not
    /// they have changed, and no others.
    pub async fn publish_only(
        &mut self,
        scope: Scope,
        only: Option<BTreeSet<String>>,
    ) -> Result<Published, Error> {
        let schema = self.schema.clone();
        let work = move |works: &mut Works| {
            let published = works.in_run(|works, _| {
                let Works {
                    engine,
                    publisher,
                    runs,
                    auditor,
                } = works;
                let request = Request {
                    scope,
                    only: only.as_ref(),
                    runs,
                    auditor,
                };
                let published = publisher.publish(engine, &schema, request)?;
                // Readers have the generation, whatever becomes of this; the next one tries again.
                if let Err(error) = engine.checkpoint() {
                    tracing::warn!(
                        error = error.in_full(),
                        "the private database was not tidied"
                    );
                }
                engine.give_back_room();
                Ok(published)
            })?;
            works.runs.end(RunStatus::Succeeded, None);
            Ok(published)
        };
        let published = self.blocking(work).await;
        if matches!(published, Err(Error::Blocked { .. })) {
            let batch = (self.totals.epoch.clone(), self.totals.batch);
            self.refused = Some((batch, Instant::now()));
        }
        let published = published?;
        self.refused = None;
        self.generation = published.generation;
        Ok(published)
    }

    /// Counts everything the lake holds and publishes all of it.
    pub async fn catch_up(&mut self) -> Result<Published, Error> {
        while self.refresh().await?.is_some() {}
        self.publish(true).await
    }

    /// Runs begun from here on are of this kind; at first they are of the configured mode.
    pub async fn set_kind(&mut self, kind: Kind) -> Result<(), Error> {
        self.blocking(move |works| {
            works.runs.set_kind(kind);
            Ok(())
        })
        .await
    }

    /// Begins a run, unless one is under way, even if there is nothing to do.
    pub async fn begin_run(&mut self) -> Result<(), Error> {
        self.blocking(|works| works.in_run(|_, _| Ok(()))).await
    }

    /// Ends the run under way, if there is one: what it has counted is published, or left to a
    /// later run.
    pub async fn end_run(&mut self) -> Result<(), Error> {
        self.blocking(|works| {
            works.runs.end(RunStatus::Succeeded, None);
            Ok(())
        })
        .await
    }

    /// Notes that the run under way has failed outside of counting and publishing.
    pub async fn fail_run(&mut self, error: &Error) -> Result<(), Error> {
        let error = error.in_full();
        self.blocking(move |works| {
            works.runs.end(RunStatus::Failed, Some(error));
            Ok(())
        })
        .await
    }

    /// Refuses names that are of no mart.
    pub async fn must_know(&self, names: &BTreeSet<String>) -> Result<(), Error> {
        let names = names.clone();
        self.blocking(move |works| {
            let marts = works.engine.models().marts();
            let known: BTreeSet<_> = marts.map(|mart| mart.name.clone()).collect();
            match names.difference(&known).next() {
                None => Ok(()),
                Some(name) => Err(Error::NoMart {
                    name: name.clone(),
                    known: known.into_iter().collect(),
                }),
            }
        })
        .await
    }

    /// Forgets what was counted of days, so that they are counted again from the lake. Readers
    /// keep what is published until then.
    pub async fn rebuild(&mut self, days: Days) -> Result<(), Error> {
        if days != Days::default() {
            let from = days
                .from
                .unwrap_or(NaiveDate::from_epoch_days(0).unwrap_or_default());
            let to = days.to.unwrap_or_else(|| chrono::Utc::now().date_naive());
            return self.rebuild_days(from, to).await.map(drop);
        }
        let work = |works: &mut Works| {
            works.in_run(|works, _| {
                works.engine.forget()?;
                works.engine.totals()
            })
        };
        self.totals = self.blocking(work).await?;
        self.seen = None;
        Ok(())
    }

    /// Lets the days be counted that the lake has and the marts have not, within the retention.
    pub async fn backfill(&mut self, days: Days) -> Result<(), Error> {
        while self.refresh().await?.is_some() {}
        let find = move |works: &mut Works| works.engine.missing_days(days);
        let missing = self.blocking(find).await?;
        if missing.is_empty() {
            tracing::info!("no day of the lake is missing");
        }
        for (from, to) in missing {
            self.rebuild_days(from, to).await?;
        }
        Ok(())
    }

    /// The first day of which detail is kept; `None` when none has left.
    pub async fn detail_from(&self) -> Result<Option<DateTime<Utc>>, Error> {
        let micros = self.blocking(|works| works.engine.detail_from()).await?;
        Ok(micros.and_then(DateTime::from_timestamp_micros))
    }

    /// How far it is.
    pub fn status(&self) -> Status {
        let totals = &self.totals;
        Status {
            watermark: totals.snapshot_id,
            table_snapshot: self.table_snapshot,
            generation: self.generation,
            rows: totals.rows,
            polls: totals.polls,
            as_of: totals.as_of.and_then(DateTime::from_timestamp_micros),
            rebuilding: totals.rebuilding,
            caught_up: self.table_snapshot == totals.snapshot_id && !totals.waiting,
        }
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Works) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let works = Arc::clone(&self.works);
        let task = tokio::task::spawn_blocking(move || {
            let mut works = works.lock().unwrap_or_else(|panicked| {
                // A panic leaves DuckDB's transaction behind.
                let works = panicked.into_inner();
                works.engine.roll_back();
                works
            });
            work(&mut works)
        });
        task.await?
    }
}

impl Works {
    /// Does some of the work of a run: of the one under way, or of a new one. An error ends it.
    fn in_run<T>(
        &mut self,
        work: impl FnOnce(&mut Works, &str) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let (run_id, span) = self.runs.begin();
        let entered = span.entered();
        let done = work(self, &run_id);
        if let Err(error) = &done {
            let status = match error {
                Error::Blocked { .. } => RunStatus::Blocked,
                _ => RunStatus::Failed,
            };
            let text = error.in_full();
            tracing::debug!(error = text, "the run has ended early");
            self.runs.end(status, Some(text));
        }
        drop(entered);
        done
    }

    /// Notes in the run's row what was counted.
    fn note(&mut self, counted: &Refreshed, totals: &Totals) -> Result<(), Error> {
        let polls = self.engine.polls_of(&counted.run_id)?;
        if let Some(run) = self.runs.current() {
            run.rows_in += counted.rows;
            run.polls = polls;
            run.snapshot_id = totals.snapshot_id;
        }
        Ok(())
    }
}

impl Status {
    /// How old the newest counted poll is.
    pub fn age(&self, now: DateTime<Utc>) -> Option<Duration> {
        now.signed_duration_since(self.as_of?).to_std().ok()
    }
}
