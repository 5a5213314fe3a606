//! The way into the topic: a publisher that is made anew when it breaks.
//!
//! A broken publisher leaves open whether its last poll was published. Its successor ends the
//! open transaction by connecting; then the topic itself says, and a poll that is there already
//! is not published again.

use contract::{Poll, avro, wire};
use service::config::KafkaConfig;
use service::retry::{RetryPolicy, retry};
use service::shutdown::Shutdown;
use tokio::sync::Mutex;

use crate::config::{Config, ProducerConfig};
use crate::error::ProducerError;
use crate::kafka::PublishError;
use crate::newest;
use crate::publish::{Published, Publisher, Stamp, blocking};
use crate::registry::Registry;

/// The way into the topic.
pub(crate) struct Link {
    kafka: KafkaConfig,
    config: ProducerConfig,
    registry: Registry,
    schema_id: u32,
    publisher: Mutex<Option<Publisher>>,
}

impl Link {
    /// Connects to Kafka, which must answer, and registers the schema, waiting for a registry
    /// that is away.
    pub(crate) async fn open(config: &Config, shutdown: &Shutdown) -> Result<Link, ProducerError> {
        let registry = Registry::new(&config.registry)?;
        let publisher = Publisher::connect(&config.kafka, &config.producer).await?;
        let schema_id = retry(
            &RetryPolicy::default(),
            "register the schema",
            service::fault::Faulty::retryable,
            shutdown,
            || registry.register(&config.producer.topic, avro::FLIGHT_STATE_SCHEMA),
        )
        .await?;
        tracing::info!(schema_id, "the schema is registered");
        Ok(Link {
            kafka: config.kafka.clone(),
            config: config.producer.clone(),
            registry,
            schema_id,
            publisher: Mutex::new(Some(publisher)),
        })
    }

    /// Id of the contract's schema.
    pub(crate) fn schema_id(&self) -> u32 {
        self.schema_id
    }

    /// Publishes `poll`, unless it turns out that a publisher that broke has done so.
    pub(crate) async fn publish(
        &self,
        poll: &Poll,
        stamp: Stamp,
    ) -> Result<Published, PublishError> {
        let mut slot = self.publisher.lock().await;
        let publisher = match &*slot {
            Some(publisher) => publisher.clone(),
            None => {
                let publisher = Publisher::connect(&self.kafka, &self.config).await?;
                let newest = self.newest_time().await?;
                *slot = Some(publisher.clone());
                if newest.is_some_and(|newest| newest >= poll.time) {
                    tracing::info!(time = poll.time, "the poll had been published after all");
                    return Ok(Published {
                        rows: poll.states.len() as u64,
                        ..Published::default()
                    });
                }
                publisher
            }
        };
        let result = publisher.publish(poll, stamp).await;
        if let Err(PublishError::Broken { .. } | PublishError::Thread { .. }) = &result {
            *slot = None;
        }
        result
    }

    /// Time of the newest poll in the topic, in seconds since the epoch; none when it has none
    /// that can be read.
    pub(crate) async fn newest_time(&self) -> Result<Option<i64>, PublishError> {
        let (kafka, config) = (self.kafka.clone(), self.config.clone());
        let records =
            blocking(move |cancelled| newest::records(&kafka, &config, cancelled)).await?;
        let mut newest = None;
        for record in records {
            match self.time_of(&record).await {
                Some(time) => newest = newest.max(Some(time)),
                None => tracing::warn!(
                    topic = self.config.topic,
                    "the newest record of a partition is not a state vector, passing over it"
                ),
            }
        }
        Ok(newest)
    }

    async fn time_of(&self, record: &[u8]) -> Option<i64> {
        let (id, body) = wire::parse(record).ok()?;
        if id == self.schema_id {
            return newest::snapshot_time(avro::FLIGHT_STATE_SCHEMA, body);
        }
        match self.registry.schema(id).await {
            Ok(schema) => newest::snapshot_time(&schema, body),
            Err(error) => {
                tracing::warn!(id, %error, "cannot get the schema of the newest record");
                None
            }
        }
    }
}
