//! The service's loop: look at the lake, count, publish, wait.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use service::fault::Faulty;
use service::health::{Component, Health};
use service::notify::Notifier;
use service::shutdown::Shutdown;
use tokio::sync::watch;

use crate::outage::Outage;
use crate::publish::Scope;
use crate::publish::postgres::Home;
use crate::runs::schedule::Schedule;
use crate::runs::{Kind, listing};
use crate::transformer::TRY_REFUSED_AGAIN;
use crate::{Config, Error, Mode, Refreshed, Status, Transformer};

/// During a long backlog readers see its progress this often.
const PUBLISH_WITHIN_BACKLOG: Duration = Duration::from_secs(5);

/// How long notifications may take at the end.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// How often the clock is looked at while waiting for a time.
const LONGEST_NAP: Duration = Duration::from_secs(20);

/// What a run did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Transactions that counted rows.
    pub refreshes: u64,
    /// Rows read from data files.
    pub rows: u64,
    /// Rows among them that had been counted before.
    pub repeated: u64,
    /// Generations published.
    pub generations: u64,
    /// How far it came.
    pub status: Status,
}

/// Runs the transformer until `shutdown`, or until everything is published in mode `once`.
///
/// `status` is sent how far it is after every look at the lake. In the modes `continuous` and
/// `cron` what fails is tried again, with a growing pause, and readers keep the last generation; a
/// folder in use or a wrong configuration ends the run.
pub async fn run(
    config: Config,
    health: Health,
    shutdown: Shutdown,
    status: Option<watch::Sender<Status>>,
) -> Result<Summary, Error> {
    // What is wrong with it is said at once, not at the first time it names.
    let schedule = Schedule::of(&config.transformer)?;
    let notifier = Notifier::start(&config.notify)?;
    let transformer = Transformer::open_with(&config, notifier.clone()).await?;
    let mut runner = Runner {
        transformer: Some(transformer),
        component: health.component("transformer"),
        // After the lock is taken: a second transformer does not come to the copy.
        home: Home::start(&config.transformer, &health)?,
        config,
        sender: status,
        summary: Summary::default(),
        last_published: Instant::now(),
        outage: Outage::new(notifier.clone()),
    };
    let mut done = match runner.config.transformer.mode {
        Mode::Once => runner.once(&shutdown).await,
        Mode::Cron => runner.by_schedule(&schedule, &shutdown).await,
        Mode::Continuous => runner.follow(&shutdown).await,
    };
    if let Some(home) = runner.home.take()
        && let Err(error) = home.finish().await
    {
        // Everything is published; who asked for just that is told what is missing.
        match runner.config.transformer.mode {
            Mode::Once if done.is_ok() => done = Err(error),
            _ => tracing::warn!(%error, "the last generation is not in PostgreSQL"),
        }
    }
    if let Err(error) = &done {
        runner.outage.ended(error);
    }
    notifier.finish(LAST_WORDS).await;
    done?;
    Ok(runner.summary)
}

struct Runner {
    /// `None` after DuckDB has failed: it must be opened again, since it refuses all further
    /// work once it could not write.
    transformer: Option<Transformer>,
    config: Config,
    component: Component,
    /// The copy in PostgreSQL, if there is to be one.
    home: Option<Home>,
    sender: Option<watch::Sender<Status>>,
    summary: Summary,
    last_published: Instant,
    outage: Outage,
}

impl Runner {
    async fn once(&mut self, shutdown: &Shutdown) -> Result<(), Error> {
        let mut transformer = self.open().await?;
        let done = self.everything(&mut transformer, shutdown).await;
        self.keep(transformer, &done);
        done?;
        self.component.ready();
        Ok(())
    }

    /// Counts and publishes all that the lake holds.
    async fn everything(
        &mut self,
        transformer: &mut Transformer,
        shutdown: &Shutdown,
    ) -> Result<(), Error> {
        while !shutdown.is_triggered() {
            let Some(refreshed) = transformer.refresh().await? else {
                break;
            };
            self.note_refreshed(&refreshed);
            self.report(transformer);
        }
        self.publish(transformer, Scope::Full).await?;
        self.report(transformer);
        Ok(())
    }

    async fn by_schedule(&mut self, schedule: &Schedule, shutdown: &Shutdown) -> Result<(), Error> {
        let section = &self.config.transformer;
        let last = listing::last_good(&section.logs, Kind::Cron)?;
        let now = Utc::now();
        let missed = last.is_some_and(|last| schedule.missed(last, now));
        let mut due = match missed && section.catch_up {
            true => Some(now),
            false => schedule.after(now),
        };
        self.component.ready();
        while let Some(time) = due {
            tracing::info!(%time, "the next run");
            if !wait_until(time, shutdown).await {
                break;
            }
            due = match self.scheduled(shutdown).await {
                Ok(()) => {
                    self.well();
                    schedule.after(Utc::now())
                }
                Err(error) => {
                    let blocked = matches!(error, Error::Blocked { .. });
                    let pause = self.failed(error)?;
                    // Nothing is counted meanwhile that would change what an audit found.
                    Some(Utc::now() + if blocked { TRY_REFUSED_AGAIN } else { pause })
                }
            };
        }
        Ok(())
    }

    /// One run of the schedule, which is recorded also when there was nothing to do.
    async fn scheduled(&mut self, shutdown: &Shutdown) -> Result<(), Error> {
        let mut transformer = self.open().await?;
        transformer.begin_run().await?;
        transformer.try_refused();
        let mut done = self.everything(&mut transformer, shutdown).await;
        let ended = match &done {
            Ok(()) => transformer.end_run().await,
            Err(error) => transformer.fail_run(error).await,
        };
        if done.is_ok() {
            done = ended;
        }
        self.keep(transformer, &done);
        done
    }

    async fn follow(&mut self, shutdown: &Shutdown) -> Result<(), Error> {
        while !shutdown.is_triggered() {
            let pause = match self.step().await {
                Ok(true) => continue,
                Ok(false) => {
                    self.well();
                    self.config.transformer.poll_interval
                }
                Err(error) => self.failed(error)?,
            };
            tokio::select! {
                () = shutdown.wait() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
        // The end of a session leaves every mart as new as what was counted.
        if let Some(mut transformer) = self.transformer.take() {
            match self.publish(&mut transformer, Scope::Full).await {
                // The audits have told it, and nothing is lost: the next session tries again.
                Err(Error::Blocked { .. }) | Ok(()) => {}
                Err(error) => return Err(error),
            }
            self.report(&transformer);
        }
        Ok(())
    }

    /// Looks at the lake once; whether there may be more to do at once.
    async fn step(&mut self) -> Result<bool, Error> {
        let mut transformer = self.open().await?;
        let done = self.count_and_publish(&mut transformer).await;
        self.keep(transformer, &done);
        done
    }

    /// Keeps the transformer for the next work, unless its DuckDB has failed.
    fn keep<T>(&mut self, transformer: Transformer, done: &Result<T, Error>) {
        if !matches!(done, Err(Error::Duck { .. })) {
            self.transformer = Some(transformer);
        }
    }

    async fn open(&mut self) -> Result<Transformer, Error> {
        match self.transformer.take() {
            Some(transformer) => Ok(transformer),
            None => Transformer::open_with(&self.config, self.outage.notifier()).await,
        }
    }

    /// Counts a step and publishes when it is time.
    async fn count_and_publish(&mut self, transformer: &mut Transformer) -> Result<bool, Error> {
        let refreshed = transformer.refresh().await?;
        if let Some(refreshed) = &refreshed {
            self.note_refreshed(refreshed);
        }
        let caught_up = refreshed.is_none() || transformer.status().caught_up;
        if caught_up || self.last_published.elapsed() >= PUBLISH_WITHIN_BACKLOG {
            // What takes long is written when there is nothing to count: it delays nothing.
            let scope = if refreshed.is_some() {
                Scope::Quick
            } else {
                Scope::Due
            };
            self.publish(transformer, scope).await?;
        }
        if refreshed.is_none() {
            transformer.watch().await?;
        }
        self.report(transformer);
        Ok(refreshed.is_some() && !caught_up)
    }

    async fn publish(&mut self, transformer: &mut Transformer, scope: Scope) -> Result<(), Error> {
        if !transformer.publication_due(scope).await? {
            return Ok(());
        }
        let published = transformer.publish_scope(scope).await?;
        self.last_published = Instant::now();
        self.summary.generations += 1;
        if let Some(home) = &self.home {
            home.announce();
        }
        metrics::histogram!("contrail_transformer_publish_seconds")
            .record(published.duration.as_secs_f64());
        tracing::debug!(
            generation = published.generation,
            written = published.written.len(),
            waiting = published.waiting.len(),
            elapsed = ?published.duration,
            "published"
        );
        Ok(())
    }

    /// Everything works, unless an audit keeps what was counted from readers.
    fn well(&mut self) {
        if self
            .transformer
            .as_ref()
            .is_some_and(Transformer::is_refused)
        {
            return;
        }
        self.outage.over();
        self.component.ready();
    }

    /// Says what failed; the pause before the next try, or the error when trying is no use.
    fn failed(&mut self, error: Error) -> Result<Duration, Error> {
        if !error.retryable() {
            self.component.failed(error.to_string());
            return Err(error);
        }
        metrics::counter!("contrail_transformer_failures_total").increment(1);
        let reason = self.outage.failed(&error);
        self.component.not_ready(reason);
        Ok(self
            .outage
            .pause(&error, self.config.transformer.poll_interval))
    }

    fn note_refreshed(&mut self, refreshed: &Refreshed) {
        self.summary.refreshes += u64::from(refreshed.batch.is_some());
        self.summary.rows += refreshed.rows;
        self.summary.repeated += refreshed.repeated;
        metrics::counter!("contrail_transformer_rows_total").increment(refreshed.rows);
        metrics::counter!("contrail_transformer_repeated_rows_total").increment(refreshed.repeated);
        metrics::histogram!("contrail_transformer_refresh_seconds")
            .record(refreshed.duration.as_secs_f64());
        tracing::debug!(
            rows = refreshed.rows,
            repeated = refreshed.repeated,
            run_id = refreshed.run_id,
            elapsed = ?refreshed.duration,
            "counted"
        );
    }

    fn report(&mut self, transformer: &Transformer) {
        let status = transformer.status();
        #[expect(clippy::cast_precision_loss, reason = "a gauge is a double")]
        {
            metrics::gauge!("contrail_transformer_generation").set(status.generation as f64);
            metrics::gauge!("contrail_transformer_rows").set(status.rows as f64);
            metrics::gauge!("contrail_transformer_polls").set(status.polls as f64);
        }
        if let Some(age) = status.age(chrono::Utc::now()) {
            metrics::gauge!("contrail_transformer_newest_poll_age_seconds").set(age.as_secs_f64());
        }
        self.summary.status = status.clone();
        if let Some(sender) = &self.sender {
            sender.send_replace(status);
        }
    }
}

/// Waits until a time of the clock on the wall; false when the end comes first.
async fn wait_until(time: DateTime<Utc>, shutdown: &Shutdown) -> bool {
    loop {
        let left = time.signed_duration_since(Utc::now());
        let Ok(left) = left.to_std() else {
            return !shutdown.is_triggered();
        };
        // In short naps: a machine that was suspended, or whose clock was set, is on time too.
        tokio::select! {
            () = shutdown.wait() => return false,
            () = tokio::time::sleep(left.min(LONGEST_NAP)) => {}
        }
    }
}
