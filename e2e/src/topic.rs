//! Single records, written and read by a plain Kafka client.

use std::time::Duration;

use contract::names::{DEAD_LETTERS_TOPIC, FLIGHT_STATES_TOPIC, dead_letter_header};
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::producer::{BaseRecord, Producer, ThreadedProducer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use crate::load::kafka_config;

const LIMIT: Duration = Duration::from_secs(120);

/// A client's configuration for brokers without log-in.
pub fn client(brokers: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    for (key, value) in kafka_config(brokers).client_properties() {
        config.set(key, value);
    }
    config
}

/// Writes records without a key to the topic of the states, compressed.
pub fn send(brokers: &str, payloads: &[&[u8]]) {
    let producer: ThreadedProducer<_> = client(brokers)
        .set("compression.type", "zstd")
        .set("message.max.bytes", "10000000")
        .create()
        .expect("a producer");
    for payload in payloads {
        let record = BaseRecord::<str, [u8]>::to(FLIGHT_STATES_TOPIC).payload(payload);
        let sent = producer.send(record);
        sent.map_err(|(error, _)| error).expect("room for a record");
    }
    producer.flush(LIMIT).expect("the records are written");
}

/// Writes a transaction of so many records to the topic of the states, and takes it back.
pub fn abort(brokers: &str, records: usize) {
    let producer: ThreadedProducer<_> = client(brokers)
        .set("transactional.id", "aborting")
        .create()
        .expect("a producer");
    producer.init_transactions(LIMIT).expect("transactions");
    producer.begin_transaction().expect("a transaction");
    for n in 0..records {
        let (key, payload) = (format!("{n:06x}"), b"never to be seen".to_vec());
        let record = BaseRecord::to(FLIGHT_STATES_TOPIC)
            .key(&key)
            .payload(&payload);
        let sent = producer.send(record);
        sent.map_err(|(error, _)| error).expect("room for a record");
    }
    producer.flush(LIMIT).expect("the records are written");
    producer.abort_transaction(LIMIT).expect("it is taken back");
}

/// Deletes every record of the states that is there now, as their age would.
pub async fn expire(brokers: &str, partitions: i32) {
    let admin: AdminClient<DefaultClientContext> = client(brokers).create().expect("a client");
    let mut list = TopicPartitionList::new();
    for partition in 0..partitions {
        list.add_partition_offset(FLIGHT_STATES_TOPIC, partition, Offset::End)
            .expect("an offset");
    }
    let deleted = admin.delete_records(&list, &AdminOptions::new()).await;
    for partition in deleted.expect("an answer").elements() {
        partition.error().expect("its records are deleted");
    }
}

/// The bytes of one record of the first partition of the states.
pub fn payload_at(brokers: &str, offset: i64) -> Vec<u8> {
    let reader: BaseConsumer = client(brokers)
        .set("group.id", "reader")
        .create()
        .expect("a consumer");
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(FLIGHT_STATES_TOPIC, 0, Offset::Offset(offset))
        .expect("an offset");
    reader.assign(&list).expect("the partition");
    let message = reader.poll(LIMIT).expect("a record").expect("no error");
    assert_eq!(message.offset(), offset);
    message.payload().unwrap_or_default().to_vec()
}

/// A dead letter: the record as it was, and what its headers say.
pub struct Letter {
    /// The record's bytes.
    pub payload: Vec<u8>,
    /// Why it could not be decoded.
    pub reason: String,
    /// The partition it was read from.
    pub partition: String,
    /// Its offset there.
    pub offset: String,
    /// How many bytes there were, when only the first of them are here.
    pub cut_from: Option<String>,
}

impl Letter {
    fn of(message: &BorrowedMessage<'_>) -> Letter {
        let headers = message.headers().expect("headers");
        let optional = |name: &str| {
            let header = headers.iter().find(|header| header.key == name)?;
            Some(String::from_utf8(header.value?.to_vec()).expect("text"))
        };
        let header = |name: &str| optional(name).expect("the header");
        Letter {
            payload: message.payload().unwrap_or_default().to_vec(),
            reason: header(dead_letter_header::REASON),
            partition: header(dead_letter_header::PARTITION),
            offset: header(dead_letter_header::OFFSET),
            cut_from: optional(dead_letter_header::CUT_FROM),
        }
    }
}

/// The dead letters, in the order of their offsets: at least `count`, then whatever is there.
pub fn dead_letters(brokers: &str, count: usize) -> Vec<Letter> {
    let reader: BaseConsumer = client(brokers)
        .set("group.id", "reader")
        .set("auto.offset.reset", "earliest")
        .set("isolation.level", "read_committed")
        .create()
        .expect("a consumer");
    let metadata = reader
        .fetch_metadata(Some(DEAD_LETTERS_TOPIC), LIMIT)
        .expect("the topic");
    let mut list = TopicPartitionList::new();
    let mut written = 0;
    for partition in metadata.topics()[0].partitions() {
        list.add_partition_offset(DEAD_LETTERS_TOPIC, partition.id(), Offset::Beginning)
            .expect("an offset");
        let (low, high) = reader
            .fetch_watermarks(DEAD_LETTERS_TOPIC, partition.id(), LIMIT)
            .expect("its offsets");
        written += usize::try_from(high - low).expect("not below zero");
    }
    assert!(written >= count, "{written} dead letters, expected {count}");
    reader.assign(&list).expect("the partitions");
    let next = || {
        Letter::of(
            &reader
                .poll(LIMIT)
                .expect("a dead letter")
                .expect("no error"),
        )
    };
    let mut letters: Vec<Letter> = (0..written).map(|_| next()).collect();
    letters.sort_by_key(|letter| letter.offset.parse::<i64>().expect("a number"));
    letters
}
