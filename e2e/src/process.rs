//! Our programs as processes, with their logs in files and their ends in signals.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

/// A program of ours.
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

/// Where the programs are: built with crash points by `./task test`.
pub fn program(name: &str) -> PathBuf {
    let folder = std::env::var_os("CONTRAIL_BIN_DIR")
        .expect("CONTRAIL_BIN_DIR is not set; run the tests with ./task test:e2e");
    let path = Path::new(&folder).join(name);
    assert!(
        path.is_file(),
        "{} is missing; run ./task test:e2e",
        path.display()
    );
    path
}

impl Process {
    /// Starts a program. Its output goes to `folder/NAME.log`, appended.
    pub fn start<A: AsRef<OsStr>>(
        folder: &Path,
        name: &str,
        program_name: &str,
        arguments: impl IntoIterator<Item = A>,
        environment: &[(&str, &str)],
    ) -> Process {
        let log = folder.join(format!("{name}.log"));
        let file = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .expect("the log file");
        let mut command = Command::new(program(program_name));
        command
            .args(arguments)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(file.try_clone().expect("the log file"))
            .stderr(file);
        for (key, value) in environment {
            command.env(key, value);
        }
        Process {
            name: name.to_owned(),
            child: command.spawn().expect("the program starts"),
            log,
        }
    }

    /// What it wrote, this run's and those before under the same name.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Sends a signal by name, such as `STOP`.
    pub fn signal(&self, signal: &str) {
        let status = Command::new("kill")
            .args([format!("-{signal}"), self.child.id().to_string()])
            .status();
        assert!(
            status.expect("kill runs").success(),
            "cannot signal {}",
            self.name
        );
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Ends it as a power failure would.
    pub fn kill(mut self) {
        self.child.kill().expect("SIGKILL");
        self.child.wait().expect("its end");
    }

    /// Asks it to end and waits until it has; it must have ended well.
    pub fn stop(mut self) {
        self.signal("TERM");
        let status = self.wait(Duration::from_secs(60));
        assert!(
            status.success(),
            "{} ended with {status}:\n{}",
            self.name,
            self.log()
        );
    }

    /// Waits for its own end.
    pub fn wait(&mut self, limit: Duration) -> ExitStatus {
        let what = format!("the end of {}; its log:\n{}", self.name, self.log());
        crate::wait(&what, limit, || self.child.try_wait().expect("its state"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let tail = &lines[lines.len().saturating_sub(20)..];
            eprintln!("--- the end of {}'s log:\n{}", self.name, tail.join("\n"));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
