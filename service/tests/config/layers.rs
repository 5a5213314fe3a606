//! Which layer counts, and what text becomes.

use std::time::Duration;

use service::config::{ByteSize, KafkaConfig, LogFormat};
use service::fault::Fault;

use crate::{Days, Given, Limit, Mode, environment, file, loaded, refused, set};

#[test]
fn defaults_alone_make_a_configuration() {
    let config = loaded(Given::default());
    assert_eq!(config.kafka, KafkaConfig::default());
    assert_eq!(config.http.listen, "127.0.0.1:9102");
    assert_eq!(config.consumer.commit.age, Duration::from_secs(5));
    assert_eq!(config.consumer.commit.size, ByteSize::mib(64));
    assert_eq!(config.consumer.retention, None);
}

#[test]
fn later_layers_win_key_by_key() {
    let config = loaded(Given {
        file: r#"
            [consumer]
            group = "file"
            workers = 3
            topics = ["a", "b"]
            commit.age = "6s"
        "#,
        environment: &[
            ("CONTRAIL__CONSUMER__WORKERS", "4"),
            ("CONTRAIL__CONSUMER__COMMIT__AGE", "7s"),
            ("CONTRAIL_CRASH_AT", "not ours"),
            ("PATH", "/bin"),
        ],
        set: &[("consumer.commit.age", "8s")],
    });
    assert_eq!(config.consumer.group, "file");
    assert_eq!(config.consumer.workers, 4);
    assert_eq!(config.consumer.topics, ["a", "b"]);
    assert_eq!(config.consumer.commit.age, Duration::from_secs(8));
    assert_eq!(config.consumer.commit.size, ByteSize::mib(64));
}

#[test]
fn text_becomes_what_the_key_is() {
    let given = [
        ("CONTRAIL__CONSUMER__GROUP", "7"),
        ("CONTRAIL__CONSUMER__SHARE", "0.25"),
        ("CONTRAIL__CONSUMER__COMPACT", "false"),
        ("CONTRAIL__CONSUMER__TOPICS", "a, b"),
        ("CONTRAIL__CONSUMER__PORTS", "[1, 2]"),
        ("CONTRAIL__CONSUMER__MODE", "upsert"),
        ("CONTRAIL__CONSUMER__RETENTION", "9"),
        ("CONTRAIL__CONSUMER__LIMITS__HOURLY__ROWS", "5"),
        ("CONTRAIL__CONSUMER__COMMIT__SIZE", "1GiB"),
        ("CONTRAIL__KAFKA__SASL_PASSWORD", "12345"),
        ("CONTRAIL__KAFKA__PROPERTIES__LINGER__MS", "20"),
        ("CONTRAIL__LOG__FORMAT", "json"),
    ];
    let config = loaded(environment(&given));
    let consumer = config.consumer;
    assert_eq!(consumer.group, "7");
    assert_eq!(consumer.share, 0.25);
    assert!(!consumer.compact);
    assert_eq!(consumer.topics, ["a", "b"]);
    assert_eq!(consumer.ports, [1, 2]);
    assert_eq!(consumer.mode, Mode::Upsert);
    assert_eq!(consumer.retention, Some(Days(9)));
    assert_eq!(consumer.limits["hourly"], Limit { rows: 5 });
    assert_eq!(consumer.commit.size, ByteSize(1 << 30));
    assert_eq!(config.kafka.sasl_password.expose(), "12345");
    assert_eq!(config.kafka.properties["linger.ms"], "20");
    assert_eq!(config.log.format, LogFormat::Json);
    let empty = [("CONTRAIL__CONSUMER__TOPICS", "")];
    assert!(loaded(environment(&empty)).consumer.topics.is_empty());
}

#[test]
fn librdkafka_properties_may_be_written_in_any_way_toml_has() {
    let config = loaded(file(
        r#"
        [kafka.properties]
        "linger.ms" = "5"
        compression.codec = "lz4"
        socket.keepalive.enable = true
        fetch.wait.max.ms = 50
        "#,
    ));
    let properties: Vec<_> = config
        .kafka
        .properties
        .iter()
        .map(|(k, v)| format!("{k}={v}"))
        .collect();
    assert_eq!(
        properties,
        [
            "compression.codec=lz4",
            "fetch.wait.max.ms=50",
            "linger.ms=5",
            "socket.keepalive.enable=true",
        ]
    );
    let given = [("kafka.properties.linger.ms", "6")];
    assert_eq!(loaded(set(&given)).kafka.properties["linger.ms"], "6");
}

#[test]
fn sections_of_other_programs_are_left_alone_where_they_are_shared() {
    let text = "[producer]\nanything = 1\n[transformer.deep]\nx = []\n";
    let variable = [("CONTRAIL__PRODUCER__ANYTHING", "1")];
    assert_eq!(
        loaded(Given {
            file: text,
            environment: &variable,
            set: &[],
        }),
        loaded(Given::default())
    );
    refused(
        set(&[("producer.interval", "1s")]),
        Fault::Configuration,
        "\"producer.interval\" in --set has no effect: this program has no section [producer] \
         (see docs/configuration.md)",
    );
}
