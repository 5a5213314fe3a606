//! From Kafka: one thread that polls, follows the group's rebalances and never decodes.
//!
//! Where reading starts is the table's word, not Kafka's: at every assignment the pipeline
//! is asked for the positions in the table, and the partitions are opened there. Kafka's
//! committed offsets are written for lag monitors only.
//!
//! The thread keeps polling whatever happens behind it, so that it stays in its group: when
//! the pipeline is busy or the buffer limit is reached, partitions are paused.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Offset, TopicPartitionList};
use service::config::KafkaConfig;
use service::fault::Fault;
use service::health::Component;
use service::shutdown::Shutdown;

use crate::ConsumerError;
use crate::chunk::Chunk;
use crate::config::ConsumerConfig;
use crate::position::{Positions, Stream};
use crate::topic::{self, Identity};

/// Bytes of records that travel to the pipeline together at the most.
const CHUNK_BYTES: usize = 256 << 10;
/// Chunks on their way to the pipeline at the most.
const QUEUED_CHUNKS: usize = 16;
/// How long a poll waits when nothing is pending, and when something is.
const IDLE_POLL: Duration = Duration::from_millis(100);
const LINGER_POLL: Duration = Duration::from_millis(5);
/// How long one question to Kafka may take.
const ASK_TIMEOUT: Duration = Duration::from_secs(10);

/// What the pipeline is told, in order.
pub enum Event {
    /// Records of the current assignment.
    Rows(Chunk),
    /// Partitions are to be read from where the table stands, which is the answer. What
    /// was buffered before is void.
    Assigned {
        /// What the positions belong to.
        stream: Stream,
        /// Takes the table's positions.
        reply: SyncSender<Positions>,
    },
    /// The partitions are given away: commit what is buffered, or drop it when they are
    /// `lost` to somebody else already.
    Revoked {
        /// Whether it is too late for a commit.
        lost: bool,
        /// Takes the word that it is done.
        reply: SyncSender<()>,
    },
}

/// What the source is told.
pub enum Command {
    /// Somebody else has committed: forget what was read, start again where the table stands.
    Restart,
    /// The table stands here now.
    Committed(Positions),
}

/// What both threads see.
#[derive(Debug, Default)]
pub struct Shared {
    /// Bytes of chunks sent but not decoded yet.
    pub queued: AtomicUsize,
    /// Bytes of rows decoded but not committed yet.
    pub buffered: AtomicUsize,
    /// The last commit took too long: give it up.
    pub abandon: AtomicBool,
}

/// The receiving side of a new source.
pub fn channel() -> (SyncSender<Event>, Receiver<Event>) {
    sync_channel(QUEUED_CHUNKS)
}

/// The thread's state.
pub struct Source {
    consumer: BaseConsumer<Context>,
    commands: Receiver<Command>,
    config: ConsumerConfig,
    brokers: String,
    health: Component,
}

/// What librdkafka's callbacks, which run inside `poll`, share with the loop around it.
pub struct Context {
    events: SyncSender<Event>,
    shared: Arc<Shared>,
    shutdown: Shutdown,
    config: ConsumerConfig,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    pending: Chunk,
    assigned: Vec<i32>,
    paused: bool,
    fatal: Option<ConsumerError>,
}

impl Source {
    /// Makes the client; nothing is sent yet.
    pub fn new(
        kafka: &KafkaConfig,
        config: &ConsumerConfig,
        events: SyncSender<Event>,
        commands: Receiver<Command>,
        shared: Arc<Shared>,
        health: Component,
        shutdown: Shutdown,
    ) -> Result<Source, ConsumerError> {
        let context = Context {
            events,
            shared,
            shutdown,
            config: config.clone(),
            state: Mutex::default(),
        };
        let consumer = client_config(kafka, config)
            .create_with_context(context)
            .map_err(|error| ConsumerError::Kafka {
                action: "cannot make a Kafka consumer of the [kafka] section".to_owned(),
                reason: error.to_string(),
                fault: Fault::Configuration,
            })?;
        Ok(Source {
            consumer,
            commands,
            config: config.clone(),
            brokers: kafka.brokers.clone(),
            health,
        })
    }

    /// Reads until shutdown, or until an error that only a person can mend.
    pub fn run(self) -> Result<(), ConsumerError> {
        if !self.connect()? {
            return Ok(());
        }
        self.consumer
            .subscribe(&[&self.config.topic])
            .map_err(|error| self.failure("cannot subscribe", error.to_string()))?;
        self.health.not_ready("waiting for partitions");
        let context = self.consumer.context();
        while !context.shutdown.is_triggered() {
            if let Some(error) = context.state().fatal.take() {
                return Err(error);
            }
            self.obey();
            self.poll()?;
            if !context.send_pending() {
                // The pipeline has ended and says why itself.
                return Ok(());
            }
            self.control_flow();
        }
        context.revoke(false);
        Ok(())
    }

    /// Waits for brokers and topic. `false`: shutdown came first.
    fn connect(&self) -> Result<bool, ConsumerError> {
        let context = self.consumer.context();
        let give_up = Instant::now() + self.config.connect_timeout;
        let mut reached = false;
        self.health
            .not_ready(format!("connecting to {}", self.brokers));
        while !context.shutdown.is_triggered() {
            let step = Duration::from_secs(1);
            // Serves callbacks, such as a refused password.
            let _ = self.consumer.poll(Duration::ZERO);
            match topic::identity(self.consumer.client(), &self.config.topic, step) {
                Ok(Identity {
                    topic_id: Some(_), ..
                }) => return Ok(true),
                Ok(Identity { topic_id: None, .. }) => {
                    if !reached {
                        tracing::info!(topic = self.config.topic, "waiting for the topic");
                    }
                    reached = true;
                    self.health
                        .not_ready(format!("topic {} does not exist yet", self.config.topic));
                    // Its maker is another process; this is also the pace of asking.
                    let _ = self.consumer.poll(IDLE_POLL);
                }
                Err(error) => {
                    let _ = self.consumer.poll(Duration::ZERO);
                    if let Some(fatal) = context.state().fatal.take() {
                        return Err(fatal);
                    }
                    if !reached && Instant::now() >= give_up {
                        return Err(self.failure(
                            "cannot reach Kafka",
                            format!("{error}; check kafka.brokers and that the broker runs"),
                        ));
                    }
                }
            }
        }
        Ok(false)
    }

    fn failure(&self, action: &str, reason: String) -> ConsumerError {
        ConsumerError::Kafka {
            action: format!("{action} at {}", self.brokers),
            reason,
            fault: Fault::Dependency,
        }
    }

    fn obey(&self) {
        let context = self.consumer.context();
        for command in self.commands.try_iter() {
            match command {
                Command::Restart => {
                    let partitions = context.state().assigned.clone();
                    if !partitions.is_empty() {
                        context.assign(&self.consumer, partitions);
                    }
                }
                Command::Committed(positions) => self.report(&positions),
            }
        }
    }

    /// Tells Kafka where the table stands, for lag monitors; a failure is of no consequence.
    fn report(&self, positions: &Positions) {
        let assigned = self.consumer.context().state().assigned.clone();
        let mut list = TopicPartitionList::new();
        for (partition, offset) in positions {
            if assigned.contains(partition) {
                let offset = Offset::Offset(*offset);
                let _ = list.add_partition_offset(&self.config.topic, *partition, offset);
            }
        }
        if list.count() > 0
            && let Err(error) = self.consumer.commit(&list, CommitMode::Async)
        {
            tracing::debug!(%error, "cannot report offsets for lag");
        }
    }

    /// Takes what is there, up to one chunk.
    fn poll(&self) -> Result<(), ConsumerError> {
        let context = self.consumer.context();
        let mut wait = if context.state().pending.is_empty() {
            IDLE_POLL
        } else {
            LINGER_POLL
        };
        loop {
            match self.consumer.poll(wait) {
                None => return Ok(()),
                Some(Ok(message)) => {
                    let mut state = context.state();
                    let payload = message.payload().unwrap_or_default();
                    state
                        .pending
                        .push(message.partition(), message.offset(), payload);
                    if state.pending.size() >= CHUNK_BYTES {
                        return Ok(());
                    }
                }
                Some(Err(error)) => return self.on_error(error),
            }
            if context.state().fatal.is_some() {
                return Ok(());
            }
            wait = LINGER_POLL;
        }
    }

    fn on_error(&self, error: KafkaError) -> Result<(), ConsumerError> {
        use RDKafkaErrorCode as Code;
        let code = error.rdkafka_error_code();
        match code {
            // The table's position is no longer in the topic: start again, which says why.
            Some(Code::AutoOffsetReset | Code::OffsetOutOfRange) => {
                let context = self.consumer.context();
                let partitions = context.state().assigned.clone();
                context.assign(&self.consumer, partitions);
                Ok(())
            }
            Some(Code::Fatal) => Err(self.failure("the Kafka client gave up", error.to_string())),
            _ => {
                // librdkafka goes on trying by itself.
                tracing::warn!(%error, "reading from Kafka");
                self.health.not_ready(error.to_string());
                Ok(())
            }
        }
    }

    /// Pauses at the buffer limit, resumes well below it.
    fn control_flow(&self) {
        let context = self.consumer.context();
        let limit = self.config.buffer_limit.as_usize();
        let held = context.shared.queued.load(Ordering::Acquire)
            + context.shared.buffered.load(Ordering::Acquire);
        let (paused, stuck, assigned) = {
            let state = context.state();
            (
                state.paused,
                state.pending.size() >= CHUNK_BYTES,
                !state.assigned.is_empty(),
            )
        };
        let pause = stuck || held >= limit;
        let resume = !stuck && held <= limit / 4 * 3;
        let result = match (paused, assigned) {
            (false, true) if pause => self.consumer.assignment().and_then(|list| {
                metrics::counter!("contrail_consumer_pauses_total").increment(1);
                self.consumer.pause(&list)
            }),
            (true, true) if resume => self
                .consumer
                .assignment()
                .and_then(|list| self.consumer.resume(&list)),
            _ => return,
        };
        match result {
            Ok(()) => context.state().paused = !paused,
            Err(error) => tracing::warn!(%error, "cannot pause or resume partitions"),
        }
    }
}

fn client_config(kafka: &KafkaConfig, config: &ConsumerConfig) -> ClientConfig {
    let mut client = ClientConfig::new();
    client
        .set("group.id", &config.group)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        // A position that is gone is an error to be told, not a reason to skip.
        .set("auto.offset.reset", "error")
        .set("isolation.level", "read_committed")
        // Eager: every rebalance ends one commit and begins another, nothing in between.
        .set("partition.assignment.strategy", "range")
        .set("queued.max.messages.kbytes", "16384")
        .set("fetch.queue.backoff.ms", "10")
        .set("topic.metadata.refresh.interval.ms", "10000")
        .set_log_level(RDKafkaLogLevel::Warning);
    for (key, value) in kafka.client_properties() {
        client.set(key, value);
    }
    client
}

impl Context {
    fn state(&self) -> MutexGuard<'_, State> {
        // Never held across a call that may panic or block.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fail(&self, error: ConsumerError) {
        self.state().fatal.get_or_insert(error);
    }

    /// Sends the pending chunk if there is room. `false`: the pipeline has ended.
    fn send_pending(&self) -> bool {
        let mut state = self.state();
        if state.pending.is_empty() {
            return true;
        }
        let chunk = std::mem::take(&mut state.pending);
        let size = chunk.size();
        self.shared.queued.fetch_add(size, Ordering::AcqRel);
        match self.events.try_send(Event::Rows(chunk)) {
            Ok(()) => true,
            Err(TrySendError::Full(Event::Rows(chunk))) => {
                self.shared.queued.fetch_sub(size, Ordering::AcqRel);
                state.pending = chunk;
                true
            }
            Err(_) => false,
        }
    }

    /// Opens the partitions where the table stands.
    fn assign(&self, consumer: &BaseConsumer<Context>, partitions: Vec<i32>) {
        {
            let mut state = self.state();
            state.pending = Chunk::default();
            state.paused = false;
            state.assigned = partitions.clone();
        }
        self.shared.abandon.store(false, Ordering::Release);
        match self.open(consumer, partitions) {
            Ok(()) => {}
            Err(error) => self.fail(error),
        }
    }

    fn open(
        &self,
        consumer: &BaseConsumer<Context>,
        partitions: Vec<i32>,
    ) -> Result<(), ConsumerError> {
        let Identity { cluster, topic_id } =
            topic::identity(consumer.client(), &self.config.topic, ASK_TIMEOUT)?;
        let stream = Stream {
            cluster,
            topic_id: topic_id.unwrap_or_else(|| topic::NO_TOPIC_ID.to_owned()),
            group: self.config.group.clone(),
        };
        let (reply, answer) = sync_channel(1);
        let event = Event::Assigned { stream, reply };
        if self.events.send(event).is_err() {
            return Ok(());
        }
        let Some(positions) = self.wait(&answer, None) else {
            return Ok(());
        };
        let mut list = TopicPartitionList::new();
        for partition in partitions {
            let offset = self.start(consumer, partition, positions.get(&partition).copied())?;
            let added = list.add_partition_offset(&self.config.topic, partition, offset);
            added.map_err(|error| self.kafka("cannot choose where to read", &error))?;
        }
        tracing::info!(assignment = ?list, "reading");
        consumer
            .assign(&list)
            .map_err(|error| self.kafka("cannot take partitions", &error))
    }

    fn kafka(&self, action: &str, error: &KafkaError) -> ConsumerError {
        ConsumerError::Kafka {
            action: format!("{action} of {}", self.config.topic),
            reason: error.to_string(),
            fault: Fault::Dependency,
        }
    }

    /// Where to open a partition, after a look at what Kafka still has.
    fn start(
        &self,
        consumer: &BaseConsumer<Context>,
        partition: i32,
        stored: Option<i64>,
    ) -> Result<Offset, ConsumerError> {
        let Some(stored) = stored else {
            return Ok(Offset::Beginning);
        };
        let (earliest, latest) = consumer
            .fetch_watermarks(&self.config.topic, partition, ASK_TIMEOUT)
            .map_err(|error| self.kafka("cannot ask for the offsets", &error))?;
        if stored > latest {
            return Err(ConsumerError::Kafka {
                action: format!("cannot read partition {partition} of {}", self.config.topic),
                reason: format!(
                    "the table is at offset {stored}, but the topic ends at {latest}: Kafka has lost records that are in the table, or is another cluster; use another consumer.group only if the table may get rows twice"
                ),
                fault: Fault::Configuration,
            });
        }
        if stored < earliest {
            let lost = ConsumerError::RecordsLost {
                topic: self.config.topic.clone(),
                partition,
                stored,
                earliest,
            };
            if !self.config.accept_lost_records {
                return Err(lost);
            }
            tracing::warn!("{lost}");
            return Ok(Offset::Offset(earliest));
        }
        Ok(Offset::Offset(stored))
    }

    /// Hands over what was read and waits for its commit, but not for ever.
    fn revoke(&self, lost: bool) {
        let (chunk, had_partitions) = {
            let mut state = self.state();
            let partitions = std::mem::take(&mut state.assigned);
            (std::mem::take(&mut state.pending), !partitions.is_empty())
        };
        if !had_partitions {
            return;
        }
        if !lost && !chunk.is_empty() {
            self.shared.queued.fetch_add(chunk.size(), Ordering::AcqRel);
            if self.events.send(Event::Rows(chunk)).is_err() {
                return;
            }
        }
        let (reply, done) = sync_channel(1);
        if self.events.send(Event::Revoked { lost, reply }).is_err() {
            return;
        }
        let deadline = Instant::now() + self.config.revoke_timeout;
        if self.wait(&done, Some(deadline)).is_none() {
            tracing::warn!("the last commit took too long: its rows will be read again");
            self.shared.abandon.store(true, Ordering::Release);
        }
    }

    /// An answer of the pipeline; `None` when it ended, or too late. Without a deadline a
    /// shutdown ends the waiting.
    fn wait<T>(&self, answer: &Receiver<T>, deadline: Option<Instant>) -> Option<T> {
        loop {
            match answer.recv_timeout(IDLE_POLL) {
                Ok(value) => return Some(value),
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => match deadline {
                    Some(deadline) if Instant::now() >= deadline => return None,
                    None if self.shutdown.is_triggered() => return None,
                    _ => {}
                },
            }
        }
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        match level {
            RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
                tracing::error!(facility, "{message}");
            }
            _ => tracing::debug!(facility, "{message}"),
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        use RDKafkaErrorCode as Code;
        match error.rdkafka_error_code() {
            Some(Code::Authentication | Code::SaslAuthenticationFailed) => {
                self.fail(ConsumerError::Kafka {
                    action: "Kafka refused the log-in".to_owned(),
                    reason: format!(
                        "{reason}; check kafka.sasl_username, kafka.sasl_password and kafka.sasl_mechanism"
                    ),
                    fault: Fault::Configuration,
                });
            }
            _ => tracing::debug!(%error, reason, "Kafka client"),
        }
    }
}

impl ConsumerContext for Context {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        event: RDKafkaRespErr,
        list: &mut TopicPartitionList,
    ) {
        if event == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            let elements = list.elements();
            let partitions = elements.iter().map(|element| element.partition());
            self.assign(consumer, partitions.collect());
            return;
        }
        self.revoke(consumer.assignment_lost());
        if let Err(error) = consumer.unassign() {
            tracing::warn!(%error, "cannot give partitions back");
        }
    }
}
