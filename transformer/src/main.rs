//! The transformer as a process.

use std::process::ExitCode;

fn main() -> ExitCode {
    transformer::cli::main()
}
