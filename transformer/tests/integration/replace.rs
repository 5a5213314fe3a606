//! Compaction moves rows between data files: nothing is counted twice, and what is looked up in
//! the lake is found where it is now.

use crate::support::recompute::compare;
use crate::support::{Bench, Row, rows_at};
use transformer::Transformer;

/// 2025-09-26T08:00:00Z: all polls are of one day.
const START: i64 = 1_758_873_600;
/// More polls than are remembered without a look at the lake.
const POLLS: i64 = 60;

/// So many aircraft of one poll, from the first of them on.
fn poll(number: i64, aircraft: std::ops::Range<i64>) -> Vec<Row> {
    rows_at(aircraft, START + number * 60)
}

async fn catch_up(bench: &Bench) {
    let mut transformer = Transformer::open(&bench.config).await.unwrap();
    transformer.catch_up().await.unwrap();
}

/// Takes the files away, as the expiry of old snapshots does.
fn expire(paths: &[String]) {
    for path in paths {
        std::fs::remove_file(path).unwrap();
    }
}

/// Everything again, from the live files alone.
async fn rebuild(bench: &Bench) {
    std::fs::remove_dir_all(&bench.config.transformer.analytics).unwrap();
    catch_up(bench).await;
}

#[tokio::test]
async fn rows_that_were_moved_count_once() {
    let bench = Bench::new().await;
    let (first, second) = (poll(0, 0..10), poll(1, 0..20));
    bench.append(&first).await;
    bench.append(&second).await;
    let old = bench.data_files().await;
    let rest: Vec<Row> = (2..POLLS).flat_map(|n| poll(n, 0..20)).collect();
    bench.append(&rest).await;
    catch_up(&bench).await;
    let mut all = [first, second, rest].concat();
    compare(bench.published(), &all).unwrap();

    bench
        .replace(&old, &[poll(0, 0..10), poll(1, 0..20)].concat())
        .await;
    catch_up(&bench).await;
    compare(bench.published(), &all).unwrap();
    // What still names the old files, fails.
    expire(&old);
    compare(bench.published(), &all).unwrap();

    // The other half of a poll that is no longer remembered, with repeats that are in the new file.
    let late = poll(0, 5..20);
    bench.append(&late).await;
    catch_up(&bench).await;
    all.extend(late);
    compare(bench.published(), &all).unwrap();

    rebuild(&bench).await;
    compare(bench.published(), &all).unwrap();
}

#[tokio::test]
async fn moves_between_appends_are_followed_in_their_order() {
    let bench = Bench::new().await;
    bench.append(&poll(0, 0..10)).await;
    bench.append(&poll(1, 0..10)).await;
    catch_up(&bench).await;
    // All of this is found at once.
    bench.append(&poll(2, 0..10)).await;
    let old = bench.data_files().await;
    bench
        .replace(&old[..2], &[poll(0, 0..10), poll(1, 0..10)].concat())
        .await;
    bench.append(&poll(0, 8..12)).await;
    let newer = bench.data_files().await;
    // What the first replacement made is replaced in its turn, with a file not yet counted.
    let moved = &newer[newer.len() - 2..];
    let rows = [poll(0, 0..10), poll(1, 0..10), poll(0, 8..12)].concat();
    bench.replace(moved, &rows).await;
    bench.append(&poll(3, 0..10)).await;
    catch_up(&bench).await;
    let all = [rows, poll(2, 0..10), poll(3, 0..10)].concat();
    compare(bench.published(), &all).unwrap();
    rebuild(&bench).await;
    compare(bench.published(), &all).unwrap();
}

#[tokio::test]
async fn files_that_were_replaced_and_expired_before_they_were_counted_are_no_loss() {
    let bench = Bench::new().await;
    bench.append(&poll(0, 0..10)).await;
    catch_up(&bench).await;
    bench.append(&poll(1, 0..10)).await;
    bench.append(&poll(2, 0..10)).await;
    let old = bench.data_files().await;
    bench
        .replace(&old[1..], &[poll(1, 0..10), poll(2, 0..10)].concat())
        .await;
    expire(&old[1..]);
    bench.append(&poll(3, 0..10)).await;
    catch_up(&bench).await;
    let all: Vec<Row> = (0..4).flat_map(|n| poll(n, 0..10)).collect();
    compare(bench.published(), &all).unwrap();
}

#[tokio::test]
async fn a_file_that_goes_while_it_waits_to_be_counted_again_is_no_loss() {
    let mut bench = Bench::new().await;
    bench.config.transformer.step_rows = 1;
    for number in 0..4 {
        bench.append(&poll(number, 0..10)).await;
    }
    let mut transformer = Transformer::open(&bench.config).await.unwrap();
    transformer.catch_up().await.unwrap();
    let day = chrono::DateTime::from_timestamp(START, 0).unwrap();
    let day = day.date_naive();
    transformer.rebuild_days(day, day).await.unwrap();
    let old = bench.data_files().await;
    bench.replace(&old[2..3], &poll(2, 0..10)).await;
    expire(&old[2..3]);
    // More steps than there are files would be a circle.
    let mut steps = 0;
    while transformer.refresh().await.unwrap().is_some() {
        steps += 1;
        assert!(steps < 20, "it goes round in circles");
    }
    transformer.publish(true).await.unwrap();
    let all: Vec<Row> = (0..4).flat_map(|n| poll(n, 0..10)).collect();
    compare(bench.published(), &all).unwrap();
}

#[tokio::test]
async fn rows_that_are_not_counted_yet_are_not_shown() {
    let mut bench = Bench::new().await;
    bench.append(&poll(0, 0..10)).await;
    catch_up(&bench).await;
    bench.config.transformer.step_rows = 1;
    for number in 1..4 {
        bench.append(&poll(number, 0..10)).await;
    }
    let mut transformer = Transformer::open(&bench.config).await.unwrap();
    let newest = "select (select max(snapshot_time) from cleaned_flights)
        = (select max(snapshot_time) from kpi_history), count(*) from kpi_history";
    for polls in 2..=4 {
        transformer.refresh().await.unwrap().unwrap();
        transformer.publish(true).await.unwrap();
        let said = ["true".to_owned(), polls.to_string()].map(Some);
        assert_eq!(bench.query(newest)[0], said);
    }
}
