//! The lake with its catalog in a real PostgreSQL: the commit protocol, the services and those who
//! read it, when consumers are killed, the table's row is locked and the server is away.
#![cfg(test)]

// The same suite that the consumer's own tests run on SQLite.
#[path = "../../consumer/tests/commit/suite.rs"]
mod suite;

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use e2e::database::Database;
use e2e::lake::Place;
use e2e::load::Load;
use e2e::process::{Process, program};
use e2e::server::Postgres;
use e2e::setup::Setup;
use lake::LakeConfig;
use tempfile::TempDir;
use tokio::task::block_in_place;

const LIMIT: Duration = Duration::from_secs(180);

fn catalog(url: &str) -> String {
    format!("lake.catalog_uri={url}")
}

/// A lake of its own for a case of the suite.
struct Lake {
    config: LakeConfig,
    _server: Postgres,
    _folder: TempDir,
}

impl Lake {
    fn start() -> Lake {
        let folder = tempfile::tempdir().unwrap();
        let server = Postgres::start(folder.path());
        let config = LakeConfig {
            catalog_uri: server.url().into(),
            ..LakeConfig::in_folder(&folder.path().join("warehouse"))
        };
        Lake {
            config,
            _server: server,
            _folder: folder,
        }
    }
}

#[tokio::test]
async fn of_two_batches_from_the_same_position_one_is_refused() {
    let lake = Lake::start();
    suite::of_two_batches_from_the_same_position_one_is_refused(&lake.config).await;
}

#[tokio::test]
async fn a_batch_tried_again_after_it_got_in_is_recognized() {
    let lake = Lake::start();
    suite::a_batch_tried_again_after_it_got_in_is_recognized(&lake.config).await;
}

#[tokio::test]
async fn a_batch_of_dead_letters_only_moves_the_positions_and_fences() {
    let lake = Lake::start();
    suite::a_batch_of_dead_letters_only_moves_the_positions_and_fences(&lake.config).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn racing_batches_of_different_partitions_all_get_in() {
    let lake = Lake::start();
    suite::racing_batches_of_different_partitions_all_get_in(&lake.config).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_racing_batches_of_the_same_records_one_gets_in() {
    let lake = Lake::start();
    suite::of_racing_batches_of_the_same_records_one_gets_in(&lake.config).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_may_make_the_catalog_and_the_table_at_once() {
    let lake = Lake::start();
    suite::several_may_make_the_catalog_and_the_table_at_once(&lake.config).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_three_consumers_one_is_killed_under_load_and_the_marts_have_every_row() {
    let setup = Setup::start();
    let server = Postgres::start(setup.folder());
    let table = Place::of(&setup.warehouse()).with_server(server.url());
    let mut load = setup.load(6, 1_000).await;
    let start = |n: usize| {
        let consumer = setup.consumer(&format!("consumer-{n}"));
        let consumer = consumer.set(&catalog(server.url()));
        consumer.with_short_session().start()
    };
    // All at once on an empty database, whose tables they make.
    let mut group: Vec<Process> = (0..3).map(start).collect();
    for n in 0..4 {
        load.publish(8).await;
        group.remove(0).kill();
        load.publish(8).await;
        group.push(start(n));
    }
    table.expect_exactly(&load, LIMIT);
    for process in group {
        process.stop();
    }
    // What they committed on their way out must not be there twice either.
    table.expect_exactly(&load, LIMIT);

    let marts = Marts::of(&setup, server.url());
    marts.publish();
    assert_eq!(marts.rows(), Ok(load.rows()));
    assert!(!setup.warehouse().join("catalog.db").exists());
}

/// A transformer of the lake, its folders in `setup`'s.
struct Marts {
    folder: PathBuf,
    settings: Vec<String>,
}

impl Marts {
    fn of(setup: &Setup, url: &str) -> Marts {
        let folder = setup.folder();
        let folder_of = |key: &str| format!("transformer.{key}={}", folder.join(key).display());
        Marts {
            folder: folder.to_owned(),
            settings: vec![
                format!("lake.warehouse={}", setup.warehouse().display()),
                folder_of("analytics"),
                folder_of("published"),
                folder_of("logs"),
                catalog(url),
            ],
        }
    }

    fn start(&self, command: &str) -> Process {
        let set = self.settings.iter();
        let set = set.flat_map(|setting| ["--set", setting.as_str()]);
        let arguments = std::iter::once(command).chain(set);
        Process::start(&self.folder, "transformer", "transformer", arguments, &[])
    }

    /// Publishes them.
    fn publish(&self) {
        let mut transformer = self.start("once");
        assert!(transformer.wait(LIMIT).success(), "{}", transformer.log());
    }

    /// The rows that are counted in them, or what was said instead.
    fn rows(&self) -> Result<u64, String> {
        let sql = "select sum(aircraft_total) from kpi_history";
        let output = Command::new(program("transformer"))
            .args(["query", sql, "--format", "csv"])
            .args(self.settings.iter().flat_map(|setting| ["--set", setting]))
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let rows = text.lines().last().and_then(|line| line.parse().ok());
        rows.ok_or_else(|| format!("{text}{}", String::from_utf8_lossy(&output.stderr)))
    }

    fn expect_all_of(&self, load: &Load) {
        e2e::wait("every row in the marts", LIMIT, || {
            (self.rows() == Ok(load.rows())).then_some(())
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_row_and_a_server_that_is_away_are_waited_for() {
    let setup = Setup::start();
    let mut server = Postgres::start(setup.folder());
    let url = server.url().to_owned();
    let table = Place::of(&setup.warehouse()).with_server(&url);
    let mut load = setup.load(2, 500).await;
    let consumer = setup.consumer("consumer").set(&catalog(&url)).start();
    load.publish(1).await;
    table.expect_exactly(&load, LIMIT);

    // As a writer that was suspended in the middle of its commit would.
    let other = block_in_place(|| Database::connect(&url));
    block_in_place(|| other.rows("begin; update iceberg_tables set iceberg_type = iceberg_type"));
    load.publish(3).await;
    expect_not_ready(&consumer, "lock timeout");
    block_in_place(|| drop(other));
    table.expect_exactly(&load, LIMIT);
    expect_ready(&consumer);

    server.server().kill();
    load.publish(3).await;
    expect_not_ready(&consumer, "cannot commit");
    server.server().restart();
    table.expect_exactly(&load, LIMIT);
    expect_ready(&consumer);
    assert!(!consumer.log().contains("a-test-password"));
    consumer.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_says_nothing_is_told_of_left_and_loses_nothing() {
    let setup = Setup::start();
    let server = Postgres::start(setup.folder());
    let url = server.url().to_owned();
    let table = Place::of(&setup.warehouse()).with_server(&url);
    let mut load = setup.load(2, 500).await;
    let start = |name: &str| setup.consumer(name).set(&catalog(&url)).start();
    let consumer = start("consumer");
    let marts = Marts::of(&setup, &url);
    let transformer = marts.start("run");
    load.publish(1).await;
    table.expect_exactly(&load, LIMIT);
    marts.expect_all_of(&load);

    let other = suspend_in_a_commit(&server, &mut load).await;
    expect_not_ready(&consumer, "waiting to commit");
    expect_not_ready(&consumer, "no answer within 60 s");
    expect_not_ready(&transformer, "no answer within 60 s");
    server.resume();
    block_in_place(|| drop(other));
    table.expect_exactly(&load, LIMIT);
    expect_ready(&consumer);
    marts.expect_all_of(&load);
    expect_ready(&transformer);
    transformer.stop();

    let other = suspend_in_a_commit(&server, &mut load).await;
    let asked = Instant::now();
    consumer.stop();
    // It waits for a last commit for ten seconds.
    let took = asked.elapsed();
    assert!(
        took < Duration::from_secs(40),
        "it was waited for: {took:?}"
    );
    server.resume();
    block_in_place(|| drop(other));
    let heir = start("heir");
    table.expect_exactly(&load, LIMIT);
    heir.stop();
    table.expect_exactly(&load, LIMIT);
}

/// Suspends the server while a consumer waits in the middle of a commit, for a row that the
/// connection which is returned has locked.
async fn suspend_in_a_commit(server: &Postgres, load: &mut Load) -> Database {
    let other = block_in_place(|| Database::connect(server.url()));
    block_in_place(|| other.rows("begin; update iceberg_tables set iceberg_type = iceberg_type"));
    load.publish(3).await;
    let waiting = "select pid from pg_stat_activity where wait_event_type = 'Lock'";
    e2e::wait("a commit that waits for the row", LIMIT, || {
        let waiting = block_in_place(|| other.column(waiting));
        (!waiting.is_empty()).then_some(())
    });
    server.suspend();
    other
}

fn expect_not_ready(process: &Process, reason: &str) {
    e2e::wait(&format!("{reason:?} in its readiness"), LIMIT, || {
        let (ready, said) = process.readiness();
        (!ready && said.contains(reason)).then_some(())
    });
}

fn expect_ready(process: &Process) {
    e2e::wait("its readiness", LIMIT, || {
        process.readiness().0.then_some(())
    });
}

#[test]
fn what_the_server_refuses_is_said_with_a_remedy_and_without_the_password() {
    let folder = tempfile::tempdir().unwrap();
    let server = Postgres::start(folder.path());
    let url = server.url();
    let place = url.split_once('@').unwrap().1;
    let host = place.split_once('/').unwrap().0;
    Database::connect(url).rows(
        "create role reader login password 'its-password'; revoke create on schema public from public",
    );
    for (uri, said, remedy) in [
        (
            format!("postgresql://contrail:not-the-password@{place}"),
            "password authentication failed",
            "check the user and the password of lake.catalog_uri",
        ),
        (
            format!("postgresql://contrail:a-test-password@{host}/nowhere"),
            "\"nowhere\" does not exist",
            "name one that exists",
        ),
        (
            format!("postgresql://reader:its-password@{place}"),
            "permission denied for schema public",
            "make tables",
        ),
        (
            format!("{url}?sslmode=require"),
            "asks for TLS",
            "postgresql://user:password@host",
        ),
    ] {
        let output = Command::new(program("consumer"))
            .current_dir(folder.path())
            .env("CONTRAIL__LAKE__CATALOG_URI", &uri)
            .args(["--set", "lake.warehouse=warehouse"])
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        let last = stderr.lines().last().unwrap_or_default();
        assert_eq!(output.status.code(), Some(2), "{uri}: {stderr}");
        assert!(last.contains(said), "{said}: {last}");
        assert!(last.contains(remedy), "{remedy}: {last}");
        for secret in ["not-the-password", "a-test-password", "its-password"] {
            assert!(!stderr.contains(secret), "{stderr}");
        }
    }
}
