//! The consumer as a process of its own.

use std::process::ExitCode;

use clap::Parser;
use service::cli::ServiceArgs;

/// Appends the state vectors of Kafka to an Iceberg table, exactly once.
#[derive(Parser)]
#[command(version)]
struct Args {
    #[command(flatten)]
    service: ServiceArgs,
}

fn main() -> ExitCode {
    let args = Args::parse();
    service::cli::run(
        &args.service,
        consumer::config::DEFAULTS,
        |config, health, shutdown| consumer::run(config, health, shutdown, None),
    )
}
