//! Making files and folders survive a power failure.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::Error;

/// Files of a folder that were synced while others were still written.
#[derive(Debug, Default)]
pub(super) struct Synced(BTreeSet<PathBuf>);

impl Synced {
    /// Syncs the files that are in a folder by now. They must be written to the end.
    pub fn files(folder: &Path) -> Result<Synced, Error> {
        let mut synced = Synced::default();
        synced.sync(folder, false)?;
        Ok(synced)
    }

    /// Syncs what is in the folder besides, and the folder.
    pub fn rest(mut self, folder: &Path) -> Result<(), Error> {
        self.sync(folder, true)
    }

    fn sync(&mut self, folder: &Path, and_folders: bool) -> Result<(), Error> {
        let entries = fs::read_dir(folder).map_err(Error::file("read the folder", folder))?;
        for entry in entries {
            let path = entry
                .map_err(Error::file("read the folder", folder))?
                .path();
            if path.is_dir() {
                self.sync(&path, and_folders)?;
            } else if !self.0.contains(&path) && !is_linked(&path)? {
                sync(&path)?;
                self.0.insert(path);
            }
        }
        match and_folders {
            true => sync(folder),
            false => Ok(()),
        }
    }
}

/// Syncs everything in a folder, and the folder.
pub(crate) fn sync_all(folder: &Path) -> Result<(), Error> {
    Synced::default().rest(folder)
}

/// Syncs one file or folder.
pub(crate) fn sync(path: &Path) -> Result<(), Error> {
    let sync = || fs::File::open(path)?.sync_all();
    sync().map_err(Error::file("sync", path))
}

/// Whether a file is one of an earlier generation, which was synced with that.
fn is_linked(path: &Path) -> Result<bool, Error> {
    let file = fs::metadata(path).map_err(Error::file("look at", path))?;
    Ok(file.nlink() > 1)
}
