//! Our programs as processes, and what Linux says they use.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

/// Clock ticks a second in `/proc/PID/stat`; fixed by Linux's user-space interface.
const TICKS_PER_SECOND: f64 = 100.0;
const LOOK: Duration = Duration::from_millis(50);

/// A program of ours that runs; it is killed when this is dropped.
pub struct Process {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

/// What a process has used so far.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Usage {
    /// User and system time.
    pub cpu: Duration,
    /// Resident memory now, in bytes; pages of program files are counted in.
    pub resident: u64,
    /// The most it ever was.
    pub resident_peak: u64,
    /// Resident memory now without pages of files, in bytes.
    pub anonymous: u64,
    /// Bytes it has caused to be written to disk.
    pub written: u64,
}

impl Process {
    /// Starts the program of this name that lies beside this one, in `folder`. What it writes
    /// goes to a file there; its environment holds none of our settings.
    ///
    /// # Errors
    /// When it is not there or does not start.
    pub fn start<A: AsRef<OsStr>>(
        folder: &Path,
        name: &'static str,
        arguments: impl IntoIterator<Item = A>,
    ) -> anyhow::Result<Process> {
        let program = std::env::current_exe()?.with_file_name(name);
        if !program.is_file() {
            bail!("{} is missing; run ./task build", program.display());
        }
        fs::create_dir_all(folder)?;
        let log = folder.join(format!("{name}.log"));
        let file = File::create(&log)?;
        let child = Command::new(&program)
            .args(arguments)
            .env_clear()
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        Ok(Process { name, child, log })
    }

    /// The first line it wrote that begins so.
    ///
    /// # Errors
    /// When there is none in time.
    pub fn line(&mut self, start: &str, limit: Duration) -> anyhow::Result<String> {
        let log = self.log.clone();
        self.wait_for(&format!("a line {start}…"), limit, || {
            let lines = BufReader::new(File::open(&log).ok()?).lines();
            lines
                .map_while(Result::ok)
                .find(|line| line.starts_with(start))
        })
    }

    /// Waits until `look` gives a value.
    ///
    /// # Errors
    /// When it does not in time, or the process ends before.
    pub fn wait_for<T>(
        &mut self,
        what: &str,
        limit: Duration,
        look: impl Fn() -> Option<T>,
    ) -> anyhow::Result<T> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(found) = look() {
                return Ok(found);
            }
            if let Some(status) = self.child.try_wait()? {
                bail!(
                    "{} ended with {status} before {what}:\n{}",
                    self.name,
                    self.log()
                );
            }
            if Instant::now() > deadline {
                bail!("{} took too long for {what}:\n{}", self.name, self.log());
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Waits for its end, which must be a good one.
    ///
    /// # Errors
    /// When it ends otherwise or not in time.
    pub fn end(mut self, limit: Duration) -> anyhow::Result<()> {
        let deadline = Instant::now() + limit;
        loop {
            match self.child.try_wait()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => bail!("{} ended with {status}:\n{}", self.name, self.log()),
                None if Instant::now() > deadline => bail!("{} does not end", self.name),
                None => std::thread::sleep(LOOK),
            }
        }
    }

    /// What it has used so far.
    ///
    /// # Errors
    /// When it has ended.
    pub fn usage(&self) -> anyhow::Result<Usage> {
        let file = |name| format!("/proc/{}/{name}", self.child.id());
        let ended = || format!("{} has ended:\n{}", self.name, self.log());
        let status = fs::read_to_string(file("status")).with_context(ended)?;
        let stat = fs::read_to_string(file("stat")).with_context(ended)?;
        let io = fs::read_to_string(file("io")).with_context(ended)?;
        usage(&status, &stat, &io).with_context(|| format!("cannot read what {} uses", self.name))
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // One that has ended cannot be killed, and need not be.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What this process has used so far.
pub fn own_cpu() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    cpu(&stat).unwrap_or_default()
}

/// Memory that a program may take without another being swapped out, in bytes.
///
/// # Errors
/// When Linux does not say it.
pub fn free_memory() -> anyhow::Result<u64> {
    let path = "/proc/meminfo";
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?;
    let free = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"));
    let kibibytes = free.and_then(|free| free.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    let kibibytes = kibibytes.with_context(|| format!("{path} does not say MemAvailable"))?;
    Ok(kibibytes * 1024)
}

/// The most memory this process has had resident since [`reset_own_peak`], in bytes.
pub fn own_peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let io = fs::read_to_string("/proc/self/io").unwrap_or_default();
    usage(&status, &stat, &io).map_or(0, |usage| usage.resident_peak)
}

/// Lets the peak of this process's resident memory begin anew.
pub fn reset_own_peak() {
    // Where Linux does not allow it, the peak is that of the whole run, which is no less.
    let _ = fs::write("/proc/self/clear_refs", "5");
}

fn usage(status: &str, stat: &str, io: &str) -> Option<Usage> {
    let bytes = |name: &str| -> Option<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
        Some(kibibytes * 1024)
    };
    Some(Usage {
        cpu: cpu(stat)?,
        resident: bytes("VmRSS:")?,
        resident_peak: bytes("VmHWM:")?,
        anonymous: bytes("RssAnon:")?,
        written: io
            .lines()
            .find_map(|line| line.strip_prefix("write_bytes:")?.trim().parse().ok())?,
    })
}

/// User and system time of `/proc/PID/stat`. The fields are counted from the last `)`, since
/// the program's name before it may hold anything.
fn cpu(stat: &str) -> Option<Duration> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(Duration::from_secs_f64(
        (user + system) as f64 / TICKS_PER_SECOND,
    ))
}

/// Bytes as MiB.
pub fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_linux_writes() {
        let status = "Name:\tx\nVmHWM:\t 4096 kB\nVmRSS:\t 2048 kB\nRssAnon:\t 1024 kB\n";
        let stat = "7 (odd) name) S 1 7 7 0 -1 4 0 0 0 0 150 50 0 0 20 0 9 0 1 1 1";
        let io = "rchar: 1\nwrite_bytes: 8192\ncancelled_write_bytes: 4096\n";
        let found = usage(status, stat, io).unwrap();
        assert_eq!(found.cpu, Duration::from_secs(2));
        assert_eq!(mebibytes(found.resident_peak), 4.0);
        assert_eq!(mebibytes(found.resident), 2.0);
        assert_eq!(mebibytes(found.anonymous), 1.0);
        assert_eq!(found.written, 8192);
        assert_eq!(usage("", stat, io), None);
    }
}
