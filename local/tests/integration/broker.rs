//! The embedded broker, used by librdkafka as the services use it.
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use contract::names::FLIGHT_STATES_TOPIC as TOPIC;
use local::broker::Broker;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::{Message, Statistics};

/// Longer than anything here takes; only a failure waits for it.
const PATIENCE: Duration = Duration::from_secs(120);

fn producer(broker: &Broker, transactional_id: &str) -> BaseProducer {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", broker.bootstrap())
        .set("transactional.id", transactional_id)
        .set("compression.type", "zstd")
        .create()
        .unwrap();
    producer.init_transactions(PATIENCE).unwrap();
    producer
}

fn consumer(broker: &Broker, settings: &[(&str, &str)]) -> BaseConsumer {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", broker.bootstrap())
        .set("group.id", "test")
        .set("isolation.level", "read_committed")
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "earliest");
    for (key, value) in settings {
        config.set(*key, *value);
    }
    config.create().unwrap()
}

fn from_start(broker: &Broker, partition: i32, settings: &[(&str, &str)]) -> BaseConsumer {
    let consumer = consumer(broker, settings);
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(TOPIC, partition, Offset::Beginning)
        .unwrap();
    consumer.assign(&list).unwrap();
    consumer
}

fn send(producer: &BaseProducer, partition: i32, payloads: impl Iterator<Item = String>) {
    producer.begin_transaction().unwrap();
    for payload in payloads {
        let record = BaseRecord::<str, str>::to(TOPIC)
            .partition(partition)
            .key("k")
            .payload(&payload);
        producer.send(record).map_err(|(error, _)| error).unwrap();
    }
}

fn read(consumer: &BaseConsumer, count: usize) -> Vec<String> {
    let deadline = Instant::now() + PATIENCE;
    let mut found = Vec::new();
    while found.len() < count {
        assert!(Instant::now() < deadline, "only {} arrived", found.len());
        if let Some(message) = consumer.poll(Duration::from_millis(50)) {
            let message = message.unwrap();
            found.push(String::from_utf8(message.payload().unwrap().to_vec()).unwrap());
        }
    }
    found
}

#[test]
fn only_committed_transactions_are_seen() {
    let broker = Broker::start(3).unwrap();
    let producer = producer(&broker, "one");
    let named = |name: &'static str| (0..100).map(move |i| format!("{name}-{i}"));
    send(&producer, 1, named("aborted"));
    producer.flush(PATIENCE).unwrap();
    producer.abort_transaction(PATIENCE).unwrap();
    send(&producer, 1, named("committed"));
    producer.commit_transaction(PATIENCE).unwrap();
    send(&producer, 1, named("open"));
    producer.flush(PATIENCE).unwrap();

    let consumer = from_start(&broker, 1, &[]);
    let expected: Vec<String> = named("committed").collect();
    assert_eq!(read(&consumer, 100), expected);
    assert!(
        consumer.poll(Duration::from_millis(300)).is_none(),
        "neither the aborted nor the open one may be seen"
    );
    producer.commit_transaction(PATIENCE).unwrap();
    let expected: Vec<String> = named("open").collect();
    assert_eq!(read(&consumer, 100), expected, "a waiting fetch is woken");

    send(&producer, 1, named("aborted again"));
    producer.flush(PATIENCE).unwrap();
    producer.abort_transaction(PATIENCE).unwrap();
    send(&producer, 1, named("last"));
    producer.commit_transaction(PATIENCE).unwrap();
    let expected: Vec<String> = named("last").collect();
    assert_eq!(read(&consumer, 100), expected);
}

#[test]
fn a_second_producer_fences_the_first() {
    let broker = Broker::start(1).unwrap();
    let first = producer(&broker, "same");
    send(&first, 0, std::iter::once("late".to_owned()));
    let second = producer(&broker, "same");
    let refused = first.commit_transaction(PATIENCE);
    assert!(refused.is_err(), "the first was fenced");
    send(&second, 0, std::iter::once("kept".to_owned()));
    second.commit_transaction(PATIENCE).unwrap();
    assert_eq!(read(&from_start(&broker, 0, &[]), 1), ["kept"]);
}

#[test]
fn a_group_gets_every_partition() {
    let broker = Broker::start(3).unwrap();
    let producer = producer(&broker, "group");
    for partition in 0..3 {
        send(&producer, partition, std::iter::once(partition.to_string()));
        producer.commit_transaction(PATIENCE).unwrap();
    }
    let consumer = consumer(&broker, &[]);
    consumer.subscribe(&[TOPIC]).unwrap();
    let mut found = read(&consumer, 3);
    found.sort();
    assert_eq!(found, ["0", "1", "2"]);
}

#[test]
fn what_was_deleted_is_gone_and_the_rest_is_not() {
    let broker = Broker::start(2).unwrap();
    let producer = producer(&broker, "trim");
    let big = |i: i32| {
        format!(
            "{i}-{}",
            uuid::Uuid::new_v4().simple().to_string().repeat(50)
        )
    };
    for part in 0..2 {
        send(&producer, part, (0..100).map(big));
        producer.commit_transaction(PATIENCE).unwrap();
    }
    let before = broker.stored_bytes();
    // A hundred records and the mark of the commit; what does not exist is passed over.
    broker.delete_before(TOPIC, &BTreeMap::from([(0, 101), (1, 0), (7, 3)]));
    let after = broker.stored_bytes();
    assert!(
        after < before * 6 / 10,
        "{after} of {before} bytes are left"
    );
    assert_eq!(read(&from_start(&broker, 1, &[]), 100).len(), 100);

    send(&producer, 0, std::iter::once("new".to_owned()));
    producer.commit_transaction(PATIENCE).unwrap();
    assert_eq!(read(&from_start(&broker, 0, &[]), 1), ["new"]);
}

#[test]
fn a_fetch_keeps_to_the_size_that_was_asked_for() {
    let broker = Broker::start(1).unwrap();
    let producer = producer(&broker, "big");
    // Incompressible, and a batch each.
    let noise = || uuid::Uuid::new_v4().simple().to_string().repeat(1_000);
    for _ in 0..40 {
        send(&producer, 0, std::iter::once(noise()));
        producer.commit_transaction(PATIENCE).unwrap();
    }
    // A reply beyond receive.message.max.bytes would break the connection.
    let limits = [
        ("fetch.max.bytes", "50000"),
        ("message.max.bytes", "50000"),
        ("max.partition.fetch.bytes", "50000"),
        ("receive.message.max.bytes", "51000"),
    ];
    assert_eq!(read(&from_start(&broker, 0, &limits), 40).len(), 40);
}

#[test]
fn an_idle_consumer_asks_no_more_than_its_patience_says() {
    use rdkafka::ClientContext;
    use rdkafka::consumer::ConsumerContext;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[derive(Default)]
    struct Requests(AtomicU64);
    impl ClientContext for Requests {
        fn stats(&self, statistics: Statistics) {
            let sent = statistics.brokers.values().map(|b| b.tx).sum();
            self.0.store(sent, Ordering::SeqCst);
        }
    }
    impl ConsumerContext for Requests {}

    let broker = Broker::start(1).unwrap();
    let consumer: BaseConsumer<Requests> = ClientConfig::new()
        .set("bootstrap.servers", broker.bootstrap())
        .set("group.id", "idle")
        .set("statistics.interval.ms", "100")
        .set("fetch.wait.max.ms", "200")
        .create_with_context(Requests::default())
        .unwrap();
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(TOPIC, 0, Offset::Beginning)
        .unwrap();
    consumer.assign(&list).unwrap();
    let sent = || {
        assert!(consumer.poll(Duration::from_millis(50)).is_none());
        consumer.context().0.load(Ordering::SeqCst)
    };
    let give_up = Instant::now() + PATIENCE;
    let first = loop {
        match sent() {
            0 => assert!(Instant::now() < give_up, "it never asks"),
            first => break first,
        }
    };
    let until = Instant::now() + Duration::from_secs(2);
    let sent = loop {
        let now = sent();
        if Instant::now() >= until {
            break now - first;
        }
    };
    assert!((1..100).contains(&sent), "{sent} requests in two seconds");
}

#[test]
fn every_broker_is_a_cluster_of_its_own_and_ends_when_dropped() {
    let (one, other) = (Broker::start(1).unwrap(), Broker::start(1).unwrap());
    let seen = |broker: &Broker| {
        let consumer = consumer(broker, &[]);
        consumer.fetch_metadata(None, PATIENCE).unwrap();
        consumer.client().fetch_cluster_id(PATIENCE).unwrap()
    };
    assert_eq!(seen(&one), one.cluster_id());
    assert_ne!(one.cluster_id(), other.cluster_id());
    assert!(one.cluster_id().starts_with("embedded-"));

    let address = one.bootstrap();
    drop(one);
    assert!(std::net::TcpStream::connect(address).is_err());
}
