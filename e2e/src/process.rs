//! Our programs as processes, with their logs in files and their ends in signals.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::disk::Disk;

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
        Process::start_on(None, folder, name, program_name, arguments, environment)
    }

    /// As [`start`](Process::start), where the program sees a disk of its own.
    pub fn start_on<A: AsRef<OsStr>>(
        disk: Option<&Disk>,
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
        let mut command = match disk {
            // It ends up as the program itself, under the same process id.
            Some(disk) => disk.command(program(program_name)),
            None => Command::new(program(program_name)),
        };
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

    /// What it answers at a path of its HTTP endpoint: status and body. Must be called on a
    /// multi-threaded Tokio runtime.
    pub fn get(&self, path: &str) -> (u16, String) {
        let address = crate::wait("its address in the log", Duration::from_secs(60), || {
            let log = self.log();
            let line = log
                .lines()
                .rfind(|line| line.contains("serving /healthz"))?;
            let line: serde_json::Value = serde_json::from_str(line).ok()?;
            Some(line["addr"].as_str()?.to_owned())
        });
        service::tls::install_provider();
        let answer = async {
            let answer = reqwest::get(format!("http://{address}{path}")).await?;
            let status = answer.status().as_u16();
            Ok::<_, reqwest::Error>((status, answer.text().await?))
        };
        let runtime = tokio::runtime::Handle::current();
        let answered = tokio::task::block_in_place(|| runtime.block_on(answer));
        answered.unwrap_or_else(|error| panic!("{} does not answer {path}: {error}", self.name))
    }

    /// A figure of its `/metrics`, summed over its labels; 0 while there is none.
    pub fn metric(&self, name: &str) -> f64 {
        let (_, metrics) = self.get("/metrics");
        metrics
            .lines()
            .filter(|line| {
                let rest = line.strip_prefix(name);
                rest.is_some_and(|rest| rest.starts_with([' ', '{']))
            })
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    }

    /// Whether it says that it is ready, and what it says.
    pub fn readiness(&self) -> (bool, String) {
        let (status, said) = self.get("/readyz");
        (status == 200, said)
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

    /// Suspends it, at any moment but one at which it has locked a file: SQLite's locks go on
    /// while their holder sleeps, and nobody else would get at the catalog, the readers of the
    /// test included.
    pub fn suspend(&self) {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            self.signal("STOP");
            while !self.is_suspended() {
                assert!(Instant::now() < deadline, "{} goes on", self.name);
                std::thread::yield_now();
            }
            if !self.has_locked_a_file() {
                return;
            }
            self.signal("CONT");
            assert!(
                Instant::now() < deadline,
                "{} never lets go of its locks",
                self.name
            );
            std::thread::yield_now();
        }
    }

    fn is_suspended(&self) -> bool {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()));
        // After the name, in parentheses, comes the state.
        let stat = stat.expect("the process is there");
        stat.rsplit_once(") ")
            .is_some_and(|(_, state)| state.starts_with('T'))
    }

    fn has_locked_a_file(&self) -> bool {
        let id = self.child.id().to_string();
        let locks = fs::read_to_string("/proc/locks").expect("/proc/locks");
        locks.lines().any(|lock| {
            let mut words = lock.split_whitespace().skip(1);
            words.next() == Some("POSIX") && words.nth(2) == Some(&id)
        })
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("its state")
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
        crate::wait(&what, limit, || self.ended())
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
