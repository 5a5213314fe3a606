//! What every Kafka client of the producer has in common: its settings, what it hears from
//! librdkafka, and what an error means.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::ProducerContext;
use service::config::KafkaConfig;
use service::fault::{Fault, Faulty};

/// Why Kafka did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// librdkafka does not take the settings.
    #[error("the Kafka settings are not usable: {reason}; check the section [kafka]")]
    Settings {
        /// What it said.
        reason: String,
    },
    /// No broker answered.
    #[error(
        "cannot reach Kafka at {brokers} within {} s: {reason}; {}", waited.as_secs_f64(), KafkaConfig::remedy(.reason)
    )]
    Unreachable {
        /// The brokers as configured.
        brokers: String,
        /// How long it was tried.
        waited: Duration,
        /// What was heard last.
        reason: String,
    },
    /// A broker answered and refused the user or the password.
    #[error(
        "Kafka at {brokers} refused the login: {reason}; check kafka.security_protocol, kafka.sasl_mechanism, kafka.sasl_username and kafka.sasl_password"
    )]
    Login {
        /// The brokers as configured.
        brokers: String,
        /// What was heard.
        reason: String,
    },
    /// The user may log in, but not do this.
    #[error("Kafka does not allow the user to {what}: {reason}; grant it to kafka.sasl_username")]
    NotAllowed {
        /// What was tried.
        what: String,
        /// What was heard.
        reason: String,
    },
    /// A topic is not there and cannot be made.
    #[error("cannot create the topic {topic}: {reason}")]
    Topic {
        /// Its name.
        topic: String,
        /// What was heard.
        reason: String,
    },
    /// Another producer took over the transactional id.
    #[error(
        "another producer has taken over the name {transactional_id:?}; run one producer at a time, or give each its own producer.transactional_id"
    )]
    Fenced {
        /// The name.
        transactional_id: String,
    },
    /// The poll was taken back: nobody will see any of it. It can be published again.
    #[error("the poll could not be published and was taken back: {reason}")]
    TakenBack {
        /// What was heard.
        reason: String,
    },
    /// The client is of no more use, and whether the poll was published is not known. A new
    /// client settles it.
    #[error("the connection to Kafka has to be made anew: {reason}")]
    Broken {
        /// What was heard.
        reason: String,
    },
    /// The newest records cannot be read.
    #[error("cannot read the newest records of the topic {topic}: {reason}")]
    Newest {
        /// The topic.
        topic: String,
        /// What was heard.
        reason: String,
    },
    /// The registry does not say what a newest record was written with.
    #[error(
        "cannot get schema {id}, of the newest record of a partition, so what was published last is not known: {reason}"
    )]
    Schema {
        /// The schema's id.
        id: u32,
        /// What the registry, or its client, said.
        reason: String,
    },
    /// The thread that talks to Kafka ended by itself.
    #[error("the publishing thread ended: {reason}")]
    Thread {
        /// How.
        reason: String,
    },
}

impl Faulty for PublishError {
    fn fault(&self) -> Fault {
        match self {
            PublishError::Settings { .. }
            | PublishError::Login { .. }
            | PublishError::NotAllowed { .. }
            | PublishError::Fenced { .. } => Fault::Configuration,
            PublishError::Thread { .. } => Fault::Internal,
            _ => Fault::Dependency,
        }
    }

    fn retryable(&self) -> bool {
        matches!(
            self,
            PublishError::Unreachable { .. }
                | PublishError::TakenBack { .. }
                | PublishError::Broken { .. }
                | PublishError::Newest { .. }
                | PublishError::Schema { .. }
        )
    }
}

/// Settings that every client starts from; those of the configuration win over them.
pub(crate) fn client_config(kafka: &KafkaConfig) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("client.id", "contrail-producer")
        // A connection is idle between polls, and must not be found dead by the next one.
        .set("socket.keepalive.enable", "true")
        .set("socket.nagle.disable", "true")
        // For `Context::log`, which hears there why a connection failed.
        .set_log_level(RDKafkaLogLevel::Info);
    for (key, value) in kafka.client_properties() {
        config.set(key, value);
    }
    config
}

/// Makes a client of `config`.
///
/// # Errors
/// librdkafka does not take the settings.
pub(crate) fn create<T: FromClientConfigAndContext<Context>>(
    config: &ClientConfig,
) -> Result<T, PublishError> {
    config
        .create_with_context(Context::default())
        .map_err(|error| PublishError::Settings {
            reason: match error {
                // The value is left out: it may be a secret.
                KafkaError::ClientConfig(_, reason, key, _) => format!("{key}: {reason}"),
                other => other.to_string(),
            },
        })
}

/// What a client heard since it was last asked.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    /// The last thing that went wrong with a connection.
    pub last_error: Option<String>,
    /// That a broker refused the login.
    pub login_refused: Option<String>,
    /// Offset of the last acknowledged record of each partition.
    pub offsets: BTreeMap<i32, i64>,
    /// Records that were not acknowledged.
    pub undelivered: u64,
    /// Why the first of them was not.
    pub undelivered_reason: Option<String>,
}

/// Listens to librdkafka, on its own threads or while it is polled.
#[derive(Debug, Default)]
pub(crate) struct Context {
    heard: Mutex<Heard>,
}

impl Context {
    pub(crate) fn heard(&self) -> MutexGuard<'_, Heard> {
        // Nothing can leave it half-changed.
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for Context {
    /// What matters comes back as an error of a call, which is logged where it is handled.
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        if facility == KafkaConfig::FAILED {
            KafkaConfig::note_failure(&mut self.heard().last_error, message);
        }
        tracing::debug!(?level, facility, message, "librdkafka");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let mut heard = self.heard();
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::Authentication | RDKafkaErrorCode::SaslAuthenticationFailed) => {
                KafkaConfig::note_failure(&mut heard.login_refused, reason);
            }
            // Says only that there is no connection, in place of why.
            Some(RDKafkaErrorCode::AllBrokersDown) => {}
            _ => KafkaConfig::note_failure(&mut heard.last_error, reason),
        }
    }
}

impl ProducerContext for Context {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let mut heard = self.heard();
        match result {
            Ok(record) => {
                heard.offsets.insert(record.partition(), record.offset());
            }
            Err((error, _)) => {
                heard.undelivered += 1;
                heard
                    .undelivered_reason
                    .get_or_insert_with(|| error.to_string());
            }
        }
    }
}

impl rdkafka::consumer::ConsumerContext for Context {}

/// Whether `error` is about rights.
pub(crate) fn is_denied(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::TopicAuthorizationFailed
            | RDKafkaErrorCode::ClusterAuthorizationFailed
            | RDKafkaErrorCode::TransactionalIdAuthorizationFailed
            | RDKafkaErrorCode::GroupAuthorizationFailed
    )
}
