//! Transactions against a broker: what readers see, and when.
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::common::{DEADLINE, config};
use chrono::{DateTime, Utc};
use contract::{Poll, Source, wire};
use producer::{Config, PublishError, Publisher, Stamp, opensky};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};
use service::fault::{Fault, Faulty};

fn broker() -> String {
    noida::kafka::spawn("127.0.0.1:0").unwrap().to_string()
}

fn kafka(brokers: &str, pairs: &[(&str, &str)]) -> Config {
    let mut all = vec![("kafka.brokers", brokers)];
    all.extend_from_slice(pairs);
    config(&all)
}

async fn connect(config: &Config) -> Publisher {
    Publisher::connect(&config.kafka, &config.producer)
        .await
        .unwrap()
}

fn poll(time: i64, aircraft: usize) -> Poll {
    opensky::parse(crate::common::body(time, aircraft).as_bytes()).unwrap()
}

fn stamp() -> Stamp {
    Stamp {
        schema_id: 5,
        ingestion_time: DateTime::<Utc>::UNIX_EPOCH,
        source: Source::Replay,
    }
}

/// Keys by partition that a reader with this isolation sees now.
fn read(brokers: &str, isolation: &str) -> BTreeMap<i32, Vec<String>> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "test")
        .set("isolation.level", isolation)
        .set("enable.partition.eof", "true")
        .create()
        .unwrap();
    let metadata = consumer
        .fetch_metadata(Some("flight-states"), DEADLINE)
        .unwrap();
    let mut open: Vec<i32> = metadata.topics()[0]
        .partitions()
        .iter()
        .map(|p| p.id())
        .collect();
    let mut assignment = TopicPartitionList::new();
    for partition in &open {
        assignment
            .add_partition_offset("flight-states", *partition, Offset::Beginning)
            .unwrap();
    }
    consumer.assign(&assignment).unwrap();
    let deadline = Instant::now() + DEADLINE;
    let mut keys = BTreeMap::<i32, Vec<String>>::new();
    while !open.is_empty() {
        assert!(Instant::now() < deadline, "the end was not reached in time");
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(record)) => {
                let (id, _) = wire::parse(record.payload().unwrap()).unwrap();
                assert_eq!(id, 5);
                let key = String::from_utf8(record.key().unwrap().to_vec()).unwrap();
                keys.entry(record.partition()).or_default().push(key);
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => open.retain(|p| *p != partition),
            Some(Err(error)) => panic!("{error}"),
            None => {}
        }
    }
    keys
}

fn count(keys: &BTreeMap<i32, Vec<String>>) -> usize {
    keys.values().map(Vec::len).sum()
}

#[tokio::test]
async fn a_poll_is_in_the_topic_once_published() {
    let brokers = broker();
    let config = kafka(&brokers, &[]);
    let publisher = connect(&config).await;
    let published = publisher.publish(&poll(7, 500), stamp()).await.unwrap();
    assert_eq!(published.rows, 500);
    assert!(published.bytes > 500 * 50, "{published:?}");
    let seen = read(&brokers, "read_committed");
    assert_eq!(count(&seen), 500);
    assert_eq!(seen.len(), 3, "keys go to every partition");
    for (partition, keys) in &seen {
        assert_eq!(published.offsets[partition], keys.len() as i64 - 1);
    }
    // The same aircraft goes to the same partition, and offsets go on.
    let again = publisher.publish(&poll(8, 500), stamp()).await.unwrap();
    let seen = read(&brokers, "read_committed");
    assert_eq!(count(&seen), 1000);
    for (partition, keys) in &seen {
        let (first, second) = keys.split_at(keys.len() / 2);
        assert_eq!(first, second);
        assert!(again.offsets[partition] > published.offsets[partition]);
    }
}

#[tokio::test]
async fn no_aircraft_write_nothing() {
    let brokers = broker();
    let publisher = connect(&kafka(&brokers, &[])).await;
    let published = publisher.publish(&poll(7, 0), stamp()).await.unwrap();
    assert_eq!(published, producer::Published::default());
    assert_eq!(count(&read(&brokers, "read_uncommitted")), 0);
}

#[tokio::test]
async fn a_poll_larger_than_the_queue_waits_for_room() {
    let brokers = broker();
    let small = [
        ("kafka.properties.queue.buffering.max.messages", "100"),
        ("producer.compression", "lz4"),
    ];
    let publisher = connect(&kafka(&brokers, &small)).await;
    let published = publisher.publish(&poll(7, 2_000), stamp()).await.unwrap();
    assert_eq!(published.rows, 2_000);
    assert_eq!(count(&read(&brokers, "read_committed")), 2_000);
}

#[tokio::test]
async fn what_is_taken_back_is_never_seen() {
    let brokers = broker();
    // Larger than a batch may be: the record is refused while others are in the transaction.
    let config = kafka(&brokers, &[("kafka.properties.message.max.bytes", "1000")]);
    let publisher = connect(&config).await;
    let mut large = poll(7, 300);
    large.states[299].origin_country = Some("x".repeat(2_000));
    let error = publisher.publish(&large, stamp()).await.unwrap_err();
    assert!(matches!(error, PublishError::TakenBack { .. }), "{error}");
    assert!(error.retryable());
    assert_eq!(count(&read(&brokers, "read_committed")), 0);
    // And the next poll is.
    publisher.publish(&poll(8, 10), stamp()).await.unwrap();
    assert_eq!(count(&read(&brokers, "read_committed")), 10);
}

#[tokio::test]
async fn what_a_dead_producer_left_open_is_never_seen() {
    let brokers = broker();
    let config = kafka(&brokers, &[]);
    let id = &config.producer.transactional_id;
    // Makes the topics.
    drop(connect(&config).await);
    let dead: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", &brokers)
        .set("transactional.id", id)
        .create()
        .unwrap();
    dead.init_transactions(DEADLINE).unwrap();
    dead.begin_transaction().unwrap();
    for key in ["aaaaaa", "bbbbbb", "cccccc"] {
        let value = b"\0\0\0\0\x05rest".as_slice();
        let record = BaseRecord::to("flight-states").key(key).payload(value);
        dead.send(record).map_err(|(error, _)| error).unwrap();
    }
    dead.flush(DEADLINE).unwrap();
    assert_eq!(count(&read(&brokers, "read_uncommitted")), 3);
    assert_eq!(count(&read(&brokers, "read_committed")), 0);

    let publisher = connect(&config).await;
    publisher.publish(&poll(7, 20), stamp()).await.unwrap();
    assert_eq!(count(&read(&brokers, "read_committed")), 20);
    // The dead one, should it wake up, has lost its name.
    let error = dead.commit_transaction(DEADLINE).unwrap_err();
    assert!(matches!(error, KafkaError::Transaction(_)), "{error}");
    assert_eq!(count(&read(&brokers, "read_committed")), 20);
}

#[tokio::test]
async fn of_two_producers_with_one_name_the_older_ends() {
    let brokers = broker();
    let config = kafka(&brokers, &[]);
    let older = connect(&config).await;
    older.publish(&poll(7, 10), stamp()).await.unwrap();
    let newer = connect(&config).await;
    newer.publish(&poll(8, 10), stamp()).await.unwrap();
    let error = older.publish(&poll(9, 10), stamp()).await.unwrap_err();
    assert!(matches!(error, PublishError::Fenced { .. }), "{error:?}");
    assert!(!error.retryable());
    assert_eq!(error.fault(), Fault::Configuration);
    assert!(
        error.to_string().contains("producer.transactional_id"),
        "{error}"
    );
    assert_eq!(count(&read(&brokers, "read_committed")), 20);
}

#[tokio::test]
async fn topics_are_made_as_configured_and_left_alone() {
    let brokers = broker();
    connect(&kafka(&brokers, &[("kafka.partitions", "5")])).await;
    connect(&kafka(&brokers, &[("kafka.partitions", "2")])).await;
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &brokers)
        .create()
        .unwrap();
    let partitions = |topic: &str| {
        let metadata = consumer.fetch_metadata(Some(topic), DEADLINE).unwrap();
        metadata.topics()[0].partitions().len()
    };
    assert_eq!(partitions("flight-states"), 5);
    assert_eq!(partitions("dead-letters"), 1);
}
