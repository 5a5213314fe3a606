//! Whatever way rows reach the lake, and whatever ends the transformer, the mart `flights` has
//! what reading each aircraft's whole history gives.

use std::time::Duration;

use crate::support::flights::{compare, histories};
use crate::support::{Bench, Row, row};
use proptest::prelude::*;
use proptest::test_runner::{TestCaseError, TestRunner};
use transformer::Transformer;

/// Commits rows in batches of these sizes; `turns` say after which to count and publish, and
/// after which to start again.
async fn commit(bench: &Bench, rows: &[Row], sizes: &[usize], turns: &[(bool, bool)]) {
    let mut transformer = Transformer::open(&bench.config).await.unwrap();
    let mut rest = rows;
    for (size, (between, restart)) in sizes.iter().zip(turns) {
        let (batch, after) = rest.split_at((*size).min(rest.len()));
        if !batch.is_empty() {
            bench.append(batch).await;
        }
        rest = after;
        if *between {
            transformer.catch_up().await.unwrap();
        }
        if *restart {
            drop(transformer);
            transformer = Transformer::open(&bench.config).await.unwrap();
        }
    }
    if !rest.is_empty() {
        bench.append(rest).await;
    }
    transformer.catch_up().await.unwrap();
}

#[tokio::test]
async fn in_the_order_of_time_with_a_restart_after_every_poll() {
    let bench = Bench::new().await;
    let mut rows = histories(9, 1_000);
    rows.sort_by_key(|row| row.time);
    let sizes = vec![rows.len() / 12; 12];
    commit(&bench, &rows, &sizes, &[(true, true); 12]).await;
    compare(&bench, &rows).unwrap();
    let kinds = "select count(*) filter (where takeoff_seen) > 5,
        count(*) filter (where landing_seen) > 5, count(*) filter (where is_open) > 1 from flights";
    let yes = Some("true".to_owned());
    assert_eq!(bench.query(kinds), [[yes.clone(), yes.clone(), yes]]);
}

#[tokio::test]
async fn days_backwards() {
    let bench = Bench::new().await;
    let mut rows = histories(9, 5_000);
    rows.sort_by_key(|row| std::cmp::Reverse(row.time));
    let sizes = vec![rows.len() / 6; 6];
    commit(&bench, &rows, &sizes, &[(true, false); 6]).await;
    compare(&bench, &rows).unwrap();
}

#[test]
fn any_order_any_split_any_repeat_any_restart() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let all = histories(7, 2_600);
    let count = all.len();
    let plan = (
        any::<u64>(),
        proptest::collection::vec(1..count / 2, 1..10),
        proptest::collection::vec(0..count, 0..80),
        proptest::collection::vec(any::<(bool, bool)>(), 10),
        0..3_usize,
    );
    let mut runner = TestRunner::new(ProptestConfig::with_cases(6));
    let result = runner.run(&plan, |(order, sizes, repeats, turns, disorder)| {
        let mut rows = all.clone();
        rows.sort_by_cached_key(|row| {
            let number = i64::from_str_radix(&row.icao24, 16).unwrap() * 1_000_003 + row.time;
            (order ^ number.unsigned_abs()).wrapping_mul(0x9E37_79B9_7F4A_7C15)
        });
        match disorder {
            0 => {}
            // Hours pass before some rows come.
            1 => rows.sort_by_key(|row| row.time / 20_000),
            _ => rows.sort_by_key(|row| row.time),
        }
        let repeated: Vec<Row> = repeats.iter().map(|at| rows[*at].clone()).collect();
        let sent = [rows.clone(), repeated].concat();
        runtime.block_on(async {
            let bench = Bench::new().await;
            commit(&bench, &sent, &sizes, &turns).await;
            compare(&bench, &rows).map_err(TestCaseError::fail)
        })
    });
    result.unwrap();
}

#[tokio::test]
async fn flights_leave_with_the_days_on_which_they_began() {
    const DAY: i64 = 86_400;
    const START: i64 = 1_756_684_800;
    let mut bench = Bench::new().await;
    bench.config.transformer.retention = Duration::from_secs(2 * DAY as u64);
    bench.config.transformer.daily_retention = bench.config.transformer.retention;
    let mut transformer = Transformer::open(&bench.config).await.unwrap();
    for day in 0..5 {
        // One within the day, and one that goes on after midnight.
        let noon = START + day * DAY + 12 * 3_600;
        let evening = START + day * DAY + 23 * 3_600 + 3_000;
        let rows: Vec<Row> = (0..4)
            .flat_map(|minute| {
                [("3c6444", noon), ("4b1812", evening)]
                    .map(|(address, from)| row(address, from + minute * 300))
            })
            .collect();
        bench.append(&rows).await;
        transformer.catch_up().await.unwrap();
        // The newest poll is of the day after, so that two days are this one and that.
        let kept = ["3c6444", "4b1812"]
            .map(|address| vec![Some(address.to_owned()), Some(day.to_string())]);
        let found = bench.query(&format!(
            "select icao24, epoch(first_seen)::bigint // {DAY} - {} as day from flights order by day, icao24",
            START / DAY
        ));
        assert_eq!(found, kept, "day {day}");
    }
    // A restart knows of none of them either.
    drop(transformer);
    let mut transformer = Transformer::open(&bench.config).await.unwrap();
    bench
        .append(&[row("3c6444", START + 5 * DAY + 3_600)])
        .await;
    transformer.catch_up().await.unwrap();
    let oldest =
        bench.query("select min(first_seen) >= max(last_seen) - interval 2 days from flights");
    assert_eq!(oldest, [[Some("true".to_owned())]]);
}
