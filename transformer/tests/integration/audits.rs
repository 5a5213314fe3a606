//! Audits between a generation and its readers.

use std::path::Path;

use crate::support::{Bench, EVENING, Row, rows_at};
use transformer::runs::{RunStatus, listing};
use transformer::{Error, Transformer};

/// A poll of so many aircraft, at a number of minutes.
fn poll(aircraft: i64, minute: i64) -> Vec<Row> {
    rows_at(0..aircraft, EVENING + minute * 60)
}

/// A bench whose marts have one more: `probe`, a row for each poll, with these audits.
async fn probed(audits: &str) -> Bench {
    let mut bench = Bench::new().await;
    let models = bench.folder.path().join("models");
    write(
        &models.join("marts/probe.sql"),
        &format!(
            "-- description: Polls, to be looked at.\n-- grain: snapshot_time\n-- kind: full\n\
             -- refresh: full\n-- columns:\n--   snapshot_time: time of the poll\n\
             --   aircraft: rows of the poll\n--   half: half of them, null when there are 7\n\
             -- audits:\n{audits}\n\n-- @select\nselect\n    snapshot_time,\n    \
             aircraft_total as aircraft,\n    nullif(aircraft_total, 7) // 2 as half,\nfrom polls\n"
        ),
    );
    bench.config.transformer.models = Some(models);
    bench
}

fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// Mart, audit, status and value of the results that readers see, in the order of time.
fn results(bench: &Bench, mart: &str) -> Vec<(String, String, String)> {
    let sql = format!(
        "select audit, status, value from audit_results where mart = '{mart}' order by checked_at, audit"
    );
    let rows = bench.query(&sql).into_iter();
    rows.map(|row| {
        let text = |n: usize| row[n].clone().unwrap_or_default();
        (text(0), text(1), text(2))
    })
    .collect()
}

fn status_of_last_run(bench: &Bench) -> RunStatus {
    listing::list(&bench.config.transformer.logs, 1, None).unwrap()[0].status
}

#[tokio::test]
async fn a_blocked_generation_is_not_published_and_its_rows_can_be_looked_at() {
    let bench = probed("--   block range(aircraft, 0, 25)").await;
    let mut transformer = Transformer::open(&bench.config).await.unwrap();
    bench.append(&poll(20, 0)).await;
    transformer.catch_up().await.unwrap();

    bench.append(&poll(30, 1)).await;
    transformer.refresh().await.unwrap().unwrap();
    let error = transformer.publish(true).await.unwrap_err();
    let Error::Blocked { findings, .. } = &error else {
        panic!("{error}");
    };
    for part in [
        "range(aircraft, 0, 25) of probe",
        "1 wrong rows",
        "threshold 0",
    ] {
        assert!(findings.contains(part), "{findings}");
    }
    assert_eq!(status_of_last_run(&bench), RunStatus::Blocked);
    assert_eq!(transformer.status().generation, 1);
    let seen = "select count(*) from probe";
    assert_eq!(bench.query(seen)[0][0].as_deref(), Some("1"));

    // The query of the notification shows the row, although nobody can see it published.
    let (_, query) = findings.split_once("see: ").unwrap();
    let conn = duckdb::Connection::open_in_memory().unwrap();
    let rows: i64 = conn
        .query_row(&format!("select count(*) from ({query})"), [], |row| {
            row.get(0)
        })
        .unwrap();
    assert_eq!(rows, 1, "{query}");

    // Nothing new: it is not tried again with every look.
    assert!(
        !transformer
            .publication_due(transformer::publish::Scope::Full)
            .await
            .unwrap()
    );
    assert!(transformer.is_refused());

    // A process that starts anew tries again, and is refused again.
    drop(transformer);
    let mut transformer = Transformer::open(&bench.config).await.unwrap();
    assert!(matches!(
        transformer.publish(true).await,
        Err(Error::Blocked { .. })
    ));
    assert_eq!(bench.query(seen)[0][0].as_deref(), Some("1"));
    let left = std::fs::read_dir(bench.published()).unwrap().flatten();
    let left = left.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut left: Vec<_> = left
        .filter(|name| !name.contains("views") && name != "init.sql")
        .collect();
    left.sort();
    assert_eq!(left, ["CURRENT", "gen-1", "refused"]);

    // With other models it holds: what was blocked is published, and the story is told.
    drop(transformer);
    let other = probed("--   block range(aircraft, 0, 35)").await;
    let mut config = bench.config.clone();
    config.transformer.models = other.config.transformer.models.clone();
    let mut transformer = Transformer::open(&config).await.unwrap();
    transformer.catch_up().await.unwrap();
    assert_eq!(bench.query(seen)[0][0].as_deref(), Some("2"));
    assert!(!bench.published().join("refused").exists());
    let text = |a: &str, b: &str, c: &str| (a.to_owned(), b.to_owned(), c.to_owned());
    let told = results(&bench, "probe");
    let told: Vec<_> = told
        .into_iter()
        .filter(|(audit, ..)| audit.starts_with("range"))
        .collect();
    assert_eq!(
        told,
        [
            text("range(aircraft, 0, 25)", "passed", "0.0"),
            text("range(aircraft, 0, 25)", "failed", "1.0"),
            text("range(aircraft, 0, 35)", "passed", "0.0"),
        ]
    );
    let runs = "select string_agg(status, ' ' order by run_id) from pipeline_runs";
    assert_eq!(
        bench.query(runs)[0][0].as_deref(),
        Some("succeeded blocked blocked succeeded")
    );
}

#[tokio::test]
async fn every_kind_of_audit_finds_what_is_wrong_and_warns() {
    let bench = probed(
        "--   warn not_null(half)\n--   warn unique(aircraft)\n--   warn range(half, 0, 9.5)\n\
         --   warn reference(aircraft, kpi_latest.aircraft_total)\n\
         --   warn sql first_is_small: select * from probe where aircraft > 6 -- at least\n\
         --   block sql guarded: select * from probe\n\
         --       where aircraft > 100 and ('n' || aircraft)::integer > 0\n\
         --   warn sql several: select * from probe where columns(['aircraft', 'half']) > 9\n\
         --   block freshness(1s)",
    )
    .await;
    write(
        &bench
            .folder
            .path()
            .join("models/audits/no_more_than_latest.sql"),
        "-- description: No poll has more aircraft than the newest.\n-- mart: probe\n\
         -- severity: warn\n\nselect *\nfrom probe\njoin kpi_latest on aircraft > aircraft_total;\n",
    );
    let mut transformer = Transformer::open(&bench.config).await.unwrap();
    transformer
        .set_kind(transformer::runs::Kind::Once)
        .await
        .unwrap();
    for (minute, aircraft) in [5, 7, 20, 5].into_iter().enumerate() {
        bench.append(&poll(aircraft, minute as i64)).await;
    }
    transformer.catch_up().await.unwrap();
    let text = |a: &str, c: &str| (a.to_owned(), "failed".to_owned(), c.to_owned());
    let mut failed = results(&bench, "probe");
    failed.retain(|(_, status, _)| status == "failed");
    assert_eq!(
        failed,
        [
            text("first_is_small", "2.0"),
            text("no_more_than_latest", "2.0"),
            text("not_null(half)", "1.0"),
            text("range(half, 0, 9.5)", "1.0"),
            text("reference(aircraft, kpi_latest.aircraft_total)", "2.0"),
            text("several", "1.0"),
            text("unique(aircraft)", "1.0"),
        ]
    );
    // Each names a query that a reader can run, and that shows something.
    for row in bench.query("select query from audit_results where status = 'failed'") {
        let query = row[0].clone().unwrap();
        assert!(!bench.query(&query).is_empty(), "{query}");
    }
}

#[tokio::test]
async fn a_volume_is_compared_with_the_same_hour_of_the_days_before() {
    let bench = probed("--   warn volume(50)").await;
    let mut transformer = Transformer::open(&bench.config).await.unwrap();
    let day = 24 * 60;
    let volumes = |bench: &Bench| {
        let mut found = results(bench, "probe");
        found.retain(|(audit, ..)| audit == "volume(50)");
        found
    };
    // Other hours have another usual; three days of history are too few for none but the fourth.
    for (number, aircraft) in [20, 22, 18].into_iter().enumerate() {
        bench.append(&poll(aircraft, number as i64 * day)).await;
        bench.append(&poll(100, number as i64 * day + 120)).await;
        transformer.catch_up().await.unwrap();
        assert!(volumes(&bench).is_empty(), "{number}");
    }
    bench.append(&poll(25, 3 * day)).await;
    transformer.catch_up().await.unwrap();
    let text =
        |status: &str, value: &str| ("volume(50)".to_owned(), status.to_owned(), value.to_owned());
    assert_eq!(volumes(&bench), [text("passed", "125.0")]);
    bench.append(&poll(2, 4 * day)).await;
    transformer.catch_up().await.unwrap();
    assert_eq!(volumes(&bench)[1].1, "failed");
}

#[tokio::test]
async fn what_follows_the_lake_is_to_be_fresh_also_while_nothing_comes() {
    let bench = probed("--   warn freshness(1h)").await;
    let mut transformer = Transformer::open(&bench.config).await.unwrap();
    // The polls are of 2025.
    bench.append(&poll(3, 0)).await;
    transformer.catch_up().await.unwrap();
    let stale = results(&bench, "probe");
    let stale: Vec<_> = stale
        .iter()
        .filter(|(audit, ..)| audit.starts_with("fresh"))
        .collect();
    assert_eq!(stale.len(), 1);
    assert_eq!(stale[0].1, "failed");
    // An idle look finds the same, which is told already.
    transformer.watch().await.unwrap();
    transformer.watch().await.unwrap();
    let journal = bench.config.transformer.logs.join("journal");
    let lines: usize = std::fs::read_dir(journal)
        .unwrap()
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("audits-"))
        .map(|entry| {
            let text = std::fs::read_to_string(entry.path()).unwrap();
            text.lines()
                .filter(|line| line.contains("freshness(1h)"))
                .count()
        })
        .sum();
    assert_eq!(lines, 1);
}

#[tokio::test]
async fn an_audit_that_is_none_is_refused_with_its_place() {
    for (audits, reasons) in [
        ("--   block uniq(aircraft)", ["no audit is called", "probe"]),
        (
            "--   block unique(aircrafts)",
            ["no column aircrafts", "probe"],
        ),
        (
            "--   block reference(aircraft, kpis.x)",
            ["no mart", "kpis"],
        ),
    ] {
        let bench = probed(audits).await;
        let error = Transformer::open(&bench.config)
            .await
            .unwrap_err()
            .to_string();
        for reason in reasons {
            assert!(error.contains(reason), "{error}");
        }
    }
}

#[tokio::test]
async fn a_mart_that_is_written_alone_is_not_compared_with_those_that_are_behind() {
    let bench = Bench::new().await;
    let mut transformer = Transformer::open(&bench.config).await.unwrap();
    bench.append(&poll(20, 0)).await;
    transformer.catch_up().await.unwrap();
    bench.append(&poll(30, 1)).await;
    transformer.refresh().await.unwrap().unwrap();
    let only = Some(["kpi_latest".to_owned()].into());
    let scope = transformer::publish::Scope::Full;
    transformer.publish_only(scope, only).await.unwrap();
    let seen = bench.query("select aircraft_total from kpi_latest");
    assert_eq!(seen[0][0].as_deref(), Some("30"));
    assert!(
        bench
            .query("from audit_results where status = 'failed' and severity = 'block'")
            .is_empty()
    );
}

#[tokio::test]
async fn views_and_the_transformers_own_records_are_audited_too() {
    let mut bench = probed("--   warn range(half, 0, 1)").await;
    let models = bench.folder.path().join("models");
    write(
        &models.join("marts/heavy.sql"),
        "-- description: Rows of the newest window, to be looked at.\n\
         -- grain: icao24, snapshot_time\n-- kind: view\n-- refresh: full\n-- columns:\n\
         --   icao24: address\n--   snapshot_time: time of the poll\n--   others: rows of the poll\n\
         -- audits:\n--   block range(others, 0, 25)\n\n-- @select\nselect\n    flown.icao24,\n    \
         flown.snapshot_time,\n    probe.aircraft as others,\nfrom cleaned_flights as flown\n\
         join probe using (snapshot_time)\n",
    );
    bench.config.transformer.models = Some(models);
    let mut transformer = Transformer::open(&bench.config).await.unwrap();
    for minute in 0..2 {
        bench.append(&poll(20, minute)).await;
        transformer.catch_up().await.unwrap();
    }
    let audited = |mart: &str| {
        let found = results(&bench, mart);
        let passed = found.iter().all(|(_, status, _)| status == "passed");
        (found.len(), passed)
    };
    for mart in ["cleaned_flights", "mart_status", "pipeline_runs", "heavy"] {
        let (audits, passed) = audited(mart);
        assert!(audits >= 2 && passed, "{mart}: {:?}", results(&bench, mart));
    }
    bench.append(&poll(30, 2)).await;
    transformer.refresh().await.unwrap().unwrap();
    let error = transformer.publish(true).await.unwrap_err().to_string();
    assert!(
        error.contains("range(others, 0, 25) of heavy has 30 wrong rows"),
        "{error}"
    );
    // What readers open shows the rows, in the generation that they never see otherwise.
    let (_, told) = error.split_once("see: ").unwrap();
    let (statements, _) = told.split_once("; readers keep").unwrap();
    let (init, query) = statements.rsplit_once(";\n").unwrap();
    let views = bench.published().join("views.duckdb");
    let readonly = duckdb::Config::default().access_mode(duckdb::AccessMode::ReadOnly);
    let conn = duckdb::Connection::open_with_flags(views, readonly.unwrap()).unwrap();
    conn.execute_batch(init).unwrap();
    let count = format!("select count(*) from ({query})");
    let rows: i64 = conn.query_row(&count, [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 30);
}

#[tokio::test]
async fn an_audit_of_the_transformers_own_records_stops_nothing() {
    let bench = probed("--   warn range(half, 0, 100)").await;
    write(
        &bench.folder.path().join("models/audits/no_runs.sql"),
        "-- description: There are no runs.\n-- mart: pipeline_runs\n-- severity: block\n\n\
         from pipeline_runs;\n",
    );
    let mut transformer = Transformer::open(&bench.config).await.unwrap();
    for minute in 0..2 {
        bench.append(&poll(20, minute)).await;
        transformer.catch_up().await.unwrap();
    }
    // What was found of a generation's records is in the next one.
    let found = results(&bench, "pipeline_runs");
    let no_runs = found.iter().find(|(audit, _, _)| audit == "no_runs");
    assert_eq!(no_runs.unwrap().1, "failed", "{found:?}");
    assert_eq!(transformer.status().generation, 2);
}
