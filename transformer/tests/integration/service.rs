//! The service as a whole: it follows the lake, goes on after failures, and ends when told.

use std::time::Duration;

use crate::support::recompute::compare;
use crate::support::{Bench, EVENING, row, rows_at};
use service::health::Health;
use service::shutdown::Shutdown;
use tokio::sync::watch;
use transformer::{Mode, Status};

const DEADLINE: Duration = Duration::from_secs(300);

#[tokio::test]
async fn it_follows_the_lake_and_ends_when_told() {
    let bench = Bench::new().await;
    let (sender, mut status) = watch::channel(Status::default());
    let shutdown = Shutdown::new();
    let health = Health::new();
    let running = transformer::run(
        bench.config.clone(),
        health.clone(),
        shutdown.clone(),
        Some(sender),
    );
    let running = tokio::spawn(running);
    let mut rows = Vec::new();
    for poll in 0..3 {
        let more = rows_at(0..10, EVENING + poll * 30);
        bench.append(&more).await;
        rows.extend(more);
        let wanted = rows.len() as u64;
        let seen = status.wait_for(|status| status.rows == wanted && status.generation > 0);
        tokio::time::timeout(DEADLINE, seen).await.unwrap().unwrap();
    }
    assert!(health.status().alive);
    shutdown.trigger();
    let summary = tokio::time::timeout(DEADLINE, running).await.unwrap();
    let summary = summary.unwrap().unwrap();
    assert_eq!((summary.rows, summary.status.polls), (30, 3));
    compare(bench.published(), &rows).unwrap();
}

#[tokio::test]
async fn once_ends_with_everything_published() {
    let mut bench = Bench::new().await;
    bench.config.transformer.mode = Mode::Once;
    let rows: Vec<_> = (0..50).map(|n| row("3c6444", EVENING + n * 30)).collect();
    bench.append(&rows).await;
    for _ in 0..2 {
        transformer::run(bench.config.clone(), Health::new(), Shutdown::new(), None)
            .await
            .unwrap();
        compare(bench.published(), &rows).unwrap();
    }
}
