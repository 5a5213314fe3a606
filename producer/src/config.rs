//! The producer's configuration.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use service::cli::ServiceConfig;
use service::config::{
    ByteSize, HttpConfig, HumanDuration, KafkaConfig, LogConfig, RegistryConfig, Secret,
};
use service::fault::Failure;

use crate::error::ProducerError;

/// Defaults of the `[producer]` section.
pub const DEFAULTS: &str = include_str!("../default.toml");

/// What `producer.publish_timeout` can be: a transaction's own timeout is twice as long
/// ([`ProducerConfig::transaction_timeout`]), of which librdkafka takes no less than a second and
/// brokers, unless told otherwise, no more than a quarter of an hour.
const PUBLISH_TIMEOUTS: RangeInclusive<Duration> =
    Duration::from_millis(500)..=Duration::from_secs(450);

/// Everything the producer takes from the configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where Kafka is.
    pub kafka: KafkaConfig,
    /// Where the schema registry is.
    pub registry: RegistryConfig,
    /// Where health and metrics are served.
    pub http: HttpConfig,
    /// What is logged.
    pub log: LogConfig,
    /// What to ask for, and where to put it.
    pub producer: ProducerConfig,
}

impl ServiceConfig for Config {
    fn http(&self) -> &HttpConfig {
        &self.http
    }

    fn log(&self) -> &LogConfig {
        &self.log
    }

    fn check(&self) -> Result<(), Failure> {
        self.producer.validate().map_err(Failure::new)
    }
}

/// What to ask for, and where to put it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProducerConfig {
    /// Time from one poll to the next.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "HumanDuration")]
    pub interval: Duration,
    /// What the `source` column says: whether `opensky` is the real one or a simulator.
    pub source: PollSource,
    /// Topic of the state vectors; created when it is missing.
    pub topic: String,
    /// Topic of what consumers cannot decode; created when it is missing.
    pub dead_letters_topic: String,
    /// Name of this producer to Kafka. Of two that run under one name, the older is shut out;
    /// so two sources need two names.
    pub transactional_id: String,
    /// How batches of records are compressed.
    pub compression: Compression,
    /// How long to wait for Kafka at the start before giving up.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "HumanDuration")]
    pub connect_timeout: Duration,
    /// Longest time for one try to publish a poll; then it is taken back and tried again.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "HumanDuration")]
    pub publish_timeout: Duration,
    /// How to ask OpenSky.
    pub opensky: OpenSkyConfig,
    /// Where bodies go that cannot be read.
    pub quarantine: QuarantineConfig,
    /// Settings of the topic of state vectors, used when it is created.
    pub topic_properties: BTreeMap<String, String>,
    /// Settings of the topic of dead letters, used when it is created.
    pub dead_letters_properties: BTreeMap<String, String>,
}

/// Which OpenSky is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PollSource {
    /// The real one.
    Live,
    /// A simulator.
    Simulator,
}

impl From<PollSource> for contract::Source {
    fn from(source: PollSource) -> contract::Source {
        match source {
            PollSource::Live => contract::Source::Live,
            PollSource::Simulator => contract::Source::Simulator,
        }
    }
}

/// How batches of records are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// Smallest.
    Zstd,
    /// Least work.
    Lz4,
    /// Not at all.
    None,
}

impl Compression {
    /// As librdkafka calls it.
    pub fn as_str(self) -> &'static str {
        match self {
            Compression::Zstd => "zstd",
            Compression::Lz4 => "lz4",
            Compression::None => "none",
        }
    }
}

/// How to ask OpenSky.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OpenSkyConfig {
    /// Address of the API, in front of `/states/all`.
    pub base_url: String,
    /// Where access tokens are had.
    pub token_url: String,
    /// Name of the API client, from the account page; empty to ask anonymously.
    pub client_id: String,
    /// Secret of the API client.
    pub client_secret: Secret,
    /// South, west, north and east edge in degrees; empty for the whole world.
    pub bounding_box: Vec<f64>,
    /// Ask for the aircraft category too.
    pub extended: bool,
    /// Longest time for one answer, from the first byte sent to the last one read.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "HumanDuration")]
    pub timeout: Duration,
    /// Longest body that is read, after decompression.
    pub body_limit: ByteSize,
}

/// Where bodies go that cannot be read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct QuarantineConfig {
    /// Folder; made when the first body goes there.
    pub dir: PathBuf,
    /// Bodies kept; the oldest go first.
    #[schemars(range(min = 1))]
    pub max_files: usize,
    /// Bytes kept; the oldest bodies go first.
    pub max_bytes: ByteSize,
}

impl ProducerConfig {
    /// Checks what types cannot say.
    ///
    /// # Errors
    /// Names the key, what is wrong with it and what it must be.
    pub fn validate(&self) -> Result<(), ProducerError> {
        let invalid = |text: String| Err(ProducerError::Configuration(text));
        if self.interval < Duration::from_millis(100) {
            return invalid(format!(
                "producer.interval = \"{}\" is too short; it must be at least \"100ms\"",
                humantime::format_duration(self.interval)
            ));
        }
        if !PUBLISH_TIMEOUTS.contains(&self.publish_timeout) {
            return invalid(format!(
                "producer.publish_timeout = \"{}\" must be from \"500ms\" to \"7m 30s\"",
                humantime::format_duration(self.publish_timeout)
            ));
        }
        let named = [
            ("producer.topic", &self.topic),
            ("producer.dead_letters_topic", &self.dead_letters_topic),
            ("producer.transactional_id", &self.transactional_id),
        ];
        if let Some((key, _)) = named.iter().find(|(_, value)| value.is_empty()) {
            return invalid(format!("{key} must not be empty"));
        }
        self.opensky.validate()
    }

    /// After this a broker gives up a transaction whose producer is gone. It outlasts a try.
    pub(crate) fn transaction_timeout(&self) -> Duration {
        self.publish_timeout * 2
    }
}

impl OpenSkyConfig {
    /// Whether requests carry no credentials.
    pub fn is_anonymous(&self) -> bool {
        self.client_id.is_empty()
    }

    /// The edges of the bounding box with the names OpenSky gives them; none for the world.
    pub(crate) fn edges(&self) -> Vec<(&'static str, f64)> {
        ["lamin", "lomin", "lamax", "lomax"]
            .into_iter()
            .zip(self.bounding_box.iter().copied())
            .collect()
    }

    fn validate(&self) -> Result<(), ProducerError> {
        let invalid = |text: String| Err(ProducerError::Configuration(text));
        for (key, url) in [("base_url", &self.base_url), ("token_url", &self.token_url)] {
            let usable = reqwest::Url::parse(url)
                .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
            if !usable {
                return invalid(format!(
                    "producer.opensky.{key} = {url:?} must be an http or https address"
                ));
            }
        }
        if self.client_id.is_empty() != self.client_secret.is_empty() {
            return invalid(
                "producer.opensky.client_id and producer.opensky.client_secret belong together; \
                 set both, or neither to ask anonymously"
                    .to_owned(),
            );
        }
        match *self.bounding_box.as_slice() {
            [] => Ok(()),
            [south, west, north, east]
                if (-90.0..=90.0).contains(&south)
                    && (-90.0..=90.0).contains(&north)
                    && (-180.0..=180.0).contains(&west)
                    && (-180.0..=180.0).contains(&east)
                    && south < north
                    && west < east =>
            {
                Ok(())
            }
            _ => invalid(format!(
                "producer.opensky.bounding_box = {:?} must be south, west, north, east in \
                 degrees, such as [45.8, 5.9, 47.8, 10.5], or empty for the whole world",
                self.bounding_box
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use service::config::Loader;

    fn load(pairs: &[(&str, &str)]) -> Config {
        let pairs: Vec<_> = pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        Loader::new()
            .defaults(DEFAULTS)
            .environment::<&str, &str>([])
            .overrides(&pairs)
            .load()
            .unwrap()
    }

    #[test]
    fn the_defaults_are_valid() {
        let config = load(&[]);
        config.producer.validate().unwrap();
        assert!(config.producer.opensky.is_anonymous());
        assert_eq!(config.producer.interval, Duration::from_secs(30));
        assert!(config.producer.opensky.edges().is_empty());
        assert_eq!(
            config.producer.dead_letters_properties["max.message.bytes"],
            contract::names::DEAD_LETTERS_MESSAGE_BYTES.to_string()
        );
    }

    #[test]
    fn what_types_cannot_say_is_refused_by_name() {
        let check = |pairs: &[(&str, &str)], expected: &str| {
            let error = load(pairs).producer.validate().unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        };
        check(&[("producer.interval", "0s")], "producer.interval");
        check(&[("producer.topic", "")], "producer.topic must");
        for timeout in ["499ms", "8m"] {
            let key = "producer.publish_timeout";
            check(&[(key, timeout)], key);
        }
        check(
            &[("producer.opensky.client_id", "me")],
            "producer.opensky.client_secret",
        );
        check(
            &[("producer.opensky.base_url", "opensky")],
            "producer.opensky.base_url = \"opensky\"",
        );
        for edges in ["1,2,3", "47.8,5.9,45.8,10.5", "-91,0,1,1", "0,10,1,-10"] {
            check(&[("producer.opensky.bounding_box", edges)], "bounding_box");
        }
    }

    #[test]
    fn a_bounding_box_has_the_names_of_the_api() {
        let config = load(&[("producer.opensky.bounding_box", "45.8,5.9,47.8,10.5")]);
        config.producer.validate().unwrap();
        assert_eq!(
            config.producer.opensky.edges(),
            [
                ("lamin", 45.8),
                ("lomin", 5.9),
                ("lamax", 47.8),
                ("lomax", 10.5)
            ]
        );
    }
}
