//! Kafka → Iceberg, exactly once.
//!
//! Two threads, joined by a bounded channel. In the order of the data:
//!
//! - [`source`]: polls Kafka; its `assignment` opens partitions where the table stands.
//! - [`link`]: what the threads say to each other.
//! - [`chunk`]: raw records on their way.
//! - [`registry`], [`columns`], [`schema`], [`decode`]: Avro bytes become columns; what cannot is
//!   rejected.
//! - [`pipeline`]: buffers and decides when to commit; `persist` tries until it works.
//! - [`batch`], [`write`]: rows become sorted files, one for each day.
//! - [`dead_letter`]: rejects go to a topic of their own, before the commit that passes them.
//! - [`position`], [`commit`]: rows and offsets in one transaction; **the exactly-once
//!   protocol, with its contract, is in [`commit`]**.
//! - [`evolve`]: new fields become new columns.
//! - [`progress`]: what people and monitors see.

mod assignment;
pub mod batch;
pub mod chunk;
pub mod columns;
pub mod commit;
pub mod config;
pub mod dead_letter;
pub mod decode;
mod error;
pub mod evolve;
pub mod link;
mod persist;
pub mod pipeline;
pub mod position;
pub mod progress;
pub mod registry;
pub mod schema;
pub mod source;
pub mod topic;
pub mod write;

use std::sync::Arc;
use std::sync::mpsc;

use iceberg::table::Table;
use lake::tables::FLIGHT_STATES;
use lake::{Lake, LakeConfig};
use service::health::Health;
use service::shutdown::Shutdown;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_blocking};

pub use config::{Config, ConsumerConfig};
pub use error::ConsumerError;
pub use progress::{Progress, Summary};

use link::Shared;
use persist::ANSWER_LIMIT;
use pipeline::{Parts, Pipeline};
use progress::Reporter;
use source::Source;

/// Consumes until shutdown; then commits what was read and leaves the group.
///
/// `progress` is kept up to date for whoever runs the consumer in its own process.
///
/// # Errors
/// Only what a person must mend: a wrong configuration, a refused log-in, a topic that was
/// made again, records that expired unread. What may pass is tried until it has.
pub async fn run(
    config: Config,
    health: Health,
    shutdown: Shutdown,
    progress: Option<watch::Sender<Progress>>,
) -> Result<Summary, ConsumerError> {
    config.consumer.validate()?;
    let shutdown = EndsWithMe(shutdown.child());
    let opened = tokio::select! {
        opened = open(&config.lake) => opened,
        // A catalog that says nothing is not waited for.
        () = shutdown.0.wait() => return Ok(Summary::default()),
    };
    let (lake, table) = opened?;
    let shared = Arc::new(Shared::default());
    let (events, inbox) = link::channel();
    let (commands, orders) = mpsc::channel();
    let source = Source::new(
        &config.kafka,
        &config.consumer,
        events,
        orders,
        Arc::clone(&shared),
        health.component("kafka"),
        shutdown.0.clone(),
    )?;
    let pipeline = Pipeline::new(Parts {
        runtime: Handle::current(),
        lake,
        table,
        registry: registry::Registry::new(&config.registry, &config.consumer.topic)?,
        dead_letters: dead_letter::DeadLetters::new(
            &config.kafka,
            &config.consumer.dead_letters_topic,
            &config.consumer.topic,
        ),
        config: config.consumer,
        commands,
        shared,
        reporter: Reporter::new(
            progress.unwrap_or_else(|| watch::Sender::new(Progress::default())),
        ),
        health: health.component("lake"),
    })?;
    let source = spawn_blocking(move || source.run());
    let pipeline = spawn_blocking(move || pipeline.run(&inbox));
    // The pipeline ends when the source has, or before it with an error of its own.
    let committed = join("pipeline", pipeline).await;
    shutdown.0.trigger();
    join("source", source).await?;
    Ok(committed?.latest())
}

async fn open(config: &LakeConfig) -> Result<(Lake, Table), ConsumerError> {
    let opened = tokio::time::timeout(ANSWER_LIMIT, async {
        let lake = Lake::open(config).await?;
        let table = lake.load_or_create(&FLIGHT_STATES).await?;
        Ok((lake, table))
    });
    opened
        .await
        .unwrap_or(Err(ConsumerError::NoAnswer(ANSWER_LIMIT)))
}

async fn join<T>(
    thread: &'static str,
    handle: JoinHandle<Result<T, ConsumerError>>,
) -> Result<T, ConsumerError> {
    match handle.await {
        Ok(result) => result,
        Err(error) => {
            tracing::error!(thread, %error, "a thread panicked");
            Err(ConsumerError::Thread(thread))
        }
    }
}

/// Ends the threads also when the future is dropped before it is done.
struct EndsWithMe(Shutdown);

impl Drop for EndsWithMe {
    fn drop(&mut self) {
        self.0.trigger();
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use service::config::Secret;

    use super::*;

    #[tokio::test]
    async fn a_catalog_that_says_nothing_at_the_start_is_left() {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = silent.local_addr().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let config = LakeConfig {
            catalog_uri: Secret::new(format!("postgresql://me:secret@{address}/lake")),
            ..LakeConfig::in_folder(folder.path())
        };
        let error = open(&config).await.err().unwrap();
        assert!(matches!(error, ConsumerError::NoAnswer(_)), "{error}");
    }
}
