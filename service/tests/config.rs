//! Layers, their order, and what is refused, on a configuration like that of a service.

#![cfg(test)]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use service::config::{
    self, ByteSize, ConfigError, HttpConfig, HumanDuration, KafkaConfig, Loader, LogConfig,
    LogFormat, Reference,
};
use service::fault::{Fault, Faulty};

const DEFAULTS: &str = r#"
[http]
listen = "127.0.0.1:9102"

[consumer]
group = "contrail"
workers = 2
share = 0.5
compact = true
topics = ["flight-states"]
mode = "append"

[consumer.commit]
age = "5s"
size = "64MiB"

[producer]
interval = "30s"
"#;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Config {
    kafka: KafkaConfig,
    http: HttpConfig,
    log: LogConfig,
    consumer: Consumer,
}

/// What the consumer does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Consumer {
    /// Consumer group.
    group: String,
    /// Threads that | decode.
    #[schemars(range(min = 1, max = 64))]
    workers: u16,
    share: f64,
    compact: bool,
    topics: Vec<String>,
    mode: Mode,
    retention: Option<Days>,
    #[serde(default)]
    ports: Vec<u16>,
    #[serde(default)]
    limits: BTreeMap<String, Limit>,
    commit: Commit,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "u32")]
struct Days(u32);

impl TryFrom<u32> for Days {
    type Error = String;
    fn try_from(days: u32) -> Result<Days, String> {
        match days {
            0 => Err("must be a day at least".into()),
            days => Ok(Days(days)),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Mode {
    /// Adds rows.
    Append,
    /// Replaces rows.
    Upsert,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Limit {
    rows: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Commit {
    /// Longest wait
    /// after the first row.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "HumanDuration")]
    age: Duration,
    size: ByteSize,
}

/// What a person gives a program.
#[derive(Default)]
struct Given<'a> {
    file: &'a str,
    environment: &'a [(&'a str, &'a str)],
    set: &'a [(&'a str, &'a str)],
}

fn load(given: &Given) -> Result<Config, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("contrail.toml");
    std::fs::write(&path, given.file).unwrap();
    let set: Vec<_> = given
        .set
        .iter()
        .map(|(k, v)| (k.to_string(), v.to_string()))
        .collect();
    Loader::new()
        .defaults(DEFAULTS)
        .file(Some(&path))
        .environment(given.environment.iter().copied())
        .overrides(&set)
        .load()
}

fn loaded(given: Given) -> Config {
    load(&given).unwrap()
}

#[track_caller]
fn refused(given: Given, fault: Fault, wanted: &str) {
    let error = load(&given).unwrap_err();
    // The file is in a folder of its own, which is of no interest here.
    let text = error.to_string();
    let shown: Vec<_> = text
        .split(' ')
        .map(|word| match word.rfind("/contrail.toml") {
            Some(at) => &word[at + 1..],
            None => word,
        })
        .collect();
    assert_eq!(shown.join(" "), wanted);
    assert_eq!(error.fault(), fault);
}

fn file(file: &str) -> Given<'_> {
    Given {
        file,
        ..Given::default()
    }
}

fn environment<'a>(environment: &'a [(&'a str, &'a str)]) -> Given<'a> {
    Given {
        environment,
        ..Given::default()
    }
}

fn set<'a>(set: &'a [(&'a str, &'a str)]) -> Given<'a> {
    Given {
        set,
        ..Given::default()
    }
}

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

#[test]
fn an_unknown_key_is_refused_with_the_nearest() {
    for (text, wanted) in [
        (
            "[consumer.commit]\nagee = \"1s\"",
            "unknown key \"consumer.commit.agee\" in contrail.toml; \
             did you mean \"consumer.commit.age\"? (see docs/configuration.md)",
        ),
        (
            "[consumer]\nage = \"1s\"",
            "unknown key \"consumer.age\" in contrail.toml; \
             did you mean \"consumer.commit.age\"? (see docs/configuration.md)",
        ),
        (
            "[consumr]\ngroup = \"x\"",
            "unknown key \"consumr\" in contrail.toml; \
             did you mean \"consumer\"? (see docs/configuration.md)",
        ),
        (
            "[transfomer]\nx = 1",
            "unknown key \"transfomer\" in contrail.toml; \
             did you mean \"transformer\"? (see docs/configuration.md)",
        ),
        (
            "[consumer.limits.hourly]\nrow = 1",
            "unknown key \"consumer.limits.hourly.row\" in contrail.toml (see docs/configuration.md)",
        ),
        (
            "[consumer]\nzzzzzz = 1",
            "unknown key \"consumer.zzzzzz\" in contrail.toml (see docs/configuration.md)",
        ),
    ] {
        refused(file(text), Fault::Configuration, wanted);
    }
    refused(
        environment(&[("CONTRAIL__KAFKA__BROKER", "b:9092")]),
        Fault::Configuration,
        "unknown key \"kafka.broker\" in environment variable CONTRAIL__KAFKA__BROKER; \
         did you mean CONTRAIL__KAFKA__BROKERS? (see docs/configuration.md)",
    );
    refused(
        set(&[("kafka.brokers.first", "b:9092")]),
        Fault::Configuration,
        "unknown key \"kafka.brokers.first\" in --set (see docs/configuration.md)",
    );
    refused(
        set(&[("kafka", "b:9092")]),
        Fault::Configuration,
        "\"kafka\" in --set is a section; set one of its keys (see docs/configuration.md)",
    );
}

#[test]
fn a_wrong_value_is_refused_with_what_is_expected() {
    for (text, wanted) in [
        (
            "consumer.workers = \"two\"",
            "\"consumer.workers\" in contrail.toml: found \"two\", expected an integer from 1 to 64",
        ),
        (
            "consumer.workers = 65",
            "\"consumer.workers\" in contrail.toml: found 65, expected an integer from 1 to 64",
        ),
        (
            "consumer.retention = -1",
            "\"consumer.retention\" in contrail.toml: found -1, expected an integer from 0 to 4294967295",
        ),
        (
            "consumer.commit.age = 5",
            "\"consumer.commit.age\" in contrail.toml: found 5, expected a duration such as \"5s\"",
        ),
        (
            "consumer.commit.age = \"soon\"",
            "\"consumer.commit.age\" in contrail.toml: found \"soon\", expected a duration such as \"5s\"",
        ),
        (
            "consumer.commit.size = \"64 MiBs\"",
            "\"consumer.commit.size\" in contrail.toml: found \"64 MiBs\", expected a size such as \"64MiB\"",
        ),
        (
            "consumer.mode = \"replace\"",
            "\"consumer.mode\" in contrail.toml: found \"replace\", expected one of \"append\", \"upsert\"",
        ),
        (
            "kafka.security_protocol = \"tls\"",
            "\"kafka.security_protocol\" in contrail.toml: found \"tls\", expected one of \
             \"plaintext\", \"sasl_plaintext\", \"ssl\", \"sasl_ssl\"",
        ),
        (
            "kafka.sasl_password = 12345",
            "\"kafka.sasl_password\" in contrail.toml: found a value of type integer, expected text in quotes",
        ),
        (
            "consumer.topics = [\"a\", 2]",
            "\"consumer.topics[1]\" in contrail.toml: found 2, expected text in quotes",
        ),
        (
            "kafka = 1",
            "\"kafka\" in contrail.toml: found 1, expected a table of keys",
        ),
        (
            "consumer.group = { name = \"x\" }",
            "\"consumer.group\" in contrail.toml: found a table, expected text in quotes",
        ),
    ] {
        let wanted = format!("wrong value for {wanted} (see docs/configuration.md)");
        refused(file(text), Fault::Configuration, &wanted);
    }
    refused(
        environment(&[("CONTRAIL__CONSUMER__COMPACT", "yes")]),
        Fault::Configuration,
        "wrong value for \"consumer.compact\" in environment variable \
         CONTRAIL__CONSUMER__COMPACT: found \"yes\", expected true or false \
         (see docs/configuration.md)",
    );
}

#[test]
fn what_the_struct_refuses_names_the_key_and_the_last_layer_that_set_it() {
    refused(
        Given {
            file: "consumer.retention = 3",
            environment: &[],
            set: &[("consumer.retention", "0")],
        },
        Fault::Configuration,
        "wrong value for \"consumer.retention\" in --set: must be a day at least \
         (see docs/configuration.md)",
    );
}

#[test]
fn a_key_that_nobody_set_is_named() {
    refused(
        set(&[("consumer.limits.hourly.rows", "x")]),
        Fault::Configuration,
        "wrong value for \"consumer.limits.hourly.rows\" in --set: found \"x\", \
         expected an integer from 0 to 4294967295 (see docs/configuration.md)",
    );
    let error = Loader::new()
        .environment([("", ""); 0])
        .load::<Config>()
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "\"consumer.commit.age\" is not set; set it in the configuration file or as \
         CONTRAIL__CONSUMER__COMMIT__AGE (see docs/configuration.md)"
    );
}

#[test]
fn a_file_that_is_missing_or_not_toml_is_refused_in_one_line() {
    let error = Loader::new()
        .file(Some(&PathBuf::from("/nonexistent/contrail.toml")))
        .load::<Config>()
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot read the configuration file /nonexistent/contrail.toml; \
         name an existing file with --config"
    );
    let error = load(&file("[kafka]\nbrokers = \n"))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("contrail.toml is not TOML, line 2: "),
        "{error}"
    );
    assert_eq!(error.lines().count(), 1);
}

#[test]
fn a_mistake_in_the_committed_defaults_is_ours() {
    let error = Loader::new()
        .defaults("[kafka]\nbroker = \"x\"")
        .environment([("", ""); 0])
        .load::<Config>()
        .unwrap_err();
    assert_eq!(error.fault(), Fault::Internal);
    assert!(error.to_string().contains("in the built-in defaults"));
}

#[test]
fn a_printed_configuration_loads_again_and_shows_no_secret() {
    let config = loaded(file("kafka.sasl_password = \"hunter2\""));
    let printed = config::print(&config);
    assert!(!printed.contains("hunter2"), "{printed}");
    assert!(printed.contains("sasl_password = \"***\""), "{printed}");
    assert!(!format!("{config:?}").contains("hunter2"));
    let mut again = loaded(file(&printed));
    again.kafka.sasl_password = "hunter2".into();
    assert_eq!(again, config);
}

#[test]
fn the_reference_lists_every_key_once() {
    /// Another program that has two of the sections.
    #[derive(JsonSchema)]
    #[allow(dead_code, reason = "only its schema is used")]
    struct Other {
        kafka: KafkaConfig,
        http: HttpConfig,
    }
    let text = Reference::new()
        .add::<Config>("consumer", &[DEFAULTS])
        .unwrap()
        .add::<Other>("producer", &[])
        .unwrap()
        .markdown();
    for row in [
        "| `brokers` | text | `\"127.0.0.1:9092\"` | `CONTRAIL__KAFKA__BROKERS` | Brokers to start from, as `host:port`, separated by commas. |",
        "| `properties` | table of text | empty | `CONTRAIL__KAFKA__PROPERTIES__<KEY>` |",
        "| `sasl_password` | text, secret | `\"\"` |",
        "| `listen` | text | `\"127.0.0.1:9102\"` (consumer), `\"127.0.0.1:0\"` (producer) |",
        "| `commit.age` | duration | `\"5s\"` | `CONTRAIL__CONSUMER__COMMIT__AGE` | Longest wait after the first row. |",
        "| `commit.size` | size | `\"64MiB\"` |",
        "| `workers` | integer from 1 to 64 | `2` | `CONTRAIL__CONSUMER__WORKERS` | Threads that \\| decode. |",
        "| `retention` | integer from 0 to 4294967295 | none |",
        "| `mode` | `\"append\"`, `\"upsert\"` | `\"append\"` |",
        "| `topics` | list of text | `[\"flight-states\"]` |",
        "| `compact` | true or false | `true` |",
        "| `limits` | table of table | empty |",
    ] {
        assert_eq!(text.matches(row).count(), 1, "{row}\n{text}");
    }
    let places: Vec<_> = ["[kafka]", "[http]", "[log]", "[consumer]"]
        .iter()
        .map(|name| text.find(&format!("\n## `{name}`\n")).unwrap())
        .collect();
    assert!(places.is_sorted());
}
