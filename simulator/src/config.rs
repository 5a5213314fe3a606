//! What can be set, section `[simulator]`.

use std::borrow::Cow;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize, Serializer};

use crate::error::Error;
use crate::fault::Fault;
use crate::fleet::MAX_AIRCRAFT;

/// The committed defaults, `default.toml`.
pub const DEFAULTS: &str = include_str!("../default.toml");

/// An OpenSky look-alike: a simulated fleet, or recorded bodies served again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Address and port to listen on; port 0 takes any free one.
    pub listen: String,
    /// Where the states come from.
    pub mode: Mode,
    /// File or folder of recorded bodies, `*.json` and `*.json.gz`, for `mode = "recorded"`.
    pub recordings: PathBuf,
    /// The same seed gives the same fleet, the same quirks and the same faults.
    pub seed: u64,
    /// Size of the fleet, at most 100000. Every aircraft is a row of every full body.
    pub aircraft: usize,
    /// Whether the fleet shows OpenSky's quirks: blank call signs, missing positions, rows
    /// that linger, impossible speeds, a clock that steps back now and then.
    pub quirks: bool,
    /// When the clock starts, in seconds since 1970; by default now.
    pub start_time: Option<i64>,
    /// How fast the clock runs; 60 makes a minute of every second.
    pub speed: f64,
    /// Whether bodies are compressed for callers that accept it.
    pub gzip: bool,
    /// Who may ask.
    pub auth: AuthConfig,
    /// How much may be asked.
    pub credits: CreditsConfig,
    /// How often requests fail, as shares from 0 to 1.
    pub faults: FaultConfig,
}

/// Where the states come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// A simulated fleet.
    Fleet,
    /// Recorded bodies in the order of their `time`, one a request, the last one repeated.
    Recorded,
}

/// OAuth2 client credentials.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AuthConfig {
    /// Whether a request needs a token; without, it counts as anonymous.
    pub required: bool,
    /// The one client that is known; empty lets every client in.
    pub client_id: String,
    /// Its secret.
    pub client_secret: ClientSecret,
    /// How long a token is valid.
    #[serde(with = "humantime_serde")]
    #[schemars(schema_with = "duration_schema")]
    pub token_lifetime: Duration,
}

/// Credits of a day, full again at midnight UTC of the simulator's clock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CreditsConfig {
    /// For requests with a token; 0 is no limit.
    pub daily: u32,
    /// For requests without; 0 is no limit.
    pub anonymous_daily: u32,
}

/// Shares of requests that fail, by kind; their sum is at most 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FaultConfig {
    /// Answered with status 500.
    pub status_500: f64,
    /// Answered with status 503.
    pub status_503: f64,
    /// Answered only after `slow_for`.
    pub slow: f64,
    /// Answered with half of the JSON.
    pub truncated: f64,
    /// Cut off in the middle of the body.
    pub broken_off: f64,
    /// Answered with a page of HTML.
    pub non_json: f64,
    /// Not answered for `timeout_after`.
    pub timeout: f64,
    /// Answered with status 401.
    pub unauthorized: f64,
    /// Answered with status 429.
    pub rate_limited: f64,
    /// Answered with no states at all.
    pub empty: f64,
    /// Answered with a tenth of the states.
    pub collapse: f64,
    /// Share of token requests answered with status 503.
    pub token_503: f64,
    /// How long a slow answer takes.
    #[serde(with = "humantime_serde")]
    #[schemars(schema_with = "duration_schema")]
    pub slow_for: Duration,
    /// How long a caller is kept waiting before status 504.
    #[serde(with = "humantime_serde")]
    #[schemars(schema_with = "duration_schema")]
    pub timeout_after: Duration,
    /// What a `rate_limited` answer asks the caller to wait; whole seconds.
    #[serde(with = "humantime_serde")]
    #[schemars(schema_with = "duration_schema")]
    pub retry_after: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:0".to_owned(),
            mode: Mode::Fleet,
            recordings: PathBuf::new(),
            seed: 1,
            aircraft: 2_000,
            quirks: true,
            start_time: None,
            speed: 1.0,
            gzip: false,
            auth: AuthConfig::default(),
            credits: CreditsConfig::default(),
            faults: FaultConfig::default(),
        }
    }
}

impl Default for AuthConfig {
    fn default() -> Self {
        Self {
            required: false,
            client_id: String::new(),
            client_secret: ClientSecret::default(),
            token_lifetime: Duration::from_secs(1_800),
        }
    }
}

impl Default for CreditsConfig {
    fn default() -> Self {
        Self {
            daily: 4_000,
            anonymous_daily: 400,
        }
    }
}

impl Default for FaultConfig {
    fn default() -> Self {
        Self {
            status_500: 0.0,
            status_503: 0.0,
            slow: 0.0,
            truncated: 0.0,
            broken_off: 0.0,
            non_json: 0.0,
            timeout: 0.0,
            unauthorized: 0.0,
            rate_limited: 0.0,
            empty: 0.0,
            collapse: 0.0,
            token_503: 0.0,
            slow_for: Duration::from_secs(5),
            timeout_after: Duration::from_secs(60),
            retry_after: Duration::from_secs(2),
        }
    }
}

impl FaultConfig {
    /// The share of every fault.
    pub(crate) fn rates(&self) -> [(Fault, f64); Fault::ALL.len()] {
        Fault::ALL.map(|fault| {
            let rate = match fault {
                Fault::Status500 => self.status_500,
                Fault::Status503 => self.status_503,
                Fault::Slow => self.slow,
                Fault::Truncated => self.truncated,
                Fault::BrokenOff => self.broken_off,
                Fault::NonJson => self.non_json,
                Fault::Timeout => self.timeout,
                Fault::Unauthorized => self.unauthorized,
                Fault::RateLimited => self.rate_limited,
                Fault::Empty => self.empty,
                Fault::Collapse => self.collapse,
                Fault::Token503 => self.token_503,
            };
            (fault, rate)
        })
    }
}

impl Config {
    /// Checks what the types do not.
    ///
    /// # Errors
    /// [`Error::Configuration`], naming the first setting that does not make sense.
    pub fn check(&self) -> Result<SocketAddr, Error> {
        let refuse = |key, message: &str| {
            let message = message.to_owned();
            Err(Error::Configuration { key, message })
        };
        let Ok(listen) = self.listen.parse() else {
            return refuse("listen", "write an address and a port, as 127.0.0.1:8080");
        };
        if self.aircraft > MAX_AIRCRAFT {
            return refuse("aircraft", "the largest fleet has 100000 aircraft");
        }
        if !(self.speed.is_finite() && self.speed > 0.0) {
            return refuse("speed", "must be above 0; 1 is real time");
        }
        if self.start_time.is_some_and(|time| !TIMES.contains(&time)) {
            return refuse("start_time", "must be seconds since 1970");
        }
        match (self.mode, self.recordings.as_os_str().is_empty()) {
            (Mode::Recorded, true) => {
                return refuse(
                    "recordings",
                    "name a file or folder, or set mode = \"fleet\"",
                );
            }
            (Mode::Fleet, false) => {
                return refuse("recordings", "has no use unless mode = \"recorded\"");
            }
            _ => {}
        }
        let rates = self.faults.rates().map(|(_, rate)| rate);
        if rates.iter().any(|rate| !(0.0..=1.0).contains(rate)) || rates.iter().sum::<f64>() > 1.0 {
            return refuse("faults", "shares are from 0 to 1, and together at most 1");
        }
        Ok(listen)
    }
}

/// The times that are served, in seconds since 1970: up to the year 5138, so that sums of
/// them cannot overflow.
pub(crate) const TIMES: std::ops::RangeInclusive<i64> = 0..=100_000_000_000;

/// A secret that is not shown: `***` in logs and in a printed configuration.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct ClientSecret(String);

impl ClientSecret {
    /// The secret itself.
    pub fn expose(&self) -> &str {
        &self.0
    }

    fn masked(&self) -> &'static str {
        if self.0.is_empty() { "" } else { "***" }
    }
}

impl From<&str> for ClientSecret {
    fn from(secret: &str) -> Self {
        Self(secret.to_owned())
    }
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.masked(), formatter)
    }
}

impl Serialize for ClientSecret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.masked())
    }
}

impl JsonSchema for ClientSecret {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "ClientSecret".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "password" })
    }
}

fn duration_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "format": "duration" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_defaults_are_the_defaults() {
        #[derive(Deserialize)]
        struct File {
            simulator: Config,
        }
        let file: File = toml::from_str(DEFAULTS).unwrap();
        assert_eq!(file.simulator, Config::default());
        let shown = toml::Value::try_from(Config::default()).unwrap();
        let written: toml::Value = toml::from_str(DEFAULTS).unwrap();
        assert_eq!(written["simulator"], shown, "a key is missing or too much");
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        let check = |key: &str, change: fn(&mut Config)| {
            let mut config = Config::default();
            change(&mut config);
            let error = config.check().unwrap_err().to_string();
            assert!(error.starts_with(&format!("simulator.{key}: ")), "{error}");
        };
        check("listen", |c| c.listen = "localhost".into());
        check("aircraft", |c| c.aircraft = 100_001);
        check("speed", |c| c.speed = 0.0);
        check("speed", |c| c.speed = f64::NAN);
        check("start_time", |c| c.start_time = Some(-1));
        check("recordings", |c| c.mode = Mode::Recorded);
        check("recordings", |c| c.recordings = "somewhere".into());
        check("faults", |c| c.faults.slow = 1.5);
        check("faults", |c| {
            c.faults.slow = 0.6;
            c.faults.timeout = 0.6;
        });
        assert!(Config::default().check().is_ok());
    }

    #[test]
    fn the_secret_is_not_shown() {
        let config = AuthConfig {
            client_secret: "hush".into(),
            ..AuthConfig::default()
        };
        assert!(!format!("{config:?}").contains("hush"));
        assert!(!serde_json::to_string(&config).unwrap().contains("hush"));
    }
}
