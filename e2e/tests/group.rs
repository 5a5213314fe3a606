//! Consumers in a group that are killed, suspended and restarted, and a broker that is too:
//! every row is in the table once, as others count it.
#![cfg(test)]

use std::path::Path;
use std::time::Duration;

use e2e::lake::{self, expect_exactly, try_count};
use e2e::load::Load;
use e2e::process::Process;
use e2e::server::{Kafka, Registry};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

const PARTITIONS: i32 = 6;
const LIMIT: Duration = Duration::from_secs(120);

/// A consumer that leaves its group soon after it went silent, and commits often.
fn consumer(folder: &Path, name: &str, kafka: &Kafka, registry: &Registry) -> Process {
    crashing_consumer(folder, name, kafka, registry, "")
}

fn crashing_consumer(
    folder: &Path,
    name: &str,
    kafka: &Kafka,
    registry: &Registry,
    crash_at: &str,
) -> Process {
    let warehouse = folder.join("warehouse");
    let settings = [
        format!("kafka.brokers={}", kafka.brokers()),
        format!("registry.url={}", registry.url()),
        format!("lake.warehouse={}", warehouse.display()),
        "consumer.commit_age=300ms".to_owned(),
        "log.level=consumer=debug,info".to_owned(),
        "kafka.properties.session.timeout.ms=6000".to_owned(),
        "kafka.properties.heartbeat.interval.ms=500".to_owned(),
    ];
    let arguments = settings
        .iter()
        .flat_map(|setting| ["--set", setting.as_str()]);
    Process::start(
        folder,
        name,
        "consumer",
        arguments,
        &[("CONTRAIL_CRASH_AT", crash_at)],
    )
}

fn rows_in_table(folder: &Path) -> u64 {
    try_count(&folder.join("warehouse")).map_or(0, |counted| counted.pyiceberg.rows)
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_three_is_killed_again_and_again() {
    let folder = tempfile::tempdir().unwrap();
    let kafka = Kafka::start(folder.path());
    let registry = Registry::start(folder.path());
    let mut load = Load::start(kafka.brokers(), registry.url(), PARTITIONS, 1_000).await;
    let start = |n: usize| consumer(folder.path(), &format!("consumer-{n}"), &kafka, &registry);
    let mut group: Vec<Process> = (0..3).map(start).collect();
    let mut random = StdRng::seed_from_u64(1);
    for _ in 0..12 {
        // The moment is random: somewhere between the first and the last of these polls.
        load.publish(random.random_range(1..12)).await;
        let n = random.random_range(0..group.len());
        group.swap_remove(n).kill();
        load.publish(random.random_range(1..12)).await;
        group.push(start(n));
    }
    expect_exactly(&folder.path().join("warehouse"), &load, LIMIT);
    for process in group {
        process.stop();
    }
    // What they committed on their way out must not be there twice either.
    expect_exactly(&folder.path().join("warehouse"), &load, LIMIT);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zombie_that_wakes_up_after_its_session_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let kafka = Kafka::start(folder.path());
    let registry = Registry::start(folder.path());
    let warehouse = folder.path().join("warehouse");
    let mut load = Load::start(kafka.brokers(), registry.url(), PARTITIONS, 1_000).await;
    let zombie = consumer(folder.path(), "zombie", &kafka, &registry);
    load.publish(5).await;
    expect_exactly(&warehouse, &load, LIMIT);
    load.publish(10).await;
    // Suspended with rows read and not committed yet, or in the middle of a commit.
    zombie.signal("STOP");
    load.publish(5).await;
    let heir = consumer(folder.path(), "heir", &kafka, &registry);
    // The heir gets the partitions once the zombie's session has run out.
    expect_exactly(&warehouse, &load, LIMIT);
    zombie.signal("CONT");
    load.publish(20).await;
    expect_exactly(&warehouse, &load, LIMIT);
    zombie.stop();
    heir.stop();
    expect_exactly(&warehouse, &load, LIMIT);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_broker_is_killed_and_restarted_in_the_middle() {
    let folder = tempfile::tempdir().unwrap();
    let mut kafka = Kafka::start(folder.path());
    let registry = Registry::start(folder.path());
    let mut load = Load::start(kafka.brokers(), registry.url(), PARTITIONS, 1_000).await;
    load.publish(20).await;
    let consumer = consumer(folder.path(), "consumer", &kafka, &registry);
    e2e::wait("the first rows", LIMIT, || {
        (rows_in_table(folder.path()) > 0).then_some(())
    });
    kafka.server().kill();
    kafka.server().restart();
    load.publish(20).await;
    expect_exactly(&folder.path().join("warehouse"), &load, LIMIT);
    consumer.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_at_any_step_of_a_commit_loses_and_repeats_nothing() {
    const STEPS: [&str; 9] = [
        "consumer.flush.start",
        "consumer.dead_letters.sent",
        "consumer.files.written",
        "consumer.commit.before",
        "consumer.commit.checked",
        "consumer.commit.swapped",
        "consumer.commit.after",
        "consumer.commit.done",
        // The second commit: positions are no longer the first ones.
        "consumer.commit.swapped:2",
    ];
    let folder = tempfile::tempdir().unwrap();
    let kafka = Kafka::start(folder.path());
    let registry = Registry::start(folder.path());
    let mut load = Load::start(kafka.brokers(), registry.url(), 2, 500).await;
    for step in STEPS {
        load.publish(3).await;
        let name = format!("crash-{}", step.replace(':', "-"));
        let mut process = crashing_consumer(folder.path(), &name, &kafka, &registry, step);
        if step.ends_with(":2") {
            // The first commit must be through before there is something for the second.
            expect_exactly(&folder.path().join("warehouse"), &load, LIMIT);
            load.publish(3).await;
        }
        let status = process.wait(LIMIT);
        assert!(!status.success(), "{step} was not reached");
    }
    let survivor = consumer(folder.path(), "survivor", &kafka, &registry);
    let counted = expect_exactly(&folder.path().join("warehouse"), &load, LIMIT);
    assert!(!lake::positions(&counted).is_empty());
    survivor.stop();
}
