//! The consumer's configuration.

use std::time::Duration;

use lake::LakeConfig;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use service::cli::ServiceConfig;
use service::config::{
    ByteSize, HttpConfig, HumanDuration, KafkaConfig, LogConfig, RegistryConfig,
};
use service::fault::Failure;

use crate::ConsumerError;

/// Defaults of the sections that are not every service's.
pub const DEFAULTS: &[&str] = &[lake::config::DEFAULTS, include_str!("../default.toml")];

/// Everything the consumer takes from the configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Config {
    /// Where Kafka is.
    pub kafka: KafkaConfig,
    /// Where the schema registry is.
    pub registry: RegistryConfig,
    /// Where health and metrics are served.
    pub http: HttpConfig,
    /// How to log.
    pub log: LogConfig,
    /// Where the Iceberg tables are.
    pub lake: LakeConfig,
    /// How to consume.
    pub consumer: ConsumerConfig,
}

impl ServiceConfig for Config {
    fn http(&self) -> &HttpConfig {
        &self.http
    }

    fn log(&self) -> &LogConfig {
        &self.log
    }

    fn check(&self) -> Result<(), Failure> {
        self.lake.validate().map_err(Failure::new)?;
        self.consumer.validate().map_err(Failure::new)
    }
}

/// How to consume.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConsumerConfig {
    /// Topic to read.
    pub topic: String,
    /// Consumer group. Members of one group share the partitions; another group starts the
    /// topic from its beginning, and would append every row again.
    pub group: String,
    /// Longest time a row waits for its commit.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "HumanDuration")]
    pub commit_age: Duration,
    /// Buffered rows, in bytes of memory, at which a commit is made before its time.
    pub commit_bytes: ByteSize,
    /// Bytes of rows held in memory, decoded or not, at which partitions are paused. More
    /// than `commit_bytes`; librdkafka's own queue (16 MiB) comes on top.
    pub buffer_limit: ByteSize,
    /// Longest time a rebalance is held up for a last commit.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "HumanDuration")]
    pub revoke_timeout: Duration,
    /// How long to wait for Kafka at the start before giving up.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "HumanDuration")]
    pub connect_timeout: Duration,
    /// Topic that takes what cannot be decoded.
    pub dead_letters_topic: String,
    /// Read a topic that was deleted and made again from its beginning. Without it the
    /// consumer stops, because the table's positions belong to the former topic.
    pub accept_recreated_topic: bool,
    /// Go on at the earliest record when records expired before they were read. Without it
    /// the consumer stops.
    pub accept_lost_records: bool,
}

impl ConsumerConfig {
    /// Checks what types cannot say.
    pub fn validate(&self) -> Result<(), ConsumerError> {
        if self.buffer_limit <= self.commit_bytes {
            return Err(ConsumerError::Configuration(format!(
                "consumer.buffer_limit = \"{}\" must be more than consumer.commit_bytes = \"{}\", or no commit is ever due",
                self.buffer_limit, self.commit_bytes
            )));
        }
        if self.topic.is_empty() || self.group.is_empty() {
            return Err(ConsumerError::Configuration(
                "consumer.topic and consumer.group must not be empty".to_owned(),
            ));
        }
        Ok(())
    }
}
