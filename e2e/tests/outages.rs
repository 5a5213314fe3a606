//! A disk that fills up, a catalog that is locked or away, a buffer that is full: the consumer
//! says so, keeps its place, loses nothing and repeats nothing.
#![cfg(test)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use e2e::disk::Disk;
use e2e::lake::{Counted, Place, expect_exactly};
use e2e::load::Load;
use e2e::process::Process;
use e2e::setup::Setup;

const LIMIT: Duration = Duration::from_secs(120);
/// Polls of 2,000 aircraft that are more than the way between the consumer's threads holds.
const BACKLOG: usize = 40;

fn failed_attempts(process: &Process) -> f64 {
    process.metric("contrail_consumer_retries_total")
}

/// Waits until the consumer says that it cannot go on, and why.
fn expect_not_ready(process: &Process, reason: &str) {
    e2e::wait(&format!("{reason:?} in its readiness"), LIMIT, || {
        let (ready, said) = process.readiness();
        (!ready && said.contains(reason)).then_some(())
    });
    assert!(process.log().contains("trying again"));
}

fn expect_ready(process: &Process) {
    e2e::wait("its readiness", LIMIT, || {
        process.readiness().0.then_some(())
    });
}

/// Publishes until the consumer cannot write any more.
async fn fill(load: &mut Load, process: &Process) {
    let give_up = Instant::now() + LIMIT;
    while process.readiness().0 {
        assert!(Instant::now() < give_up, "the disk is never full");
        load.publish(1).await;
    }
    expect_not_ready(process, "No space left on device");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_said_and_loses_nothing() {
    let setup = Setup::start();
    let warehouse = setup.warehouse();
    let disk = Disk::mount(&warehouse, "4m");
    let table = Place::of(&warehouse).on(&disk);
    let mut load = setup.load(2, 2_000).await;
    let consumer = |name: &str| {
        let starter = setup.consumer(name).set("consumer.revoke_timeout=2s");
        starter.on(&disk).start()
    };
    let process = consumer("consumer");
    load.publish(1).await;
    table.expect_exactly(&load, LIMIT);
    fill(&mut load, &process).await;
    load.publish(3).await;
    disk.resize("8m");
    table.expect_exactly(&load, LIMIT);
    expect_ready(&process);

    // Full again, with more waiting than the way between its threads holds: told to end, it does.
    fill(&mut load, &process).await;
    load.publish(BACKLOG).await;
    process.stop();
    // And once more, ended as by a power failure.
    let process = consumer("killed");
    expect_not_ready(&process, "No space left on device");
    process.kill();

    disk.resize("64m");
    let heir = consumer("heir");
    let counted = table.expect_exactly(&load, LIMIT);
    heir.stop();
    assert_eq!(integrity(&disk, &warehouse.join("catalog.db")), "ok");
    // What was half-written lies there still, and no snapshot names it.
    let unnamed = unnamed_files(&disk, &warehouse, &counted);
    assert!(!unnamed.is_empty(), "no file was ever half-written");
}

/// What SQLite says of a database's pages.
fn integrity(disk: &Disk, database: &Path) -> String {
    let script = "import sqlite3, sys; \
        print(sqlite3.connect(sys.argv[1]).execute('pragma integrity_check').fetchone()[0])";
    let output = disk
        .command("python3")
        .args(["-c", script])
        .arg(database)
        .output();
    String::from_utf8(output.unwrap().stdout)
        .unwrap()
        .trim()
        .to_owned()
}

/// Data files that the table's snapshot does not name.
fn unnamed_files(disk: &Disk, warehouse: &Path, counted: &Counted) -> Vec<PathBuf> {
    let named: BTreeSet<&str> = counted
        .files
        .iter()
        .filter_map(|path| Path::new(path).file_name()?.to_str())
        .collect();
    let mut folders = vec![disk.from_outside(warehouse)];
    let mut unnamed = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "parquet")
                && !named.contains(path.file_name().unwrap().to_str().unwrap())
            {
                unnamed.push(path);
            }
        }
    }
    unnamed
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_catalog_is_waited_for() {
    let setup = Setup::start();
    let warehouse = setup.warehouse();
    let mut load = setup.load(2, 500).await;
    let process = setup.consumer("consumer").start();
    load.publish(1).await;
    expect_exactly(&warehouse, &load, LIMIT);

    let lock = Place::of(&warehouse).lock();
    load.publish(5).await;
    expect_not_ready(&process, "cannot commit");
    // SQLite itself waits five seconds in each attempt: this is some twenty seconds later.
    e2e::wait("four attempts that failed", LIMIT, || {
        (failed_attempts(&process) >= 4.0).then_some(())
    });
    load.publish(5).await;
    drop(lock);
    expect_exactly(&warehouse, &load, LIMIT);
    expect_ready(&process);
    process.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_catalog_that_is_away_is_waited_for() {
    let setup = Setup::start();
    let (home, away) = (setup.folder().join("catalog"), setup.folder().join("away"));
    let database = home.join("catalog.db");
    let table = Place::of(&setup.warehouse()).with_catalog(&database);
    let mut load = setup.load(2, 500).await;
    let consumer = |name: &str| {
        let uri = format!("lake.catalog_uri=sqlite://{}", database.display());
        setup.consumer(name).set(&uri).start()
    };
    let process = consumer("consumer");
    load.publish(1).await;
    table.expect_exactly(&load, LIMIT);

    fs::rename(&home, &away).unwrap();
    load.publish(5).await;
    expect_not_ready(&process, "cannot commit");
    e2e::wait("three attempts that failed", LIMIT, || {
        (failed_attempts(&process) >= 3.0).then_some(())
    });
    assert!(!home.exists(), "an empty catalog was made in its place");
    fs::rename(&away, &home).unwrap();
    table.expect_exactly(&load, LIMIT);
    expect_ready(&process);
    process.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_buffer_pauses_and_keeps_its_place_in_the_group() {
    const BUFFER: f64 = 1024.0 * 1024.0;
    // One chunk may be on its way when the limit is reached, and a decoded one is larger.
    const MARGIN: f64 = 1024.0 * 1024.0;
    let setup = Setup::start();
    let warehouse = setup.warehouse();
    let mut load = setup.load(2, 2_000).await;
    let process = setup
        .consumer("consumer")
        .set("consumer.buffer_limit=1MiB")
        .set("consumer.commit_bytes=900KiB")
        .set("consumer.commit_age=10s")
        // Who does not poll for six seconds is out.
        .with_short_session()
        .set("kafka.properties.max.poll.interval.ms=6000")
        .start();
    load.publish(1).await;
    expect_exactly(&warehouse, &load, LIMIT);

    let lock = Place::of(&warehouse).lock();
    let began = Instant::now();
    load.publish(BACKLOG).await;
    let mut most: f64 = 0.0;
    e2e::wait("a pause, and attempts that failed", LIMIT, || {
        most = most.max(process.metric("contrail_consumer_buffered_bytes"));
        let paused = process.metric("contrail_consumer_pauses_total") >= 1.0;
        (paused && failed_attempts(&process) >= 3.0).then_some(())
    });
    assert!(began.elapsed() > Duration::from_secs(12), "no long pause");
    drop(lock);
    e2e::wait("every row read", LIMIT, || {
        most = most.max(process.metric("contrail_consumer_buffered_bytes"));
        let rows = process.metric("contrail_consumer_rows_total")
            + process.metric("contrail_consumer_buffered_rows");
        (rows >= load.rows() as f64).then_some(())
    });
    expect_exactly(&warehouse, &load, LIMIT);
    assert!(most >= BUFFER, "the buffer was never full: {most} bytes");
    assert!(most <= BUFFER + MARGIN, "{most} bytes were buffered");
    println!("at most {most} bytes buffered");
    // Partitions were assigned once: it was never put out of its group.
    assert_eq!(assignments(&process), 1, "{}", process.log());
    process.stop();
}

fn assignments(process: &Process) -> usize {
    process.log().matches("\"message\":\"reading\"").count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_that_was_paused_is_read_on_after_a_rebalance() {
    let setup = Setup::start();
    let warehouse = setup.warehouse();
    // One partition: nothing else pauses and resumes it by the way.
    let mut load = setup.load(1, 2_000).await;
    let consumer = |name: &str| {
        setup
            .consumer(name)
            .set("consumer.buffer_limit=1MiB")
            .set("consumer.commit_bytes=900KiB")
            .set("consumer.revoke_timeout=1s")
            .with_short_session()
            .start()
    };
    let one = consumer("one");
    load.publish(1).await;
    expect_exactly(&warehouse, &load, LIMIT);
    let alone = assignments(&one);
    let mut group = vec![one, consumer("other")];
    // Both have opened what the second one's coming has left them: one that had not would wait
    // for the catalog before it reads, instead of pausing.
    e2e::wait("a group of two", LIMIT, || {
        (assignments(&group[0]) > alone && assignments(&group[1]) > 0).then_some(())
    });
    let pauses = |process: &Process| process.metric("contrail_consumer_pauses_total");
    let before: Vec<f64> = group.iter().map(pauses).collect();
    // With the catalog locked the buffer stays full, and the partition paused.
    let lock = Place::of(&warehouse).lock();
    load.publish(BACKLOG).await;
    let owner = e2e::wait("a pause", LIMIT, || {
        (0..group.len()).find(|&n| pauses(&group[n]) > before[n])
    });
    let owner = group.swap_remove(owner);
    group.remove(0).kill();
    e2e::wait("the revocation", LIMIT, || {
        let log = owner.log();
        log.contains("the last commit took too long").then_some(())
    });
    drop(lock);
    expect_exactly(&warehouse, &load, LIMIT);
    owner.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_interrupt_is_one_and_a_later_one_ends_at_once() {
    let setup = Setup::start();
    let warehouse = setup.warehouse();
    let mut load = setup.load(1, 500).await;
    let starter = setup.consumer("consumer");
    let mut process = starter.set("consumer.revoke_timeout=60s").start();
    load.publish(1).await;
    expect_exactly(&warehouse, &load, LIMIT);
    // It cannot end well while the catalog is locked.
    let lock = Place::of(&warehouse).lock();
    load.publish(1).await;
    expect_not_ready(&process, "cannot commit");
    let asked = Instant::now();
    process.signal("INT");
    let status = e2e::wait("its end", LIMIT, || {
        process.signal("INT");
        process.ended()
    });
    let took = asked.elapsed();
    assert_eq!(status.code(), Some(130), "{}", process.log());
    assert!(
        took >= Duration::from_secs(1),
        "a repeat ended it: {took:?}"
    );
    assert!(
        took < Duration::from_secs(30),
        "it was waited for: {took:?}"
    );
    drop(lock);
    let heir = setup.consumer("heir").start();
    expect_exactly(&warehouse, &load, LIMIT);
    heir.stop();
}
