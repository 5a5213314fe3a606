//! An embedded broker and registry, and polls in the broker's topic.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use chrono::Utc;
use consumer::chunk::{CHUNK_BYTES, Chunk};
use contract::names::FLIGHT_STATES_TOPIC;
use contract::{Poll, Source};
use local::broker::Broker;
use local::registry::Registry;
use producer::{Published, Publisher, Stamp};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use crate::input;

/// As many as a deployment has by default.
const PARTITIONS: i32 = 3;
const PATIENCE: Duration = Duration::from_secs(30);

/// Broker, registry, and a publisher with the contract's schema registered.
pub struct Servers {
    /// The broker.
    pub broker: Broker,
    /// The registry.
    pub registry: Registry,
    /// Id of the contract's schema.
    pub schema_id: u32,
    publisher: Publisher,
    watcher: BaseConsumer,
}

impl Servers {
    /// Starts them; what the registry keeps goes to `folder`.
    ///
    /// # Errors
    /// When one of them does not start.
    pub async fn start(folder: &Path) -> anyhow::Result<Servers> {
        std::fs::create_dir_all(folder)?;
        let broker = Broker::start(PARTITIONS)?;
        let registry = Registry::start(&folder.join("registry.json")).await?;
        let pairs = [
            ("kafka.brokers", &*broker.bootstrap()),
            ("registry.url", &registry.url()),
        ];
        let config: producer::Config = input::config(&[producer::DEFAULTS], &pairs)?;
        let publisher = Publisher::connect(&config.kafka, &config.producer).await?;
        let schema_id = producer::Registry::new(&config.registry)?
            .register(FLIGHT_STATES_TOPIC, contract::avro::FLIGHT_STATE_SCHEMA)
            .await?;
        let watcher = reader(&broker)?;
        Ok(Servers {
            broker,
            registry,
            schema_id,
            publisher,
            watcher,
        })
    }

    /// Publishes a poll as the producer does; it is acknowledged when this returns.
    ///
    /// # Errors
    /// When it is not.
    pub async fn publish(&self, poll: &Poll) -> anyhow::Result<Published> {
        let stamp = Stamp {
            schema_id: self.schema_id,
            ingestion_time: Utc::now(),
            source: Source::Simulator,
        };
        Ok(self.publisher.publish(poll, stamp).await?)
    }

    /// Lets go of what is in the topic up to these next offsets.
    pub fn forget(&self, ends: &BTreeMap<i32, i64>) {
        self.broker.delete_before(FLIGHT_STATES_TOPIC, ends);
    }

    /// Reads the topic's first `rows` records as the consumer's source does, and nothing more
    /// is done with them.
    ///
    /// # Errors
    /// When there are fewer.
    pub fn read(&self, rows: usize) -> anyhow::Result<Vec<Chunk>> {
        let reader = reader(&self.broker)?;
        let mut assignment = TopicPartitionList::new();
        for partition in 0..PARTITIONS {
            assignment.add_partition_offset(FLIGHT_STATES_TOPIC, partition, Offset::Beginning)?;
        }
        reader.assign(&assignment)?;
        let mut chunks = vec![Chunk::default()];
        for read in 0..rows {
            let Some(message) = reader.poll(PATIENCE) else {
                bail!("the topic has {read} records, not {rows}");
            };
            let message = message.context("cannot read the topic")?;
            if chunks
                .last()
                .is_none_or(|chunk| chunk.size() >= CHUNK_BYTES)
            {
                chunks.push(Chunk::default());
            }
            if let Some(chunk) = chunks.last_mut() {
                let payload = message.payload().unwrap_or_default();
                chunk.push(message.partition(), message.offset(), payload);
            }
        }
        Ok(chunks)
    }

    /// The offset after the newest committed record of each partition.
    ///
    /// # Errors
    /// When the broker does not say.
    pub fn ends(&self) -> anyhow::Result<BTreeMap<i32, i64>> {
        let end = |partition| {
            let (_, end) =
                self.watcher
                    .fetch_watermarks(FLIGHT_STATES_TOPIC, partition, PATIENCE)?;
            Ok((partition, end))
        };
        (0..PARTITIONS).map(end).collect()
    }
}

/// A client that sees committed records, set as the consumer's.
fn reader(broker: &Broker) -> anyhow::Result<BaseConsumer> {
    Ok(ClientConfig::new()
        .set("bootstrap.servers", broker.bootstrap())
        .set("group.id", "bench")
        .set("isolation.level", "read_committed")
        .set("enable.auto.commit", "false")
        .set("queued.max.messages.kbytes", "16384")
        .set("fetch.queue.backoff.ms", "10")
        .create()?)
}
