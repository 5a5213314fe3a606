//! The other thread: decodes, buffers and commits.
//!
//! It sees the source's events in their order. Between [`Event::Assigned`] and
//! [`Event::Revoked`] it owns partitions; when a commit turns out to be stale it drops what
//! it has, asks the source to start again, and ignores rows until that has happened.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender};
use std::time::{Duration, Instant};

use arrow::datatypes::Field;
use iceberg::table::Table;
use lake::Lake;
use service::health::Component;
use tokio::runtime::Handle;

use crate::batch::Batch;
use crate::chunk::Chunk;
use crate::columns::Columns;
use crate::commit::{Commit, Outcome};
use crate::config::ConsumerConfig;
use crate::dead_letter::DeadLetters;
use crate::decode::Decoder;
use crate::link::{Command, Event, Shared};
use crate::persist::{Persistence, Tried};
use crate::position::{Positions, Stream};
use crate::progress::Reporter;
use crate::registry::Registry;
use crate::{ConsumerError, evolve, write};

/// What the pipeline works with.
pub struct Parts {
    /// Runs what is asynchronous: catalog, registry, dead letters.
    pub runtime: Handle,
    /// The open catalog.
    pub lake: Lake,
    /// The table as it was loaded.
    pub table: Table,
    /// Where schemas are looked up.
    pub registry: Registry,
    /// Where bad records go.
    pub dead_letters: DeadLetters,
    /// The configuration.
    pub config: ConsumerConfig,
    /// The way back to the source.
    pub commands: Sender<Command>,
    /// What both threads see.
    pub shared: Arc<Shared>,
    /// Who is told how far it has come.
    pub reporter: Reporter,
    /// Whether it works.
    pub health: Component,
}

/// The thread's state.
pub struct Pipeline {
    parts: Parts,
    persistence: Persistence,
    decoder: Decoder,
    batch: Batch,
    stream: Option<Stream>,
    committed: Positions,
    /// Rows are of an assignment that is void.
    ignoring: bool,
}

impl Pipeline {
    /// Prepares to decode into the table's columns.
    pub fn new(parts: Parts) -> Result<Pipeline, ConsumerError> {
        let decoder = Decoder::new(Columns::of(&parts.table)?);
        let persistence = Persistence {
            runtime: parts.runtime.clone(),
            shared: Arc::clone(&parts.shared),
            health: parts.health.clone(),
        };
        Ok(Pipeline {
            parts,
            persistence,
            decoder,
            batch: Batch::default(),
            stream: None,
            committed: Positions::new(),
            ignoring: true,
        })
    }

    /// Works until the source has ended.
    pub fn run(mut self, events: &Receiver<Event>) -> Result<Reporter, ConsumerError> {
        loop {
            match events.recv_timeout(self.patience()) {
                Ok(Event::Rows(chunk)) => self.rows(&chunk)?,
                Ok(Event::Assigned { stream, reply }) => self.assigned(stream, &reply)?,
                Ok(Event::Revoked { lost, reply }) => {
                    if !lost {
                        self.flush()?;
                    }
                    self.forget();
                    // The source may have stopped waiting.
                    let _ = reply.try_send(());
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(self.parts.reporter),
            }
            let due = self.batch.due(self.parts.config.commit_age);
            let aged = due.is_some_and(|due| Instant::now() >= due);
            if aged || self.batch.size() >= self.parts.config.commit_bytes.as_usize() {
                self.flush()?;
            }
        }
    }

    /// How long the next event may take before a commit is due.
    fn patience(&self) -> Duration {
        match self.batch.due(self.parts.config.commit_age) {
            Some(due) => due.saturating_duration_since(Instant::now()),
            None => Duration::from_secs(3600),
        }
    }

    fn forget(&mut self) {
        self.batch = Batch::default();
        self.ignoring = true;
        self.account();
    }

    fn account(&self) {
        let buffered = self.batch.size();
        self.parts
            .shared
            .buffered
            .store(buffered, Ordering::Release);
        self.parts.reporter.buffered(self.batch.row_count());
    }

    fn assigned(
        &mut self,
        stream: Stream,
        reply: &SyncSender<Positions>,
    ) -> Result<(), ConsumerError> {
        self.forget();
        let (catalog, table) = (self.parts.lake.catalog(), &self.parts.table);
        let loaded = self
            .persistence
            .persist_in_catalog("load the table", async || {
                let loaded = catalog.load_table(table.identifier()).await;
                loaded.map_err(ConsumerError::iceberg("cannot load the table"))
            })?;
        let Tried::Done(table) = loaded else {
            return Ok(());
        };
        self.set_table(table)?;
        let properties = self.parts.table.metadata().properties();
        if let Some(former) = stream.former_topic_id(properties)
            && !self.parts.config.accept_recreated_topic
        {
            return Err(ConsumerError::TopicRecreated {
                topic: self.parts.config.topic.clone(),
                stored: former.to_owned(),
                actual: stream.topic_id,
            });
        }
        self.committed = stream.positions(properties)?;
        self.stream = Some(stream);
        self.ignoring = false;
        // The source may have been told to end meanwhile.
        let _ = reply.try_send(self.committed.clone());
        self.parts.health.ready();
        Ok(())
    }

    fn set_table(&mut self, table: Table) -> Result<(), ConsumerError> {
        let before = self.parts.table.metadata().current_schema_id();
        let changed = table.metadata().current_schema_id() != before;
        self.parts.table = table;
        if changed {
            self.decoder.set_table(Columns::of(&self.parts.table)?);
        }
        Ok(())
    }

    fn rows(&mut self, chunk: &Chunk) -> Result<(), ConsumerError> {
        let taken = self.take(chunk);
        self.parts
            .shared
            .queued
            .fetch_sub(chunk.size(), Ordering::AcqRel);
        self.account();
        taken
    }

    fn take(&mut self, chunk: &Chunk) -> Result<(), ConsumerError> {
        if self.ignoring || !self.learn_schemas(chunk)? {
            return Ok(());
        }
        let decoded = self.decoder.decode(chunk);
        for (record, _) in chunk.iter() {
            self.batch
                .advances
                .add(record.partition, record.offset, &self.committed);
        }
        self.batch.push(decoded, Instant::now());
        Ok(())
    }

    /// Looks up what the chunk was written with, and widens the table where that has new
    /// columns. `false`: given up, the rows are void.
    fn learn_schemas(&mut self, chunk: &Chunk) -> Result<bool, ConsumerError> {
        let unknown = self.decoder.unknown_schemas(chunk);
        if unknown.is_empty() {
            return Ok(true);
        }
        let registry = &mut self.parts.registry;
        let schemas = self.persistence.persist("look up a schema", async || {
            registry.schemas(&unknown).await
        })?;
        let Tried::Done(schemas) = schemas else {
            self.abandon();
            return Ok(false);
        };
        for (id, schema) in schemas {
            let missing = self.decoder.missing(id, &schema);
            if !missing.is_empty() && !self.add_columns(id, &missing)? {
                return Ok(false);
            }
            self.decoder.add(id, &schema);
        }
        Ok(true)
    }

    /// Widens the table by what a schema has and it has not. `false`: given up, the rows are void.
    fn add_columns(&mut self, id: u32, missing: &[Arc<Field>]) -> Result<bool, ConsumerError> {
        // What is buffered has the narrower columns.
        self.flush()?;
        if self.ignoring {
            return Ok(false);
        }
        let names: Vec<&str> = missing.iter().map(|field| field.name().as_str()).collect();
        tracing::info!(schema = id, columns = ?names, "the table gets new columns");
        let (catalog, table) = (self.parts.lake.catalog(), &self.parts.table);
        let widened = self
            .persistence
            .persist_in_catalog("add columns to the table", async || {
                evolve::add_columns(&catalog, table, missing).await
            })?;
        match widened {
            Tried::Done(table) => {
                self.set_table(table)?;
                Ok(true)
            }
            Tried::Abandoned => {
                self.abandon();
                Ok(false)
            }
        }
    }

    /// Commits the batch, or drops it when it may not be committed any more.
    fn flush(&mut self) -> Result<(), ConsumerError> {
        if self.batch.is_empty() || self.ignoring {
            return Ok(());
        }
        let Some(stream) = self.stream.clone() else {
            return Ok(());
        };
        let started = Instant::now();
        service::crash_point!("consumer.flush.start");
        if !self.send_dead_letters()? {
            self.abandon();
            return Ok(());
        }
        service::crash_point!("consumer.dead_letters.sent");
        let batch_id = self.batch.id.to_string();
        let (table, rows) = (&self.parts.table, &self.batch.rows);
        let written = self.persistence.persist("write data files", async || {
            write::write_files(table, rows, &batch_id).await
        })?;
        let Tried::Done(files) = written else {
            self.abandon();
            return Ok(());
        };
        service::crash_point!("consumer.files.written");
        let catalog = self.parts.lake.catalog();
        let commit = Commit {
            catalog: &catalog,
            stream: &stream,
            batch_id: &batch_id,
            files,
            advances: &self.batch.advances,
        };
        let outcome = self.persistence.persist_in_catalog("commit", async || {
            let committed = commit.run(table).await;
            committed.map_err(ConsumerError::iceberg("cannot commit"))
        })?;
        match outcome {
            Tried::Done(Outcome::Committed(table)) => {
                self.committed(*table, started)?;
                service::crash_point!("consumer.commit.done");
            }
            Tried::Done(Outcome::Stale(stale)) => {
                tracing::warn!(%stale, rows = self.batch.row_count(), "somebody else has committed: reading again from the table's position");
                metrics::counter!("contrail_consumer_fenced_total").increment(1);
                self.abandon();
            }
            Tried::Abandoned => self.abandon(),
        }
        Ok(())
    }

    /// Drops what was read; the source starts again from the table if it still may.
    fn abandon(&mut self) {
        self.forget();
        // A source that has ended needs no command.
        let _ = self.parts.commands.send(Command::Restart);
    }

    fn committed(&mut self, table: Table, started: Instant) -> Result<(), ConsumerError> {
        let rows = self.batch.row_count();
        let rejects = self.batch.rejects.len();
        self.batch.advances.apply(&mut self.committed);
        tracing::debug!(
            rows,
            dead_letters = rejects,
            offsets = self.batch.advances.ranges(),
            milliseconds = started.elapsed().as_millis() as u64,
            "committed"
        );
        self.batch = Batch::default();
        self.account();
        self.parts
            .reporter
            .committed(rows, rejects, &self.committed, started.elapsed());
        let positions = self.committed.clone();
        let _ = self.parts.commands.send(Command::Committed(positions));
        self.parts.health.ready();
        self.set_table(table)
    }

    fn send_dead_letters(&mut self) -> Result<bool, ConsumerError> {
        if let Some(first) = self.batch.rejects.first() {
            let (records, reason) = (self.batch.rejects.len(), &first.reason);
            tracing::warn!(
                records,
                reason,
                "what cannot be decoded goes to the dead letters"
            );
        }
        let (letters, rejects) = (&mut self.parts.dead_letters, &self.batch.rejects);
        let sent = self
            .persistence
            .persist("write dead letters", async || letters.send(rejects).await)?;
        Ok(matches!(sent, Tried::Done(())))
    }
}

#[cfg(test)]
mod tests;
