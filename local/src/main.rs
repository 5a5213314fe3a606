//! The binary `contrail`.

use std::process::ExitCode;

fn main() -> ExitCode {
    // One for each of DuckDB's connections.
    service::heaps::limit(2);
    local::cli::main()
}
