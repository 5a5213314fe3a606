//! The configuration of the one-process form.
//!
//! It has the services' own sections. What only says where Kafka, the registry and the lake
//! are is absent: those are made by this process, and folders follow from `--data`.

use consumer::ConsumerConfig;
use contract::names::{DEAD_LETTERS_TOPIC, FLIGHT_STATES_TOPIC};
use producer::ProducerConfig;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use service::cli::{CommonArgs, ServiceConfig};
use service::config::{ConfigError, HttpConfig, LogConfig, NotifyConfig};
use service::fault::Failure;
use service::notify;
use transformer::TransformerConfig;

use crate::error::Error;

/// Defaults of every command, on top of the services' own.
pub const DEFAULTS: &str = include_str!("../default.toml");

/// Everything that can be set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where health and metrics are served.
    pub http: HttpConfig,
    /// What is logged.
    pub log: LogConfig,
    /// Whom to tell when a run of the transformer fails or an audit does.
    pub notify: NotifyConfig,
    /// What to ask for.
    pub producer: ProducerConfig,
    /// How to consume.
    pub consumer: ConsumerConfig,
    /// How the marts are kept and published.
    pub transformer: TransformerConfig,
    /// The simulated OpenSky of the demo.
    pub simulator: simulator::Config,
}

impl ServiceConfig for Config {
    fn http(&self) -> &HttpConfig {
        &self.http
    }

    fn log(&self) -> &LogConfig {
        &self.log
    }

    fn check(&self) -> Result<(), Failure> {
        self.validate().map_err(Failure::new)
    }
}

impl Config {
    /// Checks what types cannot say, before a port is opened and before the disk is changed.
    ///
    /// # Errors
    /// Names the key, what is wrong with it and what it must be.
    pub fn validate(&self) -> Result<(), Error> {
        self.producer.validate()?;
        self.consumer.validate()?;
        self.transformer.validate()?;
        self.simulator.check()?;
        notify::check(&self.notify)?;
        // The embedded broker is made with its topics.
        for (key, topic, its) in [
            ("producer.topic", &self.producer.topic, FLIGHT_STATES_TOPIC),
            ("consumer.topic", &self.consumer.topic, FLIGHT_STATES_TOPIC),
            (
                "producer.dead_letters_topic",
                &self.producer.dead_letters_topic,
                DEAD_LETTERS_TOPIC,
            ),
            (
                "consumer.dead_letters_topic",
                &self.consumer.dead_letters_topic,
                DEAD_LETTERS_TOPIC,
            ),
        ] {
            if topic != its {
                let reason =
                    format!("{topic:?} is not {its:?}, which it always is in the one-process form");
                return Err(ConfigError::invalid(key, reason).into());
            }
        }
        Ok(())
    }
}

/// The commands that run the pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// A simulated OpenSky.
    Demo,
    /// The real OpenSky.
    Run,
    /// Recorded bodies.
    Replay,
}

impl Command {
    /// The name on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Command::Demo => "demo",
            Command::Run => "run",
            Command::Replay => "replay",
        }
    }

    /// The command's own defaults, as TOML.
    pub const fn defaults(self) -> &'static str {
        match self {
            Command::Demo => include_str!("../demo.toml"),
            Command::Run => include_str!("../run.toml"),
            Command::Replay => include_str!("../replay.toml"),
        }
    }

    /// Loads the configuration; `own` are settings that come from the command's own flags,
    /// under those of `--set`.
    ///
    /// # Errors
    /// When a key is unknown, a value is not what it must be, or the file cannot be read.
    pub fn load(self, args: &CommonArgs, own: &[(String, String)]) -> Result<Config, ConfigError> {
        let mut args = args.clone();
        args.set.splice(0..0, own.iter().cloned());
        let mut loader = args.loader();
        for text in consumer::config::DEFAULTS {
            loader = loader.defaults(text);
        }
        loader
            .defaults(producer::DEFAULTS)
            .defaults(transformer::config::DEFAULTS)
            .defaults(simulator::DEFAULTS)
            .defaults(DEFAULTS)
            .defaults(self.defaults())
            .load()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn every_command_has_its_defaults_and_flags_go_before_them() {
        let load = |command: Command, own: &[(&str, &str)]| {
            let own: Vec<_> = own
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect();
            command.load(&CommonArgs::default(), &own).unwrap()
        };
        let demo = load(Command::Demo, &[]);
        assert_eq!(demo.producer.interval, Duration::from_secs(5));
        assert_eq!(demo.consumer.commit_age, Duration::from_secs(1));
        assert_eq!(demo.simulator.credits.anonymous_daily, 0);
        assert_eq!(load(Command::Run, &[]).http.listen, "127.0.0.1:8088");
        assert_eq!(load(Command::Replay, &[]).http.listen, "");
        let own = load(Command::Demo, &[("simulator.aircraft", "7")]);
        assert_eq!(own.simulator.aircraft, 7);
    }
}
