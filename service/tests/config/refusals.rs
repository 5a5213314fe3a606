//! What is refused, and how it is said.

use std::path::PathBuf;

use service::config::Loader;
use service::fault::{Fault, Faulty};

use crate::{Config, Given, environment, file, load, refused, set};

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
