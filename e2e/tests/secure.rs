//! Kafka over TLS with SASL/SCRAM and a registry over HTTPS, both with certificates of a private
//! authority; and what a person gets wrong about them.
#![cfg(test)]

use std::path::Path;
use std::time::Duration;

use e2e::lake::expect_exactly;
use e2e::load::Load;
use e2e::process::Process;
use e2e::server::{Kafka, Registry};
use e2e::setup::Starter;
use service::config::{KafkaConfig, RegistryConfig};

const LIMIT: Duration = Duration::from_secs(120);
const USER: &str = "contrail";
const PASSWORD: &str = "the-password";

#[tokio::test(flavor = "multi_thread")]
async fn every_row_arrives_over_tls() {
    let folder = tempfile::tempdir().unwrap();
    let kafka = Kafka::with_tls(folder.path(), USER, PASSWORD);
    let registry = Registry::with_tls(folder.path());
    let mechanisms = ["SCRAM-SHA-512", "SCRAM-SHA-256"];
    let section = KafkaConfig {
        brokers: kafka.brokers_over_tls().to_owned(),
        security_protocol: "sasl_ssl".to_owned(),
        sasl_mechanism: mechanisms[0].to_owned(),
        sasl_username: USER.to_owned(),
        sasl_password: PASSWORD.into(),
        ssl_ca_location: kafka.ca().to_owned(),
        partitions: 2,
        ..KafkaConfig::default()
    };
    let trusted = RegistryConfig {
        url: registry.url().to_owned(),
        ca_location: registry.ca().to_owned(),
        ..RegistryConfig::default()
    };
    let mut load = Load::over(&section, &trusted, 500).await;
    for mechanism in mechanisms {
        load.publish(5).await;
        let settings = good(&kafka, &registry);
        let settings = settings.map(|(key, value)| format!("{key}={value}"));
        let starter = Starter::consumer(folder.path(), mechanism);
        let consumer = settings.iter().fold(starter, |s, setting| s.set(setting));
        let consumer = consumer.set(&format!("kafka.sasl_mechanism={mechanism}"));
        let consumer = consumer.start();
        expect_exactly(&folder.path().join("warehouse"), &load, LIMIT);
        assert!(!consumer.log().contains(PASSWORD));
        consumer.stop();
    }
}

/// The settings by which everything works.
fn good(kafka: &Kafka, registry: &Registry) -> [(&'static str, String); 8] {
    [
        ("kafka.brokers", kafka.brokers_over_tls().to_owned()),
        ("kafka.security_protocol", "sasl_ssl".to_owned()),
        ("kafka.sasl_mechanism", "SCRAM-SHA-512".to_owned()),
        ("kafka.sasl_username", USER.to_owned()),
        ("kafka.sasl_password", PASSWORD.to_owned()),
        ("kafka.ssl_ca_location", kafka.ca().to_owned()),
        ("registry.url", registry.url().to_owned()),
        ("registry.ca_location", registry.ca().to_owned()),
    ]
}

/// A mistake, the exit code it has, and what the one line must say.
struct Mistake {
    name: &'static str,
    settings: Vec<(&'static str, String)>,
    code: i32,
    said: [&'static str; 2],
}

#[test]
fn what_is_wrong_with_log_in_or_certificate_is_said_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let kafka = Kafka::with_tls(folder.path(), USER, PASSWORD);
    let registry = Registry::with_tls(folder.path());
    let plain = ("kafka.brokers", kafka.brokers().to_owned());
    let set = |key, value: &str| vec![(key, value.to_owned())];
    let mistakes = [
        Mistake {
            name: "password",
            settings: set("kafka.sasl_password", "another-password"),
            code: 2,
            said: ["refused the log", "kafka.sasl_password"],
        },
        Mistake {
            name: "mechanism",
            settings: set("kafka.sasl_mechanism", "PLAIN"),
            code: 2,
            said: ["SCRAM-SHA-512", "kafka.sasl_mechanism"],
        },
        Mistake {
            name: "authority",
            settings: set("kafka.ssl_ca_location", registry.ca()),
            code: 1,
            said: ["certificate", "check kafka.ssl_ca_location"],
        },
        Mistake {
            name: "no-authority",
            settings: set("kafka.ssl_ca_location", ""),
            code: 1,
            said: ["certificate", "check kafka.ssl_ca_location"],
        },
        Mistake {
            name: "authority-not-there",
            settings: set("kafka.ssl_ca_location", "/nowhere/ca.crt"),
            code: 2,
            said: ["ssl.ca.location", "[kafka]"],
        },
        Mistake {
            name: "plaintext-to-tls",
            settings: set("kafka.security_protocol", "plaintext"),
            code: 1,
            said: [
                "cannot reach Kafka at localhost",
                "check kafka.security_protocol",
            ],
        },
        Mistake {
            name: "tls-to-plaintext",
            settings: vec![plain],
            code: 1,
            said: [
                "cannot reach Kafka at 127.0.0.1",
                "check kafka.security_protocol",
            ],
        },
        Mistake {
            name: "registry-authority-not-there",
            settings: set("registry.ca_location", "/nowhere/ca.crt"),
            code: 2,
            said: ["registry.ca_location", "/nowhere/ca.crt"],
        },
    ];
    for mistake in &mistakes {
        for program in ["producer", "consumer"] {
            check(folder.path(), program, &good(&kafka, &registry), mistake);
        }
    }
}

fn check(folder: &Path, program: &str, good: &[(&'static str, String)], mistake: &Mistake) {
    // What is refused ends it at once, on a busy machine too; else the last word is had by time.
    let patience = if mistake.code == 2 { "30s" } else { "4s" };
    let wait = format!("{program}.connect_timeout={patience}");
    let own = match program {
        "producer" => format!(
            "producer.quarantine.dir={}",
            folder.join("quarantine").display()
        ),
        _ => format!("lake.warehouse={}", folder.join("warehouse").display()),
    };
    let settings = good.iter().chain(&mistake.settings);
    let settings = settings.map(|(key, value)| format!("{key}={value}"));
    let settings: Vec<String> = settings.chain([wait, own]).collect();
    let arguments = settings.iter().flat_map(|setting| ["--set", setting]);
    let name = format!("{program}-{}", mistake.name);
    let mut process = Process::start(folder, &name, program, arguments, &[]);
    let status = process.wait(LIMIT);
    let log = process.log();
    assert_eq!(status.code(), Some(mistake.code), "{name}: {log}");
    let errors = log.lines().filter(|line| line.starts_with("error:"));
    let errors: Vec<&str> = errors.collect();
    assert_eq!(errors.len(), 1, "{name}: {log}");
    for text in mistake.said {
        assert!(errors[0].contains(text), "{name}: {}", errors[0]);
    }
    for password in [PASSWORD, "another-password"] {
        assert!(!log.contains(password), "{name}: the password shows: {log}");
    }
    println!("{name}: {}", errors[0]);
}

#[test]
fn a_registry_that_is_not_trusted_is_said_and_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let kafka = Kafka::with_tls(folder.path(), USER, PASSWORD);
    let registry = Registry::with_tls(folder.path());
    let settings = good(&kafka, &registry).map(|(key, value)| match key {
        "registry.ca_location" => format!("{key}={}", kafka.ca()),
        _ => format!("{key}={value}"),
    });
    let arguments = settings.iter().flat_map(|setting| ["--set", setting]);
    let producer = Process::start(folder.path(), "producer", "producer", arguments, &[]);
    e2e::wait("the reason in the log", LIMIT, || {
        let log = producer.log();
        let said = log.contains("register the schema") && log.contains("certificate");
        said.then_some(())
    });
    producer.stop();
}
