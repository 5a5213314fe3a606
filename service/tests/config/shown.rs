//! What is printed and listed.

use schemars::JsonSchema;
use service::config::{self, HttpConfig, KafkaConfig, Reference};

use crate::{Config, DEFAULTS, file, loaded};

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
