//! From Kafka: one thread that polls, follows the group's rebalances and never decodes.
//!
//! Where reading starts is the table's word, not Kafka's: at every assignment the pipeline
//! is asked for the positions in the table, and the partitions are opened there. Kafka's
//! committed offsets are written for lag monitors only.
//!
//! The thread keeps polling whatever happens behind it, so that it stays in its group: when
//! the pipeline is busy for longer than a commit takes, or the buffer limit is reached,
//! partitions are paused.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender};
use std::time::{Duration, Instant};

use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::metadata::MetadataTopic;
use rdkafka::{Offset, TopicPartitionList};
use service::config::KafkaConfig;
use service::fault::Fault;
use service::health::Component;
use service::shutdown::Shutdown;

use crate::ConsumerError;
use crate::assignment::Context;
use crate::chunk::CHUNK_BYTES;
use crate::config::ConsumerConfig;
use crate::link::{Command, Event, Shared};
use crate::position::Positions;
use crate::topic::{self, Identity};

/// How long a poll waits when nothing is pending, and when something is.
const IDLE_POLL: Duration = Duration::from_millis(100);
const LINGER_POLL: Duration = Duration::from_millis(5);
/// How long it is listened, before there are records, to what became of connections.
const LISTEN: Duration = Duration::from_millis(20);
/// How long a whole chunk may wait for the pipeline before partitions are paused. A commit is
/// waited out: after a resume librdkafka may take a second to fetch again. Longer than this,
/// and the thread must poll for its place in the group, which only a pause allows.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often a Kafka that has failed is asked whether it works again, and for how long.
const LOOK_EVERY: Duration = Duration::from_secs(5);
const LOOK_TIMEOUT: Duration = Duration::from_secs(1);

/// The thread's state.
pub struct Source {
    consumer: BaseConsumer<Context>,
    commands: Receiver<Command>,
    config: ConsumerConfig,
    brokers: String,
    health: Component,
    /// When Kafka is to be asked whether it works again; none while it does.
    troubled: Cell<Option<Instant>>,
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
        let context = Context::new(events, shared, config.clone(), health.clone(), shutdown);
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
            troubled: Cell::new(None),
        })
    }

    /// Reads until shutdown, or until an error that only a person can mend.
    pub fn run(self) -> Result<(), ConsumerError> {
        let read = self.read();
        if read.is_err() {
            // Or a pipeline that waits for a catalog would keep the error from being told.
            self.consumer.context().leave();
        }
        read
    }

    fn read(&self) -> Result<(), ConsumerError> {
        if !self.connect()? {
            return Ok(());
        }
        self.consumer
            .subscribe(&[&self.config.topic])
            .map_err(|error| self.failure("cannot subscribe", error.to_string()))?;
        self.health.not_ready("waiting for partitions");
        let context = self.consumer.context();
        while !context.is_ending() {
            if let Some(error) = context.state().fatal.take() {
                return Err(error);
            }
            self.obey();
            context.reopen(&self.consumer);
            self.look_whether_it_passed();
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
        while !context.is_ending() {
            let step = Duration::from_secs(1);
            self.listen();
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
                    self.listen();
                    if let Some(fatal) = context.state().fatal.take() {
                        return Err(fatal);
                    }
                    if !reached && Instant::now() >= give_up {
                        let heard = context.state().last_error.take();
                        let reason = heard.unwrap_or_else(|| error.to_string());
                        let remedy = KafkaConfig::remedy(&reason);
                        return Err(
                            self.failure("cannot reach Kafka", format!("{reason}; {remedy}"))
                        );
                    }
                }
            }
        }
        Ok(false)
    }

    /// Serves callbacks, such as that of a refused password. A poll ends with the first of them.
    fn listen(&self) {
        let until = Instant::now() + LISTEN;
        while Instant::now() < until {
            let _ = self.consumer.poll(LISTEN);
        }
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
        let mut wait = {
            let state = context.state();
            if state.busy_since.is_some() && !state.paused {
                drop(state);
                std::thread::sleep(LINGER_POLL);
                return Ok(());
            }
            if state.pending.is_empty() {
                IDLE_POLL
            } else {
                LINGER_POLL
            }
        };
        loop {
            match self.consumer.poll(wait) {
                None => return Ok(()),
                Some(Ok(message)) => {
                    // A broker that was away for less than a session comes back without a
                    // rebalance.
                    if self.troubled.take().is_some() {
                        self.health.ready();
                    }
                    let mut state = context.state();
                    if !state.is_open {
                        return Ok(());
                    }
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
                if self.troubled.get().is_none() {
                    self.troubled.set(Some(Instant::now() + LOOK_EVERY));
                }
                Ok(())
            }
        }
    }

    /// Asks a Kafka that has failed whether it works again. The next record would say so too, but
    /// may be long in coming.
    fn look_whether_it_passed(&self) {
        if self.troubled.get().is_none_or(|at| Instant::now() < at) {
            return;
        }
        let topic = Some(self.config.topic.as_str());
        let metadata = self.consumer.fetch_metadata(topic, LOOK_TIMEOUT);
        if !metadata.is_ok_and(|metadata| metadata.topics().iter().all(has_leaders)) {
            self.troubled.set(Some(Instant::now() + LOOK_EVERY));
            return;
        }
        tracing::info!("Kafka works again");
        self.troubled.set(None);
        // What is not open yet becomes ready with its partitions.
        if self.consumer.context().state().is_open {
            self.health.ready();
        }
    }

    /// Pauses at the buffer limit, resumes well below it.
    fn control_flow(&self) {
        let context = self.consumer.context();
        let limit = self.config.buffer_limit.as_usize();
        let held = context.held();
        metrics::gauge!("contrail_consumer_buffered_bytes").set(held as f64);
        let (paused, stuck, assigned) = {
            let state = context.state();
            (
                state.paused,
                state
                    .busy_since
                    .is_some_and(|since| since.elapsed() >= PATIENCE),
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

/// Whether all of a topic can be read.
fn has_leaders(topic: &MetadataTopic) -> bool {
    let partitions = topic.partitions();
    topic.error().is_none()
        && !partitions.is_empty()
        && partitions
            .iter()
            .all(|partition| partition.error().is_none())
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
        // For `Context::log`, which hears there why a connection failed.
        .set_log_level(RDKafkaLogLevel::Info);
    for (key, value) in kafka.client_properties() {
        client.set(key, value);
    }
    client
}
