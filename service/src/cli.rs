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
use crate::{http, metrics, ready, telemetry};

/// The flags that every program has.
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

/// The flags of a service that is a process of its own; flatten them into its own.
#[derive(Debug, Clone, Default, Args)]
pub struct ServiceArgs {
    /// The flags that other programs have too.
    #[command(flatten)]
    pub common: CommonArgs,

    /// Ask the service that runs with this configuration whether it is ready, and end: with 0 if
    /// it is, and else with 1.
    #[arg(long)]
    pub ready: bool,
}

impl From<CommonArgs> for ServiceArgs {
    fn from(common: CommonArgs) -> ServiceArgs {
        ServiceArgs {
            common,
            ready: false,
        }
    }
}

/// A configuration with the sections that [`run`] uses itself.
pub trait ServiceConfig: DeserializeOwned + Serialize + JsonSchema {
    /// The endpoint for health and metrics.
    fn http(&self) -> &HttpConfig;
    /// What is logged.
    fn log(&self) -> &LogConfig;
    /// Checks what the types cannot say, before anything is opened.
    ///
    /// # Errors
    /// Names the key, what is wrong with it and what it must be.
    fn check(&self) -> Result<(), Failure> {
        Ok(())
    }
}

/// The whole life of a service's process: loads the configuration, starts the log, the metrics
/// and the HTTP endpoint, calls `service` and waits for it, and gives the exit code: 0 when it
/// ended well, 2 for a configuration or usage fault, else 1 with one line on stderr.
///
/// `defaults` are the texts of the service's own `default.toml` files.
pub fn run<C, S, E, F>(
    args: &ServiceArgs,
    defaults: &[&'static str],
    service: impl FnOnce(C, Health, Shutdown) -> F,
) -> ExitCode
where
    C: ServiceConfig,
    E: Faulty + Send + Sync + 'static,
    F: Future<Output = Result<S, E>>,
{
    run_with(args, defaults, |_| Router::new(), service)
}

/// As [`run`], where the HTTP endpoint has further routes, which `routes` makes from the
/// configuration. They must not be those of [`http::serve`] again.
pub fn run_with<C, S, E, F>(
    args: &ServiceArgs,
    defaults: &[&'static str],
    routes: impl FnOnce(&C) -> Router,
    service: impl FnOnce(C, Health, Shutdown) -> F,
) -> ExitCode
where
    C: ServiceConfig,
    E: Faulty + Send + Sync + 'static,
    F: Future<Output = Result<S, E>>,
{
    match try_run(args, defaults, routes, service) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => exit_with(error),
    }
}

fn try_run<C, S, E, F>(
    args: &ServiceArgs,
    defaults: &[&'static str],
    routes: impl FnOnce(&C) -> Router,
    service: impl FnOnce(C, Health, Shutdown) -> F,
) -> anyhow::Result<()>
where
    C: ServiceConfig,
    E: Faulty + Send + Sync + 'static,
    F: Future<Output = Result<S, E>>,
{
    let loader = defaults
        .iter()
        .fold(args.common.loader(), |l, d| l.defaults(d));
    let config: C = loader.load()?;
    if args.common.print_config {
        print!("{}", config::print(&config));
        return Ok(());
    }
    if args.ready {
        return Ok(ready::ask(&config.http().listen).map_err(Failure::new)?);
    }
    config.check()?;
    telemetry::init(config.log())?;
    metrics::install_recorder();
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let shutdown = Shutdown::on_signals();
        let health = Health::new();
        let listen = &config.http().listen;
        let server = http::serve(listen, health.clone(), routes(&config), shutdown.clone()).await?;
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

#[cfg(test)]
mod tests {
    use clap::Parser;
    use serde::Deserialize;

    use super::*;
    use crate::fault::{Fault, fault_of};

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        service: ServiceArgs,
    }

    #[derive(Debug, Serialize, Deserialize, JsonSchema)]
    struct Config {
        http: HttpConfig,
        log: LogConfig,
    }

    impl ServiceConfig for Config {
        fn http(&self) -> &HttpConfig {
            &self.http
        }
        fn log(&self) -> &LogConfig {
            &self.log
        }
        fn check(&self) -> Result<(), Failure> {
            match self.log.level.as_str() {
                "away" => Err(Failure::new(Away)),
                _ => Ok(()),
            }
        }
    }

    #[derive(Debug, thiserror::Error)]
    #[error("the broker is away")]
    struct Away;

    impl Faulty for Away {
        fn fault(&self) -> Fault {
            Fault::Dependency
        }
    }

    fn flags(flags: &[&str]) -> ServiceArgs {
        Cli::try_parse_from(std::iter::once(&"test").chain(flags))
            .unwrap()
            .service
    }

    fn none(_: &Config) -> Router {
        Router::new()
    }

    /// A service that must not be started.
    async fn never(_: Config, _: Health, _: Shutdown) -> Result<(), Away> {
        panic!("started")
    }

    #[test]
    fn flags_become_overrides() {
        let args = flags(&["--set", "log.level=warn,a=b", "--log-format", "json"]);
        let config: Config = args.common.loader().load().unwrap();
        assert_eq!(config.log.level, "warn,a=b");
        assert_eq!(config.log.format, LogFormat::Json);
        for wrong in [
            ["--set", "log.level"],
            ["--set", "=x"],
            ["--log-format", "xml"],
        ] {
            let error = Cli::try_parse_from(["test", wrong[0], wrong[1]]).unwrap_err();
            assert_eq!(error.exit_code(), 2);
        }
    }

    #[test]
    fn a_service_gets_its_configuration_and_its_error_keeps_its_fault() {
        let args = flags(&["--set", "log.level=error"]);
        let service = async |config: Config, health: Health, shutdown: Shutdown| {
            assert_eq!(config.http.listen, "127.0.0.1:0");
            assert_eq!(config.log.level, "error");
            assert!(health.status().alive && !shutdown.is_triggered());
            Err::<(), _>(Away)
        };
        let error =
            try_run(&args, &["[http]\nlisten = \"127.0.0.1:0\""], none, service).unwrap_err();
        assert_eq!(error.to_string(), "the broker is away");
        assert_eq!(fault_of(&error), Fault::Dependency);
    }

    #[test]
    fn nothing_is_started_to_print_or_with_a_wrong_configuration() {
        try_run(&flags(&["--print-config"]), &[], none, never).unwrap();
        let args = flags(&["--set", "http.lisen=x"]);
        let error = try_run(&args, &[], none, never).unwrap_err();
        assert_eq!(fault_of(&error), Fault::Configuration);
        // What the service itself refuses comes before the address is even tried.
        let args = flags(&["--set", "log.level=away", "--set", "http.listen=nowhere"]);
        let error = try_run(&args, &[], none, never).unwrap_err();
        assert_eq!(error.to_string(), "the broker is away");
    }
    #[test]
    fn readiness_is_asked_where_the_service_listens() {
        // Nobody takes connections there: this is only how a port is had that is free.
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let listen = format!("http.listen={}", free.local_addr().unwrap());
        drop(free);
        for (listen, fault, text) in [
            (
                listen.as_str(),
                Fault::Dependency,
                "no answer from 127.0.0.1:",
            ),
            (
                "http.listen=127.0.0.1:0",
                Fault::Configuration,
                "http.listen is",
            ),
        ] {
            let args = flags(&["--ready", "--set", listen]);
            let error = try_run(&args, &[], none, never).unwrap_err();
            assert_eq!(fault_of(&error), fault);
            assert!(error.to_string().starts_with(text), "{error}");
        }
    }
}
