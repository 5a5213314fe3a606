//! What only a process of its own can show: each test starts this test program again, as the
//! child it describes.

#![cfg(test)]

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use service::data_folder::DataFolder;
use service::shutdown::Shutdown;

#[cfg(feature = "failpoints")]
const SIGABRT: i32 = 6;
const SIGKILL: i32 = 9;

/// Tells the child which folder it works in; its presence makes the process a child.
const CHILD: &str = "SERVICE_TEST_CHILD";
/// How long anything may take.
const DEADLINE: Duration = Duration::from_secs(60);

/// The folder to work in, when this process is a child.
fn child_folder() -> Option<std::path::PathBuf> {
    std::env::var_os(CHILD).map(Into::into)
}

/// Starts the test `name` of this program as a child in `folder`.
fn start(name: &str, folder: &Path, environment: &[(&str, &str)]) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture", "--test-threads=1"])
        .env(CHILD, folder)
        .envs(environment.iter().copied())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Says that the child has come to `state`.
fn tell(state: &str) {
    println!("\nchild: {state}");
}

/// Waits until the child says that it has come to `state`.
fn until(child: &mut Child, state: &str) {
    let wanted = format!("child: {state}");
    let output = BufReader::new(child.stdout.as_mut().unwrap());
    assert!(
        output.lines().any(|line| line.unwrap() == wanted),
        "the child never came to {state}"
    );
}

fn signal(child: &Child, name: &str) {
    let status = Command::new("kill")
        .args([format!("-{name}"), child.id().to_string()])
        .status()
        .unwrap();
    assert!(status.success());
}

fn wait(mut child: Child) -> ExitStatus {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if start.elapsed() > DEADLINE {
            child.kill().unwrap();
            panic!("the child did not end in {DEADLINE:?}");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn the_first_signal_asks_and_the_second_ends() {
    if child_folder().is_some() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let shutdown = Shutdown::on_signals();
            tell("waiting");
            shutdown.wait().await;
            tell("asked");
            std::future::pending::<()>().await;
        });
    }
    for (first, second) in [("INT", "TERM"), ("TERM", "INT")] {
        let name = "the_first_signal_asks_and_the_second_ends";
        let mut child = start(name, Path::new(""), &[]);
        until(&mut child, "waiting");
        signal(&child, first);
        until(&mut child, "asked");
        signal(&child, second);
        assert_eq!(wait(child).code(), Some(130));
    }
}

#[test]
fn a_killed_process_leaves_its_folder_free() {
    if let Some(folder) = child_folder() {
        let _held = DataFolder::open(&folder, "the child").unwrap();
        tell("holding");
        loop {
            std::thread::park();
        }
    }
    let temp = tempfile::tempdir().unwrap();
    let name = "a_killed_process_leaves_its_folder_free";
    let mut child = start(name, temp.path(), &[]);
    until(&mut child, "holding");
    let refused = DataFolder::open(temp.path(), "the parent").unwrap_err();
    let wanted = format!("is in use by the child (process {} on ", child.id());
    assert!(refused.to_string().contains(&wanted), "{refused}");
    signal(&child, "KILL");
    assert_eq!(wait(child).signal(), Some(SIGKILL));
    DataFolder::open(temp.path(), "the parent").unwrap();
}

/// Goes through a step three times; gives how often it failed.
fn steps() -> usize {
    fn step(n: usize) -> Result<(), ()> {
        tell(&format!("before {n}"));
        service::crash_point!("test.step", return Err(()));
        service::crash_point!("test.other");
        Ok(())
    }
    (1..=3).filter(|n| step(*n).is_err()).count()
}

#[cfg(feature = "failpoints")]
#[test]
fn a_crash_point_aborts_where_the_environment_says() {
    if child_folder().is_some() {
        steps();
        tell("went on");
        return;
    }
    let name = "a_crash_point_aborts_where_the_environment_says";
    for (at, last, aborted) in [
        ("test.step", "before 1", true),
        ("test.step:3", "before 3", true),
        ("test.other:2", "before 2", true),
        ("test.step:4", "went on", false),
        ("elsewhere", "went on", false),
    ] {
        let mut child = start(name, Path::new(""), &[("CONTRAIL_CRASH_AT", at)]);
        let output = BufReader::new(child.stdout.take().unwrap());
        let said: Vec<_> = output
            .lines()
            .map(|line| line.unwrap())
            .filter_map(|line| line.strip_prefix("child: ").map(str::to_owned))
            .collect();
        assert_eq!(said.last().map(String::as_str), Some(last), "{at}");
        let signal = wait(child).signal();
        assert_eq!(signal, aborted.then_some(SIGABRT), "{at}");
    }
}

#[cfg(feature = "failpoints")]
#[test]
fn a_test_can_make_a_step_fail() {
    fail::cfg("test.step", "1*off->1*return->off").unwrap();
    assert_eq!(steps(), 1);
    fail::remove("test.step");
    assert_eq!(steps(), 0);
}

#[cfg(not(feature = "failpoints"))]
#[test]
fn without_the_feature_a_crash_point_does_nothing() {
    if child_folder().is_some() {
        assert_eq!(steps(), 0);
        tell("went on");
        return;
    }
    let name = "without_the_feature_a_crash_point_does_nothing";
    let mut child = start(name, Path::new(""), &[("CONTRAIL_CRASH_AT", "test.step")]);
    until(&mut child, "went on");
    assert!(wait(child).success());
}
