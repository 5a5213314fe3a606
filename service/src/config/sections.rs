//! The sections that more than one service has.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

use super::secret::mask_property;
use super::{HumanDuration, Secret};

/// Where Kafka is and how to log in.
#[derive(Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct KafkaConfig {
    /// Brokers to start from, as `host:port`, separated by commas.
    pub brokers: String,
    /// How to talk to the brokers.
    #[schemars(extend("enum" = ["plaintext", "sasl_plaintext", "ssl", "sasl_ssl"]))]
    pub security_protocol: String,
    /// How to log in; used with the `sasl_` protocols.
    #[schemars(extend("enum" = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]))]
    pub sasl_mechanism: String,
    /// User name; used with the `sasl_` protocols.
    pub sasl_username: String,
    /// Password; used with the `sasl_` protocols.
    pub sasl_password: Secret,
    /// File or folder of CA certificates that the brokers' are checked against; empty means those
    /// of the system. Used with `ssl` and `sasl_ssl`. A certificate of the client's own goes into
    /// `properties`, as `"ssl.certificate.location"` and `"ssl.key.location"`.
    pub ssl_ca_location: String,
    /// Further librdkafka properties, passed on as they are, such as `"linger.ms" = "20"`.
    #[serde(serialize_with = "masked_properties")]
    pub properties: BTreeMap<String, String>,
    /// Partitions of a topic that Contrail creates.
    #[schemars(range(min = 1))]
    pub partitions: i32,
    /// Replicas of each partition of a topic that Contrail creates.
    #[schemars(range(min = 1))]
    pub replication: i32,
}

impl Default for KafkaConfig {
    fn default() -> KafkaConfig {
        KafkaConfig {
            brokers: "127.0.0.1:9092".into(),
            security_protocol: "plaintext".into(),
            sasl_mechanism: "PLAIN".into(),
            sasl_username: String::new(),
            sasl_password: Secret::default(),
            ssl_ca_location: String::new(),
            properties: BTreeMap::new(),
            partitions: 3,
            replication: 1,
        }
    }
}

impl KafkaConfig {
    /// What to set on a librdkafka client, in order; `properties` come last and win.
    pub fn client_properties(&self) -> Vec<(String, String)> {
        let mut pairs = vec![
            ("bootstrap.servers", self.brokers.as_str()),
            ("security.protocol", self.security_protocol.as_str()),
        ];
        if self.security_protocol.starts_with("sasl_") {
            pairs.extend([
                ("sasl.mechanism", self.sasl_mechanism.as_str()),
                ("sasl.username", self.sasl_username.as_str()),
                ("sasl.password", self.sasl_password.expose()),
            ]);
        }
        if self.security_protocol.ends_with("ssl") && !self.ssl_ca_location.is_empty() {
            pairs.push(("ssl.ca.location", self.ssl_ca_location.as_str()));
        }
        let own = self
            .properties
            .iter()
            .map(|(k, v)| (k.as_str(), v.as_str()));
        let owned = |(k, v): (&str, &str)| (k.to_owned(), v.to_owned());
        pairs.into_iter().chain(own).map(owned).collect()
    }
}

impl fmt::Debug for KafkaConfig {
    /// By hand, because some librdkafka properties are secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let properties: BTreeMap<_, _> = masked(&self.properties).collect();
        f.debug_struct("KafkaConfig")
            .field("brokers", &self.brokers)
            .field("security_protocol", &self.security_protocol)
            .field("sasl_mechanism", &self.sasl_mechanism)
            .field("sasl_username", &self.sasl_username)
            .field("sasl_password", &self.sasl_password)
            .field("ssl_ca_location", &self.ssl_ca_location)
            .field("properties", &properties)
            .field("partitions", &self.partitions)
            .field("replication", &self.replication)
            .finish()
    }
}

fn masked(properties: &BTreeMap<String, String>) -> impl Iterator<Item = (&String, &str)> {
    properties.iter().map(|(k, v)| (k, mask_property(k, v)))
}

fn masked_properties<S: Serializer>(
    properties: &BTreeMap<String, String>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(masked(properties))
}

/// Where the schema registry is and how to log in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RegistryConfig {
    /// Address of the registry.
    pub url: String,
    /// User name; empty when it asks for none.
    pub username: String,
    /// Password.
    pub password: Secret,
    /// File of CA certificates (PEM) that the certificate of an `https` address is checked
    /// against; empty means those of the system.
    pub ca_location: String,
}

impl Default for RegistryConfig {
    fn default() -> RegistryConfig {
        RegistryConfig {
            url: "http://127.0.0.1:8081".into(),
            username: String::new(),
            password: Secret::default(),
            ca_location: String::new(),
        }
    }
}

impl RegistryConfig {
    /// The address that paths are put behind. A slash at the end of `url` would be one too many:
    /// registries do not know `//schemas/ids/1`.
    pub fn address(&self) -> &str {
        self.url.trim_end_matches('/')
    }
}

/// The endpoint for health and metrics.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct HttpConfig {
    /// Address of `/healthz`, `/readyz` and `/metrics`, as `host:port`. Port 0 takes any free
    /// port; an empty text switches the endpoint off.
    pub listen: String,
}

impl Default for HttpConfig {
    fn default() -> HttpConfig {
        HttpConfig {
            listen: "127.0.0.1:0".into(),
        }
    }
}

/// What is logged, and how it looks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    /// How log lines look.
    pub format: LogFormat,
    /// What is logged: a level (`error`, `warn`, `info`, `debug`, `trace`), or levels by module
    /// such as `info,consumer=debug`.
    pub level: String,
}

impl Default for LogConfig {
    fn default() -> LogConfig {
        LogConfig {
            format: LogFormat::Auto,
            level: "info".into(),
        }
    }
}

/// How log lines look.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For a person in a terminal, as JSON elsewhere.
    #[default]
    Auto,
    /// For a person.
    Human,
    /// One JSON object a line.
    Json,
}

impl LogFormat {
    /// As it is written in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            LogFormat::Auto => "auto",
            LogFormat::Human => "human",
            LogFormat::Json => "json",
        }
    }
}

/// Whom to tell when something needs a person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NotifyConfig {
    /// Address that notifications are posted to, as JSON with `title`, `text`, `content`, `level`
    /// and `fields`: an incoming webhook of Slack, Mattermost or Discord takes it as it is; for ntfy
    /// write `https://ntfy.sh/TOPIC?template=yes&title={{.title}}&message={{.text}}`. Empty sends
    /// nothing; what would have been sent is logged in any case.
    pub webhook: Secret,
    /// How long the receiver may take to answer.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "HumanDuration")]
    pub timeout: Duration,
    /// Notifications sent in an hour at most; those beyond are logged, and counted in the next one
    /// that is sent.
    #[schemars(range(min = 1))]
    pub per_hour: u32,
}

impl Default for NotifyConfig {
    fn default() -> NotifyConfig {
        NotifyConfig {
            webhook: Secret::default(),
            timeout: Duration::from_secs(10),
            per_hour: 30,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_structs_and_the_committed_file_have_the_same_defaults() {
        #[derive(Debug, Default, PartialEq, Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Shared {
            kafka: KafkaConfig,
            registry: RegistryConfig,
            http: HttpConfig,
            log: LogConfig,
            notify: NotifyConfig,
        }
        let committed: Shared = toml::from_str(super::super::DEFAULTS).unwrap();
        assert_eq!(committed, Shared::default());
    }

    #[test]
    fn a_client_gets_what_its_protocol_needs() {
        let mut kafka = KafkaConfig {
            sasl_username: "u".into(),
            sasl_password: "p".into(),
            ssl_ca_location: "/ca.pem".into(),
            ..KafkaConfig::default()
        };
        kafka.properties.insert("linger.ms".into(), "5".into());
        let mut names = |protocol: &str| {
            kafka.security_protocol = protocol.into();
            let pairs = kafka.client_properties();
            pairs
                .into_iter()
                .map(|(k, _)| k)
                .collect::<Vec<_>>()
                .join(" ")
        };
        let start = "bootstrap.servers security.protocol";
        let sasl = "sasl.mechanism sasl.username sasl.password";
        assert_eq!(names("plaintext"), format!("{start} linger.ms"));
        assert_eq!(names("ssl"), format!("{start} ssl.ca.location linger.ms"));
        assert_eq!(names("sasl_plaintext"), format!("{start} {sasl} linger.ms"));
        assert_eq!(
            names("sasl_ssl"),
            format!("{start} {sasl} ssl.ca.location linger.ms")
        );
    }

    #[test]
    fn a_slash_at_the_end_of_a_registry_is_not_part_of_its_address() {
        for url in ["http://r:8081", "http://r:8081/", "http://r:8081//"] {
            let config = RegistryConfig {
                url: url.to_owned(),
                ..RegistryConfig::default()
            };
            assert_eq!(config.address(), "http://r:8081");
        }
    }

    #[test]
    fn nothing_shows_a_secret() {
        let mut kafka = KafkaConfig {
            sasl_password: "hunter2".into(),
            ..KafkaConfig::default()
        };
        let name = "ssl.key.password".to_owned();
        kafka.properties.insert(name, "hunter2".into());
        for shown in [format!("{kafka:?}"), toml::to_string(&kafka).unwrap()] {
            assert!(!shown.contains("hunter2"), "{shown}");
            assert_eq!(shown.matches("***").count(), 2, "{shown}");
        }
    }
}
