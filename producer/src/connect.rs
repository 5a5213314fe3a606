//! Gets a producer ready: a broker that answers, the topics, the transactional id.
//!
//! Every wait here is bounded and looks at `cancelled` on the way, since it runs on a thread
//! that cannot be stopped from outside.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, Producer};
use service::config::KafkaConfig;

use crate::config::ProducerConfig;
use crate::kafka::{Context, PublishError, client_config, create, is_denied};

/// How long one call may take before it is looked whether to go on.
const SLICE: Duration = Duration::from_millis(500);
/// How long it is listened to what became of connections.
const LISTEN: Duration = Duration::from_millis(20);
/// Kafka's coordinator may take some seconds to be there, and to finish what an earlier producer
/// of the same name left open.
const INIT_TIMEOUT: Duration = Duration::from_secs(30);

/// A producer whose transactions can begin.
///
/// # Errors
/// The settings are wrong, no broker answers, it refuses the login or the rights, or a topic
/// cannot be made.
pub(crate) fn producer(
    kafka: &KafkaConfig,
    config: &ProducerConfig,
    cancelled: &AtomicBool,
) -> Result<BaseProducer<Context>, PublishError> {
    let producer: BaseProducer<Context> = create(&producer_config(kafka, config))?;
    reach(&producer, kafka, config.connect_timeout, cancelled)?;
    create_topics(kafka, config)?;
    init_transactions(&producer, config, cancelled)?;
    Ok(producer)
}

fn producer_config(kafka: &KafkaConfig, config: &ProducerConfig) -> ClientConfig {
    let mut own = client_config(kafka);
    let mut default = |key: &str, value: String| {
        if !kafka.properties.contains_key(key) {
            own.set(key, value);
        }
    };
    default("compression.type", config.compression.as_str().to_owned());
    // A poll arrives at once: whatever is there is sent, in batches as large as it is.
    default("linger.ms", "2".to_owned());
    default("partitioner", "murmur2_random".to_owned());
    // librdkafka holds at most this much; the sender waits for room.
    default("queue.buffering.max.kbytes", "4096".to_owned());
    default("queue.buffering.max.messages", "4000".to_owned());
    let transaction_timeout = config.transaction_timeout().as_millis();
    default("transaction.timeout.ms", transaction_timeout.to_string());
    default(
        "message.timeout.ms",
        config.publish_timeout.as_millis().to_string(),
    );
    // These make a poll appear whole and once; no setting may undo them.
    own.set("transactional.id", &config.transactional_id)
        .set("enable.idempotence", "true")
        .set("acks", "all");
    own
}

/// Waits until a broker answers.
fn reach(
    producer: &BaseProducer<Context>,
    kafka: &KafkaConfig,
    timeout: Duration,
    cancelled: &AtomicBool,
) -> Result<(), PublishError> {
    let deadline = Instant::now() + timeout;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let answer = producer.client().fetch_metadata(None, SLICE.min(left));
        let error = match answer {
            Ok(_) => return Ok(()),
            Err(error) => error,
        };
        // Long enough for all that there is to hear.
        producer.poll(LISTEN);
        let mut heard = producer.context().heard();
        let brokers = kafka.brokers.clone();
        if let Some(reason) = heard.login_refused.take() {
            return Err(PublishError::Login { brokers, reason });
        }
        if left.is_zero() || cancelled.load(Ordering::Relaxed) {
            let reason = heard.last_error.take().unwrap_or_else(|| error.to_string());
            return Err(PublishError::Unreachable {
                brokers,
                waited: timeout,
                reason,
            });
        }
    }
}

/// Makes the topics that are not there. One that is there is left as it is.
fn create_topics(kafka: &KafkaConfig, config: &ProducerConfig) -> Result<(), PublishError> {
    let admin: AdminClient<Context> = create(&client_config(kafka))?;
    let states = topic(
        &config.topic,
        kafka.partitions,
        kafka,
        &config.topic_properties,
    );
    let letters = topic(
        &config.dead_letters_topic,
        1,
        kafka,
        &config.dead_letters_properties,
    );
    let options = AdminOptions::new()
        .request_timeout(Some(config.connect_timeout))
        .operation_timeout(Some(config.connect_timeout));
    let failed = |topic: &str, reason: String| PublishError::Topic {
        topic: topic.to_owned(),
        reason,
    };
    let results = futures::executor::block_on(admin.create_topics([&states, &letters], &options))
        .map_err(|error| failed(&config.topic, error.to_string()))?;
    for result in results {
        match result {
            Ok(topic) => tracing::info!(topic, "created the topic"),
            Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            // Whoever may not create topics may still use one that is there.
            Err((topic, code)) if is_denied(code) && exists(&admin, &topic) => {}
            Err((topic, code)) if is_denied(code) => {
                return Err(PublishError::NotAllowed {
                    what: format!("create the topic {topic}"),
                    reason: code.to_string(),
                });
            }
            Err((topic, code)) => return Err(failed(&topic, code.to_string())),
        }
    }
    Ok(())
}

fn topic<'a>(
    name: &'a str,
    partitions: i32,
    kafka: &KafkaConfig,
    properties: &'a BTreeMap<String, String>,
) -> NewTopic<'a> {
    let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(kafka.replication));
    properties
        .iter()
        .fold(topic, |topic, (key, value)| topic.set(key, value))
}

fn exists(admin: &AdminClient<Context>, topic: &str) -> bool {
    admin
        .inner()
        .fetch_metadata(Some(topic), SLICE)
        .is_ok_and(|metadata| {
            metadata
                .topics()
                .iter()
                .any(|found| found.name() == topic && !found.partitions().is_empty())
        })
}

/// Takes over the transactional id: what an earlier producer left open is finished or undone,
/// and that producer is shut out.
fn init_transactions(
    producer: &BaseProducer<Context>,
    config: &ProducerConfig,
    cancelled: &AtomicBool,
) -> Result<(), PublishError> {
    let deadline = Instant::now() + INIT_TIMEOUT;
    loop {
        let error = match producer.init_transactions(SLICE) {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        producer.poll(Duration::ZERO);
        let reason = error.to_string();
        if error.rdkafka_error_code().is_some_and(is_denied) {
            return Err(PublishError::NotAllowed {
                what: format!("use the transactional id {:?}", config.transactional_id),
                reason,
            });
        }
        // A call that took too long goes on in the background; the next one waits for the same.
        let again = matches!(&error, KafkaError::Transaction(error) if error.is_retriable());
        if !again || Instant::now() > deadline || cancelled.load(Ordering::Relaxed) {
            return Err(PublishError::Broken { reason });
        }
    }
}
