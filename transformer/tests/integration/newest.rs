//! The newest poll is in memory, and marts of it are written before its batch is committed: whatever
//! comes between, they are those of what is counted.

use std::path::Path;

use crate::support::recompute::compare;
use crate::support::{Bench, EVENING, Row, poll, rows_at};
use transformer::Transformer;

/// Every other row of a poll, beginning with the first or the second.
fn half(poll: &[Row], first: usize) -> Vec<Row> {
    poll.iter().skip(first).step_by(2).cloned().collect()
}

#[tokio::test]
async fn a_poll_in_halves_is_whole_whatever_is_between_them() {
    for restart in [false, true] {
        let bench = Bench::new().await;
        let mut transformer = Transformer::open(&bench.config).await.unwrap();
        let mut counted = Vec::new();
        let steps = [
            half(&poll(5), 0),
            half(&poll(5), 1),
            // Older ones change nothing of it.
            poll(2),
            // A row of it that nobody had seen before, with a repeat.
            [rows_at(30..31, EVENING + 300), half(&poll(5), 1)].concat(),
            half(&poll(6), 1),
            [poll(3), half(&poll(6), 0)].concat(),
        ];
        for (number, rows) in steps.into_iter().enumerate() {
            if restart {
                drop(transformer);
                transformer = Transformer::open(&bench.config).await.unwrap();
            }
            bench.append(&rows).await;
            transformer.catch_up().await.unwrap();
            counted.extend(rows);
            compare(bench.published(), &counted)
                .unwrap_or_else(|error| panic!("step {number}, restart {restart}: {error}"));
        }
    }
}

#[tokio::test]
async fn polls_that_are_counted_one_by_one_and_published_together_are_there() {
    let bench = Bench::new().await;
    let mut transformer = Transformer::open(&bench.config).await.unwrap();
    for number in 0..3 {
        bench.append(&poll(number)).await;
        while transformer.refresh().await.unwrap().is_some() {}
    }
    transformer.publish(false).await.unwrap();
    let all: Vec<Row> = (0..3).flat_map(poll).collect();
    compare(bench.published(), &all).unwrap();
    // Published again, with nothing written ahead.
    drop(transformer);
    let mut transformer = Transformer::open(&bench.config).await.unwrap();
    transformer.publish(true).await.unwrap();
    compare(bench.published(), &all).unwrap();
    let left = std::fs::read_dir(bench.published().join(".ahead"));
    assert!(left.is_err(), "what was ahead goes with the process");
}

#[tokio::test]
async fn the_newest_day_counted_again_is_the_same() {
    let bench = Bench::new().await;
    let mut transformer = Transformer::open(&bench.config).await.unwrap();
    for number in 0..2 {
        bench.append(&poll(number)).await;
        transformer.catch_up().await.unwrap();
    }
    let day = "2025-09-26".parse().unwrap();
    transformer.rebuild_days(day, day).await.unwrap();
    transformer.catch_up().await.unwrap();
    compare(bench.published(), &[poll(0), poll(1)].concat()).unwrap();
    bench.append(&half(&poll(2), 0)).await;
    transformer.catch_up().await.unwrap();
    transformer.rebuild_days(day, day).await.unwrap();
    bench.append(&half(&poll(2), 1)).await;
    transformer.catch_up().await.unwrap();
    compare(bench.published(), &[poll(0), poll(1), poll(2)].concat()).unwrap();
}

/// The columns of a file: names, types as they lie there, and types as they are read.
fn columns(file: &Path) -> Vec<(String, String, String)> {
    let conn = duckdb::Connection::open_in_memory().unwrap();
    let sql = format!(
        "select name, type || ' ' || repetition_type, column_type
        from parquet_schema('{0}')
        join (describe from '{0}') on name = column_name",
        file.display()
    );
    let mut statement = conn.prepare(&sql).unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
    rows.unwrap().map(Result::unwrap).collect()
}

#[tokio::test]
async fn flights_that_go_on_have_the_columns_of_those_that_ended() {
    let bench = Bench::new().await;
    let mut transformer = Transformer::open(&bench.config).await.unwrap();
    bench.append(&rows_at(0..3, EVENING)).await;
    // Half a day later the first have ended, however high they were.
    bench.append(&rows_at(5..8, EVENING + 12 * 3600)).await;
    let published = transformer.catch_up().await.unwrap();
    let folder = bench
        .published()
        .join(format!("gen-{}", published.generation));
    let [ended, open] =
        ["recent", "open"].map(|part| columns(&folder.join(format!("flights/{part}.parquet"))));
    assert_eq!(open, ended);
    assert_eq!(open.len(), 18);
    let flights = bench.query("select is_open, count(*) from flights group by all order by all");
    let texts = |texts: [&str; 2]| texts.map(|text| Some(text.to_owned()));
    assert_eq!(flights, [texts(["false", "3"]), texts(["true", "3"])]);
}

#[tokio::test]
async fn flights_stay_as_they_were_where_nobody_knows_which_go_on() {
    let bench = Bench::new().await;
    let mut transformer = Transformer::open(&bench.config).await.unwrap();
    bench.append(&rows_at(0..3, EVENING)).await;
    bench.append(&rows_at(5..8, EVENING + 12 * 3600)).await;
    transformer.catch_up().await.unwrap();
    let flights = || bench.query("select icao24, first_seen, is_open from flights order by all");
    let before = flights();
    assert_eq!(before.len(), 6);

    // A late row changes what its aircraft did, which the file of its other row would tell; and one
    // of the flights that went on has ended.
    let files = bench.data_files().await;
    let first = files.iter().min().unwrap();
    std::fs::remove_file(first.strip_prefix("file://").unwrap_or(first)).unwrap();
    bench.append(&rows_at(0..1, EVENING + 60)).await;
    bench.append(&rows_at(20..21, EVENING + 36 * 3600)).await;
    while transformer.refresh().await.unwrap().is_some() {}
    transformer.publish(true).await.unwrap();
    assert_eq!(flights(), before);
    bench
        .append(&rows_at(20..21, EVENING + 36 * 3600 + 60))
        .await;
    let error = transformer.refresh().await.unwrap_err().to_string();
    assert!(error.contains("does not exist"), "{error}");
}
