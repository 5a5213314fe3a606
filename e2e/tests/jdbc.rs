//! The published marts behind DuckDB's JDBC driver and a pool of connections, as Metabase has them,
//! while the pipeline publishes some generations a second. The readers, and what they count, are in
//! `e2e/jdbc`.
#![cfg(test)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use e2e::process::Process;
use e2e::recorded::Recorded;

const LIMIT: Duration = Duration::from_secs(120);
/// Noon of a day.
const NOON: i64 = 1_750_075_200;
/// The sky's clock runs thirty times as fast, so that a day begins while the marts are read.
const FOUR_MINUTES_BEFORE_MIDNIGHT: i64 = NOON + 43_200 - 240;

fn script() -> PathBuf {
    e2e::root().join("e2e/jdbc/run")
}

/// Runs one of the Java programs on the marts, in a namespace that has no network: nothing is fetched.
fn read_offline(program: &str, home: &Path, published: &Path) -> Output {
    let mut command = Command::new("unshare");
    if !e2e::disk::is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command.arg("--net").arg(script());
    let output = command.arg(program).arg(home).arg(published).output();
    output.expect("unshare runs")
}

/// A home folder that has DuckDB's extension icu.
fn home_with_icu(folder: &Path) -> PathBuf {
    let home = folder.join("home");
    let status = Command::new(script()).arg("icu").arg(&home).status();
    assert!(status.expect("the script runs").success(), "see above");
    home
}

/// What was printed: a line a mode, `mode=NAME` and counts by name.
fn modes(printed: &str) -> BTreeMap<String, BTreeMap<String, u64>> {
    let line = |line: &str| {
        let mut pairs = line.split(' ').filter_map(|pair| pair.split_once('='));
        let (_, mode) = pairs.next()?;
        let counts = pairs.map(|(name, count)| (name.to_owned(), count.parse().unwrap()));
        Some((mode.to_owned(), counts.collect()))
    };
    printed.lines().filter_map(line).collect()
}

#[test]
fn a_pool_that_runs_the_init_sql_at_each_checkout_reads_whole_and_current_generations() {
    let folder = tempfile::tempdir().unwrap();
    let home = home_with_icu(folder.path());
    let published = folder.path().join("data/published");
    let start = format!("simulator.start_time={FOUR_MINUTES_BEFORE_MIDNIGHT}");
    let settings = [
        &start,
        "simulator.speed=30",
        "consumer.commit_age=100ms",
        "transformer.poll_interval=100ms",
        "http.listen=",
    ];
    let flags = "demo --data data --aircraft 500 --interval 200ms".split(' ');
    let settings = settings.into_iter().flat_map(|setting| ["--set", setting]);
    let demo = Process::start(
        folder.path(),
        "demo",
        "contrail",
        flags.chain(settings),
        &[],
    );
    // By then the one that is current has polls, and one before it.
    e2e::wait("a fourth generation", LIMIT, || {
        published.join("gen-4").exists().then_some(())
    });

    let output = read_offline("Readers", &home, &published);
    let (printed, said) = (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8_lossy(&output.stderr),
    );
    print!("{printed}");
    assert!(output.status.success(), "{said}");
    demo.stop();

    let modes = modes(&printed);
    let whole = ["plain", "prepared", "cached", "transaction"];
    for mode in whole {
        for fault in ["torn", "mixed", "stale", "untrue", "errors"] {
            assert_eq!(modes[mode][fault], 0, "{mode}: {fault}\n{printed}{said}");
        }
    }
    let total = |count: &str| -> u64 { whole.iter().map(|mode| modes[*mode][count]).sum() };
    assert!(total("queries") >= 3_000, "{printed}");
    assert!(total("generations") >= 20, "{printed}");

    // These must be caught, or the zeros above say nothing.
    assert!(modes["once"]["stale"] > 0, "{printed}");
    for fault in ["torn", "mixed", "untrue", "errors"] {
        assert_eq!(modes["once"][fault], 0, "{fault}\n{printed}{said}");
    }
    let crossed = &modes["crossed"];
    assert!(crossed["queries"] > 0, "{printed}");
    assert_eq!(crossed["mixed"], crossed["queries"], "{printed}");
    assert_eq!(crossed["untrue"], crossed["queries"], "{printed}");
}

#[test]
fn without_a_network_the_driver_needs_icu_on_the_disk_whatever_is_built_in() {
    let folder = tempfile::tempdir().unwrap();
    let mut recorded = Recorded::new(folder.path(), 100);
    recorded.replay(&[NOON, NOON + 30]);
    let published = recorded.data().join("published");

    let empty = folder.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    let refused = read_offline("Ask", &empty, &published);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success(), "icu was there: {said}");
    assert!(
        said.contains("the icu extension needs to be loaded"),
        "{said}"
    );

    let answered = read_offline("Ask", &home_with_icu(folder.path()), &published);
    let said = String::from_utf8_lossy(&answered.stderr);
    assert!(answered.status.success(), "{said}");
    let printed = String::from_utf8(answered.stdout).unwrap();
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines[0], "time_zone=UTC", "{printed}");
    assert!(lines[1].starts_with("generation=gen-"), "{printed}");
    assert_eq!(lines[2], "fits=true", "{printed}");
}

#[test]
fn what_is_tested_is_what_the_image_of_metabase_has() {
    let text = |path: &str| std::fs::read_to_string(e2e::root().join(path)).unwrap();
    let pins = text("docker/metabase/pins");
    let pin = |name: &str| {
        let line = pins.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("no {name} in the pins"))
    };
    let jar = format!("duckdb_jdbc-{}.jar", pin("DRIVER_VERSION="));
    assert!(text("e2e/jdbc/jars.sha256").contains(&jar), "{jar}");
    let icu = pin("ICU_PACKAGE_SHA256=");
    assert!(text("e2e/readers/requirements.txt").contains(icu), "{icu}");
}
