//! At every step a refresh may end; what the next start finds is right.

use crate::support::recompute::compare;
use crate::support::{Bench, Row, poll};
use crate::work;
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
    days_are_forgotten_whole_or_not_at_all().await;
    what_is_ahead_of_a_batch_that_failed_is_not_published().await;
    scenario.teardown();
}

/// The same process goes on after a batch that failed when its marts had been written ahead.
async fn what_is_ahead_of_a_batch_that_failed_is_not_published() {
    let bench = Bench::new().await;
    let mut transformer = Transformer::open(&bench.config).await.unwrap();
    bench.append(&poll(0)).await;
    transformer.catch_up().await.unwrap();
    bench.append(&poll(1)).await;
    fail::cfg("transformer.commit.before", "return").unwrap();
    let error = transformer.refresh().await.unwrap_err().to_string();
    assert!(error.contains("transformer.commit.before"), "{error}");
    fail::remove("transformer.commit.before");
    transformer.publish(true).await.unwrap();
    compare(bench.published(), &poll(0)).unwrap();
    bench.append(&poll(2)).await;
    transformer.catch_up().await.unwrap();
    compare(bench.published(), &[poll(0), poll(1), poll(2)].concat()).unwrap();
}

/// A rebuild of days that ends before its commit has not begun.
async fn days_are_forgotten_whole_or_not_at_all() {
    let bench = Bench::new().await;
    bench.append(&poll(0)).await;
    work(&bench).await.unwrap();
    let mut transformer = Transformer::open(&bench.config).await.unwrap();
    let day = "2025-09-26".parse().unwrap();
    for (point, begun) in [("transformer.commit.before", false), ("", true)] {
        if !point.is_empty() {
            fail::cfg(point, "return").unwrap();
        }
        let files = transformer.rebuild_days(day, day).await;
        assert_eq!(files.is_ok(), begun, "{files:?}");
        if !point.is_empty() {
            fail::remove(point);
        }
        drop(transformer);
        transformer = Transformer::open(&bench.config).await.unwrap();
        assert_eq!(transformer.status().rebuilding, begun);
        transformer.catch_up().await.unwrap();
        compare(bench.published(), &poll(0)).unwrap_or_else(|e| panic!("{point}: {e}"));
    }
}
