//! Whatever way rows reach the lake, and whatever ends the transformer, the mart `flights` has
//! what reading each aircraft's whole history gives.

use crate::support::flights::{compare, histories};
use crate::support::{Bench, Row};
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
