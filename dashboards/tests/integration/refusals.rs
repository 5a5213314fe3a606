//! Bad input: a clear message with what to do, and nothing written.

use std::time::Duration;

use dashboards::Error;
use dashboards::config::Engine;
use service::config::Secret;
use service::fault::{Fault, Faulty as _};

use crate::support::Bench;

async fn refused(bench: &Bench) -> Error {
    let error = bench.apply().await.unwrap_err();
    let mut writes = bench.double.writes();
    writes.retain(|write| write != "POST setup" && write != "POST database");
    assert_eq!(writes, Vec::<String>::new());
    error
}

fn contains(error: &Error, texts: &[&str]) {
    let error = service::fault::chain(error);
    for text in texts {
        assert!(error.contains(text), "{text:?} is not in {error}");
    }
}

#[tokio::test]
async fn a_metabase_that_is_too_old_is_refused() {
    let bench = Bench::new().await;
    for (version, refuses) in [
        ("v0.57.9", true),
        ("v1.50.1", true),
        ("v0.58.0", false),
        ("v1.63.2", false),
        ("v0.64.0-SNAPSHOT", false),
    ] {
        bench.double.lock().version = version.into();
        match bench.apply().await {
            Ok(_) => assert!(!refuses, "{version}"),
            Err(error) => {
                assert!(refuses, "{version}: {error}");
                contains(&error, &[version, "0.58 or newer is supported"]);
                assert_eq!(error.fault(), Fault::Configuration);
            }
        }
    }
}

#[tokio::test]
async fn credentials_that_are_wrong_or_missing_are_named() {
    let mut bench = Bench::new().await;
    bench.config.username = String::new();
    contains(
        &refused(&bench).await,
        &["is not set up yet", "metabase.username"],
    );
    bench.config.username = "admin".into();
    contains(
        &refused(&bench).await,
        &[
            "valid email address",
            "metabase.username (an e-mail address)",
        ],
    );
    bench.config.username = "admin@example.org".into();
    bench.config.password = Secret::new("short");
    let error = refused(&bench).await;
    contains(&error, &["password is too common", "at least 6 characters"]);
    assert!(!service::fault::chain(&error).contains("short"));
    bench.config.password = Secret::new("contrail-2026");
    bench.apply().await.unwrap();
    bench.double.writes();
    bench.config.password = Secret::new("contrail-2027");
    let error = refused(&bench).await;
    contains(
        &error,
        &[
            "did not match stored password",
            "check metabase.username and metabase.password",
        ],
    );
    assert!(!service::fault::chain(&error).contains("contrail-2027"));
    bench.config.api_key = Secret::new("mb_wrong");
    let error = refused(&bench).await;
    contains(&error, &["refuses the API key", "check metabase.api_key"]);
    assert!(!service::fault::chain(&error).contains("mb_wrong"));
    bench.config.api_key = Secret::default();
    bench.config.password = Secret::default();
    contains(
        &refused(&bench).await,
        &["give metabase.username and metabase.password, or metabase.api_key"],
    );
}

#[tokio::test]
async fn a_mart_that_does_not_exist_is_named_with_its_file_before_anything_is_written() {
    let mut bench = Bench::new().await;
    let question = bench
        .library
        .questions
        .get_mut("regions/corridors")
        .unwrap();
    question.sql = question.sql.replace("from corridors", "from coridors");
    assert!(question.sql.contains("coridors"));
    let error = refused(&bench).await;
    contains(
        &error,
        &[
            "regions/corridors.sql: it asks for \"coridors\", which the database \"Contrail\" does not have; \
             did you mean \"corridors\"?",
            "nothing was written",
        ],
    );
    assert_eq!(error.fault(), Fault::Configuration);
}

#[tokio::test]
async fn a_database_that_cannot_be_is_refused() {
    let mut bench = Bench::new().await;
    bench.double.lock().engines = vec!["postgres", "h2"];
    contains(
        &refused(&bench).await,
        &["has no DuckDB driver", "contrail/metabase"],
    );
    bench.double.lock().engines = vec!["postgres", "duckdb"];
    let published = bench.config.database.published.clone();
    std::fs::remove_file(published.join("views.duckdb")).unwrap();
    contains(
        &refused(&bench).await,
        &["POST /api/database", "Cannot open file"],
    );
    std::fs::remove_file(published.join("init.sql")).unwrap();
    contains(
        &refused(&bench).await,
        &["init.sql", "the transformer writes when it publishes"],
    );
    bench.config.database.published = "data/published".into();
    contains(
        &refused(&bench).await,
        &["metabase.database.published", "give the whole path"],
    );
    bench.config.database.engine = Engine::Postgres;
    bench.config.database.postgres.username = "reader".into();
    bench.apply().await.unwrap();
    bench.double.writes();
    bench.config.database.engine = Engine::Duckdb;
    contains(
        &refused(&bench).await,
        &[
            "\"Contrail\" already, of the engine \"postgres\"",
            "set metabase.database.name",
        ],
    );
}

#[tokio::test]
async fn tables_that_never_come_are_said() {
    let mut bench = Bench::new().await;
    bench.double.lock().tables.clear();
    bench.config.sync_timeout = Duration::from_millis(10);
    contains(
        &refused(&bench).await,
        &[
            "has found no table in the database \"Contrail\"",
            "views.duckdb",
        ],
    );
}

#[tokio::test]
async fn a_metabase_that_does_not_answer_is_waited_for_and_then_said() {
    let mut bench = Bench::new().await;
    bench.double.lock().starting = u32::MAX;
    bench.config.start_timeout = Duration::from_millis(10);
    contains(
        &refused(&bench).await,
        &[
            "is not ready after 0 s (initializing, 30 %)",
            "metabase.start_timeout",
        ],
    );
    // Nobody listens at a port that was free just now.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    bench.config.url = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    contains(
        &refused(&bench).await,
        &["is not ready after 0 s", "no answer from http://127.0.0.1"],
    );
}
