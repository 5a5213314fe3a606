//! The one folder a local Contrail keeps everything in, held by one process at a time.
//!
//! The lock is the operating system's, on the open file `.lock`: it ends with the process however
//! that ends, so there is never a stale lock to clean. What the file says is for people only.
//! Every refusal comes before the first change to the disk.

mod error;

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use error::DataFolderError;

pub use crate::lock::Holder;
use crate::lock::{self, Lock, LockError};

/// The layout this program reads and writes.
const FORMAT: u32 = 1;
const VERSION_FILE: &str = "contrail.json";
const VERSION_FILE_UNFINISHED: &str = ".contrail.json.new";
const LOCK_FILE: &str = ".lock";

/// What an otherwise empty folder may hold: our own beginnings, and what a fresh disk comes with.
const NEGLIGIBLE: &[&str] = &[LOCK_FILE, VERSION_FILE_UNFINISHED, "lost+found"];

/// The data folder of this process. Held until dropped, when it was [opened](DataFolder::open).
#[derive(Debug)]
pub struct DataFolder {
    root: PathBuf,
    _lock: Option<Lock>,
}

/// Whether readers, DuckDB among them, take a path for a pattern of several; URIs take it for a query.
pub fn is_pattern(path: &Path) -> bool {
    path.to_string_lossy().contains(['*', '?', '['])
}

/// The content of `contrail.json`.
#[derive(Debug, Serialize, Deserialize)]
struct Version {
    format: u32,
    created_by: String,
}

impl DataFolder {
    /// Opens the folder at `path` for this process alone, making it when it is not there.
    /// `holder` says who has it, to whoever asks meanwhile.
    ///
    /// # Errors
    /// The folder holds something else, is of another version, is in use by another process, or
    /// cannot be read or written. Nothing on disk has changed then.
    pub fn open(path: &Path, holder: &str) -> Result<DataFolder, DataFolderError> {
        check(path)?;
        let io = |doing| move |source| DataFolderError::io(doing, path, source);
        let absolute = std::path::absolute(path).map_err(io("find"))?;
        if is_pattern(&absolute) {
            return Err(DataFolderError::Pattern { path: absolute });
        }
        fs::create_dir_all(path).map_err(io("create"))?;
        let lock = Lock::take(&path.join(LOCK_FILE), holder).map_err(|error| match error {
            LockError::Held(holder) => DataFolderError::InUse {
                path: path.into(),
                holder,
            },
            LockError::Io(source) => DataFolderError::io("lock", path, source),
        })?;
        // Looked at again now that nobody else can change it.
        if check(path)?.is_none() {
            write_version(path).map_err(io("write to"))?;
        }
        let root = path.canonicalize().map_err(io("read"))?;
        Ok(DataFolder {
            root,
            _lock: Some(lock),
        })
    }

    /// Looks at an existing folder without holding it, for programs that only read what was
    /// published.
    ///
    /// # Errors
    /// There is no data folder at `path`, or it is of another version.
    pub fn view(path: &Path) -> Result<DataFolder, DataFolderError> {
        if check(path)?.is_none() {
            return Err(DataFolderError::Missing { path: path.into() });
        }
        let root = path
            .canonicalize()
            .map_err(|source| DataFolderError::io("read", path, source))?;
        Ok(DataFolder { root, _lock: None })
    }

    /// Who holds the folder at `path` now, if anyone does.
    ///
    /// # Errors
    /// The lock file is there and cannot be read.
    pub fn holder(path: &Path) -> Result<Option<Holder>, DataFolderError> {
        lock::holder(&path.join(LOCK_FILE))
            .map_err(|source| DataFolderError::io("read", path, source))
    }

    /// The folder itself, as an absolute path.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The Iceberg warehouse and its catalog.
    pub fn warehouse(&self) -> PathBuf {
        self.root.join("warehouse")
    }

    /// The transformer's private DuckDB.
    pub fn analytics(&self) -> PathBuf {
        self.root.join("analytics")
    }

    /// What readers open: generations of the marts and the views over them.
    pub fn published(&self) -> PathBuf {
        self.root.join("published")
    }

    /// Bodies as they were fetched.
    pub fn archive(&self) -> PathBuf {
        self.root.join("archive")
    }

    /// Bodies that could not be read.
    pub fn quarantine(&self) -> PathBuf {
        self.root.join("quarantine")
    }

    /// Logs and the records of runs.
    pub fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }
}

/// Whether `path` is, or may become, a data folder of this version; its version file when it is
/// one already. Changes nothing.
fn check(path: &Path) -> Result<Option<Version>, DataFolderError> {
    let io = |source| DataFolderError::io("read", path, source);
    match fs::read_to_string(path.join(VERSION_FILE)) {
        Ok(text) => return check_version(path, &text).map(Some),
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Err(e) if e.kind() == io::ErrorKind::NotADirectory => {
            return Err(DataFolderError::NotOurs { path: path.into() });
        }
        Err(e) => return Err(io(e)),
    }
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(io(e)),
    };
    for entry in entries {
        let name = entry.map_err(io)?.file_name();
        if !NEGLIGIBLE.iter().any(|negligible| name == *negligible) {
            return Err(DataFolderError::NotOurs { path: path.into() });
        }
    }
    Ok(None)
}

fn check_version(path: &Path, text: &str) -> Result<Version, DataFolderError> {
    // The format alone is looked at first: another version's file may have other fields.
    #[derive(Deserialize)]
    struct Format {
        format: u32,
    }
    let unreadable = |source| DataFolderError::UnreadableVersion {
        path: path.join(VERSION_FILE),
        source,
    };
    let Format { format } = serde_json::from_str(text).map_err(unreadable)?;
    if format != FORMAT {
        return Err(DataFolderError::OtherVersion {
            path: path.into(),
            found: format,
            supported: FORMAT,
        });
    }
    serde_json::from_str(text).map_err(unreadable)
}

/// Writes the version file whole or not at all.
fn write_version(path: &Path) -> io::Result<()> {
    let version = Version {
        format: FORMAT,
        created_by: env!("CARGO_PKG_VERSION").into(),
    };
    let unfinished = path.join(VERSION_FILE_UNFINISHED);
    let mut file = File::create(&unfinished)?;
    file.write_all(serde_json::to_string(&version)?.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    fs::rename(&unfinished, path.join(VERSION_FILE))?;
    File::open(path)?.sync_all()
}
