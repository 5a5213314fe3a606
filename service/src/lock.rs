//! One holder of a file at a time, who says who it is.
//!
//! The lock is the operating system's, on the open file: it ends with the process however that
//! ends, so there is never a stale lock to clean. What the file says is for people only.

use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

/// An exclusive lock, released when dropped or when the process ends.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

/// Why a lock was not had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody else has it.
    #[error("in use by {0}")]
    Held(Holder),
    /// The file could not be opened, locked or written.
    #[error("cannot lock the file")]
    Io(#[source] io::Error),
}

/// Who holds a lock, as they wrote it into the lock file themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// What runs there, such as `contrail run`.
    pub holder: String,
    /// Its process id.
    pub pid: u32,
    /// The machine it runs on.
    pub host: String,
    /// Since when, as an RFC 3339 time in UTC.
    pub since: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Holder {
            holder,
            pid,
            host,
            since,
        } = self;
        write!(f, "{holder} (process {pid} on {host}, since {since})")
    }
}

impl Lock {
    /// Locks the file at `path`, making it when it is not there, or says who has it. Never waits.
    /// `holder` says what runs here, such as `contrail run`.
    ///
    /// # Errors
    /// Another process has it, or the file cannot be opened, locked or written.
    pub fn take(path: &Path, holder: &str) -> Result<Lock, LockError> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(LockError::Io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(LockError::Held(read(&file)));
            }
            Err(TryLockError::Error(e)) => return Err(LockError::Io(e)),
        }
        let mut lock = Lock { file };
        lock.sign(holder).map_err(LockError::Io)?;
        Ok(lock)
    }

    fn sign(&mut self, holder: &str) -> io::Result<()> {
        let holder = Holder {
            holder: holder.into(),
            pid: std::process::id(),
            host: host(),
            since: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
        };
        self.file.set_len(0)?;
        self.file
            .write_all(serde_json::to_string(&holder)?.as_bytes())
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Only tidiness: the lock itself is released when the file is closed.
        let _ = self.file.set_len(0);
    }
}

/// Who has the lock file at `path` locked now.
///
/// # Errors
/// The file is there and cannot be read.
pub fn holder(path: &Path) -> io::Result<Option<Holder>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(None),
        Err(TryLockError::WouldBlock) => Ok(Some(read(&file))),
        Err(TryLockError::Error(e)) => Err(e),
    }
}

/// What the holder wrote. It may not have come to that yet, so this never fails.
fn read(mut file: &File) -> Holder {
    let mut text = String::new();
    file.read_to_string(&mut text)
        .ok()
        .and_then(|_| serde_json::from_str(&text).ok())
        .unwrap_or_else(|| Holder {
            holder: "another process".into(),
            pid: 0,
            host: "unknown".into(),
            since: "unknown".into(),
        })
}

fn host() -> String {
    fs::read_to_string("/proc/sys/kernel/hostname")
        .map(|name| name.trim().to_owned())
        .unwrap_or_else(|_| "unknown".into())
}
