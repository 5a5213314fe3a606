//! The given/expect cases beside the models.
//!
//! `models/tests/MART.toml` holds cases: batches of `flight_states` rows as CSV, each committed
//! to a lake of its own, and the rows the mart must then have, as CSV. Columns that a case does
//! not name are null, or not compared; `icao24` and `snapshot_time` are always given.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a helper that fails is a test that fails"
)]

mod support;

use serde::Deserialize;
use support::{Bench, Row};
use transformer::Transformer;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cases {
    case: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    given: Vec<String>,
    expect: String,
}

#[tokio::test]
async fn every_case_of_every_model_holds() {
    let mut marts: Vec<String> = Vec::new();
    for (mart, text) in transformer::models::cases() {
        let cases: Cases = toml::from_str(text).unwrap_or_else(|e| panic!("{mart}: {e}"));
        for case in &cases.case {
            check(&mart, case).await;
        }
        marts.push(mart);
    }
    for model in transformer::models::Models::embedded().unwrap().iter() {
        assert!(
            !model.mart || marts.contains(&model.name),
            "{} has no case",
            model.name
        );
    }
}

async fn check(mart: &str, case: &Case) {
    let bench = Bench::new().await;
    let mut transformer = Transformer::open(&bench.config).await.unwrap();
    for batch in &case.given {
        bench.append(&rows(batch)).await;
        transformer.catch_up().await.unwrap();
    }
    let (columns, mut expected) = csv(&case.expect);
    let select = format!("select {} from {mart}", columns.join(", "));
    let mut found: Vec<Vec<String>> = bench
        .query(&select)
        .into_iter()
        .map(|row| {
            row.into_iter()
                .map(|value| value.unwrap_or("null".into()))
                .collect()
        })
        .collect();
    found.sort();
    expected.sort();
    assert_eq!(
        found,
        expected,
        "{mart}: {}\n{}",
        case.name,
        columns.join(",")
    );
}

/// A header and rows; cells are separated by commas and trimmed.
fn csv(text: &str) -> (Vec<&str>, Vec<Vec<String>>) {
    let mut lines = text.trim().lines();
    let header: Vec<_> = lines.next().unwrap().split(',').map(str::trim).collect();
    let rows = lines.map(|line| {
        let cells: Vec<String> = line.split(',').map(|c| c.trim().to_owned()).collect();
        assert_eq!(cells.len(), header.len(), "{line}");
        cells
    });
    let rows = rows.collect();
    (header, rows)
}

fn rows(text: &str) -> Vec<Row> {
    let (header, rows) = csv(text);
    let row = |cells: Vec<String>| {
        let get = |name: &str| {
            let cell = header
                .iter()
                .position(|h| *h == name)
                .map(|at| cells[at].clone());
            cell.filter(|cell| cell != "null")
        };
        let number = |name: &str| get(name).map(|cell| cell.parse().unwrap());
        let text =
            |name: &str| get(name).map(|cell| if cell == "''" { String::new() } else { cell });
        let time = |name: &str| {
            get(name).map(|cell| {
                chrono::DateTime::parse_from_rfc3339(&cell)
                    .unwrap()
                    .timestamp()
            })
        };
        let known = [
            "icao24",
            "snapshot_time",
            "callsign",
            "origin_country",
            "longitude",
            "latitude",
            "baro_altitude",
            "on_ground",
            "velocity",
            "true_track",
            "vertical_rate",
            "geo_altitude",
            "squawk",
            "category",
            "time_position",
            "last_contact",
        ];
        assert!(header.iter().all(|name| known.contains(name)), "{header:?}");
        Row {
            icao24: get("icao24").unwrap(),
            callsign: text("callsign"),
            origin_country: text("origin_country"),
            longitude: number("longitude"),
            latitude: number("latitude"),
            baro_altitude: number("baro_altitude"),
            on_ground: get("on_ground").map(|cell| cell.parse().unwrap()),
            velocity: number("velocity"),
            true_track: number("true_track"),
            vertical_rate: number("vertical_rate"),
            geo_altitude: number("geo_altitude"),
            squawk: text("squawk"),
            category: get("category").map(|cell| cell.parse().unwrap()),
            time_position: time("time_position"),
            last_contact: time("last_contact"),
            time: time("snapshot_time").unwrap(),
        }
    };
    rows.into_iter().map(row).collect()
}
