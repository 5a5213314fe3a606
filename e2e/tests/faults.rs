//! A registry outage, aborted transactions, records that cannot be decoded, a topic that was
//! made again, and what a person gets wrong.
#![cfg(test)]

use std::path::Path;
use std::time::Duration;

use contract::names::{FLIGHT_STATES_TOPIC, dead_letter_header};
use e2e::lake::expect_exactly;
use e2e::load::{Load, kafka_config};
use e2e::process::Process;
use e2e::server::{Kafka, Registry};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message};
use rdkafka::producer::{BaseRecord, Producer, ThreadedProducer};

const LIMIT: Duration = Duration::from_secs(120);

fn client(brokers: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    for (key, value) in kafka_config(brokers).client_properties() {
        config.set(key, value);
    }
    config
}

fn consumer(folder: &Path, name: &str, brokers: &str, registry: &str, more: &[&str]) -> Process {
    let warehouse = folder.join("warehouse");
    let settings = [
        format!("kafka.brokers={brokers}"),
        format!("registry.url={registry}"),
        format!("lake.warehouse={}", warehouse.display()),
        "consumer.commit_age=300ms".to_owned(),
        "consumer.connect_timeout=5s".to_owned(),
    ];
    let settings = settings
        .iter()
        .map(String::as_str)
        .chain(more.iter().copied());
    let arguments = settings.flat_map(|setting| ["--set", setting]);
    Process::start(folder, name, "consumer", arguments, &[])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_outage_delays_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let kafka = Kafka::start(folder.path());
    let mut registry = Registry::start(folder.path());
    let warehouse = folder.path().join("warehouse");
    let mut load = Load::start(kafka.brokers(), registry.url(), 2, 500).await;
    load.publish(3).await;
    registry.server().kill();
    // It has never seen the schema: it must wait, not reject.
    let process = consumer(
        folder.path(),
        "consumer",
        kafka.brokers(),
        registry.url(),
        &[],
    );
    e2e::wait("the outage in the log", LIMIT, || {
        process
            .log()
            .contains("cannot look up a schema")
            .then_some(())
    });
    registry.server().restart();
    // The restarted registry is empty. That is no reason to reject anything either; the same
    // registration gets the same id.
    e2e::wait("the lost schemas in the log", LIMIT, || {
        process.log().contains("knows neither schema").then_some(())
    });
    let again = Load::start(kafka.brokers(), registry.url(), 2, 1).await;
    assert_eq!(again.schema_id(), load.schema_id());
    expect_exactly(&warehouse, &load, LIMIT);
    // Known schemas need no registry.
    registry.server().kill();
    load = resume(load, &kafka).await;
    expect_exactly(&warehouse, &load, LIMIT);
    process.stop();
}

/// `Load::start` of the same transactional id has fenced the first publisher.
async fn resume(mut load: Load, kafka: &Kafka) -> Load {
    load.reconnect(kafka.brokers()).await;
    load.publish(3).await;
    load
}

#[tokio::test(flavor = "multi_thread")]
async fn an_aborted_transaction_is_never_seen() {
    let folder = tempfile::tempdir().unwrap();
    let kafka = Kafka::start(folder.path());
    let registry = Registry::start(folder.path());
    let mut load = Load::start(kafka.brokers(), registry.url(), 2, 500).await;
    load.publish(2).await;
    let aborting: ThreadedProducer<_> = client(kafka.brokers())
        .set("transactional.id", "aborting")
        .create()
        .unwrap();
    aborting.init_transactions(LIMIT).unwrap();
    for round in 0..3 {
        aborting.begin_transaction().unwrap();
        for n in 0..100 {
            let (key, payload) = (format!("{n:06x}"), b"never to be seen".to_vec());
            let record = BaseRecord::to(FLIGHT_STATES_TOPIC)
                .key(&key)
                .payload(&payload);
            aborting.send(record).map_err(|(error, _)| error).unwrap();
        }
        aborting.flush(LIMIT).unwrap();
        aborting.abort_transaction(LIMIT).unwrap();
        load.publish(round + 1).await;
    }
    let process = consumer(
        folder.path(),
        "consumer",
        kafka.brokers(),
        registry.url(),
        &[],
    );
    expect_exactly(&folder.path().join("warehouse"), &load, LIMIT);
    assert!(dead_letters(kafka.brokers(), 0).is_empty());
    process.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_decoded_is_kept_with_reason_and_position() {
    let folder = tempfile::tempdir().unwrap();
    let kafka = Kafka::start(folder.path());
    let registry = Registry::start(folder.path());
    let mut load = Load::start(kafka.brokers(), registry.url(), 1, 500).await;
    load.publish(1).await;
    let payloads: [&[u8]; 4] = [b"{\"icao24\":1}", b"", b"\0\0\0\xff\xffabc", b"\0\0\0\0"];
    let plain: ThreadedProducer<_> = client(kafka.brokers()).create().unwrap();
    for payload in payloads {
        let record = BaseRecord::<str, [u8]>::to(FLIGHT_STATES_TOPIC).payload(payload);
        plain.send(record).map_err(|(error, _)| error).unwrap();
    }
    plain.flush(LIMIT).unwrap();
    load.publish(1).await;
    let process = consumer(
        folder.path(),
        "consumer",
        kafka.brokers(),
        registry.url(),
        &[],
    );
    expect_exactly(&folder.path().join("warehouse"), &load, LIMIT);
    let letters = dead_letters(kafka.brokers(), payloads.len());
    let kept: Vec<&[u8]> = letters
        .iter()
        .map(|letter| letter.payload.as_slice())
        .collect();
    assert_eq!(kept, payloads);
    for letter in &letters {
        let offset = letter.offset.parse().unwrap();
        assert_eq!(letter.partition, "0");
        assert_eq!(payload_at(kafka.brokers(), offset), letter.payload);
        assert!(!letter.reason.is_empty());
    }
    process.stop();
}

/// The bytes of one record of the states' only partition.
fn payload_at(brokers: &str, offset: i64) -> Vec<u8> {
    let reader: BaseConsumer = client(brokers).set("group.id", "reader").create().unwrap();
    let mut list = rdkafka::TopicPartitionList::new();
    let at = rdkafka::Offset::Offset(offset);
    list.add_partition_offset(FLIGHT_STATES_TOPIC, 0, at)
        .unwrap();
    reader.assign(&list).unwrap();
    let message = reader.poll(LIMIT).expect("a record").unwrap();
    assert_eq!(message.offset(), offset);
    message.payload().unwrap_or_default().to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_optional_field_becomes_a_column_without_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let kafka = Kafka::start(folder.path());
    let registry = Registry::start(folder.path());
    let warehouse = folder.path().join("warehouse");
    let mut load = Load::start(kafka.brokers(), registry.url(), 1, 100).await;
    load.publish(2).await;
    let process = consumer(
        folder.path(),
        "consumer",
        kafka.brokers(),
        registry.url(),
        &[],
    );
    expect_exactly(&warehouse, &load, LIMIT);

    let mut schema: serde_json::Value =
        serde_json::from_str(contract::avro::FLIGHT_STATE_SCHEMA).unwrap();
    let field =
        serde_json::json!({"name": "operator", "type": ["null", "string"], "default": null});
    schema["fields"].as_array_mut().unwrap().push(field);
    let id = load.register(&schema.to_string()).await;
    assert_ne!(id, load.schema_id());
    let mut message = Vec::new();
    let poll = load.next_poll();
    let time = poll.time * 1_000_000;
    contract::avro::encode(
        &mut message,
        id,
        &poll.states[0],
        time,
        time,
        contract::Source::Live,
    );
    // The union's second branch, then the text with its length, as Avro writes them.
    message.extend_from_slice(b"\x02\x06ABC");
    let plain: ThreadedProducer<_> = client(kafka.brokers()).create().unwrap();
    let record = BaseRecord::<str, [u8]>::to(FLIGHT_STATES_TOPIC).payload(&message);
    plain.send(record).map_err(|(error, _)| error).unwrap();
    plain.flush(LIMIT).unwrap();

    let counted = e2e::wait("the row with the new column", LIMIT, || {
        let counted = e2e::lake::count(&warehouse);
        (counted.pyiceberg.rows == load.rows() + 1).then_some(counted)
    });
    assert_eq!(counted.pyiceberg.non_null["operator"], 1);
    assert_eq!(counted.pyiceberg, counted.duckdb);
    // Rows of the older schema go on arriving, in the same process.
    load.publish(2).await;
    e2e::wait("rows of both schemas", LIMIT, || {
        (e2e::lake::count(&warehouse).pyiceberg.rows == load.rows() + 1).then_some(())
    });
    process.stop();
}

struct Letter {
    payload: Vec<u8>,
    reason: String,
    partition: String,
    offset: String,
}

/// The dead letters, in the order of their offsets: at least `count`, then whatever is there.
fn dead_letters(brokers: &str, count: usize) -> Vec<Letter> {
    let reader: BaseConsumer = client(brokers)
        .set("group.id", "reader")
        .set("auto.offset.reset", "earliest")
        .set("isolation.level", "read_committed")
        .create()
        .unwrap();
    let topic = contract::names::DEAD_LETTERS_TOPIC;
    let metadata = reader.fetch_metadata(Some(topic), LIMIT).unwrap();
    let mut letters = Vec::new();
    let mut list = rdkafka::TopicPartitionList::new();
    let mut written = 0;
    for partition in metadata.topics()[0].partitions() {
        list.add_partition_offset(topic, partition.id(), rdkafka::Offset::Beginning)
            .unwrap();
        let (low, high) = reader
            .fetch_watermarks(topic, partition.id(), LIMIT)
            .unwrap();
        written += usize::try_from(high - low).unwrap();
    }
    assert!(written >= count, "{written} dead letters, expected {count}");
    reader.assign(&list).unwrap();
    while letters.len() < written {
        let message = reader.poll(LIMIT).expect("a dead letter").unwrap();
        let headers = message.headers().expect("headers");
        let header = |name: &str| {
            let value = headers
                .iter()
                .find(|header| header.key == name)
                .and_then(|h| h.value);
            String::from_utf8(value.expect("the header").to_vec()).unwrap()
        };
        letters.push(Letter {
            payload: message.payload().unwrap_or_default().to_vec(),
            reason: header(dead_letter_header::REASON),
            partition: header(dead_letter_header::PARTITION),
            offset: header(dead_letter_header::OFFSET),
        });
    }
    letters.sort_by_key(|letter| letter.offset.parse::<i64>().unwrap());
    letters
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_was_made_again_stops_the_consumer() {
    let folder = tempfile::tempdir().unwrap();
    let kafka = Kafka::start(folder.path());
    let registry = Registry::start(folder.path());
    let mut load = Load::start(kafka.brokers(), registry.url(), 1, 100).await;
    load.publish(2).await;
    let first = consumer(folder.path(), "first", kafka.brokers(), registry.url(), &[]);
    expect_exactly(&folder.path().join("warehouse"), &load, LIMIT);
    first.stop();
    let admin: AdminClient<DefaultClientContext> = client(kafka.brokers()).create().unwrap();
    let options = AdminOptions::new();
    admin
        .delete_topics(&[FLIGHT_STATES_TOPIC], &options)
        .await
        .unwrap();
    let topic = NewTopic::new(FLIGHT_STATES_TOPIC, 1, TopicReplication::Fixed(1));
    let mut made = false;
    for _ in 0..100 {
        // A deleted topic's name is taken a moment longer.
        let results = admin.create_topics([&topic], &options).await.unwrap();
        made = results[0].is_ok();
        if made {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(made, "the topic could not be made again");
    let mut second = consumer(
        folder.path(),
        "second",
        kafka.brokers(),
        registry.url(),
        &[],
    );
    let status = second.wait(LIMIT);
    assert_eq!(status.code(), Some(2), "{}", second.log());
    let log = second.log();
    assert!(
        log.contains("was made again") && log.contains("accept_recreated_topic"),
        "{log}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_gets_wrong_is_said_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let kafka = Kafka::with_user(folder.path(), "contrail", "right");
    let plain = kafka.brokers();
    let wrong_password = [
        "kafka.security_protocol=sasl_plaintext",
        "kafka.sasl_username=contrail",
        "kafka.sasl_password=wrong",
    ];
    let check = |name: &str, brokers: &str, settings: &[&str], code: i32, expected: [&str; 2]| {
        let mut process = consumer(folder.path(), name, brokers, "http://127.0.0.1:9", settings);
        let status = process.wait(LIMIT);
        let log = process.log();
        assert_eq!(status.code(), Some(code), "{name}: {log}");
        let errors: Vec<&str> = log
            .lines()
            .filter(|line| line.starts_with("error:"))
            .collect();
        assert_eq!(errors.len(), 1, "{name}: {log}");
        for text in expected {
            assert!(errors[0].contains(text), "{name}: {}", errors[0]);
        }
        assert!(!log.contains("=wrong"), "{name}: the password shows");
    };
    let unreachable = ["cannot reach Kafka at 127.0.0.1:9", "kafka.brokers"];
    check("unreachable", "127.0.0.1:9", &[], 1, unreachable);
    let refused = ["refused the log-in", "kafka.sasl_password"];
    check(
        "password",
        kafka.brokers_with_login(),
        &wrong_password,
        2,
        refused,
    );
    let nearest = ["consumer.comit_age", "consumer.commit_age"];
    check("unknown-key", plain, &["consumer.comit_age=1s"], 2, nearest);
    check(
        "wrong-type",
        plain,
        &["consumer.commit_age=soon"],
        2,
        ["consumer.commit_age", "soon"],
    );
}
