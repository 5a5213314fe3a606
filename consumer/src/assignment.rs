//! Assignments: what happens, inside librdkafka's callbacks, when partitions come and go.
//!
//! Coming, they are opened where the table stands. Going, what was read of them is committed
//! first, within a limited time, or dropped when they are lost already.

use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Offset, TopicPartitionList};
use service::config::KafkaConfig;
use service::fault::{Fault, Faulty};
use service::health::Component;
use service::shutdown::Shutdown;

use crate::ConsumerError;
use crate::chunk::{CHUNK_BYTES, Chunk};
use crate::config::ConsumerConfig;
use crate::link::{Event, Shared};
use crate::position::{Opening, Stream};
use crate::topic::{self, Identity};

/// How long one question to Kafka may take.
const ASK_TIMEOUT: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 10 });
/// How long partitions that could not be opened wait for the next attempt.
const REOPEN_AFTER: Duration = Duration::from_secs(1);
/// How often a wait for the pipeline looks whether it is still wanted.
const LOOK: Duration = Duration::from_millis(20);

/// What librdkafka's callbacks, which run inside `poll`, share with the loop around it.
pub(crate) struct Context {
    events: SyncSender<Event>,
    shared: Arc<Shared>,
    shutdown: Shutdown,
    config: ConsumerConfig,
    health: Component,
    state: Mutex<State>,
}

/// What the callbacks change and the loop looks at.
#[derive(Default)]
pub(crate) struct State {
    /// Records read and not handed over yet.
    pub pending: Chunk,
    /// The partitions this consumer reads.
    pub assigned: Vec<i32>,
    /// Whether they are read from where the pipeline expects it.
    pub is_open: bool,
    /// When they are to be opened again, since that failed of something that may pass.
    pub reopen_at: Option<Instant>,
    /// Whether they are paused.
    pub paused: bool,
    /// Since when a whole chunk has been waiting for room on its way to the pipeline.
    pub busy_since: Option<Instant>,
    /// What only a person can mend.
    pub fatal: Option<ConsumerError>,
    /// What a connection failed of last.
    pub last_error: Option<String>,
}

impl Context {
    pub fn new(
        events: SyncSender<Event>,
        shared: Arc<Shared>,
        config: ConsumerConfig,
        health: Component,
        shutdown: Shutdown,
    ) -> Context {
        Context {
            events,
            shared,
            shutdown,
            config,
            health,
            state: Mutex::default(),
        }
    }

    /// Whether the end was asked for.
    pub fn is_ending(&self) -> bool {
        self.shutdown.is_triggered()
    }

    /// Bytes that both threads hold.
    pub fn held(&self) -> usize {
        self.shared.queued.load(Ordering::Acquire) + self.shared.buffered.load(Ordering::Acquire)
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        // Never held across a call that may panic or block.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fail(&self, error: ConsumerError) {
        self.state().fatal.get_or_insert(error);
    }

    /// Sends the pending chunk if there is room. `false`: the pipeline has ended.
    pub fn send_pending(&self) -> bool {
        let mut state = self.state();
        if state.pending.is_empty() {
            // Taken by a rebalance.
            state.busy_since = None;
            return true;
        }
        let chunk = std::mem::take(&mut state.pending);
        let size = chunk.size();
        self.shared.queued.fetch_add(size, Ordering::AcqRel);
        match self.events.try_send(Event::Rows(chunk)) {
            Ok(()) => {
                state.busy_since = None;
                true
            }
            Err(TrySendError::Full(Event::Rows(chunk))) => {
                self.shared.queued.fetch_sub(size, Ordering::AcqRel);
                if chunk.size() >= CHUNK_BYTES {
                    state.busy_since.get_or_insert_with(Instant::now);
                }
                state.pending = chunk;
                true
            }
            Err(_) => false,
        }
    }

    /// Opens the partitions where the table stands.
    pub fn assign(&self, consumer: &BaseConsumer<Context>, partitions: Vec<i32>) {
        self.unpause(consumer);
        {
            let mut state = self.state();
            state.pending = Chunk::default();
            state.busy_since = None;
            state.is_open = false;
            state.reopen_at = None;
            state.assigned = partitions.clone();
        }
        self.shared.abandon.store(false, Ordering::Release);
        match self.open(consumer, partitions) {
            // Also without partitions: there may be more consumers than those.
            Ok(()) => {
                self.state().is_open = true;
                self.health.ready();
            }
            Err(error) if error.retryable() => {
                tracing::warn!(%error, "cannot open the partitions, trying again");
                self.health.not_ready(error.to_string());
                self.state().reopen_at = Some(Instant::now() + REOPEN_AFTER);
            }
            Err(error) => self.fail(error),
        }
    }

    /// Opens the partitions that could not be opened, if there are some and it is time.
    pub fn reopen(&self, consumer: &BaseConsumer<Context>) {
        let partitions = {
            let state = self.state();
            let due = state.reopen_at.is_some_and(|at| Instant::now() >= at);
            if !due {
                return;
            }
            state.assigned.clone()
        };
        self.assign(consumer, partitions);
    }

    /// Takes back a pause before partitions change: librdkafka keeps it with the partition, also
    /// across assignments, and one that comes back paused would never be read again.
    fn unpause(&self, consumer: &BaseConsumer<Context>) {
        if !std::mem::take(&mut self.state().paused) {
            return;
        }
        let resumed = consumer
            .assignment()
            .and_then(|list| consumer.resume(&list));
        if let Err(error) = resumed {
            self.fail(self.kafka("cannot resume the partitions", &error));
        }
    }

    fn open(
        &self,
        consumer: &BaseConsumer<Context>,
        partitions: Vec<i32>,
    ) -> Result<(), ConsumerError> {
        let Identity { cluster, topic_id } =
            topic::identity(consumer.client(), &self.config.topic, ASK_TIMEOUT)?;
        // A broker that has just started may not know the topic yet. Positions under any other id
        // than its own would be those of another topic.
        let topic_id = topic_id.ok_or_else(|| ConsumerError::Kafka {
            action: format!("cannot ask Kafka for topic {}", self.config.topic),
            reason: "it does not know the topic".to_owned(),
            fault: Fault::Dependency,
        })?;
        let stream = Stream {
            cluster,
            topic_id,
            group: self.config.group.clone(),
        };
        let (reply, answer) = sync_channel(1);
        let event = Event::Assigned { stream, reply };
        if !self.send(event, None) {
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
        let (earliest, next) = consumer
            .fetch_watermarks(&self.config.topic, partition, ASK_TIMEOUT)
            .map_err(|error| self.kafka("cannot ask for the offsets", &error))?;
        match Opening::of(Some(stored), earliest, next) {
            Opening::Beginning => Ok(Offset::Beginning),
            Opening::At(offset) => Ok(Offset::Offset(offset)),
            Opening::Ahead => Err(ConsumerError::Kafka {
                action: format!("cannot read partition {partition} of {}", self.config.topic),
                reason: format!(
                    "the table is at offset {stored}, but the topic ends at {next}: Kafka has lost records that are in the table, or is another cluster; use another consumer.group only if the table may get rows twice"
                ),
                fault: Fault::Configuration,
            }),
            Opening::Lost => {
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
                Ok(Offset::Offset(earliest))
            }
        }
    }

    /// Hands over what was read and waits for its commit, but not for ever: the way to the
    /// pipeline may be full while that waits for a catalog that is away.
    pub fn revoke(&self, lost: bool) {
        let deadline = Instant::now() + self.config.revoke_timeout;
        let (chunk, had_partitions) = {
            let mut state = self.state();
            let partitions = std::mem::take(&mut state.assigned);
            state.is_open = false;
            state.reopen_at = None;
            (std::mem::take(&mut state.pending), !partitions.is_empty())
        };
        if !had_partitions {
            return;
        }
        let size = chunk.size();
        let (reply, done) = sync_channel(1);
        let rows = !lost && !chunk.is_empty();
        if rows {
            self.shared.queued.fetch_add(size, Ordering::AcqRel);
            if !self.send(Event::Rows(chunk), Some(deadline)) {
                self.shared.queued.fetch_sub(size, Ordering::AcqRel);
                return self.give_up();
            }
        }
        let sent = self.send(Event::Revoked { lost, reply }, Some(deadline));
        if !sent || self.wait(&done, Some(deadline)).is_none() {
            self.give_up();
        }
    }

    /// Has the pipeline drop what it holds. It learns of the next assignment, or of the end, in its
    /// own time; what a commit that was left in the middle still does is what the table expects, or
    /// is refused.
    fn give_up(&self) {
        tracing::warn!("the last commit took too long: its rows will be read again");
        self.leave();
    }

    /// Tells the pipeline that nobody waits for it any more.
    pub fn leave(&self) {
        self.shared.abandon.store(true, Ordering::Release);
    }

    /// Sends an event, waiting for room no longer than until the deadline; without one a shutdown
    /// ends the waiting. `false`: it was not sent.
    fn send(&self, mut event: Event, deadline: Option<Instant>) -> bool {
        loop {
            event = match self.events.try_send(event) {
                Ok(()) => return true,
                Err(TrySendError::Disconnected(_)) => return false,
                Err(TrySendError::Full(event)) => event,
            };
            if self.is_over(deadline) {
                return false;
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Whether a wait with this deadline, or with none, is to end.
    fn is_over(&self, deadline: Option<Instant>) -> bool {
        match deadline {
            Some(deadline) => Instant::now() >= deadline,
            None => self.is_ending(),
        }
    }

    /// An answer of the pipeline; `None` when it ended, or too late. Without a deadline a
    /// shutdown ends the waiting.
    fn wait<T>(&self, answer: &Receiver<T>, deadline: Option<Instant>) -> Option<T> {
        loop {
            match answer.recv_timeout(LOOK) {
                Ok(value) => return Some(value),
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) if self.is_over(deadline) => return None,
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        if facility == KafkaConfig::FAILED {
            KafkaConfig::note_failure(&mut self.state().last_error, message);
        }
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
            // Says only that there is no connection, in place of why.
            Some(Code::AllBrokersDown) => {}
            _ => {
                KafkaConfig::note_failure(&mut self.state().last_error, reason);
                tracing::debug!(%error, reason, "Kafka client");
            }
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
        self.unpause(consumer);
        self.revoke(consumer.assignment_lost());
        if let Err(error) = consumer.unassign() {
            tracing::warn!(%error, "cannot give partitions back");
        }
    }
}

#[cfg(test)]
mod tests;
