//! What publishing needs of the private database.

use std::path::{Path, PathBuf};

use super::Engine;
use crate::Error;
use crate::models::Model;

impl Engine {
    /// Does what a mart leaves for when it is published, in a transaction of its own.
    pub(crate) fn settle(&self, mart: &Model) -> Result<(), Error> {
        self.transaction(|| self.run(&format!("settle {}", mart.name), &mart.settle))
    }

    /// The file a seed was loaded from.
    pub(crate) fn seed_file(&self, name: &str) -> PathBuf {
        let folder = self.path.parent().unwrap_or(Path::new(""));
        folder.join(format!("{name}.csv"))
    }
}
