//! What should not come and does: it is counted or refused by name, and stops nothing.

use crate::support::{Bench, EVENING, poll, row, rows_at};
use transformer::{Error, Transformer};

#[tokio::test]
async fn texts_with_a_zero_byte_are_texts() {
    let bench = Bench::new().await;
    let mut odd = row("ab\0cde", EVENING);
    odd.origin_country = Some("Ger\0many".to_owned());
    odd.callsign = Some("D\0LH".to_owned());
    bench.append(&[odd]).await;
    bench.append(&poll(1)).await;
    let mut transformer = Transformer::open(&bench.config).await.unwrap();
    transformer.catch_up().await.unwrap();
    let sql = "select
            (select count(*) from country_stats where origin_country = 'Ger' || chr(0) || 'many'),
            (select count(*) from aircraft_stats where icao24 = 'ab' || chr(0) || 'cde')";
    assert_eq!(bench.query(sql), [[Some("1".into()), Some("1".into())]]);
}

#[tokio::test]
async fn absurd_values_keep_nothing_from_readers() {
    let bench = Bench::new().await;
    let mut rows = Vec::new();
    for (address, altitude) in [
        ("aaaaa1", 2.345_678_9e13),
        ("aaaaa2", 1e308),
        ("aaaaa3", -1e308),
    ] {
        for number in 0..7 {
            let mut state = row(address, EVENING + number * 30);
            state.baro_altitude = Some(altitude);
            state.velocity = Some(altitude);
            rows.push(state);
        }
    }
    bench.append(&rows).await;
    let mut transformer = Transformer::open(&bench.config).await.unwrap();
    transformer.catch_up().await.unwrap();
    let counted = bench.query("select count(*) from aircraft_stats");
    assert_eq!(counted, [[Some("3".into())]]);
}

#[tokio::test]
async fn another_lake_is_not_taken_for_an_empty_one() {
    let mut bench = Bench::new().await;
    bench.append(&rows_at(0..20, EVENING)).await;
    let mut transformer = Transformer::open(&bench.config).await.unwrap();
    transformer.catch_up().await.unwrap();
    drop(transformer);

    let right = bench.config.lake.clone();
    bench.config.lake.catalog_name = "other".to_owned();
    let mut transformer = Transformer::open(&bench.config).await.unwrap();
    let error = transformer.catch_up().await.unwrap_err();
    assert!(
        matches!(error, Error::TableGone { rows: 20, .. }),
        "{error}"
    );
    let day = chrono::DateTime::from_timestamp(EVENING, 0)
        .unwrap()
        .date_naive();
    let error = transformer.rebuild_days(day, day).await.unwrap_err();
    assert!(matches!(error, Error::TableGone { .. }), "{error}");
    drop(transformer);
    let polls = "select count(*) from kpi_history";
    assert_eq!(bench.query(polls), [[Some("1".into())]]);

    bench.config.lake = right;
    let mut transformer = Transformer::open(&bench.config).await.unwrap();
    bench.append(&poll(1)).await;
    transformer.catch_up().await.unwrap();
    assert_eq!(bench.query(polls), [[Some("2".into())]]);
}
