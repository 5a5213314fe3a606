//! What the next start finds when a step was the last one.
//!
//! Fail points are those of the whole process, so these tests have a program of their own.

#![cfg(test)]

mod flights;
mod refresh;

#[path = "../support/mod.rs"]
mod support;

use transformer::Transformer;

/// Counts and publishes once; stops at the first error, as a crash would.
async fn work(bench: &support::Bench) -> Result<(), transformer::Error> {
    let mut transformer = Transformer::open(&bench.config).await?;
    transformer.catch_up().await.map(drop)
}
