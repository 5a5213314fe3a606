//! What cannot be decoded is kept: the bytes as they were, with reason and position.
//!
//! Dead letters are acknowledged by Kafka before the commit that passes their offsets. A
//! crash in between writes them again; topic, partition and offset tell the copies.

use std::time::Duration;

use contract::names::dead_letter_header as header;
use futures::future::try_join_all;
use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::util::Timeout;
use service::config::KafkaConfig;

use crate::decode::Reject;

const SEND_TIMEOUT: Duration = Duration::from_secs(30);

/// The topic of dead letters.
pub struct DeadLetters {
    topic: String,
    source: String,
    config: ClientConfig,
    /// Made for the first dead letter: most consumers never need it.
    producer: Option<FutureProducer>,
}

impl DeadLetters {
    /// Prepares to write records of `source` to `topic`; nothing is sent yet.
    pub fn new(kafka: &KafkaConfig, topic: &str, source: &str) -> DeadLetters {
        let mut config = ClientConfig::new();
        for (key, value) in kafka.client_properties() {
            config.set(key, value);
        }
        config.set("enable.idempotence", "true");
        config.set("message.timeout.ms", SEND_TIMEOUT.as_millis().to_string());
        DeadLetters {
            topic: topic.to_owned(),
            source: source.to_owned(),
            config,
            producer: None,
        }
    }

    /// Writes all of them and waits until Kafka has them.
    pub async fn send(&mut self, rejects: &[Reject]) -> Result<(), KafkaError> {
        if rejects.is_empty() {
            return Ok(());
        }
        let producer = match &self.producer {
            Some(producer) => producer,
            None => self.producer.insert(self.config.create()?),
        };
        let sends = rejects.iter().map(|reject| async {
            let partition = reject.record.partition.to_string();
            let offset = reject.record.offset.to_string();
            let headers = [
                (header::REASON, reject.reason.as_str()),
                (header::TOPIC, self.source.as_str()),
                (header::PARTITION, partition.as_str()),
                (header::OFFSET, offset.as_str()),
            ]
            .into_iter()
            .fold(OwnedHeaders::new(), |headers, (key, value)| {
                headers.insert(Header {
                    key,
                    value: Some(value),
                })
            });
            let key = format!("{}/{partition}/{offset}", self.source);
            let record = FutureRecord::to(&self.topic)
                .key(&key)
                .payload(&reject.payload)
                .headers(headers);
            producer
                .send(record, Timeout::After(SEND_TIMEOUT))
                .await
                .map_err(|(error, _)| error)
        });
        try_join_all(sends).await.map(|_| ())
    }
}
