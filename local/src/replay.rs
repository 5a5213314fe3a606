//! Recorded bodies through the whole chain, as fast as it goes.
//!
//! Everything is read and checked before the data folder is touched. What the marts or the lake
//! have already is not published again, so the same recordings twice change nothing. Memory is
//! bounded: of what is published, only so much may wait for its commit.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use contract::avro::FLIGHT_STATE_SCHEMA;
use contract::{Poll, Source};
use indicatif::ProgressBar;
use producer::{Publisher, Registry, Stamp};
use service::health::Health;
use service::shutdown::Shutdown;
use tokio::sync::{mpsc, watch};
use transformer::{Mode, Transformer};

use crate::config::{Command, Config};
use crate::display::{Display, LOG_EVERY};
use crate::error::Error;
use crate::home::{Home, Servers};
use crate::marts;
use crate::part::{DRAIN, Part};
use crate::presence::Presence;
use crate::recordings::{self, Recording, RecordingError, Scan};
use crate::trim;

/// Rows that may be published and not committed yet. They are in memory: as messages in
/// the broker, some 50 bytes each, and in the consumer, which has a limit of its own.
const MOST_OUTSTANDING: u64 = 250_000;
/// Bodies that are read ahead of the one that is being published.
const READ_AHEAD: usize = 2;

/// What to replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Files and folders.
    pub paths: Vec<PathBuf>,
    /// Leave out what cannot be used instead of refusing everything.
    pub skip_bad: bool,
}

/// What a replay did.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Summary {
    /// Recordings that were found and can be used.
    pub bodies: u64,
    /// Of them, those that were published now.
    pub published: u64,
    /// Of them, those that the marts had already.
    pub present: u64,
    /// Of them, those that the lake has and the marts have no detail of: they are older than the
    /// retention.
    pub older: u64,
    /// Recordings left out because an equal one came before.
    pub repeated: u64,
    /// Recordings left out because they cannot be used.
    pub skipped: u64,
    /// Rows published and in the lake.
    pub rows: u64,
    /// Records that could not be decoded.
    pub dead_letters: u64,
    /// From the first body published to the last mart.
    pub duration: Duration,
    /// The generation of the marts; 0 when there is none.
    pub generation: u64,
    /// Whether it was ended before everything was published.
    pub interrupted: bool,
}

impl Summary {
    /// Rows a second, from the first body published to the last mart.
    pub fn rows_per_second(&self) -> f64 {
        let seconds = self.duration.as_secs_f64();
        if seconds > 0.0 {
            self.rows as f64 / seconds
        } else {
            0.0
        }
    }
}

/// Replays recordings into the data folder `data`, and returns when every row is in the
/// marts, or in order when `shutdown` comes first.
///
/// # Errors
/// When a recording cannot be used, before anything on disk has changed; when a service
/// cannot go on.
pub async fn run(
    config: Config,
    data: &Path,
    request: Request,
    health: &Health,
    shutdown: &Shutdown,
    display: &Display,
) -> Result<Summary, Error> {
    let Scan {
        recordings,
        repeated,
        skipped,
    } = scan(request, display).await?;
    let home = Home::open(data, Command::Replay, config)?;
    let mut transformer = Transformer::open(&home.transformer(Mode::Once)).await?;
    let published = home.folder().published();
    marts::show(&mut transformer, &published).await?;
    let presence = Presence::read(published.clone()).await?;
    let mut summary = Summary {
        bodies: recordings.len() as u64,
        repeated,
        skipped: skipped.len() as u64,
        generation: transformer.status().generation,
        ..Summary::default()
    };
    let missing = |recording: &Recording| !presence.has(recording);
    let missing: Vec<Recording> = recordings.into_iter().filter(missing).collect();
    summary.present = summary.bodies - missing.len() as u64;
    // The marts have counted all of the lake: what is there only has left their detail.
    let in_lake = Presence::in_lake(&home.lake(), published, &missing).await?;
    let of_lake = missing.iter().filter(|recording| in_lake.has(recording));
    summary.older = of_lake.count() as u64;
    let new = |recording: &Recording| !in_lake.has(recording);
    let to_do: Vec<Recording> = missing.into_iter().filter(new).collect();
    if to_do.is_empty() {
        return Ok(summary);
    }
    let chain = Chain {
        servers: Servers::start(home.folder()).await?,
        home,
        health,
        shutdown,
        display,
    };
    chain.run(transformer, to_do, summary).await
}

/// Reads everything once, on a thread of its own.
async fn scan(request: Request, display: &Display) -> Result<Scan, Error> {
    let line = display.line();
    let shown = line.clone();
    let task = tokio::task::spawn_blocking(move || {
        recordings::scan(&request.paths, request.skip_bad, |done, of| {
            shown.set_message(format!("checking recordings: {done} of {of}"));
        })
    });
    let scan = task.await.map_err(|_| Error::Panicked("reading"))??;
    line.finish_and_clear();
    for error in &scan.skipped {
        tracing::warn!(%error, "left out");
    }
    Ok(scan)
}

/// Everything that is needed while bodies are on their way.
struct Chain<'a> {
    servers: Servers,
    home: Home,
    health: &'a Health,
    shutdown: &'a Shutdown,
    display: &'a Display,
}

impl Chain<'_> {
    async fn run(
        self,
        transformer: Transformer,
        to_do: Vec<Recording>,
        mut summary: Summary,
    ) -> Result<Summary, Error> {
        let started = Instant::now();
        let (consumed_by, consumed) = watch::channel(consumer::Progress::default());
        let broker = Arc::clone(self.servers.broker());
        let trimmer = tokio::spawn(trim::follow(broker, consumed.clone()));
        let mut consumer = Part::start("consumer", |ending| {
            consumer::run(
                self.home.consumer(&self.servers),
                self.health.clone(),
                ending,
                Some(consumed_by),
            )
        });
        let counting = Part::start("transformer", |ending| {
            count_along(transformer, consumed.clone(), ending)
        });

        let published = tokio::select! {
            published = self.publish(&to_do, consumed.clone()) => published,
            // Its error is told when it is ended.
            () = consumer.ended() => Ok(0),
        };
        let consumed = consumer.end().await;
        trimmer.abort();
        let mut transformer = counting.end().await?;
        marts::show(&mut transformer, &self.home.folder().published()).await?;
        let consumed = consumed?;

        summary.published = published?;
        summary.interrupted = summary.published < to_do.len() as u64;
        summary.rows = consumed.rows_committed;
        summary.dead_letters = consumed.dead_letters;
        summary.generation = transformer.status().generation;
        summary.duration = started.elapsed();
        let detail_from = transformer.detail_from().await?;
        summary.older += self.check(&to_do, &summary, detail_from).await?;
        Ok(summary)
    }

    /// Publishes the recordings in their order and waits until the consumer has them. Returns
    /// how many were, which is less than all only after a shutdown.
    async fn publish(
        &self,
        to_do: &[Recording],
        mut consumed: watch::Receiver<consumer::Progress>,
    ) -> Result<u64, Error> {
        let config = self.home.producer(&self.servers);
        let schema_id = Registry::new(&config.registry)?
            .register(&config.producer.topic, FLIGHT_STATE_SCHEMA)
            .await?;
        let publisher = Publisher::connect(&config.kafka, &config.producer).await?;
        let mut bodies = read_ahead(to_do);
        let total = to_do.iter().map(|recording| recording.rows).sum();
        let shown = Shown::new(self.display, total);
        let (mut count, mut rows) = (0, 0);
        while let Some(poll) = bodies.recv().await {
            let poll = poll?;
            let has_room = |progress: &consumer::Progress| {
                let done = progress.rows_committed + progress.dead_letters;
                rows < done + MOST_OUTSTANDING
            };
            tokio::select! {
                () = self.shutdown.wait() => break,
                // The consumer's own error says more than its absence here.
                _ = shown.until(&mut consumed, has_room) => {}
            }
            let stamp = Stamp {
                schema_id,
                ingestion_time: Utc::now(),
                source: Source::Replay,
            };
            rows += publisher.publish(&poll, stamp).await?.rows;
            count += 1;
        }
        // What it has read it commits when it is ended.
        let is_read = |progress: &consumer::Progress| {
            let read = progress.rows_committed + progress.dead_letters + progress.buffered_rows;
            read >= rows
        };
        let drained = shown.until(&mut consumed, is_read);
        tokio::time::timeout(DRAIN, drained)
            .await
            .map_err(|_| Error::NotDrained {
                seconds: DRAIN.as_secs(),
            })?;
        shown.bar.finish_and_clear();
        Ok(count)
    }

    /// Whether the marts have what was published, and how many recordings the lake alone has
    /// because they are older than the retention.
    async fn check(
        &self,
        to_do: &[Recording],
        summary: &Summary,
        detail_from: Option<DateTime<Utc>>,
    ) -> Result<u64, Error> {
        let folder = self.home.folder().published();
        let presence = Presence::read(folder.clone()).await?;
        let published = to_do.iter().take(summary.published as usize);
        let missing = published.filter(|recording| !presence.has(recording));
        let (old, mut missing): (Vec<_>, Vec<_>) = missing.cloned().partition(|recording| {
            detail_from.is_some_and(|from| recording.time < from.timestamp())
        });
        let in_lake = Presence::in_lake(&self.home.lake(), folder, &old).await?;
        let (older, lost): (Vec<_>, Vec<_>) = old
            .into_iter()
            .partition(|recording| in_lake.has(recording));
        missing.extend(lost);
        if missing.is_empty() {
            return Ok(older.len() as u64);
        }
        Err(Error::Incomplete {
            missing: missing.len(),
            of: to_do.len(),
            dead_letters: summary.dead_letters,
        })
    }
}

/// Reads bodies on a thread of its own, a few ahead of their use.
fn read_ahead(to_do: &[Recording]) -> mpsc::Receiver<Result<Poll, RecordingError>> {
    let (sender, receiver) = mpsc::channel(READ_AHEAD);
    let paths: Vec<PathBuf> = to_do.iter().map(|r| r.path.clone()).collect();
    tokio::task::spawn_blocking(move || {
        for path in paths {
            // The receiver is gone when the replay has ended before its time.
            if sender.blocking_send(recordings::read(&path)).is_err() {
                return;
            }
        }
    });
    receiver
}

/// Counts rows as they are committed, so that little is left to count at the end.
async fn count_along(
    mut transformer: Transformer,
    mut consumed: watch::Receiver<consumer::Progress>,
    ending: Shutdown,
) -> Result<Transformer, Error> {
    let mut counted = 0;
    loop {
        marts::count(&mut transformer).await?;
        tokio::select! {
            () = ending.wait() => return Ok(transformer),
            committed = commits_beyond(&mut consumed, counted) => match committed {
                Some(commits) => counted = commits,
                None => ending.wait().await,
            },
        }
    }
}

/// Waits for a commit after `counted`; none when the consumer is gone.
async fn commits_beyond(
    consumed: &mut watch::Receiver<consumer::Progress>,
    counted: u64,
) -> Option<u64> {
    let found = consumed.wait_for(|progress| progress.commits > counted);
    Some(found.await.ok()?.commits)
}

/// How far the rows are, on a bar or in the log.
struct Shown {
    bar: ProgressBar,
    is_terminal: bool,
}

impl Shown {
    fn new(display: &Display, total: u64) -> Shown {
        Shown {
            bar: display.rows(total),
            is_terminal: display.is_terminal(),
        }
    }

    /// Shows what is committed until `done` is true of it or the consumer is gone.
    async fn until(
        &self,
        consumed: &mut watch::Receiver<consumer::Progress>,
        done: impl Fn(&consumer::Progress) -> bool,
    ) {
        let mut log = tokio::time::interval(LOG_EVERY);
        log.reset();
        loop {
            {
                let progress = consumed.borrow_and_update();
                self.bar.set_position(progress.rows_committed);
                if done(&progress) {
                    return;
                }
            }
            tokio::select! {
                changed = consumed.changed() => if changed.is_err() {
                    return;
                },
                _ = log.tick() => if !self.is_terminal {
                    let rows = self.bar.position();
                    tracing::info!(rows, of = self.bar.length(), "replaying");
                },
            }
        }
    }
}
