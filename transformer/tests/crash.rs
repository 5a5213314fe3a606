//! At every step a refresh may end; what the next start finds is right.
//!
//! The fail points are those of the whole process, so these tests have a program of their own
//! and one test.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a helper that fails is a test that fails"
)]

mod support;

use support::recompute::compare;
use support::{Bench, Row, row};
use transformer::Transformer;

const POINTS: [&str; 8] = [
    "transformer.stage.before",
    "transformer.stage.after",
    "transformer.commit.before",
    "transformer.commit.after",
    "transformer.export.middle",
    "transformer.audit.after",
    "transformer.current.before",
    "transformer.current.after",
];

fn poll(number: i64) -> Vec<Row> {
    let aircraft = 0..20;
    aircraft
        .map(|n| row(&format!("{:06x}", 4096 + n), 1_758_924_000 + number * 60))
        .collect()
}

/// Counts and publishes once; stops at the first error, as a crash would.
async fn work(bench: &Bench) -> Result<(), transformer::Error> {
    let mut transformer = Transformer::open(&bench.config).await?;
    transformer.catch_up().await.map(drop)
}

#[tokio::test]
async fn nothing_is_lost_or_counted_twice_at_any_step() {
    let scenario = fail::FailScenario::setup();
    for point in POINTS {
        let bench = Bench::new().await;
        bench.append(&poll(0)).await;
        work(&bench).await.unwrap();
        bench.append(&poll(1)).await;

        fail::cfg(point, "return").unwrap();
        let error = work(&bench).await.unwrap_err().to_string();
        assert!(error.contains(point), "{point}: {error}");
        fail::remove(point);

        // Readers see the former generation or the new one, whole.
        let seen = if point == "transformer.current.after" {
            2
        } else {
            1
        };
        let rows: Vec<Row> = (0..seen).flat_map(poll).collect();
        compare(bench.published(), &rows).unwrap_or_else(|e| panic!("{point}: {e}"));

        work(&bench).await.unwrap();
        compare(bench.published(), &[poll(0), poll(1)].concat())
            .unwrap_or_else(|e| panic!("{point}, reopened: {e}"));
        let unfinished = std::fs::read_dir(bench.published()).unwrap().flatten();
        let unfinished = unfinished.filter(|entry| {
            entry
                .file_name()
                .to_string_lossy()
                .starts_with(".unfinished")
        });
        assert_eq!(unfinished.count(), 0, "{point}");

        bench.append(&poll(2)).await;
        work(&bench).await.unwrap();
        compare(bench.published(), &[poll(0), poll(1), poll(2)].concat())
            .unwrap_or_else(|e| panic!("{point}, afterwards: {e}"));
    }
    scenario.teardown();
}
