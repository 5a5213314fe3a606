//! What the end-to-end tests share: real servers, the services as processes, and readers of
//! the lake that are not ours.
//!
//! A missing server, program or reader fails the test that needs it: nothing is skipped.
//! Nothing waits for time to pass; [`wait`] waits for a state, with a deadline.
//!
//! - [`server`]: Apache Kafka, a schema registry and PostgreSQL, started by the scripts in
//!   `servers/`; [`database`]: asking the last.
//! - [`process`]: our programs, with signals.
//! - [`setup`]: what most tests begin with: servers, a folder, consumers.
//! - [`load`]: polls of a seeded fleet, published in transactions.
//! - [`topic`]: single records, by a plain Kafka client.
//! - [`lake`]: the table counted by pyiceberg and by DuckDB, and its catalog locked.
//! - [`disk`]: a disk that is soon full.
//! - [`recorded`]: a lake made of recorded bodies, without servers.

// Test support may panic: that is how a test fails.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

pub mod database;
pub mod disk;
pub mod lake;
pub mod load;
pub mod process;
pub mod recorded;
pub mod server;
pub mod setup;
pub mod topic;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("a parent")
        .to_owned()
}

/// Waits until `check` gives something; `what` is said when it does not within `limit`.
pub fn wait<T>(what: &str, limit: Duration, mut check: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(value) = check() {
            return value;
        }
        assert!(Instant::now() < deadline, "{what}: not within {limit:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
