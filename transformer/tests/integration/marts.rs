//! Whatever way rows reach the lake, each mart equals straight SQL over all of them.

use crate::support::recompute::{compare, compare_but};
use crate::support::{Bench, Row, row, rows_at};
use iceberg::transaction::{ApplyTransactionAction, Transaction};
use proptest::prelude::*;
use proptest::test_runner::{TestCaseError, TestRunner};
use transformer::Transformer;

/// 2025-09-26T22:00:00Z: polls from here on cross hours and midnight.
const START: i64 = 1_758_924_000;

/// A fleet of every kind of row over a number of polls, 7 minutes apart.
fn fleet(aircraft: i64, polls: i64) -> Vec<Row> {
    fleet_every(420, aircraft, polls)
}

/// The same with polls that are `seconds` apart.
fn fleet_every(seconds: i64, aircraft: i64, polls: i64) -> Vec<Row> {
    let one = |poll: i64, n: i64| {
        let x = (n * 37 + poll * 11) % 100;
        let mut state = row(&format!("{:06x}", n * 7919), START + poll * seconds);
        state.callsign = match x % 7 {
            0 => None,
            1 => Some(format!("DEA{}", ["B", "C"][(n % 2) as usize])),
            2 => Some(format!("ab {n}")),
            _ => Some(format!(
                "AB{}{}",
                ["C", "D", "E"][(n % 3) as usize],
                n * 3 + poll / 9
            )),
        };
        state.origin_country = match n % 6 {
            0 => None,
            1 => Some(String::new()),
            2 => Some("United States".to_owned()),
            3 => Some("Republic of Korea".to_owned()),
            4 => Some("Atlantis".to_owned()),
            _ => Some("Germany".to_owned()),
        };
        state.latitude = (x % 9 != 0).then_some(40.0 + n as f64 % 5.0 + poll as f64 * 0.03);
        state.longitude = match x % 13 {
            0 => None,
            1 => Some(181.0),
            _ => Some(-3.0 + n as f64 % 3.0),
        };
        state.baro_altitude = (x % 5 != 0).then_some(x as f64 * 90.5);
        state.velocity = (x % 8 != 0).then_some(x as f64 * 4.7);
        state.time_position = (x % 11 != 0).then_some(state.time - x);
        state.last_contact = (x % 6 != 0).then_some(state.time - x / 2);
        state.on_ground = (x % 10 != 0).then_some(x % 4 == 0);
        state.squawk = match (n % 4, (x + poll) % 5) {
            (_, 0) => None,
            (0, 1 | 2) => Some("7700".to_owned()),
            (0, 3) => Some("7600".to_owned()),
            (1, 1) => Some("7500".to_owned()),
            _ => Some(format!("{:04o}", n * 97 % 4096)),
        };
        state
    };
    let all = (0..polls).flat_map(|poll| (0..aircraft).map(move |n| (poll, n)));
    let mut rows: Vec<Row> = all.map(|(poll, n)| one(poll, n)).collect();
    rows[0].icao24 = "ABC123".to_owned();
    rows
}

async fn committed(bench: &Bench, batches: &[Vec<Row>], refresh_between: bool) -> Vec<Row> {
    let mut transformer = Transformer::open(&bench.config).await.unwrap();
    for batch in batches.iter().filter(|batch| !batch.is_empty()) {
        bench.append(batch).await;
        if refresh_between {
            transformer.catch_up().await.unwrap();
        }
    }
    transformer.catch_up().await.unwrap();
    batches.concat()
}

#[tokio::test]
async fn one_commit_a_poll() {
    let bench = Bench::new().await;
    let rows = fleet(60, 50);
    let polls: Vec<Vec<Row>> = rows.chunks(60).map(<[Row]>::to_vec).collect();
    let rows = committed(&bench, &polls, true).await;
    compare(bench.published(), &rows).unwrap();
    for (mart, _, _) in crate::support::recompute::MARTS {
        let found = bench.query(&format!("select count(*) > 0 from {mart}"));
        assert_eq!(found, [[Some("true".to_owned())]], "{mart} is empty");
    }
}

#[tokio::test]
async fn a_backlog_is_worked_off_in_steps() {
    let mut bench = Bench::new().await;
    bench.config.transformer.step_rows = 500;
    let rows = fleet(60, 50);
    let polls: Vec<Vec<Row>> = rows.chunks(90).map(<[Row]>::to_vec).collect();
    let rows = committed(&bench, &polls, false).await;
    compare(bench.published(), &rows).unwrap();
    let mut transformer = Transformer::open(&bench.config).await.unwrap();
    assert_eq!(transformer.refresh().await.unwrap(), None);
    assert!(transformer.status().caught_up);
}

#[tokio::test]
async fn everything_sent_twice_changes_nothing() {
    let bench = Bench::new().await;
    let rows = fleet(30, 45);
    let polls: Vec<Vec<Row>> = rows.chunks(30).map(<[Row]>::to_vec).collect();
    let once = committed(&bench, &polls, true).await;
    let counted = bench.query("select sum(aircraft_total), count(*) from kpi_history");
    // Older polls than are remembered: they are looked up in the lake.
    let again = committed(&bench, &polls, true).await;
    assert_eq!(
        bench.query("select sum(aircraft_total), count(*) from kpi_history"),
        counted
    );
    compare(bench.published(), &[once, again].concat()).unwrap();
}

#[test]
fn any_order_any_split_any_repeat() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let rows = fleet(12, 50);
    let plan = (
        Just(rows).prop_shuffle(),
        proptest::collection::vec(1..120_usize, 1..12),
        proptest::collection::vec((0..600_usize, -2..3_i64, 0.0..300.0_f64), 0..80),
        any::<bool>(),
    );
    let mut runner = TestRunner::new(ProptestConfig::with_cases(6));
    let result = runner.run(&plan, |(rows, sizes, repeats, between)| {
        // A repeat has other values, and may have arrived before what was sent first.
        let mut sent = rows.clone();
        sent.extend(repeats.iter().map(|(at, before, by)| {
            let mut again = rows[*at].clone();
            again.ingested -= before;
            again.baro_altitude = Some(1_000.0 + *by);
            again.velocity = Some(*by);
            again.on_ground = again.on_ground.map(|ground| !ground);
            again
        }));
        let mut batches = Vec::new();
        let mut rest = sent.as_slice();
        for size in sizes {
            let (batch, after) = rest.split_at(size.min(rest.len()));
            batches.push(batch.to_vec());
            rest = after;
        }
        batches.push(rest.to_vec());
        runtime.block_on(async {
            let bench = Bench::new().await;
            committed(&bench, &batches, between).await;
            compare(bench.published(), &sent).map_err(TestCaseError::fail)
        })
    });
    result.unwrap();
}

/// Polls over more than a day, the newest neither first nor last: rows leave the windows that end
/// with it, and those that came too early to be in one are not missed.
#[tokio::test]
async fn windows_end_with_the_newest_poll_whatever_the_order() {
    let bench = Bench::new().await;
    let rows = fleet_every(2_833, 15, 40);
    let polls: Vec<Vec<Row>> = rows.chunks(15).map(<[Row]>::to_vec).collect();
    let order = (0..40).map(|index| polls[(index * 17 + 5) % 40].clone());
    let rows = committed(&bench, &order.collect::<Vec<_>>(), true).await;
    compare(bench.published(), &rows).unwrap();
    let outside = "select count(*) > 0 from hourly_activity
        where fetch_hour < (select min(window_from) from flight_density_recent) - interval 1 hour";
    assert_eq!(bench.query(outside), [[Some("true".to_owned())]]);
}

#[tokio::test]
async fn another_size_of_cells_counts_everything_again() {
    let mut bench = Bench::new().await;
    let rows = fleet(20, 10);
    committed(&bench, &[rows[..100].to_vec(), rows[100..].to_vec()], true).await;
    let total = "select window_hours, sum(flight_count)::bigint
        from flight_density_recent group by all order by all";
    let before = bench.query(total);
    bench.config.transformer.density_cell_degrees = 2.5;
    committed(&bench, &[], false).await;
    assert_eq!(bench.query(total), before);
    let corners = "select bool_and(lat_grid % 2.5 = 0 and lon_grid % 2.5 = 0), max(lat_grid)
        from flight_density_recent";
    let expected = [Some("true".to_owned()), Some("42.5".to_owned())];
    assert_eq!(bench.query(corners), [expected]);
    compare_but(&["flight_density_recent"], bench.published(), &rows).unwrap();

    bench.config.transformer.density_cell_degrees = f64::NAN;
    let error = Transformer::open(&bench.config).await.unwrap_err();
    let said = error.to_string();
    assert!(said.contains("transformer.density_cell_degrees"), "{said}");
}

#[tokio::test]
async fn an_expired_watermark_leads_to_a_rebuild() {
    let bench = Bench::new().await;
    let rows = fleet(20, 12);
    let polls: Vec<Vec<Row>> = rows.chunks(20).map(<[Row]>::to_vec).collect();
    committed(&bench, &polls[..4], true).await;
    for poll in &polls[4..] {
        bench.append(poll).await;
    }
    let table = bench.table().await;
    let current = table.metadata().current_snapshot_id().unwrap();
    let parent = table
        .metadata()
        .current_snapshot()
        .unwrap()
        .parent_snapshot_id()
        .unwrap();
    let old: Vec<i64> = table
        .metadata()
        .snapshots()
        .map(|snapshot| snapshot.snapshot_id())
        .filter(|id| *id != current && *id != parent)
        .collect();
    let transaction = Transaction::new(&table);
    let expire = transaction.expire_snapshots().expire_snapshot_ids(old);
    let transaction = expire.apply(transaction).unwrap();
    transaction.commit(&*bench.lake.catalog()).await.unwrap();

    let rows = committed(&bench, &[], false).await;
    assert!(rows.is_empty());
    compare(bench.published(), &polls.concat()).unwrap();
}

#[tokio::test]
async fn a_new_column_reaches_cleaned_flights() {
    use iceberg::spec::{PrimitiveType, Type};
    use iceberg::transaction::AddColumn;
    let bench = Bench::new().await;
    committed(&bench, &[fleet(5, 2)], true).await;
    let table = bench.table().await;
    let transaction = Transaction::new(&table);
    let column = AddColumn::optional("operator", Type::Primitive(PrimitiveType::String));
    let action = transaction.update_schema().add_column(column);
    let transaction = action.apply(transaction).unwrap();
    transaction.commit(&*bench.lake.catalog()).await.unwrap();
    committed(&bench, &[fleet(5, 4)], true).await;
    let found = bench.query("select distinct operator from cleaned_flights");
    assert_eq!(found, [[None]]);
    compare(bench.published(), &[fleet(5, 2), fleet(5, 4)].concat()).unwrap();
}

#[tokio::test]
async fn an_empty_lake_has_empty_marts_and_a_second_writer_is_refused() {
    let bench = Bench::new().await;
    let mut transformer = Transformer::open(&bench.config).await.unwrap();
    transformer.catch_up().await.unwrap();
    for (mart, _, _) in crate::support::recompute::MARTS {
        let found = bench.query(&format!("select count(*) from {mart}"));
        assert_eq!(found, [[Some("0".to_owned())]], "{mart}");
    }
    let error = Transformer::open(&bench.config)
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("in use by another transformer"), "{error}");
}

#[tokio::test]
async fn marts_have_the_columns_that_readers_rely_on_in_types_that_all_of_them_show() {
    let bench = Bench::new().await;
    committed(&bench, &[fleet(20, 3)], false).await;
    let describe = |mart: &str| {
        transformer::query(bench.published(), &format!("select * from {mart} limit 0")).unwrap()
    };
    for (mart, columns) in crate::support::contract::MARTS {
        let found = describe(mart).columns;
        for column in columns.split_whitespace() {
            assert!(found.iter().any(|c| c == column), "{mart} has no {column}");
        }
    }
    for model in transformer::models::Models::embedded().unwrap().iter() {
        if !model.mart {
            continue;
        }
        let found = describe(&model.name);
        let described: Vec<_> = model.columns.iter().map(|(name, _)| name).collect();
        let columns: Vec<_> = found.columns.iter().collect();
        assert_eq!(columns, described, "{}", model.name);
        for (column, of) in found.columns.iter().zip(&found.types) {
            let shown = crate::support::contract::TYPES.contains(&of.as_str());
            assert!(shown, "{}.{column} is {of}", model.name);
        }
    }
}

#[tokio::test]
async fn what_did_not_change_is_the_same_file() {
    use std::os::unix::fs::MetadataExt;
    let bench = Bench::new().await;
    // Two days of polls; then one more poll on the second.
    let rows = fleet(5, 40);
    let (first, second) = rows.split_at(195);
    let mut transformer = Transformer::open(&bench.config).await.unwrap();
    bench.append(first).await;
    let before = transformer.catch_up().await.unwrap().generation;
    bench.append(second).await;
    let after = transformer.catch_up().await.unwrap().generation;
    let inode = |generation: u64, day: &str| {
        let file = format!("gen-{generation}/kpi_history/{day}.parquet");
        std::fs::metadata(bench.published().join(file))
            .unwrap()
            .ino()
    };
    assert_eq!(inode(before, "2025-09-26"), inode(after, "2025-09-26"));
    assert_ne!(inode(before, "2025-09-27"), inode(after, "2025-09-27"));
    let status = bench.query("select generation, rows from mart_status where mart = 'kpi_history'");
    assert_eq!(status, [[Some(after.to_string()), Some("40".to_owned())]]);
}

/// Whoever was counted first makes way, whether it is still known or looked up in the lake, and once.
#[tokio::test]
async fn what_arrived_first_and_is_committed_last_counts_as_in_a_rebuild() {
    let bench = Bench::new().await;
    let rows = fleet(20, 45);
    let polls: Vec<Vec<Row>> = rows.chunks(20).map(<[Row]>::to_vec).collect();
    let mut sent = committed(&bench, &polls, true).await;
    for (poll, before) in [(44, 1), (3, 1), (3, -1), (44, 2)] {
        let mut again = polls[poll].clone();
        for state in &mut again {
            state.ingested -= before;
            state.baro_altitude = Some(1_000.0 * before as f64);
            state.latitude = state.latitude.map(|latitude| latitude - 1.0);
        }
        sent.extend(committed(&bench, &[again], true).await);
        compare(bench.published(), &sent).unwrap();
        let mut transformer = Transformer::open(&bench.config).await.unwrap();
        assert_eq!(transformer.refresh().await.unwrap(), None);
    }
    let marts = || {
        let all = crate::support::recompute::MARTS.iter();
        let all = all.map(|(mart, columns, _)| {
            bench.query(&format!("select {columns} from {mart} order by all"))
        });
        let flights = "select * from flights order by all";
        all.chain([bench.query(flights)]).collect::<Vec<_>>()
    };
    let before = marts();
    let mut transformer = Transformer::open(&bench.config).await.unwrap();
    transformer.rebuild(Default::default()).await.unwrap();
    transformer.catch_up().await.unwrap();
    assert_eq!(marts(), before);
}

/// One append with such rows of several days, which are not looked at together; and each day, with
/// what was sent again, has more rows than a step.
#[tokio::test]
async fn what_arrived_first_counts_on_every_day_it_is_of() {
    let mut bench = Bench::new().await;
    bench.config.transformer.step_rows = 30;
    let days: Vec<Vec<Row>> = [0, 3, 4]
        .map(|day| rows_at(0..20, START + day * 86_400))
        .to_vec();
    let mut sent = committed(&bench, &days, true).await;
    let mut again = days.concat();
    for (state, number) in again.iter_mut().zip(0_i32..) {
        state.ingested -= 1;
        state.baro_altitude = Some(f64::from(number));
    }
    sent.extend(committed(&bench, &[again], true).await);
    compare(bench.published(), &sent).unwrap();
}

/// A second producer sends the same, and its clock is behind.
#[tokio::test]
async fn what_arrived_first_and_is_the_same_costs_no_recount() {
    let bench = Bench::new().await;
    let rows = fleet(20, 3);
    let mut sent = committed(&bench, std::slice::from_ref(&rows), true).await;
    let mut transformer = Transformer::open(&bench.config).await.unwrap();
    for (seconds, differs, counted) in [(1, false, true), (2, true, false), (3, false, true)] {
        let mut again = if differs {
            rows.clone()
        } else {
            sent[sent.len() - 60..].to_vec()
        };
        for state in &mut again {
            state.ingested = state.time - seconds;
            if differs {
                state.velocity = Some(1.0);
            }
        }
        bench.append(&again).await;
        sent.extend(again);
        let refreshed = transformer.refresh().await.unwrap().unwrap();
        assert_eq!(refreshed.batch.is_some(), counted, "{seconds}");
        transformer.catch_up().await.unwrap();
        compare(bench.published(), &sent).unwrap();
    }
}

/// An aircraft twice in a poll, in one file and in two.
#[tokio::test]
async fn of_two_rows_of_a_poll_the_same_counts_everywhere() {
    let bench = Bench::new().await;
    let at = |altitude: f64| {
        let mut rows = rows_at(0..12_000, START);
        for state in &mut rows {
            state.baro_altitude = Some(altitude);
        }
        rows
    };
    bench
        .append(&[at(1_000.0), at(2_000.0), at(3_000.0)].concat())
        .await;
    bench.append(&at(4_000.0)).await;
    let mut transformer = Transformer::open(&bench.config).await.unwrap();
    transformer.catch_up().await.unwrap();
    for mart in ["cleaned_flights", "current_positions"] {
        let found = bench.query(&format!(
            "select count(*), min(baro_altitude), max(baro_altitude) from {mart}"
        ));
        let expected = ["12000", "1000.0", "1000.0"].map(|text| Some(text.to_owned()));
        assert_eq!(found, [expected], "{mart}");
    }
}
