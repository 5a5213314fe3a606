//! A registry outage, a short one of Kafka, aborted transactions, records that cannot be decoded or
//! have expired, a topic that was made again, and what a person gets wrong.
#![cfg(test)]

use std::time::Duration;

use contract::names::{DEAD_LETTERS_TOPIC, FLIGHT_STATES_TOPIC};
use e2e::lake::expect_exactly;
use e2e::load::Load;
use e2e::server::Kafka;
use e2e::setup::{Setup, Starter};
use e2e::topic::{self, client, dead_letters, payload_at};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;

const LIMIT: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_outage_delays_and_loses_nothing() {
    let mut setup = Setup::start();
    let warehouse = setup.warehouse();
    let mut load = setup.load(2, 500).await;
    load.publish(3).await;
    setup.registry.server().kill();
    // It has never seen the schema: it must wait, not reject.
    let process = setup.consumer("consumer").start();
    e2e::wait("the outage in the log", LIMIT, || {
        process
            .log()
            .contains("cannot look up a schema")
            .then_some(())
    });
    setup.registry.server().restart();
    // The restarted registry is empty. That is no reason to reject anything either; the same
    // registration gets the same id.
    e2e::wait("the lost schemas in the log", LIMIT, || {
        process.log().contains("knows neither schema").then_some(())
    });
    let again = setup.load(2, 1).await;
    assert_eq!(again.schema_id(), load.schema_id());
    expect_exactly(&warehouse, &load, LIMIT);
    // Known schemas need no registry.
    setup.registry.server().kill();
    load = resume(load, &setup.kafka).await;
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
    let setup = Setup::start();
    let mut load = setup.load(2, 500).await;
    load.publish(2).await;
    for round in 0..3 {
        topic::abort(setup.kafka.brokers(), 100);
        load.publish(round + 1).await;
    }
    let process = setup.consumer("consumer").start();
    expect_exactly(&setup.warehouse(), &load, LIMIT);
    assert!(dead_letters(setup.kafka.brokers(), 0).is_empty());
    process.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_decoded_is_kept_with_reason_and_position() {
    let setup = Setup::start();
    let mut load = setup.load(1, 500).await;
    load.publish(1).await;
    let payloads: [&[u8]; 4] = [b"{\"icao24\":1}", b"", b"\0\0\0\xff\xffabc", b"\0\0\0\0"];
    topic::send(setup.kafka.brokers(), &payloads);
    load.publish(1).await;
    let process = setup.consumer("consumer").start();
    expect_exactly(&setup.warehouse(), &load, LIMIT);
    let letters = dead_letters(setup.kafka.brokers(), payloads.len());
    let kept: Vec<&[u8]> = letters
        .iter()
        .map(|letter| letter.payload.as_slice())
        .collect();
    assert_eq!(kept, payloads);
    for letter in &letters {
        let offset = letter.offset.parse().unwrap();
        assert_eq!(letter.partition, "0");
        assert_eq!(payload_at(setup.kafka.brokers(), offset), letter.payload);
        assert!(!letter.reason.is_empty());
    }
    process.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_record_larger_than_a_dead_letter_can_be_is_cut_and_passed() {
    let setup = Setup::start();
    let brokers = setup.kafka.brokers();
    // With Kafka's own limit of a mebibyte, as a topic has that somebody made by hand.
    let admin: AdminClient<DefaultClientContext> = client(brokers).create().unwrap();
    let topic = NewTopic::new(DEAD_LETTERS_TOPIC, 1, TopicReplication::Fixed(1));
    let made = admin.create_topics([&topic], &AdminOptions::new()).await;
    made.unwrap()[0].as_ref().unwrap();
    let mut load = setup.load(1, 100).await;
    let (small, large) = (b"small".to_vec(), vec![b'x'; 3_000_000]);
    topic::send(brokers, &[&small, &large, &small]);
    load.publish(1).await;
    let process = setup.consumer("consumer").start();
    expect_exactly(&setup.warehouse(), &load, LIMIT);
    let letters = dead_letters(brokers, 3);
    let kept: Vec<(usize, Option<&str>)> = letters
        .iter()
        .map(|letter| (letter.payload.len(), letter.cut_from.as_deref()))
        .collect();
    assert_eq!(kept, [(5, None), (750_000, Some("3000000")), (5, None)]);
    process.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_optional_field_becomes_a_column_without_a_restart() {
    let setup = Setup::start();
    let warehouse = setup.warehouse();
    let mut load = setup.load(1, 100).await;
    load.publish(2).await;
    let process = setup.consumer("consumer").start();
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
    topic::send(setup.kafka.brokers(), &[&message]);

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

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_was_made_again_stops_the_consumer() {
    let setup = Setup::start();
    let mut load = setup.load(1, 100).await;
    load.publish(2).await;
    let first = setup.consumer("first").start();
    expect_exactly(&setup.warehouse(), &load, LIMIT);
    first.stop();
    let admin: AdminClient<DefaultClientContext> = client(setup.kafka.brokers()).create().unwrap();
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
    let mut second = setup.consumer("second").start();
    let status = second.wait(LIMIT);
    assert_eq!(status.code(), Some(2), "{}", second.log());
    let log = second.log();
    assert!(
        log.contains("was made again") && log.contains("accept_recreated_topic"),
        "{log}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_has_expired_after_it_was_read_is_read_on() {
    let setup = Setup::start();
    let warehouse = setup.warehouse();
    let mut load = setup.load(2, 100).await;
    load.publish(2).await;
    let process = setup.consumer("before").start();
    expect_exactly(&warehouse, &load, LIMIT);
    process.stop();
    topic::expire(setup.kafka.brokers(), 2).await;
    // The mark behind the last transaction is gone too: no row is.
    let process = setup.consumer("after").start();
    e2e::wait("partitions", LIMIT, || process.readiness().0.then_some(()));
    load.publish(1).await;
    expect_exactly(&warehouse, &load, LIMIT);
    process.stop();
    // What was never read is missing.
    load.publish(1).await;
    topic::expire(setup.kafka.brokers(), 2).await;
    let mut process = setup.consumer("too-late").start();
    assert_eq!(process.wait(LIMIT).code(), Some(2), "{}", process.log());
    assert!(process.log().contains("accept_lost_records"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kafka_that_is_back_is_noticed_before_the_next_record() {
    let mut setup = Setup::start();
    let mut load = setup.load(1, 100).await;
    load.publish(1).await;
    let process = setup.consumer("consumer").start();
    expect_exactly(&setup.warehouse(), &load, LIMIT);
    assert!(process.readiness().0);
    setup.kafka.server().kill();
    e2e::wait("the outage", LIMIT, || {
        (!process.readiness().0).then_some(())
    });
    setup.kafka.server().restart();
    e2e::wait("its end", LIMIT, || process.readiness().0.then_some(()));
    process.stop();
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
        let starter = Starter::consumer(folder.path(), name)
            .set(&format!("kafka.brokers={brokers}"))
            .set("registry.url=http://127.0.0.1:9");
        let starter = settings.iter().fold(starter, |s, setting| s.set(setting));
        let mut process = starter.start();
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
