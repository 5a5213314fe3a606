//! What only a process of its own can show: each test starts this test program again, as the
//! child it describes.

#![cfg(test)]

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use service::data_folder::DataFolder;
use service::shutdown::Shutdown;

#[cfg(feature = "failpoints")]
const SIGABRT: i32 = 6;
const SIGKILL: i32 = 9;

/// Tells the child which folder it works in; its presence makes the process a child.
const CHILD: &str = "SERVICE_TEST_CHILD";
/// How long anything may take.
const DEADLINE: Duration = Duration::from_secs(300);

/// The folder to work in, when this process is a child.
fn child_folder() -> Option<PathBuf> {
    std::env::var_os(CHILD).map(Into::into)
}

/// Says that the child has come to `state`.
fn tell(state: &str) {
    println!("\nchild: {state}");
}

/// A child under way. It does not outlive the test.
struct Running {
    child: Child,
    /// What it says it has come to.
    states: Receiver<String>,
}

impl Running {
    /// Starts the test `name` of this program as a child in `folder`.
    fn start(name: &str, folder: &Path, environment: &[(&str, &str)]) -> Running {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([name, "--exact", "--nocapture", "--test-threads=1"])
            .env(CHILD, folder)
            .envs(environment.iter().copied())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, states) = channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if let Some(state) = line.strip_prefix("child: ")
                    && sender.send(state.to_owned()).is_err()
                {
                    return;
                }
            }
        });
        Running { child, states }
    }

    /// Waits until the child has come to `state`.
    fn until(&self, state: &str) {
        while self.states.recv_timeout(DEADLINE).unwrap() != state {}
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args([format!("-{name}"), self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(status.success());
    }

    /// Waits until the child has ended; gives how, and the last state it came to.
    fn wait(mut self) -> (ExitStatus, Option<String>) {
        // Its output ends when it does.
        let mut last = None;
        loop {
            match self.states.recv_timeout(DEADLINE) {
                Ok(state) => last = Some(state),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("the child did not end"),
            }
        }
        (self.child.wait().unwrap(), last)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_first_signal_asks_and_a_later_one_ends() {
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
        let name = "the_first_signal_asks_and_a_later_one_ends";
        let mut child = Running::start(name, Path::new(""), &[]);
        child.until("waiting");
        let asked = Instant::now();
        child.signal(first);
        child.until("asked");
        // Repeats change nothing until they can no longer be the same keystroke's.
        while child.child.try_wait().unwrap().is_none() {
            assert!(asked.elapsed() < DEADLINE, "the child did not end");
            child.signal(second);
            std::thread::sleep(Duration::from_millis(50));
        }
        assert!(asked.elapsed() >= Duration::from_secs(1), "ended at once");
        assert_eq!(child.wait().0.code(), Some(130));
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
    let child = Running::start(name, temp.path(), &[]);
    child.until("holding");
    let refused = DataFolder::open(temp.path(), "the parent").unwrap_err();
    let wanted = format!("is in use by the child (process {} on ", child.child.id());
    assert!(refused.to_string().contains(&wanted), "{refused}");
    child.signal("KILL");
    assert_eq!(child.wait().0.signal(), Some(SIGKILL));
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
        let child = Running::start(name, Path::new(""), &[("CONTRAIL_CRASH_AT", at)]);
        let (status, reached) = child.wait();
        assert_eq!(reached.as_deref(), Some(last), "{at}");
        let signal = status.signal();
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
    let child = Running::start(name, Path::new(""), &[("CONTRAIL_CRASH_AT", "test.step")]);
    let (status, reached) = child.wait();
    assert!(status.success());
    assert_eq!(reached.as_deref(), Some("went on"));
}
