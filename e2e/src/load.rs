//! Polls of a seeded fleet, published in transactions as the producer does it.

use std::collections::BTreeMap;

use chrono::Utc;
use contract::{Poll, Source};
use producer::{ProducerConfig, Publisher, Registry, Stamp};
use service::config::{KafkaConfig, Loader, RegistryConfig};
use simulator::fleet::Fleet;

/// A publisher of polls, and the memory of what it has published.
pub struct Load {
    publisher: Publisher,
    registry: Registry,
    schema_id: u32,
    fleet: Fleet,
    time: i64,
    /// Rows of each published poll, by its time in seconds.
    pub published: BTreeMap<i64, u64>,
    /// Next offset of each partition after the last published poll.
    pub ends: BTreeMap<i32, i64>,
}

/// A producer's defaults, under a transactional id of its own.
fn load_config() -> ProducerConfig {
    let config: producer::Config = Loader::new()
        .defaults(producer::DEFAULTS)
        .load()
        .expect("the defaults are valid");
    ProducerConfig {
        transactional_id: "load".to_owned(),
        ..config.producer
    }
}

/// The `[kafka]` section for brokers without log-in.
pub fn kafka_config(brokers: &str) -> KafkaConfig {
    KafkaConfig {
        brokers: brokers.to_owned(),
        ..KafkaConfig::default()
    }
}

impl Load {
    /// Connects; makes the topic with `partitions` partitions.
    pub async fn start(brokers: &str, registry: &str, partitions: i32, aircraft: usize) -> Load {
        let kafka = KafkaConfig {
            partitions,
            ..kafka_config(brokers)
        };
        let registry = RegistryConfig {
            url: registry.to_owned(),
            ..RegistryConfig::default()
        };
        Load::over(&kafka, &registry, aircraft).await
    }

    /// Connects as the sections say, and makes the topic.
    pub async fn over(kafka: &KafkaConfig, registry: &RegistryConfig, aircraft: usize) -> Load {
        let config = load_config();
        let publisher = Publisher::connect(kafka, &config)
            .await
            .expect("Kafka is there");
        let registry = Registry::new(registry).expect("a usable registry section");
        let schema = contract::avro::FLIGHT_STATE_SCHEMA;
        let registered = registry.register(&config.topic, schema).await;
        Load {
            publisher,
            registry,
            schema_id: registered.expect("the registry takes the schema"),
            fleet: Fleet::new(7, aircraft),
            time: 1_750_000_000,
            published: BTreeMap::new(),
            ends: BTreeMap::new(),
        }
    }

    /// Takes the transactional id back from another [`Load`].
    pub async fn reconnect(&mut self, brokers: &str) {
        let config = load_config();
        let connected = Publisher::connect(&kafka_config(brokers), &config).await;
        self.publisher = connected.expect("Kafka is there");
    }

    /// The next poll, 30 s after the last.
    pub fn next_poll(&mut self) -> Poll {
        self.time += 30;
        let body = self.fleet.body(self.time, true);
        producer::opensky::states::parse(&body).expect("the simulator's body is OpenSky's")
    }

    /// Publishes so many polls.
    pub async fn publish(&mut self, polls: usize) {
        for _ in 0..polls {
            let poll = self.next_poll();
            let stamp = Stamp {
                schema_id: self.schema_id,
                ingestion_time: Utc::now(),
                source: Source::Simulator,
            };
            let published = self
                .publisher
                .publish(&poll, stamp)
                .await
                .expect("published");
            self.published.insert(poll.time, published.rows);
            for (partition, last) in published.offsets {
                self.ends.insert(partition, last + 1);
            }
        }
    }

    /// Registers another schema of the topic's values.
    pub async fn register(&self, schema: &str) -> u32 {
        let registered = self.registry.register(&load_config().topic, schema).await;
        registered.expect("the registry takes the schema")
    }

    /// The registered schema.
    pub fn schema_id(&self) -> u32 {
        self.schema_id
    }

    /// Rows published in all.
    pub fn rows(&self) -> u64 {
        self.published.values().sum()
    }
}
