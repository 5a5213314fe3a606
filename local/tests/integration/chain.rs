//! Recorded bodies and a simulated OpenSky through the whole chain in one process, with
//! every mart compared to an independent computation over the bodies themselves.
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::support::{self, Body};
use local::Config;
use local::config::Command;
use local::display::Display;
use local::home::{Home, Servers};
use local::live;
use local::replay::{self, Request, Summary};
use service::cli::CommonArgs;
use service::health::Health;
use service::shutdown::Shutdown;

/// 2025-06-15 12:00 UTC.
const START: i64 = 1_749_988_800;

fn config(command: Command, own: &[(&str, &str)]) -> Config {
    let own: Vec<_> = own
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    command.load(&CommonArgs::default(), &own).unwrap()
}

pub(crate) async fn replay(data: &Path, paths: &[PathBuf], shutdown: &Shutdown) -> Summary {
    replay_with(data, paths, shutdown, &[]).await
}

async fn replay_with(
    data: &Path,
    paths: &[PathBuf],
    shutdown: &Shutdown,
    own: &[(&str, &str)],
) -> Summary {
    let request = Request {
        paths: paths.to_vec(),
        skip_bad: false,
    };
    let config = config(Command::Replay, own);
    let display = Display::new();
    replay::run(config, data, request, &Health::new(), shutdown, &display)
        .await
        .unwrap()
}

/// Waits for a state, but not for ever.
async fn until(reached: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(300);
    while !reached() {
        assert!(Instant::now() < deadline, "it does not come");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Every file below `folder` with its content.
fn content(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let bytes = fs::read(&path).unwrap();
                files.push((path, bytes));
            }
        }
    }
    files.sort();
    files
}

#[tokio::test(flavor = "multi_thread")]
async fn recordings_come_out_as_the_marts_that_sql_over_the_bodies_gives() {
    let folder = tempfile::tempdir().unwrap();
    let (recorded, data) = (folder.path().join("recorded"), folder.path().join("data"));
    // Two days, so that days, hours and the window of a day are crossed.
    let mut bodies = support::fleet_bodies(7, 600, START, 20);
    bodies.extend(support::fleet_bodies(8, 300, START + 90_000, 12));
    support::record(&recorded, &bodies);
    let aircraft: u64 = 600 * 20 + 300 * 12;

    let paths = [recorded.clone()];
    let summary = replay(&data, &paths, &Shutdown::new()).await;
    assert_eq!(summary.bodies, 32);
    assert_eq!(summary.published, 32);
    assert_eq!(summary.rows, aircraft);
    assert_eq!(summary.dead_letters, 0);
    assert!(!summary.interrupted);
    support::check_all(&support::open(&data.join("published"), &bodies));

    // Again, and nothing changes, whether in the lake or in what is published.
    let kept = ["warehouse", "published"].map(|part| data.join(part));
    let before = kept.each_ref().map(|part| content(part));
    let again = replay(&data, &paths, &Shutdown::new()).await;
    assert_eq!((again.published, again.present, again.rows), (0, 32, 0));
    assert!(kept.each_ref().map(|part| content(part)) == before);

    // Older ones later, with some of the same: only what is new is added.
    let mut earlier = support::fleet_bodies(9, 200, START - 7_200, 5);
    support::record(&recorded.join("earlier"), &earlier);
    let more = replay(&data, &paths, &Shutdown::new()).await;
    assert_eq!((more.published, more.present, more.rows), (5, 32, 1_000));
    bodies.append(&mut earlier);
    support::check_all(&support::open(&data.join("published"), &bodies));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_left_the_retention_is_known_by_the_lake() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let recorded = |name: &str, start: i64, count: i64| {
        let path = folder.path().join(name);
        support::record(&path, &support::fleet_bodies(3, 50, start, count));
        [path]
    };
    let old = recorded("old", START, 4);
    let new = recorded("new", START + 40 * 86_400, 2);
    let oldest = recorded("oldest", START - 86_400, 3);
    let days = [("transformer.retention", "30days")];
    replay(&data, &old, &Shutdown::new()).await;
    replay_with(&data, &new, &Shutdown::new(), &days).await;

    // The marts have forgotten them, whatever retention they are replayed with.
    for own in [&[][..], &days] {
        let again = replay_with(&data, &old, &Shutdown::new(), own).await;
        assert_eq!((again.published, again.present, again.older), (0, 0, 4));
        assert_eq!(again.rows, 0);
    }

    // What the marts never had detail of is sent once.
    let once = replay_with(&data, &oldest, &Shutdown::new(), &days).await;
    assert_eq!((once.published, once.older, once.rows), (3, 3, 150));
    let twice = replay_with(&data, &oldest, &Shutdown::new(), &days).await;
    assert_eq!((twice.published, twice.older, twice.rows), (0, 3, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_replay_ends_in_order_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let (recorded, data) = (folder.path().join("recorded"), folder.path().join("data"));
    let bodies = support::fleet_bodies(3, 2_000, START, 60);
    support::record(&recorded, &bodies);

    let shutdown = Shutdown::new();
    let interrupt = async {
        // Once the lake has rows, some are published and some are not.
        until(|| data.join("warehouse/aviation").exists()).await;
        shutdown.trigger();
    };
    let paths = [recorded];
    let (first, ()) = tokio::join!(replay(&data, &paths, &shutdown), interrupt);
    assert!(first.interrupted, "{first:?}");
    assert_eq!(first.rows, first.published * 2_000, "whole polls only");

    let second = replay(&data, &paths, &Shutdown::new()).await;
    assert_eq!(second.present, first.published);
    assert_eq!(first.rows + second.rows, 120_000);
    support::check_all(&support::open(&data.join("published"), &bodies));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_against_a_failing_opensky_loses_nothing_and_goes_on_after_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut published = Vec::new();
    for session in 0..2 {
        // Every poll is a minute after the one before, and one in four goes wrong.
        let config = config(
            Command::Demo,
            &[
                ("producer.interval", "1s"),
                ("simulator.aircraft", "500"),
                ("simulator.speed", "60"),
                (
                    "simulator.start_time",
                    &(START + session * 86_400).to_string(),
                ),
                ("simulator.faults.status_503", "0.1"),
                ("simulator.faults.truncated", "0.1"),
                ("simulator.faults.non_json", "0.05"),
            ],
        );
        let summary = session_of(config, &data, 4).await;
        assert!(summary.figures.polls > 3, "{summary:?}");
        assert_eq!(summary.figures.committed, summary.figures.polls * 500);
        assert_eq!(summary.dead_letters, 0);
        published.push(summary.figures.polls);
    }
    let polls: u64 = published.iter().sum();

    // The same fleet at the times of the polls, computed anew.
    let times = transformer::query(
        &data.join("published"),
        "select epoch(snapshot_time)::bigint from kpi_history order by 1",
    )
    .unwrap();
    let fleet = simulator::Fleet::new(1, 500).with_quirks(true);
    let bodies: Vec<Body> = times
        .rows
        .iter()
        .map(|row| row[0].as_ref().unwrap().parse().unwrap())
        .map(|time| Body {
            time,
            bytes: fleet.body(time, true),
        })
        .collect();
    assert_eq!(bodies.len() as u64, polls);
    support::check_all(&support::open(&data.join("published"), &bodies));
    assert!(
        fs::read_dir(data.join("quarantine")).unwrap().count() > 0,
        "bodies that cannot be read are kept aside"
    );
}

/// One session of so many published polls, ended as Ctrl-C does.
async fn session_of(mut config: Config, data: &Path, polls: usize) -> live::Summary {
    let times = format!(
        "select snapshot_time from kpi_history where epoch(snapshot_time) >= {}",
        config.simulator.start_time.unwrap()
    );
    let published = data.join("published");
    let simulator = simulator::start(config.simulator.clone()).await.unwrap();
    config.producer.opensky.base_url = format!("{}/api", simulator.base_url());
    let home = Home::open(data, Command::Demo, config).unwrap();
    let servers = Servers::start(home.folder()).await.unwrap();
    let (shutdown, health, display) = (Shutdown::new(), Health::new(), Display::new());
    let enough = async {
        // So many that some were bad.
        until(|| simulator.served() >= 12).await;
        until(|| {
            let times = transformer::query(&published, &times);
            times.is_ok_and(|times| times.rows.len() >= polls)
        })
        .await;
        shutdown.trigger();
    };
    let session = live::run(&home, &servers, &health, &shutdown, None, &display);
    let (summary, ()) = tokio::join!(session, enough);
    // Ended in order, nothing is left in the broker that the lake has.
    assert!(
        servers.broker().stored_bytes() < 10_000,
        "{} bytes are left in the broker",
        servers.broker().stored_bytes()
    );
    summary.unwrap()
}
