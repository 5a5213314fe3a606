//! The simulator as a process of its own. It prints its base URL, the only line on
//! stdout, once it answers.

use std::process::ExitCode;

use clap::Parser;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use service::cli::{ServiceArgs, ServiceConfig};
use service::config::{HttpConfig, LogConfig};
use service::fault::{Failure, Fault, Faulty};
use service::health::Health;
use service::shutdown::Shutdown;

/// A server that answers like OpenSky's REST API, from a simulated fleet or recorded bodies.
#[derive(Parser)]
#[command(version)]
struct Args {
    #[command(flatten)]
    service: ServiceArgs,
}

/// The sections the simulator reads.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Config {
    http: HttpConfig,
    log: LogConfig,
    simulator: simulator::Config,
}

impl ServiceConfig for Config {
    fn http(&self) -> &HttpConfig {
        &self.http
    }

    fn log(&self) -> &LogConfig {
        &self.log
    }

    fn check(&self) -> Result<(), Failure> {
        let checked = self.simulator.check().map(drop);
        checked.map_err(|error| Failure::new(Error(error)))
    }
}

#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct Error(#[from] simulator::Error);

impl Faulty for Error {
    fn fault(&self) -> Fault {
        match &self.0 {
            simulator::Error::Configuration { .. }
            | simulator::Error::Unreadable { .. }
            | simulator::Error::NoRecordings { .. }
            | simulator::Error::Listen { .. } => Fault::Configuration,
            simulator::Error::NotOpenSky { .. } => Fault::Input,
            simulator::Error::Internal(_) => Fault::Internal,
        }
    }
}

fn main() -> ExitCode {
    let args = Args::parse();
    service::cli::run(&args.service, &[simulator::DEFAULTS], run)
}

async fn run(config: Config, health: Health, shutdown: Shutdown) -> Result<(), Error> {
    let ready = health.component("simulator");
    let simulator = simulator::start(config.simulator).await?;
    ready.ready();
    tracing::info!(url = simulator.base_url(), "the simulator answers");
    println!("{}", simulator.base_url());
    shutdown.wait().await;
    let requests = simulator.requests();
    simulator.shutdown().await;
    tracing::info!(requests, "the simulator ended");
    Ok(())
}
