//! The producer as a service of its own.

use std::process::ExitCode;

use clap::Parser;
use producer::{Config, DEFAULTS};
use service::cli::CommonArgs;

/// Asks OpenSky for all aircraft and publishes each answer to Kafka.
#[derive(Parser)]
#[command(version)]
struct Args {
    #[command(flatten)]
    common: CommonArgs,
}

fn main() -> ExitCode {
    let args = Args::parse();
    service::cli::run(
        &args.common,
        &[DEFAULTS],
        |config: Config, health, shutdown| producer::run(config, health, shutdown, None),
    )
}
