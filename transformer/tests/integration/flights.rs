//! Whatever way rows reach the lake, and whatever ends the transformer, the mart `flights` has
//! what reading each aircraft's whole history gives.

use std::time::Duration;

use crate::support::flights::{compare, compare_since, histories};
use crate::support::{Bench, Row, row};
use proptest::prelude::*;
use proptest::test_runner::{TestCaseError, TestRunner};
use transformer::{Days, Transformer};

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

/// Keeps two days.
async fn two_days() -> Bench {
    let mut bench = Bench::new().await;
    bench.config.transformer.retention = Duration::from_secs(2 * 86_400);
    bench
}

/// The first second of the last two days that rows are of.
fn two_days_back(rows: &[Row]) -> i64 {
    let newest = rows.iter().map(|row| row.time).max().unwrap();
    (newest.div_euclid(86_400) - 1) * 86_400
}

#[tokio::test]
async fn late_rows_of_days_that_have_left_bring_no_flights() {
    let older = histories(7, 4_000);
    let mut newer = histories(6, 5_000);
    for row in &mut newer {
        for time in [&mut row.time_position, &mut row.last_contact] {
            *time = time.map(|time| time + 40 * 86_400);
        }
        row.time += 40 * 86_400;
    }
    let all = [newer.clone(), older.clone()].concat();
    let since = two_days_back(&all);
    for batches in [[&newer, &older], [&older, &newer]] {
        let bench = two_days().await;
        let mut transformer = Transformer::open(&bench.config).await.unwrap();
        for rows in batches {
            bench.append(rows).await;
            transformer.catch_up().await.unwrap();
        }
        compare_since(&bench, &all, since).unwrap();
        transformer.rebuild(Days::default()).await.unwrap();
        transformer.catch_up().await.unwrap();
        compare_since(&bench, &all, since).unwrap();
    }
}

#[tokio::test]
async fn a_flight_across_the_edge_of_the_retention_leaves_whole() {
    let bench = two_days().await;
    let mut rows = histories(9, 6_000);
    rows.sort_by_key(|row| row.time);
    // Some rows of the last two days, also of flights that began before them, come last.
    let since = two_days_back(&rows);
    let (late, early): (Vec<Row>, Vec<Row>) = rows
        .iter()
        .cloned()
        .partition(|row| row.time > since && row.time % 420 == 0);
    let mut transformer = Transformer::open(&bench.config).await.unwrap();
    for batch in early.chunks(early.len() / 20) {
        bench.append(batch).await;
        transformer.catch_up().await.unwrap();
    }
    compare_since(&bench, &early, since).unwrap();
    bench.append(&late).await;
    transformer.catch_up().await.unwrap();
    compare_since(&bench, &rows, since).unwrap();
}

#[tokio::test]
async fn flights_of_rows_that_have_left_the_lake_are_gone() {
    let bench = Bench::new().await;
    let rows = histories(7, 5_000);
    let day = |row: &Row| row.time.div_euclid(86_400);
    let first = rows.iter().map(day).min().unwrap();
    for number in 0..5 {
        let of_day = rows.iter().filter(|row| day(row) == first + number);
        bench.append(&of_day.cloned().collect::<Vec<_>>()).await;
    }
    let mut transformer = Transformer::open(&bench.config).await.unwrap();
    transformer.catch_up().await.unwrap();
    compare(&bench, &rows).unwrap();
    let files = bench.data_files().await;
    for gone in [1, 0] {
        bench.remove(&files[gone..=gone]).await;
        transformer.catch_up().await.unwrap();
        let kept = rows.iter().filter(|row| {
            let gone = i64::try_from(gone).unwrap();
            !(first + gone..=first + 1).contains(&day(row))
        });
        let kept: Vec<Row> = kept.cloned().collect();
        compare(&bench, &kept).unwrap();
    }
}

#[tokio::test]
async fn a_row_that_repeats_a_stale_one_tells_nothing() {
    let bench = Bench::new().await;
    let address = "3c6444";
    let start = 1_758_916_800;
    let mut rows: Vec<Row> = (0..7).map(|n| row(address, start + n * 60)).collect();
    rows[6].last_contact = Some(start);
    let repeat = row(address, start + 360);
    let ends = [[Some("5".to_owned())]];
    let minutes = "select (epoch(last_seen)::bigint - 1758916800) // 60 from flights
        where icao24 = '3c6444'";
    let mut transformer = Transformer::open(&bench.config).await.unwrap();
    bench.append(&rows).await;
    transformer.catch_up().await.unwrap();
    assert_eq!(bench.query(minutes), ends);
    bench.append(&[repeat]).await;
    transformer.catch_up().await.unwrap();
    assert_eq!(bench.query(minutes), ends, "sent again");
    drop(transformer);
    let mut transformer = Transformer::open(&bench.config).await.unwrap();
    bench.append(&[row("4b1812", start + 420)]).await;
    transformer.catch_up().await.unwrap();
    assert_eq!(bench.query(minutes), ends, "after a restart");
    bench.append(&[row(address, start + 150)]).await;
    transformer.catch_up().await.unwrap();
    assert_eq!(bench.query(minutes), ends, "derived again");
}
