//! The whole chain as separate processes on real servers: simulator, producer, consumer and
//! transformer, then the marts against the lake as others count it.
#![cfg(test)]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use e2e::lake::{count, expect_exactly};
use e2e::load::Load;
use e2e::process::{Process, program};
use e2e::server::{Kafka, Registry};

const LIMIT: Duration = Duration::from_secs(120);

fn start(folder: &Path, name: &str, settings: &[String]) -> Process {
    let arguments = settings
        .iter()
        .flat_map(|setting| ["--set", setting.as_str()]);
    Process::start(folder, name, name, arguments, &[])
}

/// Asks the published marts; the answer is JSON, one object a row.
fn query(folder: &Path, sql: &str) -> Option<Vec<serde_json::Value>> {
    let output = Command::new(program("transformer"))
        .args(["query", sql, "--format", "json"])
        .args([
            "--set",
            &format!(
                "transformer.published={}",
                folder.join("published").display()
            ),
        ])
        .current_dir(folder)
        .output()
        .unwrap();
    if !output.status.success() {
        return None;
    }
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

#[test]
fn polls_become_marts_and_every_row_counts_once() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let kafka = Kafka::start(folder);
    let registry = Registry::start(folder);
    let simulator = start(
        folder,
        "simulator",
        &[
            "simulator.aircraft=2000".to_owned(),
            "simulator.credits.anonymous_daily=0".to_owned(),
        ],
    );
    let url = e2e::wait("the simulator's address", LIMIT, || {
        let log = simulator.log();
        log.lines()
            .find(|line| line.starts_with("http://"))
            .map(str::to_owned)
    });
    let servers = [
        format!("kafka.brokers={}", kafka.brokers()),
        format!("registry.url={}", registry.url()),
    ];
    let lake = format!("lake.warehouse={}", folder.join("warehouse").display());
    let with = |more: &[String]| [servers.as_slice(), more].concat();
    let producer = start(
        folder,
        "producer",
        &with(&[
            "producer.interval=1s".to_owned(),
            "producer.source=simulator".to_owned(),
            format!("producer.opensky.base_url={url}/api"),
        ]),
    );
    let consumer = start(
        folder,
        "consumer",
        &with(&[lake.clone(), "consumer.commit_age=300ms".to_owned()]),
    );
    let transformer = start(
        folder,
        "transformer",
        &[
            lake,
            format!(
                "transformer.analytics={}",
                folder.join("analytics").display()
            ),
            format!(
                "transformer.published={}",
                folder.join("published").display()
            ),
            format!("transformer.logs={}", folder.join("logs/runs").display()),
            "transformer.poll_interval=200ms".to_owned(),
        ],
    );
    let polls = "select count(*) as polls from kpi_history";
    e2e::wait("eight polls in the marts", LIMIT, || {
        let rows = query(folder, polls)?;
        (rows[0]["polls"].as_u64()? >= 8).then_some(())
    });
    producer.stop();
    consumer.stop();
    let counted = count(&folder.join("warehouse"));
    assert_eq!(counted.pyiceberg, counted.duckdb);
    assert_eq!(counted.pyiceberg.rows, counted.pyiceberg.distinct_keys);

    let history =
        "select epoch_us(snapshot_time)::varchar as time, aircraft_total from kpi_history";
    e2e::wait("every poll of the lake in kpi_history", LIMIT, || {
        let rows = query(folder, history)?;
        let mart: BTreeMap<String, u64> = rows
            .iter()
            .map(|row| {
                let time = row["time"].as_str().unwrap().to_owned();
                (time, row["aircraft_total"].as_u64().unwrap())
            })
            .collect();
        (mart == counted.pyiceberg.snapshot_times).then_some(())
    });
    let totals = query(
        folder,
        "select sum(total_observations)::bigint as rows from country_stats",
    );
    let cleaned = query(
        folder,
        "select count(*) as rows from cleaned_flights where origin_country is not null",
    );
    assert_eq!(totals.unwrap()[0]["rows"], cleaned.unwrap()[0]["rows"]);
    transformer.stop();
    simulator.stop();
}

/// The steps of a refresh and of a publication, in their order.
const STEPS: [&str; 7] = [
    "transformer.commit.after",
    "transformer.stage.before",
    "transformer.stage.after",
    "transformer.commit.before",
    "transformer.current.before",
    "transformer.current.after",
    "transformer.export.middle",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_transformer_that_is_killed_at_any_step_counts_every_row_once() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let kafka = Kafka::start(folder);
    let registry = Registry::start(folder);
    let warehouse = folder.join("warehouse");
    let mut load = Load::start(kafka.brokers(), registry.url(), 2, 500).await;
    let lake = format!("lake.warehouse={}", warehouse.display());
    let consumer = start(
        folder,
        "consumer",
        &[
            format!("kafka.brokers={}", kafka.brokers()),
            format!("registry.url={}", registry.url()),
            lake.clone(),
            "consumer.commit_age=300ms".to_owned(),
        ],
    );
    let settings = [
        lake,
        format!(
            "transformer.analytics={}",
            folder.join("analytics").display()
        ),
        format!(
            "transformer.published={}",
            folder.join("published").display()
        ),
        format!("transformer.logs={}", folder.join("logs/runs").display()),
    ];
    let once = |name: &str, crash_at: &str| {
        let arguments = settings
            .iter()
            .flat_map(|setting| ["--set", setting.as_str()]);
        let arguments = std::iter::once("once").chain(arguments);
        let environment = [("CONTRAIL_CRASH_AT", crash_at)];
        Process::start(folder, name, "transformer", arguments, &environment).wait(LIMIT)
    };
    for step in STEPS {
        load.publish(2).await;
        expect_exactly(&warehouse, &load, LIMIT);
        assert!(!once(step, step).success(), "{step} was not reached");
    }
    assert!(once("survivor", "").success());
    let counts = query(
        folder,
        "select (select sum(aircraft_total) from kpi_history)::bigint as rows,
                (select count(*) from kpi_history) as polls",
    );
    let counts = counts.unwrap();
    assert_eq!(counts[0]["rows"], load.rows());
    assert_eq!(counts[0]["polls"], load.published.len());
    consumer.stop();
}
