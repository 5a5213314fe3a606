//! Publishes a poll in one Kafka transaction: consumers that read committed see all of its rows
//! or none.
//!
//! What holds: when [`Publisher::publish`] returns `Ok`, every row is in the topic once. After
//! [`PublishError::TakenBack`] no row is, and none will be. After [`PublishError::Broken`] it is
//! one of the two, and a new publisher, once connected, has made it definite: connecting ends
//! whatever an earlier one of the same transactional id left open.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use contract::{Poll, Source};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use service::config::KafkaConfig;

use crate::batch::Batch;
use crate::config::ProducerConfig;
use crate::connect;
use crate::kafka::{Context, PublishError};

/// How long to wait for acknowledgements before looking at the clock again.
const POLL: Duration = Duration::from_millis(1);
/// How long one call of a transaction may take before it is looked whether to go on.
const SLICE: Duration = Duration::from_millis(500);
/// How long taking a poll back may take, until the client is given up.
const ROLL_BACK: Duration = Duration::from_secs(10);

/// Publishes polls, one at a time. Dropping it, or a call of its methods, lets go of whatever
/// it was doing; an open transaction is then ended by the next publisher of its name.
#[derive(Clone)]
pub struct Publisher {
    inner: Arc<Mutex<Inner>>,
    /// Memory of the last poll's records, for the next one's.
    batch: Arc<Mutex<Batch>>,
}

/// What every row of a poll is stamped with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Id of the contract's schema in the registry.
    pub schema_id: u32,
    /// When the body was received.
    pub ingestion_time: DateTime<Utc>,
    /// Where it came from.
    pub source: Source,
}

/// A poll that is in the topic.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Published {
    /// Records written.
    pub rows: u64,
    /// Offset of the last record of each partition that got any.
    pub offsets: BTreeMap<i32, i64>,
    /// Bytes of the records' values, before compression.
    pub bytes: u64,
}

struct Inner {
    producer: BaseProducer<Context>,
    topic: String,
    transactional_id: String,
    timeout: Duration,
}

impl Publisher {
    /// Connects, makes the topics that are missing, and takes over the transactional id.
    ///
    /// # Errors
    /// See [`PublishError`]. A broker that does not answer is given up after
    /// `producer.connect_timeout`.
    pub async fn connect(
        kafka: &KafkaConfig,
        config: &ProducerConfig,
    ) -> Result<Publisher, PublishError> {
        let (kafka, config) = (kafka.clone(), config.clone());
        blocking(move |cancelled| {
            let producer = connect::producer(&kafka, &config, cancelled)?;
            let inner = Inner {
                producer,
                topic: config.topic,
                transactional_id: config.transactional_id,
                timeout: config.publish_timeout,
            };
            Ok(Publisher {
                inner: Arc::new(Mutex::new(inner)),
                batch: Arc::default(),
            })
        })
        .await
    }

    /// Publishes one poll, keyed by `icao24`. A poll without aircraft writes nothing.
    ///
    /// # Errors
    /// See the module's documentation for what each one means for the rows.
    pub async fn publish(&self, poll: &Poll, stamp: Stamp) -> Result<Published, PublishError> {
        if poll.states.is_empty() {
            return Ok(Published::default());
        }
        let started = Instant::now();
        // Encoded here, so that the poll need not be shared with the thread.
        let mut batch = std::mem::take(&mut *lock(&self.batch));
        batch.encode(poll, stamp);
        let inner = Arc::clone(&self.inner);
        let (batch, published) = blocking(move |cancelled| {
            let published = lock(&inner).publish(&batch, cancelled);
            Ok((batch, published))
        })
        .await?;
        *lock(&self.batch) = batch;
        let published = published?;
        metrics::histogram!("contrail_producer_publish_seconds")
            .record(started.elapsed().as_secs_f64());
        Ok(published)
    }
}

impl Inner {
    fn publish(&self, batch: &Batch, cancelled: &AtomicBool) -> Result<Published, PublishError> {
        *self.producer.context().heard() = Default::default();
        let started = Instant::now();
        if let Err(error) = self.producer.begin_transaction() {
            return Err(self.give_up(&error.to_string(), started));
        }
        let deadline = started + self.timeout;
        if let Err(reason) = self.send(batch, deadline, cancelled) {
            return Err(self.roll_back(&reason, started, cancelled));
        }
        self.commit(started, deadline, cancelled)?;
        let heard = std::mem::take(&mut *self.producer.context().heard());
        Ok(Published {
            rows: batch.len() as u64,
            offsets: heard.offsets,
            bytes: batch.bytes() as u64,
        })
    }

    /// Hands every record to librdkafka and waits until all are acknowledged.
    fn send(&self, batch: &Batch, deadline: Instant, cancelled: &AtomicBool) -> Result<(), String> {
        let late = || Instant::now() > deadline || cancelled.load(Ordering::Relaxed);
        for (key, value) in batch.records() {
            let mut record = BaseRecord::to(&self.topic).key(key).payload(value);
            loop {
                record = match self.producer.send(record) {
                    Ok(()) => break,
                    // Room comes with acknowledgements.
                    Err((error, record)) if is_full(&error) && !late() => {
                        self.producer.poll(POLL);
                        self.check_delivery()?;
                        record
                    }
                    Err((error, _)) => return Err(error.to_string()),
                };
            }
        }
        while self.producer.in_flight_count() > 0 {
            self.producer.poll(POLL);
            self.check_delivery()?;
            if late() {
                return Err(self.last_error("the records were not acknowledged in time"));
            }
        }
        self.check_delivery()
    }

    fn check_delivery(&self) -> Result<(), String> {
        let heard = self.producer.context().heard();
        match &heard.undelivered_reason {
            Some(reason) => Err(reason.clone()),
            None => Ok(()),
        }
    }

    /// Once this has begun the outcome is the broker's: it is asked for until it is known.
    fn commit(
        &self,
        started: Instant,
        deadline: Instant,
        cancelled: &AtomicBool,
    ) -> Result<(), PublishError> {
        loop {
            let error = match self.producer.commit_transaction(SLICE) {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            self.producer.poll(Duration::ZERO);
            match &error {
                KafkaError::Transaction(known) if known.txn_requires_abort() => {
                    return Err(self.roll_back(&error.to_string(), started, cancelled));
                }
                KafkaError::Transaction(known)
                    if known.is_retriable()
                        && Instant::now() < deadline
                        && !cancelled.load(Ordering::Relaxed) => {}
                _ => return Err(self.give_up(&error.to_string(), started)),
            }
        }
    }

    /// Takes the poll back.
    fn roll_back(&self, reason: &str, started: Instant, cancelled: &AtomicBool) -> PublishError {
        let undelivered = self.producer.context().heard().undelivered;
        metrics::counter!("contrail_producer_delivery_failures_total").increment(undelivered);
        if self.producer.client().fatal_error().is_some() {
            return self.give_up(reason, started);
        }
        let deadline = Instant::now() + ROLL_BACK;
        loop {
            let error = match self.producer.abort_transaction(SLICE) {
                Ok(()) => {
                    let reason = reason.to_owned();
                    return PublishError::TakenBack { reason };
                }
                Err(error) => error,
            };
            // It waits for what is in flight to come back, which takes someone to listen.
            self.producer.poll(POLL);
            let again = matches!(&error, KafkaError::Transaction(e) if e.is_retriable());
            if !again || Instant::now() > deadline || cancelled.load(Ordering::Relaxed) {
                return self.give_up(&format!("{reason}; {error}"), started);
            }
        }
    }

    /// What is left to say when this client can do no more.
    fn give_up(&self, reason: &str, started: Instant) -> PublishError {
        let fatal = self.producer.client().fatal_error();
        let fenced = matches!(
            fatal,
            Some((
                RDKafkaErrorCode::Fenced | RDKafkaErrorCode::ProducerFenced,
                _
            ))
        );
        // A broker also shuts a producer out whose transaction took too long; then nobody took
        // over, and a new connection is all it needs.
        if fenced && started.elapsed() < self.timeout {
            return PublishError::Fenced {
                transactional_id: self.transactional_id.clone(),
            };
        }
        let reason = match fatal {
            Some((_, fatal)) => fatal,
            None => self.last_error(reason),
        };
        PublishError::Broken { reason }
    }

    /// `reason`, with what was last heard about the connection.
    fn last_error(&self, reason: &str) -> String {
        match &self.producer.context().heard().last_error {
            Some(heard) => format!("{reason}: {heard}"),
            None => reason.to_owned(),
        }
    }
}

/// What is behind these locks is whole between calls, so a panic elsewhere does not spoil it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn is_full(error: &KafkaError) -> bool {
    matches!(
        error,
        KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull)
    )
}

/// Runs `work` on a thread that may block, and tells it when nobody waits for it any more.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce(&AtomicBool) -> Result<T, PublishError> + Send + 'static,
) -> Result<T, PublishError> {
    struct CancelOnDrop(Arc<AtomicBool>);
    impl Drop for CancelOnDrop {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let guard = CancelOnDrop(Arc::default());
    let cancelled = Arc::clone(&guard.0);
    let result = tokio::task::spawn_blocking(move || work(&cancelled)).await;
    result.unwrap_or_else(|error| {
        Err(PublishError::Thread {
            reason: error.to_string(),
        })
    })
}
