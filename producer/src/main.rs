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
    share_one_heap();
    let args = Args::parse();
    service::cli::run(
        &args.service,
        &[DEFAULTS],
        |config: Config, health, shutdown| producer::run(config, health, shutdown, None),
    )
}

/// Lets all threads allocate from one heap. By default glibc gives each of them its own, so that
/// each of Tokio's and librdkafka's would in turn hold on to a whole poll's memory; one poll
/// every some seconds is not worth that.
fn share_one_heap() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it only sets a number, and no other thread runs yet. Should it be refused, more
    // memory is used.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}
