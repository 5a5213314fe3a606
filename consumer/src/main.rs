//! The consumer as a process of its own.

use std::process::ExitCode;

use clap::Parser;
use service::cli::CommonArgs;

/// Appends the state vectors of Kafka to an Iceberg table, exactly once.
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
        consumer::config::DEFAULTS,
        |config, health, shutdown| consumer::run(config, health, shutdown, None),
    )
}
