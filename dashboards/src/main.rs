//! The provisioner as a process.

use std::process::ExitCode;

fn main() -> ExitCode {
    dashboards::cli::main()
}
