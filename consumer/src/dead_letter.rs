//! What cannot be decoded is kept: the bytes as they were, with reason and position.
//!
//! Dead letters are acknowledged by Kafka before the commit that passes their offsets. A
//! crash in between writes them again; topic, partition and offset tell the copies.
//!
//! A letter that is larger than its topic takes is cut short, and says so: what came in a
//! compressed batch may be of any size, and nothing behind it would ever be read.

use std::time::Duration;

use contract::names::{DEAD_LETTERS_MESSAGE_BYTES, dead_letter_header as header};
use futures::future::join_all;
use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};
use rdkafka::util::Timeout;
use service::config::KafkaConfig;
use service::fault::Fault;

use crate::ConsumerError;
use crate::decode::Reject;

const SEND_TIMEOUT: Duration = Duration::from_secs(30);
/// Letters that are on their way at once: each takes a kilobyte beside its bytes.
const AT_ONCE: usize = 1_000;

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
        // What was read may be larger than what librdkafka writes by default (1,000,000 bytes).
        config.set("message.max.bytes", DEAD_LETTERS_MESSAGE_BYTES.to_string());
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
    ///
    /// # Errors
    /// Kafka does not take them now; some may have been written.
    pub async fn send(&mut self, rejects: &[Reject]) -> Result<(), ConsumerError> {
        for some in rejects.chunks(AT_ONCE) {
            let written = self.send_some(some).await;
            if written.is_err() {
                self.let_go_of_what_is_broken();
            }
            written.map_err(|error| ConsumerError::Kafka {
                action: format!("cannot write to {}", self.topic),
                reason: error.to_string(),
                fault: Fault::Dependency,
            })?;
        }
        Ok(())
    }

    /// A producer that met a fatal error refuses everything ever after: the next attempt makes
    /// another.
    fn let_go_of_what_is_broken(&mut self) {
        let fatal = |producer: &FutureProducer| producer.client().fatal_error();
        if let Some((code, reason)) = self.producer.as_ref().and_then(fatal) {
            tracing::warn!(%code, reason, "the producer of dead letters is broken, making another");
            self.producer = None;
        }
    }

    async fn send_some(&mut self, rejects: &[Reject]) -> Result<(), KafkaError> {
        let producer = match &self.producer {
            Some(producer) => producer,
            None => self.producer.insert(self.config.create()?),
        };
        let letters = Letters {
            topic: &self.topic,
            source: &self.source,
            producer,
        };
        let sent = join_all(rejects.iter().map(|reject| letters.send(reject, None))).await;
        for (reject, sent) in rejects.iter().zip(sent) {
            match sent {
                Err(error) if is_too_large(&error) => letters.send_what_fits(reject).await?,
                other => other?,
            }
        }
        Ok(())
    }
}

/// What it takes to write one.
struct Letters<'a> {
    topic: &'a str,
    source: &'a str,
    producer: &'a FutureProducer,
}

impl Letters<'_> {
    /// Writes one, with its first `length` bytes when it is to be cut.
    async fn send(&self, reject: &Reject, length: Option<usize>) -> Result<(), KafkaError> {
        let partition = reject.record.partition.to_string();
        let offset = reject.record.offset.to_string();
        let whole = reject.payload.len().to_string();
        let headers = [
            (header::REASON, reject.reason.as_str()),
            (header::TOPIC, self.source),
            (header::PARTITION, partition.as_str()),
            (header::OFFSET, offset.as_str()),
        ];
        let cut_from = length.map(|_| (header::CUT_FROM, whole.as_str()));
        let headers = headers.into_iter().chain(cut_from).fold(
            OwnedHeaders::new(),
            |headers, (key, value)| {
                headers.insert(Header {
                    key,
                    value: Some(value),
                })
            },
        );
        let key = format!("{}/{partition}/{offset}", self.source);
        let record = FutureRecord::to(self.topic)
            .key(&key)
            .payload(&reject.payload[..length.unwrap_or(reject.payload.len())])
            .headers(headers);
        let sent = self.producer.send(record, Timeout::After(SEND_TIMEOUT));
        sent.await.map(drop).map_err(|(error, _)| error)
    }

    /// Writes one alone, since with others its batch may have been what was too large; then half
    /// of it, and half of that, until the topic takes it.
    async fn send_what_fits(&self, reject: &Reject) -> Result<(), KafkaError> {
        let mut length = None;
        loop {
            match self.send(reject, length).await {
                Err(error) if is_too_large(&error) => {
                    let former = length.unwrap_or(reject.payload.len());
                    if former == 0 {
                        return Err(error);
                    }
                    length = Some(former / 2);
                }
                Ok(()) => {
                    if let Some(length) = length {
                        let (record, bytes) = (reject.record, reject.payload.len());
                        tracing::warn!(
                            partition = record.partition,
                            offset = record.offset,
                            "a dead letter of {bytes} bytes is cut to {length}: Kafka takes no larger one"
                        );
                    }
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
    }
}

fn is_too_large(error: &KafkaError) -> bool {
    error.rdkafka_error_code() == Some(RDKafkaErrorCode::MessageSizeTooLarge)
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::names::{DEAD_LETTERS_TOPIC, FLIGHT_STATES_TOPIC};
    use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
    use rdkafka::client::DefaultClientContext;
    use rdkafka::consumer::{BaseConsumer, Consumer};
    use rdkafka::message::{Headers, Message};
    use rdkafka::mocking::MockCluster;
    use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
    use rdkafka::{Offset, TopicPartitionList};

    use crate::chunk::Chunk;

    const PATIENCE: Duration = Duration::from_secs(60);

    fn reject(offset: i64, length: usize) -> Reject {
        let mut chunk = Chunk::default();
        chunk.push(0, offset, &vec![b'x'; length]);
        let (record, payload) = chunk.get(0);
        Reject {
            record,
            payload: payload.to_vec(),
            reason: "it is a test".to_owned(),
        }
    }

    async fn broker(largest: u32) -> KafkaConfig {
        let kafka = KafkaConfig {
            brokers: noida::kafka::spawn("127.0.0.1:0").unwrap().to_string(),
            ..KafkaConfig::default()
        };
        let mut config = ClientConfig::new();
        config.extend(kafka.client_properties());
        let admin: AdminClient<DefaultClientContext> = config.create().unwrap();
        let largest = largest.to_string();
        let topic = NewTopic::new(DEAD_LETTERS_TOPIC, 1, TopicReplication::Fixed(1));
        let topic = topic.set("max.message.bytes", &largest);
        let made = admin.create_topics([&topic], &AdminOptions::new()).await;
        made.unwrap()[0].as_ref().unwrap();
        kafka
    }

    /// Offset of the record, length of the letter, and what it says it was cut from.
    fn read(kafka: &KafkaConfig, count: usize) -> Vec<(i64, usize, Option<String>)> {
        let mut config = ClientConfig::new();
        config.extend(kafka.client_properties());
        let reader: BaseConsumer = config.set("group.id", "test").create().unwrap();
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(DEAD_LETTERS_TOPIC, 0, Offset::Beginning)
            .unwrap();
        reader.assign(&list).unwrap();
        let mut letters: Vec<_> = (0..count)
            .map(|_| {
                let letter = reader.poll(PATIENCE).expect("a letter").unwrap();
                let header = |name: &str| {
                    let mut headers = letter.headers().unwrap().iter();
                    let header = headers.find(|header| header.key == name)?;
                    Some(String::from_utf8(header.value?.to_vec()).unwrap())
                };
                let offset = header(header::OFFSET).unwrap().parse().unwrap();
                let length = letter.payload().map_or(0, <[u8]>::len);
                (offset, length, header(header::CUT_FROM))
            })
            .collect();
        letters.sort();
        letters
    }

    async fn check(largest: u32, lengths: &[usize], expected: &[(i64, usize, Option<&str>)]) {
        let kafka = broker(largest).await;
        let rejects: Vec<Reject> = (0..)
            .zip(lengths)
            .map(|(offset, length)| reject(offset, *length))
            .collect();
        let mut letters = DeadLetters::new(&kafka, DEAD_LETTERS_TOPIC, FLIGHT_STATES_TOPIC);
        letters.send(&rejects).await.unwrap();
        let read = read(&kafka, lengths.len());
        let read: Vec<_> = read
            .iter()
            .map(|(o, l, c)| (*o, *l, c.as_deref()))
            .collect();
        assert_eq!(read, expected);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_letter_that_is_too_large_is_cut_and_says_so() {
        // Of a topic as the producer makes it, and of one that was there with Kafka's default.
        let (ours, default) = (DEAD_LETTERS_MESSAGE_BYTES, 1_048_588);
        let lengths = [10, 1_040_000, 3_000_000, 20];
        let whole = [
            (0, 10, None),
            (1, 1_040_000, None),
            (2, 3_000_000, None),
            (3, 20, None),
        ];
        check(ours, &lengths, &whole).await;
        let cut = [
            (0, 10, None),
            (1, 1_040_000, None),
            (2, 750_000, Some("3000000")),
            (3, 20, None),
        ];
        check(default, &lengths, &cut).await;
        // More than the client itself would send.
        check(ours, &[20_000_000], &[(0, 10_000_000, Some("20000000"))]).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn more_letters_than_are_sent_at_once_all_arrive() {
        let lengths = vec![7; 2 * AT_ONCE + 1];
        let expected: Vec<_> = (0..).zip(&lengths).map(|(o, l)| (o, *l, None)).collect();
        check(DEAD_LETTERS_MESSAGE_BYTES, &lengths, &expected).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn after_a_fatal_error_the_next_attempt_succeeds() {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic(DEAD_LETTERS_TOPIC, 1, 1).unwrap();
        let kafka = KafkaConfig {
            brokers: cluster.bootstrap_servers(),
            ..KafkaConfig::default()
        };
        let mut letters = DeadLetters::new(&kafka, DEAD_LETTERS_TOPIC, FLIGHT_STATES_TOPIC);
        letters.send(&[reject(0, 10)]).await.unwrap();
        // What an idempotent producer cannot go on from.
        let out_of_order = RDKafkaRespErr::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER;
        cluster.request_errors(RDKafkaApiKey::Produce, &[out_of_order]);
        let error = letters.send(&[reject(1, 10)]).await.unwrap_err();
        assert!(letters.producer.is_none(), "not fatal: {error}");
        letters.send(&[reject(1, 10)]).await.unwrap();
        assert_eq!(read(&kafka, 2), [(0, 10, None), (1, 10, None)]);
    }
}
