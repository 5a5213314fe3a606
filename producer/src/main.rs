//! The producer as a service of its own.

use std::process::ExitCode;

use clap::Parser;
use producer::{Config, DEFAULTS};
use service::cli::ServiceArgs;

/// Asks OpenSky for all aircraft and publishes each answer to Kafka.
#[derive(Parser)]
#[command(version)]
struct Args {
    #[command(flatten)]
    service: ServiceArgs,
}

fn main() -> ExitCode {
    // One poll every some seconds is not worth a heap for each thread.
    service::heaps::limit(1);
    let args = Args::parse();
    service::cli::run(
        &args.service,
        &[DEFAULTS],
        |config: Config, health, shutdown| producer::run(config, health, shutdown, None),
    )
}
