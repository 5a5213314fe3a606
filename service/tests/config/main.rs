//! Layers, their order, and what is refused, on a configuration like that of a service.

#![cfg(test)]

mod layers;
mod refusals;
mod shown;

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use service::config::{
    ByteSize, ConfigError, HttpConfig, HumanDuration, KafkaConfig, Loader, LogConfig,
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
