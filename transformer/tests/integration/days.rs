//! Days leave with the retention, and days are counted again; the marts are those of the rows
//! that remain.

use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use crate::support::recompute::compare;
use crate::support::{Bench, Row, row, rows_at};
use chrono::NaiveDate;
use transformer::publish::Scope;
use transformer::{Days, Transformer};

/// 2025-09-01T00:00:00Z.
const START: i64 = 1_756_684_800;
const DAY: i64 = 86_400;

/// Six polls of a day, with aircraft that fly on every day, on some days and on one day.
fn day(number: i64) -> Vec<Row> {
    let polls = (0..6).map(|poll| START + number * DAY + poll * 14_000);
    polls
        .flat_map(|time| {
            (0..12).map(move |n| {
                let address = match n {
                    0..6 => 0x10_0000 * n + 7,
                    6..9 => 0x3c_0000 + number / 2 * 16 + n,
                    _ => 0xa0_0000 + number * 16 + n,
                };
                let mut state = row(&format!("{address:06x}"), time);
                state.callsign = Some(format!("DLH{}", n + number));
                state.origin_country =
                    Some(["Germany", "France", "Atlantis"][(n % 3) as usize].to_owned());
                state.latitude = Some(40.25 + (n % 4) as f64);
                state.baro_altitude = Some(1000.0 * n as f64);
                state.on_ground = Some(n == 4);
                state
            })
        })
        .collect()
}

fn days(numbers: impl IntoIterator<Item = i64>) -> Vec<Row> {
    numbers.into_iter().flat_map(day).collect()
}

fn date(number: i64) -> NaiveDate {
    chrono::DateTime::from_timestamp(START + number * DAY, 0)
        .unwrap()
        .date_naive()
}

async fn kept_days(kept: u64) -> Bench {
    let mut bench = Bench::new().await;
    bench.config.transformer.retention = Duration::from_secs(kept * 86_400);
    bench.config.transformer.daily_retention = Duration::from_secs(kept * 86_400);
    bench
}

#[tokio::test]
async fn days_leave_when_their_time_is_over() {
    let bench = kept_days(3).await;
    let mut transformer = Transformer::open(&bench.config).await.unwrap();
    for number in 0..7 {
        let rows = day(number);
        // In two halves, so that a day begins and goes on.
        for half in rows.chunks(rows.len() / 2) {
            bench.append(half).await;
            transformer.catch_up().await.unwrap();
        }
        let kept = days((number - 2).max(0)..=number);
        compare(bench.published(), &kept).unwrap_or_else(|e| panic!("day {number}: {e}"));
    }
    let newest = transformer.publish(true).await.unwrap().generation;
    let parts = bench.published().join(format!("gen-{newest}/kpi_history"));
    assert_eq!(std::fs::read_dir(parts).unwrap().count(), 3);
}

#[tokio::test]
async fn rows_of_days_that_have_left_change_nothing() {
    let bench = kept_days(2).await;
    let mut transformer = Transformer::open(&bench.config).await.unwrap();
    for number in 0..5 {
        bench.append(&day(number)).await;
        transformer.catch_up().await.unwrap();
    }
    let kept = days(3..5);
    compare(bench.published(), &kept).unwrap();
    // Sent again, and a day that was never seen.
    for late in [day(1), day(-9)] {
        bench.append(&late).await;
        transformer.catch_up().await.unwrap();
        compare(bench.published(), &kept).unwrap();
    }
    // Counted again from the lake, which still has all of them.
    drop(transformer);
    std::fs::remove_dir_all(&bench.config.transformer.analytics).unwrap();
    let mut transformer = Transformer::open(&bench.config).await.unwrap();
    transformer.catch_up().await.unwrap();
    compare(bench.published(), &kept).unwrap();
}

#[tokio::test]
async fn days_are_counted_again_and_nothing_else() {
    let bench = Bench::new().await;
    let mut transformer = Transformer::open(&bench.config).await.unwrap();
    for number in 0..4 {
        bench.append(&day(number)).await;
        // The same rows again: they are repeats before and after.
        bench.append(&day(number)).await;
        transformer.catch_up().await.unwrap();
    }
    let rows = [days(0..4), days(0..4)].concat();
    for (from, to, files) in [(1, 2, 4), (3, 3, 2), (0, 3, 8), (9, 12, 0)] {
        assert_eq!(
            transformer
                .rebuild_days(date(from), date(to))
                .await
                .unwrap(),
            files
        );
        let mut counted = 0;
        while let Some(step) = transformer.refresh().await.unwrap() {
            counted += step.rows;
        }
        assert_eq!(counted, files * 72, "days {from} to {to}");
        transformer.publish(true).await.unwrap();
        compare(bench.published(), &rows).unwrap_or_else(|e| panic!("days {from} to {to}: {e}"));
    }
    let error = transformer
        .rebuild_days(date(2), date(1))
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("the first is after the last"),
        "{error}"
    );
}

#[tokio::test]
async fn days_that_a_longer_retention_would_have_kept_are_filled_in() {
    let mut bench = kept_days(2).await;
    let mut transformer = Transformer::open(&bench.config).await.unwrap();
    for number in 0..6 {
        bench.append(&day(number)).await;
        transformer.catch_up().await.unwrap();
    }
    compare(bench.published(), &days(4..6)).unwrap();
    drop(transformer);
    bench.config.transformer.retention = Duration::from_secs(5 * 86_400);
    bench.config.transformer.daily_retention = Duration::from_secs(5 * 86_400);
    let mut transformer = Transformer::open(&bench.config).await.unwrap();
    let of = |from, to| Days {
        from: Some(date(from)),
        to: Some(date(to)),
    };
    // Day 0 is missing too, but the retention would remove it at once.
    let steps: [(Days, &[i64]); 4] = [
        (of(-5, 0), &[4, 5]),
        (of(2, 2), &[2, 4, 5]),
        (of(2, 4), &[2, 3, 4, 5]),
        (Days::default(), &[1, 2, 3, 4, 5]),
    ];
    for (asked, there) in steps {
        transformer.backfill(asked).await.unwrap();
        transformer.catch_up().await.unwrap();
        let there = days(there.iter().copied());
        compare(bench.published(), &there).unwrap_or_else(|e| panic!("{asked:?}: {e}"));
    }
}

#[tokio::test]
async fn a_rebuild_of_days_goes_on_after_a_kill() {
    let mut bench = Bench::new().await;
    bench.config.transformer.step_rows = 1;
    let mut transformer = Transformer::open(&bench.config).await.unwrap();
    bench.append(&days(0..4)).await;
    transformer.catch_up().await.unwrap();
    transformer.rebuild_days(date(1), date(3)).await.unwrap();
    for _ in 0..3 {
        // Nobody sees what is half counted.
        assert!(transformer.status().rebuilding);
        let due = transformer.publication_due(Scope::Full);
        assert!(!due.await.unwrap());
        drop(transformer);
        compare(bench.published(), &days(0..4)).unwrap();
        transformer = Transformer::open(&bench.config).await.unwrap();
        transformer.refresh().await.unwrap().unwrap();
    }
    // What comes meanwhile is counted too.
    bench.append(&day(4)).await;
    transformer.catch_up().await.unwrap();
    assert!(!transformer.status().rebuilding);
    compare(bench.published(), &days(0..5)).unwrap();
}

#[tokio::test]
async fn what_aircraft_did_not_do_is_the_same_file() {
    let bench = Bench::new().await;
    let mut transformer = Transformer::open(&bench.config).await.unwrap();
    bench
        .append(&[
            row("000001", START),
            row("ffffff", START),
            row("ODD", START),
        ])
        .await;
    let before = transformer.catch_up().await.unwrap().generation;
    bench
        .append(&[row("ffffff", START + 30), row("300000", START + 30)])
        .await;
    let after = transformer.catch_up().await.unwrap().generation;
    let inode = |generation: u64, part: &str| {
        let file = format!("gen-{generation}/aircraft_stats/{part}.parquet");
        std::fs::metadata(bench.published().join(file))
            .ok()
            .map(|file| file.ino())
    };
    for (part, same) in [("0", true), ("16", true), ("15", false), ("3", false)] {
        assert_eq!(
            inode(before, part) == inode(after, part),
            same,
            "part {part}"
        );
        assert!(inode(after, part).is_some(), "part {part}");
    }
    let found = bench.query("select icao24, total_observations from aircraft_stats order by all");
    let expected = [
        ("000001", "1"),
        ("300000", "1"),
        ("ODD", "1"),
        ("ffffff", "2"),
    ];
    let expected = expected.map(|(a, n)| vec![Some(a.to_owned()), Some(n.to_owned())]);
    assert_eq!(found, expected);
}

/// Rows of days as the marts that keep no daily aggregates count them.
fn detail(bench: &Bench) -> Vec<Vec<Option<String>>> {
    bench.query(
        "select fetch_date, sum(total_observations)::bigint from operator_daily group by all
        union all select utc_date(fetch_hour), sum(total_flights)::bigint from hourly_activity group by all
        union all select utc_date(snapshot_time), sum(aircraft_total)::bigint from kpi_history group by all
        union all select null, sum(total_observations)::bigint from country_stats
        order by all",
    )
}

#[tokio::test]
async fn days_that_leave_the_lake_leave_the_detail_and_not_the_aggregates() {
    let bench = Bench::new().await;
    let mut transformer = Transformer::open(&bench.config).await.unwrap();
    let (first, rest) = (day(0), days(1..4));
    let (morning, evening) = first.split_at(first.len() / 2);
    bench.append(morning).await;
    bench.append(evening).await;
    bench.append(&rest).await;
    transformer.catch_up().await.unwrap();
    compare(bench.published(), &days(0..4)).unwrap();
    let all = daily(&bench);

    // Half a day: it is counted again from the other half.
    let files = bench.data_files().await;
    bench.remove(&files[1..2]).await;
    transformer.catch_up().await.unwrap();
    compare(bench.published(), &[morning, &rest].concat()).unwrap();

    // A whole day: nobody could count its aggregates again.
    bench.remove(&files[3..4]).await;
    transformer.catch_up().await.unwrap();
    let kept = Bench::new().await;
    kept.append(&[morning, &day(1), &day(3)].concat()).await;
    let mut other = Transformer::open(&kept.config).await.unwrap();
    other.catch_up().await.unwrap();
    assert_eq!(detail(&bench), detail(&kept));
    let but_the_first = |rows: Vec<Vec<Option<String>>>| rows[3..].to_vec();
    assert_eq!(but_the_first(daily(&bench)), but_the_first(all));

    // It comes again, from an archive.
    bench.append(&day(2)).await;
    transformer.catch_up().await.unwrap();
    compare(bench.published(), &[morning, &rest].concat()).unwrap();
}

#[tokio::test]
async fn a_rebuild_leaves_the_aggregates_of_days_that_the_lake_has_not() {
    let mut bench = Bench::new().await;
    bench.config.transformer.retention = Duration::from_secs(2 * 86_400);
    let mut transformer = Transformer::open(&bench.config).await.unwrap();
    for number in 0..6 {
        bench.append(&day(number)).await;
        transformer.catch_up().await.unwrap();
    }
    let all = daily(&bench);
    // The lake keeps one of the days before the last three.
    let files = bench.data_files().await;
    bench.remove(&[&files[..1], &files[2..3]].concat()).await;
    let every = Days {
        from: None,
        to: Some(date(5)),
    };
    for days in [every, Days::default()] {
        transformer.rebuild(days).await.unwrap();
        transformer.catch_up().await.unwrap();
        assert_eq!(daily(&bench), all, "{days:?}");
    }
}

#[tokio::test]
async fn a_mart_that_is_written_bit_by_bit_says_how_far_it_is_and_comes_to_an_end() {
    let mut bench = Bench::new().await;
    let models = bench.folder.path().join("models/marts");
    std::fs::create_dir_all(&models).unwrap();
    std::fs::write(models.join("slow_days.sql"), SLOW).unwrap();
    bench.config.transformer.models = Some(bench.folder.path().join("models"));
    let mut transformer = Transformer::open(&bench.config).await.unwrap();
    bench.append(&days(0..3)).await;
    transformer.catch_up().await.unwrap();
    let said = |bench: &Bench| {
        let sql =
            "select as_of, (select string_agg(polls::varchar, ' ' order by day) from slow_days)
            from mart_status where mart = 'slow_days'";
        let row = &bench.query(sql)[0];
        row.iter()
            .map(|value| value.clone().unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(said(&bench), ["2025-09-03 19:26:40+00", "6 6 6"]);

    // A further poll of each day.
    let more = (0..3).flat_map(|number| rows_at(0..3, START + number * DAY + 80_000));
    bench.append(&more.collect::<Vec<_>>()).await;
    while transformer.refresh().await.unwrap().is_some() {}
    for expected in [
        ["2025-09-03 19:26:40+00", "7 6 6"],
        ["2025-09-03 19:26:40+00", "7 7 6"],
        ["2025-09-03 22:13:20+00", "7 7 7"],
    ] {
        assert!(transformer.publication_due(Scope::Due).await.unwrap());
        transformer.publish_scope(Scope::Due).await.unwrap();
        assert_eq!(said(&bench), expected);
    }
    // Other marts may have their turn by now.
    let published = transformer.publish_scope(Scope::Due).await.unwrap();
    assert!(!published.written.contains(&"slow_days".to_owned()));
}

#[tokio::test]
async fn what_takes_long_has_its_turn_although_every_look_finds_something() {
    let mut bench = Bench::new().await;
    let models = bench.folder.path().join("models/marts");
    std::fs::create_dir_all(&models).unwrap();
    let hourly = SLOW.replace("at least every 1ns", "at least every 1h");
    std::fs::write(models.join("slow_days.sql"), hourly).unwrap();
    bench.config.transformer.models = Some(bench.folder.path().join("models"));
    bench.append(&day(0)).await;
    let mut transformer = Transformer::open(&bench.config).await.unwrap();
    transformer.catch_up().await.unwrap();
    drop(transformer);
    for (age, is_written) in [(59 * 60, false), (61 * 60, true)] {
        let description = bench.published().join("CURRENT");
        let current = std::fs::read_to_string(description).unwrap();
        let description = bench
            .published()
            .join(current.trim())
            .join("generation.json");
        let text = std::fs::read_to_string(&description).unwrap();
        let mut generation: serde_json::Value = serde_json::from_str(&text).unwrap();
        let entry = &mut generation["marts"]["slow_days"];
        let written = chrono::Utc::now() - Duration::from_secs(age);
        entry["refreshed_at"] = serde_json::to_value(written).unwrap();
        entry["duration"] = 1.0.into();
        std::fs::write(&description, generation.to_string()).unwrap();
        let time = START + 80_000 + i64::from(is_written);
        bench.append(&rows_at(0..3, time)).await;
        let mut transformer = Transformer::open(&bench.config).await.unwrap();
        assert!(transformer.refresh().await.unwrap().is_some());
        let published = transformer.publish_scope(Scope::Quick).await.unwrap();
        let slow = "slow_days".to_owned();
        assert_eq!(
            published.written.contains(&slow),
            is_written,
            "after {age} s"
        );
    }
}

/// A mart of which one part takes longer than all may together.
const SLOW: &str = "\
-- description: Polls of each day, slowly.
-- grain: day
-- kind: full
-- refresh: full
-- publish: 100% of the time, at least every 1ns
-- columns:
--   day: date of the polls, UTC
--   polls: how many there were

-- @parts
select utc_date(snapshot_time)::varchar as part, max(last_batch) as last_batch
from polls
group by all

-- @select
with days as (
    select utc_date(snapshot_time) as day from polls
)
select day, count(*) as polls
from days
where day = getvariable('part')::date
    and (select count(*) from range(60000000) as numbers (n) where hash(n) % 2 = 0) > 0
group by day
";

/// What `country_daily` says, day by day.
fn daily(bench: &Bench) -> Vec<Vec<Option<String>>> {
    bench.query("select * from country_daily order by fetch_date, origin_country")
}

#[tokio::test]
async fn daily_aggregates_outlive_their_days_in_the_lake_and_every_rebuild() {
    let mut bench = Bench::new().await;
    bench.config.transformer.retention = Duration::from_secs(2 * 86_400);
    let mut transformer = Transformer::open(&bench.config).await.unwrap();
    for number in 0..5 {
        bench.append(&day(number)).await;
        transformer.catch_up().await.unwrap();
    }
    let all = daily(&bench);
    assert_eq!(all.len(), 5 * 3);
    let files = bench.data_files().await;
    bench.remove(&files[..3]).await;
    transformer.catch_up().await.unwrap();
    assert_eq!(daily(&bench), all);

    // From the lake, which has the last two days only.
    transformer.rebuild(Days::default()).await.unwrap();
    transformer.catch_up().await.unwrap();
    assert_eq!(daily(&bench), all);

    // By other models, and again after a kill between the two steps of that.
    drop(transformer);
    for size in [1.0, 0.5] {
        bench.config.transformer.density_cell_degrees = size;
        let mut transformer = Transformer::open(&bench.config).await.unwrap();
        assert_eq!(transformer.status().rows, 0);
        drop(transformer);
        transformer = Transformer::open(&bench.config).await.unwrap();
        transformer.catch_up().await.unwrap();
        assert_eq!(daily(&bench), all);
    }
    assert!(!bench.config.transformer.analytics.join("kept").exists());

    // Rows of a day that has left are repeats still.
    let mut transformer = Transformer::open(&bench.config).await.unwrap();
    bench.append(&day(1)).await;
    bench.append(&day(5)).await;
    transformer.catch_up().await.unwrap();
    assert_eq!(daily(&bench)[..all.len()], all);

    // Another lake has other days.
    drop(transformer);
    let other = Bench::new().await;
    other.append(&day(7)).await;
    bench.config.lake = other.config.lake.clone();
    let mut transformer = Transformer::open(&bench.config).await.unwrap();
    transformer.catch_up().await.unwrap();
    assert_eq!(daily(&bench).len(), 3);
}
