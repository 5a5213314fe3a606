//! The task beside the service's loop: it copies what is current, and tries again.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use service::fault::Faulty;
use service::health::{Component, Health};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::connect::Server;
use super::contents::Fingerprints;
use super::copy::{Copied, check, copy};
use super::error::PostgresError;
use crate::engine::absolute;
use crate::models::Models;
use crate::publish::{Generation, generation};
use crate::{Error, TransformerConfig};

/// The longest pause between two tries, when no generation comes in between.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// How long a copy may take: a server that accepts what is sent and says nothing would be waited for
/// without an end.
const COPY_LIMIT: Duration = Duration::from_secs(15 * 60);
/// How long the end of the service waits for the last copy.
const LAST_COPY: Duration = Duration::from_secs(30);

/// The copy of the marts in PostgreSQL, kept by a task of its own.
#[derive(Debug)]
pub struct Home {
    news: watch::Sender<News>,
    task: JoinHandle<Result<(), Error>>,
}

/// What the task is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum News {
    /// There may be a new generation.
    Published,
    /// There will be none any more.
    Ended,
}

impl Home {
    /// Starts the task; `None` when the configuration names no server.
    ///
    /// # Errors
    /// When the configuration cannot be used. A server that is not there is no error here: it
    /// is said by the component `postgres` of `health`, and tried again.
    pub fn start(config: &TransformerConfig, health: &Health) -> Result<Option<Home>, Error> {
        let Some(server) = Server::new(&config.postgres)? else {
            return Ok(None);
        };
        let task = Task {
            server,
            published: absolute(&config.published)?,
            models: Arc::new(Models::load(config.models.as_deref())?),
            component: health.component("postgres"),
            fingerprints: Fingerprints::default(),
            copied: None,
            failures: 0,
        };
        let (news, heard) = watch::channel(News::Published);
        let task = tokio::spawn(task.follow(heard));
        Ok(Some(Home { news, task }))
    }

    /// Says that a generation was published.
    pub fn announce(&self) {
        self.news.send_replace(News::Published);
    }

    /// Waits until the current generation is copied, or until that has failed once.
    ///
    /// # Errors
    /// Why it is not there.
    pub async fn finish(self) -> Result<(), Error> {
        self.news.send_replace(News::Ended);
        let abort = self.task.abort_handle();
        match tokio::time::timeout(LAST_COPY, self.task).await {
            Ok(ended) => ended?,
            Err(_) => {
                abort.abort();
                Err(PostgresError::Late.into())
            }
        }
    }
}

struct Task {
    server: Server,
    published: PathBuf,
    models: Arc<Models>,
    component: Component,
    fingerprints: Fingerprints,
    /// The generation that is there, as far as this process knows.
    copied: Option<u64>,
    failures: u32,
}

impl Task {
    async fn follow(mut self, mut heard: watch::Receiver<News>) -> Result<(), Error> {
        loop {
            let news = *heard.borrow_and_update();
            let done = self.copy_current().await;
            if news == News::Ended {
                return done;
            }
            let pause = match done {
                Ok(()) => {
                    self.failures = 0;
                    self.component.ready();
                    None
                }
                Err(error) => Some(self.failed(&error)),
            };
            let heard_more = match pause {
                None => heard.changed().await,
                Some(pause) => tokio::select! {
                    heard_more = heard.changed() => heard_more,
                    () = tokio::time::sleep(pause) => Ok(()),
                },
            };
            if heard_more.is_err() {
                // The service has ended on an error of its own.
                return Ok(());
            }
        }
    }

    /// Copies the current generation unless it is there.
    async fn copy_current(&mut self) -> Result<(), Error> {
        let Some(generation) = Generation::current(&self.published)? else {
            return Ok(check(&self.server).await?);
        };
        if self.copied == Some(generation.generation) {
            return Ok(());
        }
        let began = Instant::now();
        let folder = self
            .published
            .join(generation::folder_name(generation.generation));
        let generation = Arc::new(generation);
        let contents = {
            let mut fingerprints = std::mem::take(&mut self.fingerprints);
            let (generation, models) = (Arc::clone(&generation), Arc::clone(&self.models));
            let look = move || {
                let contents = fingerprints.contents(&generation, &folder, &models);
                (contents, fingerprints)
            };
            let (contents, fingerprints) = tokio::task::spawn_blocking(look).await?;
            self.fingerprints = fingerprints;
            contents?
        };
        let copying = copy(&self.server, &generation, &contents);
        let copied = tokio::time::timeout(COPY_LIMIT, copying).await;
        let copied = copied.map_err(|_| PostgresError::NoEnd(COPY_LIMIT))??;
        self.copied = Some(generation.generation);
        note(generation.generation, copied, began.elapsed());
        Ok(())
    }

    /// Says what failed; the pause before the next try.
    fn failed(&mut self, error: &Error) -> Duration {
        let pause = Duration::from_secs(1) * 2u32.saturating_pow(self.failures);
        self.failures = (self.failures + 1).min(16);
        let remedy = error.remedy().map(|remedy| format!("; {remedy}"));
        let said = format!("{error}{}", remedy.unwrap_or_default());
        tracing::warn!(
            error = said,
            "the marts in PostgreSQL are not refreshed; trying again with the next generation"
        );
        metrics::counter!("contrail_transformer_postgres_failures_total").increment(1);
        self.component.not_ready(said);
        pause.min(LONGEST_PAUSE)
    }
}

fn note(generation: u64, copied: Copied, elapsed: Duration) {
    #[expect(clippy::cast_precision_loss, reason = "a gauge is a double")]
    metrics::gauge!("contrail_transformer_postgres_generation").set(generation as f64);
    metrics::counter!("contrail_transformer_postgres_rows_total").increment(copied.rows);
    metrics::histogram!("contrail_transformer_postgres_seconds").record(elapsed.as_secs_f64());
    tracing::debug!(
        generation,
        parts = copied.parts,
        unchanged = copied.unchanged,
        rows = copied.rows,
        ?elapsed,
        "copied to PostgreSQL"
    );
}
