//! The service's loop: look at the lake, count, publish, wait.

use std::time::{Duration, Instant};

use service::fault::Faulty;
use service::health::{Component, Health};
use service::shutdown::Shutdown;
use tokio::sync::watch;

use crate::publish::Scope;
use crate::{Config, Error, Mode, Refreshed, Status, Transformer};

/// During a long backlog readers see its progress this often.
const PUBLISH_WITHIN_BACKLOG: Duration = Duration::from_secs(5);

/// The longest pause after errors.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

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
/// `status` is sent how far it is after every look at the lake. In mode `continuous` what fails
/// is tried again, with a growing pause, and readers keep the last generation; a folder in use
/// or a wrong configuration ends the run.
pub async fn run(
    config: Config,
    health: Health,
    shutdown: Shutdown,
    status: Option<watch::Sender<Status>>,
) -> Result<Summary, Error> {
    let mut runner = Runner {
        transformer: Some(Transformer::open(&config).await?),
        config,
        component: health.component("transformer"),
        sender: status,
        summary: Summary::default(),
        last_published: Instant::now(),
        failures: 0,
    };
    match runner.config.transformer.mode {
        Mode::Once => runner.once(&shutdown).await?,
        Mode::Continuous => runner.follow(&shutdown).await?,
    }
    Ok(runner.summary)
}

struct Runner {
    /// `None` after DuckDB has failed: it must be opened again, since it refuses all further
    /// work once it could not write.
    transformer: Option<Transformer>,
    config: Config,
    component: Component,
    sender: Option<watch::Sender<Status>>,
    summary: Summary,
    last_published: Instant,
    failures: u32,
}

impl Runner {
    async fn once(&mut self, shutdown: &Shutdown) -> Result<(), Error> {
        let mut transformer = self.open().await?;
        while !shutdown.is_triggered() {
            let Some(refreshed) = transformer.refresh().await? else {
                break;
            };
            self.note_refreshed(&refreshed);
            self.report(&transformer);
        }
        self.publish(&mut transformer, Scope::Full).await?;
        self.component.ready();
        self.report(&transformer);
        Ok(())
    }

    async fn follow(&mut self, shutdown: &Shutdown) -> Result<(), Error> {
        while !shutdown.is_triggered() {
            let pause = match self.step().await {
                Ok(true) => continue,
                Ok(false) => {
                    self.failures = 0;
                    self.component.ready();
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
            self.publish(&mut transformer, Scope::Full).await?;
            self.report(&transformer);
        }
        Ok(())
    }

    /// Looks at the lake once; whether there may be more to do at once.
    async fn step(&mut self) -> Result<bool, Error> {
        let mut transformer = self.open().await?;
        let done = self.count_and_publish(&mut transformer).await;
        if !matches!(done, Err(Error::Duck { .. })) {
            self.transformer = Some(transformer);
        }
        done
    }

    async fn open(&mut self) -> Result<Transformer, Error> {
        match self.transformer.take() {
            Some(transformer) => Ok(transformer),
            None => Transformer::open(&self.config).await,
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

    /// Says what failed; the pause before the next try, or the error when trying is no use.
    fn failed(&mut self, error: Error) -> Result<Duration, Error> {
        if !error.retryable() {
            self.component.failed(error.to_string());
            return Err(error);
        }
        self.failures += 1;
        let pause = self.config.transformer.poll_interval * 2u32.saturating_pow(self.failures);
        let pause = pause.min(LONGEST_PAUSE);
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        tracing::warn!(%error, cause, ?pause, "the marts are not refreshed; trying again");
        metrics::counter!("contrail_transformer_failures_total").increment(1);
        self.component.not_ready(error.to_string());
        Ok(pause)
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
