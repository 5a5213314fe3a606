//! Consumers in a group that are killed, suspended and restarted, and a broker that is too:
//! every row is in the table once, as others count it.
#![cfg(test)]

use std::time::Duration;

use e2e::lake::{self, expect_exactly, try_count};
use e2e::process::Process;
use e2e::setup::{Setup, Starter};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

const PARTITIONS: i32 = 6;
const LIMIT: Duration = Duration::from_secs(120);

/// A consumer that leaves its group soon after it went silent.
fn consumer<'a>(setup: &Setup, name: &str) -> Starter<'a> {
    setup
        .consumer(name)
        .set("log.level=consumer=debug,info")
        .with_short_session()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_three_is_killed_again_and_again() {
    let setup = Setup::start();
    let mut load = setup.load(PARTITIONS, 1_000).await;
    let start = |n: usize| consumer(&setup, &format!("consumer-{n}")).start();
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
    expect_exactly(&setup.warehouse(), &load, LIMIT);
    for process in group {
        process.stop();
    }
    // What they committed on their way out must not be there twice either.
    expect_exactly(&setup.warehouse(), &load, LIMIT);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zombie_that_wakes_up_after_its_session_changes_nothing() {
    let setup = Setup::start();
    let warehouse = setup.warehouse();
    let mut load = setup.load(PARTITIONS, 1_000).await;
    let zombie = consumer(&setup, "zombie").start();
    load.publish(5).await;
    expect_exactly(&warehouse, &load, LIMIT);
    load.publish(10).await;
    // Suspended with rows read and not committed yet, or in the middle of a commit.
    zombie.suspend();
    load.publish(5).await;
    let heir = consumer(&setup, "heir").start();
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
    let mut setup = Setup::start();
    let mut load = setup.load(PARTITIONS, 1_000).await;
    load.publish(20).await;
    let consumer = consumer(&setup, "consumer").start();
    e2e::wait("the first rows", LIMIT, || {
        let counted = try_count(&setup.warehouse())?;
        (counted.pyiceberg.rows > 0).then_some(())
    });
    setup.kafka.server().kill();
    setup.kafka.server().restart();
    load.publish(20).await;
    expect_exactly(&setup.warehouse(), &load, LIMIT);
    e2e::wait("its readiness", LIMIT, || {
        consumer.readiness().0.then_some(())
    });
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
    let setup = Setup::start();
    let mut load = setup.load(2, 500).await;
    for step in STEPS {
        load.publish(3).await;
        let name = format!("crash-{}", step.replace(':', "-"));
        let mut process = consumer(&setup, &name).crashing_at(step).start();
        if step.ends_with(":2") {
            // The first commit must be through before there is something for the second.
            expect_exactly(&setup.warehouse(), &load, LIMIT);
            load.publish(3).await;
        }
        let status = process.wait(LIMIT);
        assert!(!status.success(), "{step} was not reached");
    }
    let survivor = consumer(&setup, "survivor").start();
    let counted = expect_exactly(&setup.warehouse(), &load, LIMIT);
    assert!(!lake::positions(&counted).is_empty());
    survivor.stop();
}
