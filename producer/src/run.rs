//! The loop: every interval one poll, from OpenSky into the topic.
//!
//! Whatever goes wrong with one poll, the next one goes on: only what a person must put right
//! ends the loop. A poll that was read is not let go: while Kafka is away it is tried again, and
//! the polls that would have come meanwhile are skipped.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::Utc;
use contract::Poll;
use service::fault::{Faulty, chain};
use service::health::{Component, Health};
use service::retry::{RetryPolicy, retry};
use service::shutdown::Shutdown;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};

use crate::config::{Config, PollSource, ProducerConfig};
use crate::error::ProducerError;
use crate::kafka::PublishError;
use crate::link::Link;
use crate::opensky::{self, Answer, FetchError, OpenSky, ParseError};
use crate::publish::{Published, Stamp};
use crate::quarantine::Quarantine;

/// Requests for one poll, the first one included.
const ATTEMPTS: usize = 4;
/// How long a poll that is being published may take once the end was asked for.
const GRACE: Duration = Duration::from_secs(5);

/// So many polls in a row that are not newer than the last one published are one too many: OpenSky
/// stands still, or the last one was of a time to come.
const STALE_POLLS: u64 = 20;

/// How far the producer has come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// Polls published.
    pub polls: u64,
    /// Records published.
    pub rows: u64,
    /// `time` of the last poll published, in seconds since the epoch.
    pub last_time: Option<i64>,
    /// Offset of the last record published to each partition.
    pub offsets: BTreeMap<i32, i64>,
    /// Polls dropped because they were not newer than the last one.
    pub dropped: u64,
    /// Polls that failed: no answer, or one that could not be read.
    pub failed: u64,
    /// What the last failure was.
    pub last_error: Option<String>,
}

/// Polls until `shutdown`, and tells `progress` after every poll.
///
/// # Errors
/// What a person must put right: settings, credentials, rights, a schema that does not fit, a
/// second producer of the same name, or a Kafka that does not answer at the start.
pub async fn run(
    config: Config,
    health: Health,
    shutdown: Shutdown,
    progress: Option<watch::Sender<Progress>>,
) -> Result<Progress, ProducerError> {
    run_after(config, health, shutdown, progress, None).await
}

/// As [`run`], where polls up to `published_until`, in seconds since the epoch, are known to be
/// published even if the topic does not hold them any more.
///
/// # Errors
/// As [`run`].
pub async fn run_after(
    config: Config,
    health: Health,
    shutdown: Shutdown,
    progress: Option<watch::Sender<Progress>>,
    published_until: Option<i64>,
) -> Result<Progress, ProducerError> {
    let source = health.component("opensky");
    let sink = health.component("publisher");
    let started = start(&config, &shutdown, published_until).await;
    let mut producer = match started {
        Ok((link, last_time)) => {
            sink.ready();
            Producer::new(&config.producer, link, last_time, source, sink, progress)?
        }
        // Told to end before it began.
        Err(_) if shutdown.is_triggered() => return Ok(Progress::default()),
        Err(error) => return Err(error),
    };
    producer.poll_until(&shutdown).await?;
    Ok(producer.progress)
}

async fn start(
    config: &Config,
    shutdown: &Shutdown,
    published_until: Option<i64>,
) -> Result<(Link, Option<i64>), ProducerError> {
    config.producer.validate()?;
    let opened = async {
        let link = Link::open(config, shutdown).await?;
        // Without the registry it is not known what was published last: as for registering the
        // schema, it is waited for.
        let last_time = retry(
            &RetryPolicy::default(),
            "read the newest poll",
            |error| matches!(error, PublishError::Schema { .. }),
            shutdown,
            || link.newest_time(),
        )
        .await?
        .max(published_until);
        Ok((link, last_time))
    };
    tokio::select! {
        opened = opened => opened,
        () = shutdown.wait() => Err(ProducerError::Configuration("told to end".to_owned())),
    }
}

struct Producer {
    opensky: OpenSky,
    quarantine: Quarantine,
    link: Link,
    interval: Duration,
    poll_source: PollSource,
    source: Component,
    sink: Component,
    /// Whether OpenSky has ever answered: wrong credentials are fatal only before that.
    answered: bool,
    /// OpenSky wants no request before this.
    not_before: Option<Instant>,
    /// Polls since the last newer one.
    stale: u64,
    progress: Progress,
    watched: Option<watch::Sender<Progress>>,
}

impl Producer {
    fn new(
        config: &ProducerConfig,
        link: Link,
        last_time: Option<i64>,
        source: Component,
        sink: Component,
        watched: Option<watch::Sender<Progress>>,
    ) -> Result<Producer, ProducerError> {
        if config.opensky.is_anonymous() {
            tracing::info!("asking OpenSky without credentials");
        }
        tracing::info!(last_time, interval = ?config.interval, "polling");
        Ok(Producer {
            opensky: OpenSky::new(&config.opensky)?,
            quarantine: Quarantine::new(&config.quarantine),
            link,
            interval: config.interval,
            poll_source: config.source,
            source,
            sink,
            answered: false,
            not_before: None,
            stale: 0,
            progress: Progress {
                last_time,
                ..Progress::default()
            },
            watched,
        })
    }

    async fn poll_until(&mut self, shutdown: &Shutdown) -> Result<(), ProducerError> {
        let mut schedule = tokio::time::interval(self.interval);
        schedule.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            let not_before = self.not_before.take();
            let due = async {
                if let Some(instant) = not_before {
                    tokio::time::sleep_until(instant).await;
                }
                schedule.tick().await;
            };
            tokio::select! {
                biased;
                () = shutdown.wait() => return Ok(()),
                () = due => {}
            }
            self.poll(shutdown).await?;
            if let Some(watched) = &self.watched {
                watched.send_replace(self.progress.clone());
            }
        }
    }

    /// One poll. An error is one that ends the loop.
    async fn poll(&mut self, shutdown: &Shutdown) -> Result<(), ProducerError> {
        let fetched = tokio::select! {
            fetched = self.fetch(shutdown) => fetched,
            () = shutdown.wait() => return Ok(()),
        };
        let answer = match fetched {
            Ok(answer) => answer,
            Err(error) => return self.not_fetched(error),
        };
        let ingestion_time = Utc::now();
        self.answered = true;
        // A simulator's clock is its own.
        let now = match self.poll_source {
            PollSource::Live => ingestion_time.timestamp(),
            PollSource::Simulator => i64::MAX,
        };
        let poll = match read(answer.body, now).await? {
            Ok(poll) => poll,
            Err((body, error)) => {
                self.unreadable(body, &error).await;
                return Ok(());
            }
        };
        if let Some(last) = self.progress.last_time.filter(|last| poll.time <= *last) {
            self.stale(&poll, last);
            return Ok(());
        }
        self.stale = 0;
        self.source.ready();
        let stamp = Stamp {
            schema_id: self.link.schema_id(),
            ingestion_time,
            source: self.poll_source.into(),
        };
        match self.publish(&poll, stamp, shutdown).await? {
            Some(published) => self.published(&poll, published),
            None => tracing::warn!(time = poll.time, "ending with a poll that is not published"),
        }
        Ok(())
    }

    /// Asks OpenSky, more than once if need be, but never into the next poll.
    async fn fetch(&self, shutdown: &Shutdown) -> Result<Answer, FetchError> {
        let started = Instant::now();
        let policy = RetryPolicy {
            first: Duration::from_millis(500),
            max: Duration::from_secs(5),
            attempts: Some(ATTEMPTS),
        };
        let budget = self.interval.mul_f64(0.9);
        let asked = retry(
            &policy,
            "ask OpenSky",
            FetchError::retryable,
            shutdown,
            || self.opensky.states(),
        );
        let answer = tokio::time::timeout(budget, asked).await.map_err(|_| {
            let what = "OpenSky";
            FetchError::TimedOut {
                what,
                after: budget,
            }
        })??;
        metrics::histogram!("contrail_producer_fetch_seconds")
            .record(started.elapsed().as_secs_f64());
        if let Some(left) = answer.credits_left {
            metrics::gauge!("contrail_producer_credits_left").set(left as f64);
        }
        Ok(answer)
    }

    fn stale(&mut self, poll: &Poll, last: i64) {
        tracing::debug!(time = poll.time, "not newer than the last poll, dropped");
        self.progress.dropped += 1;
        count("stale");
        self.stale += 1;
        if self.stale < STALE_POLLS {
            self.source.ready();
            return;
        }
        let reason = format!(
            "the last {} polls were not newer than {last}, the time of the last one published: the newest is of {}",
            self.stale, poll.time
        );
        if self.stale == STALE_POLLS {
            tracing::warn!(reason, "nothing is published");
        }
        self.source.not_ready(&*reason);
        self.progress.last_error = Some(reason);
    }

    fn not_fetched(&mut self, error: FetchError) -> Result<(), ProducerError> {
        let refused = matches!(
            error,
            FetchError::Credentials { .. } | FetchError::Anonymous | FetchError::Client(_)
        );
        if refused && !self.answered {
            return Err(error.into());
        }
        if let FetchError::RateLimited { retry_after } = error {
            self.not_before = Some(Instant::now() + retry_after);
            count("rate_limited");
        } else {
            count("failed");
        }
        self.failed(&chain(&error));
        Ok(())
    }

    async fn unreadable(&mut self, body: Vec<u8>, error: &ParseError) {
        count("unreadable");
        let (quarantine, reason, time) = (self.quarantine.clone(), error.to_string(), Utc::now());
        let kept = tokio::task::spawn_blocking(move || quarantine.keep(&body, &reason, time)).await;
        match kept {
            Ok(Ok(path)) => {
                let path = path.display().to_string();
                tracing::warn!(path, "put a body aside that cannot be read");
            }
            Ok(Err(error)) => {
                tracing::error!(%error, "cannot put a body aside that cannot be read");
            }
            Err(error) => tracing::error!(%error, "cannot put a body aside"),
        }
        self.failed(&error.to_string());
    }

    fn failed(&mut self, reason: &str) {
        tracing::warn!(reason, "a poll failed");
        self.source.not_ready(reason);
        self.progress.failed += 1;
        self.progress.last_error = Some(reason.to_owned());
    }

    /// Publishes until it is done; none when the end was asked for first.
    async fn publish(
        &self,
        poll: &Poll,
        stamp: Stamp,
        shutdown: &Shutdown,
    ) -> Result<Option<Published>, PublishError> {
        let policy = RetryPolicy::default();
        let publishing = retry(
            &policy,
            "publish a poll",
            PublishError::retryable,
            shutdown,
            || async {
                let result = self.link.publish(poll, stamp).await;
                match &result {
                    Ok(_) => self.sink.ready(),
                    Err(error) => self.sink.not_ready(error.to_string()),
                }
                result
            },
        );
        let too_late = async {
            shutdown.wait().await;
            tokio::time::sleep(GRACE).await;
        };
        tokio::select! {
            published = publishing => match published {
                Err(error) if error.retryable() => Ok(None),
                other => other.map(Some),
            },
            () = too_late => Ok(None),
        }
    }

    fn published(&mut self, poll: &Poll, published: Published) {
        count("published");
        metrics::counter!("contrail_producer_rows_total").increment(published.rows);
        metrics::counter!("contrail_producer_bytes_total").increment(published.bytes);
        metrics::gauge!("contrail_producer_last_poll_timestamp_seconds").set(poll.time as f64);
        tracing::info!(time = poll.time, rows = published.rows, "published a poll");
        self.progress.polls += 1;
        self.progress.rows += published.rows;
        self.progress.last_time = Some(poll.time);
        self.progress.offsets.extend(published.offsets);
    }
}

/// Reads a body, which takes milliseconds, where that holds up nothing else, and frees it; one
/// that cannot be read comes back.
async fn read(
    body: Vec<u8>,
    now: i64,
) -> Result<Result<Poll, (Vec<u8>, ParseError)>, PublishError> {
    let reading = move || match opensky::parse_at(&body, now) {
        Ok(poll) => Ok(poll),
        Err(error) => Err((body, error)),
    };
    let read = tokio::task::spawn_blocking(reading).await;
    read.map_err(|error| PublishError::Thread {
        reason: error.to_string(),
    })
}

/// Counts a poll by how it ended.
fn count(outcome: &'static str) {
    metrics::counter!("contrail_producer_polls_total", "outcome" => outcome).increment(1);
}
