//! The `[transformer]` section of the configuration.

use std::path::PathBuf;
use std::time::Duration;

use lake::LakeConfig;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use service::config::{HttpConfig, HumanDuration, LogConfig, NotifyConfig, Secret};
use service::fault::Failure;

use crate::runs::schedule::Schedule;

/// Defaults of the `[transformer]` section.
pub const DEFAULTS: &str = include_str!("../default.toml");

/// Everything the transformer reads from the configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the Iceberg tables are.
    pub lake: LakeConfig,
    /// The transformer's own section.
    pub transformer: TransformerConfig,
    /// Health and metrics endpoint.
    #[serde(default)]
    pub http: HttpConfig,
    /// What is logged.
    #[serde(default)]
    pub log: LogConfig,
    /// Whom to tell when a run fails or an audit does.
    #[serde(default)]
    pub notify: NotifyConfig,
}

/// When the transformer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Follows the lake until it is told to end.
    Continuous,
    /// Publishes everything the lake holds whenever `transformer.schedule` says so.
    Cron,
    /// Ends when everything the lake holds is published.
    Once,
}

impl Mode {
    /// As it is written in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Mode::Continuous => "continuous",
            Mode::Cron => "cron",
            Mode::Once => "once",
        }
    }
}

/// How the marts are kept and published.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TransformerConfig {
    /// `continuous` follows the lake, `cron` publishes what it holds when `schedule` says so,
    /// `once` ends when everything it holds is published.
    pub mode: Mode,
    /// When runs begin in mode `cron`: minute, hour, day of the month, month and weekday, as in a
    /// crontab.
    pub schedule: String,
    /// The time zone of `schedule`, such as `Europe/Berlin`.
    pub time_zone: String,
    /// Whether a time of `schedule` that passed while nobody ran is made up for at the start.
    pub catch_up: bool,
    /// Folder of the private DuckDB. Nobody else may open it; it can be rebuilt from the lake.
    pub analytics: PathBuf,
    /// Folder of the published generations, `CURRENT`, `views.duckdb` and `init.sql`.
    pub published: PathBuf,
    /// Folder of the runs' log files, `RUN_ID.log`, and of the journal of runs.
    pub logs: PathBuf,
    /// How long the log file of a run is kept.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "HumanDuration")]
    pub keep_run_logs: Duration,
    /// How long runs stay in `pipeline_runs`, and results in `audit_results`.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "HumanDuration")]
    pub keep_runs: Duration,
    /// Folder of further models, or none: `staging`, `intermediate`, `marts` and `audits` with
    /// `*.sql`, `seeds` with `*.csv`, `tests` with `*.toml`. A file of a name that the program
    /// has already takes its place. Other models count everything again from the lake.
    #[serde(default)]
    pub models: Option<PathBuf>,
    /// How often the lake is asked for a new snapshot.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "HumanDuration")]
    pub poll_interval: Duration,
    /// How far back `cleaned_flights` reaches from the newest poll. At least a day less than
    /// `retention`.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "HumanDuration")]
    pub window: Duration,
    /// How long a generation is kept after the next one has replaced it. A reader that holds a
    /// connection goes on reading its own, so at least `30m` where readers are long-lived.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "HumanDuration")]
    pub keep_generations: Duration,
    /// Rows counted in one transaction at most, unless a single data file holds more; twice as many
    /// where a day has more and its data files have rows of the same polls.
    pub step_rows: u64,
    /// How long detail is kept: what the marts show by poll, hour, aircraft or cell. Whole days,
    /// back from the newest poll; `0s` keeps everything. Rows of older days that arrive late are
    /// counted in daily aggregates only.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "HumanDuration")]
    pub retention: Duration,
    /// How long daily aggregates are kept, such as `country_daily`; `0s` keeps everything.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "HumanDuration")]
    pub daily_retention: Duration,
    /// Memory DuckDB may use for its buffers, such as `128MiB`; beyond it spills to disk.
    pub memory_limit: String,
    /// The same while more than 100,000 rows are counted at once: after a rebuild, or when nobody
    /// counted for a while.
    pub backlog_memory_limit: String,
    /// Threads that rows are counted with, and that DuckDB may use.
    pub threads: u32,
    /// Size in degrees of the cells of `flight_density_recent`, 0.05 to 10.
    pub density_cell_degrees: f64,
    /// A PostgreSQL database that the marts are copied to.
    pub postgres: PostgresConfig,
}

/// A second home of the marts, for tools that prefer a server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PostgresConfig {
    /// Where the marts are copied to after each generation, such as
    /// `postgresql://user:password@host:5432/database`. Empty: nowhere. It is spoken without
    /// TLS, so over a network that is trusted.
    pub url: Secret,
    /// Schema that the tables are in. It is made when it is missing, and is Contrail's alone.
    pub schema: String,
}

impl service::cli::ServiceConfig for Config {
    fn http(&self) -> &HttpConfig {
        &self.http
    }

    fn log(&self) -> &LogConfig {
        &self.log
    }

    fn check(&self) -> Result<(), Failure> {
        self.lake.validate().map_err(Failure::new)?;
        service::notify::check(&self.notify).map_err(Failure::new)?;
        self.transformer.validate().map_err(Failure::new)
    }
}

impl TransformerConfig {
    /// Checks what types cannot say.
    ///
    /// # Errors
    /// Names the key, what is wrong with it and what it must be.
    pub fn validate(&self) -> Result<(), crate::Error> {
        Schedule::of(self)?;
        crate::engine::cell_degrees(self)?;
        crate::engine::Retention::of(self.retention, self.daily_retention)?;
        self.window_is_kept()?;
        crate::publish::postgres::check(&self.postgres)
    }

    /// Views over the window need what is known of its rows, of which whole days leave.
    fn window_is_kept(&self) -> Result<(), crate::Error> {
        const DAY: Duration = Duration::from_secs(86_400);
        if self.retention.is_zero() || self.window + DAY <= self.retention {
            return Ok(());
        }
        let [window, retention] = [self.window, self.retention].map(humantime::format_duration);
        Err(crate::Error::Config {
            key: "window",
            reason: format!(
                "{window} and a day are longer than transformer.retention, {retention}, whose last day \
                is the one that has begun; make it shorter, or the retention longer"
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use service::config::Loader;

    #[test]
    fn the_window_is_kept_whole() {
        let loader = || {
            Loader::new()
                .defaults(lake::config::DEFAULTS)
                .defaults(super::DEFAULTS)
                .environment([("", ""); 0])
        };
        let day = std::time::Duration::from_secs(86_400);
        for (window, retention, fits) in [(1, 2, true), (1, 1, false), (7, 7, false), (7, 0, true)]
        {
            let mut config = loader().load::<super::Config>().unwrap().transformer;
            config.window = window * day;
            config.retention = retention * day;
            config.daily_retention = std::time::Duration::ZERO;
            let checked = config.validate();
            assert_eq!(
                checked.is_ok(),
                fits,
                "{window} and {retention} days: {checked:?}"
            );
        }
    }
}
