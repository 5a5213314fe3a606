//! The flags that every service has, and the `main` they share.

use std::future::Future;
use std::path::PathBuf;
use std::process::ExitCode;

use axum::Router;
use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::config::{self, HttpConfig, Loader, LogConfig, LogFormat};
use crate::fault::{Failure, Faulty, exit_with};
use crate::health::Health;
use crate::shutdown::Shutdown;
use crate::{http, metrics, telemetry};

/// The flags that every service has; flatten them into its own.
#[derive(Debug, Clone, Default, Args)]
pub struct CommonArgs {
    /// Configuration file.
    #[arg(long, value_name = "FILE", env = "CONTRAIL_CONFIG", global = true)]
    pub config: Option<PathBuf>,

    /// Set one configuration key, as often as needed.
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = pair, global = true)]
    pub set: Vec<(String, String)>,

    /// Print the configuration as it would be used, with secrets masked, and end.
    #[arg(long, global = true)]
    pub print_config: bool,

    /// How log lines look; the same as --set log.format=FORMAT.
    #[arg(long, value_name = "FORMAT", value_enum, global = true)]
    pub log_format: Option<LogFormat>,
}

impl CommonArgs {
    /// A loader with the file and the overrides given.
    pub fn loader(&self) -> Loader {
        let mut overrides = self.set.clone();
        if let Some(format) = self.log_format {
            overrides.push(("log.format".into(), format.as_str().into()));
        }
        Loader::new()
            .file(self.config.as_deref())
            .overrides(&overrides)
    }
}

/// A configuration with the sections that [`run`] uses itself.
pub trait ServiceConfig: DeserializeOwned + Serialize + JsonSchema {
    /// The endpoint for health and metrics.
    fn http(&self) -> &HttpConfig;
    /// What is logged.
    fn log(&self) -> &LogConfig;
}

/// The whole life of a service's process: loads the configuration, starts the log, the metrics
/// and the HTTP endpoint, calls `service` and waits for it, and gives the exit code: 0 when it
/// ended well, 2 for a configuration or usage fault, else 1 with one line on stderr.
///
/// `defaults` are the texts of the service's own `default.toml` files.
pub fn run<C, S, E, F>(
    args: &CommonArgs,
    defaults: &[&'static str],
    service: impl FnOnce(C, Health, Shutdown) -> F,
) -> ExitCode
where
    C: ServiceConfig,
    E: Faulty + Send + Sync + 'static,
    F: Future<Output = Result<S, E>>,
{
    match try_run(args, defaults, service) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => exit_with(error),
    }
}

fn try_run<C, S, E, F>(
    args: &CommonArgs,
    defaults: &[&'static str],
    service: impl FnOnce(C, Health, Shutdown) -> F,
) -> anyhow::Result<()>
where
    C: ServiceConfig,
    E: Faulty + Send + Sync + 'static,
    F: Future<Output = Result<S, E>>,
{
    let loader = defaults.iter().fold(args.loader(), |l, d| l.defaults(d));
    let config: C = loader.load()?;
    if args.print_config {
        print!("{}", config::print(&config));
        return Ok(());
    }
    telemetry::init(config.log())?;
    metrics::install_recorder();
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let shutdown = Shutdown::on_signals();
        let health = Health::new();
        let listen = &config.http().listen;
        let server = http::serve(listen, health.clone(), Router::new(), shutdown.clone()).await?;
        let result = service(config, health, shutdown.clone()).await;
        shutdown.trigger();
        server.join().await;
        result.map_err(Failure::new)?;
        Ok(())
    })
}

/// Reads `key=value`; the value may hold further `=` signs.
fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().into(), value.into())),
        _ => Err("write it as key=value, such as kafka.brokers=127.0.0.1:9092".into()),
    }
}
