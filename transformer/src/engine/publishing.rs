//! What publishing needs of the private database.

use std::path::{Path, PathBuf};

use super::Engine;
use crate::Error;
use crate::models::Model;
use crate::schema::quote;

impl Engine {
    /// Does what a mart leaves for when it is published, in a transaction of its own.
    pub(crate) fn settle(&self, mart: &Model) -> Result<(), Error> {
        let settle = || self.run(&format!("settle {}", mart.name), &mart.settle);
        self.with_room(|| self.transaction(settle))
    }

    /// How many polls a run was the first to see.
    pub(crate) fn polls_of(&self, run_id: &str) -> Result<u64, Error> {
        let sql = format!(
            "select count(*)::ubigint from polls where run_id = {}",
            quote(run_id)
        );
        self.value("count the polls of the run", &sql)
    }

    /// The file a seed was loaded from.
    pub(crate) fn seed_file(&self, name: &str) -> PathBuf {
        let folder = self.path.parent().unwrap_or(Path::new(""));
        folder.join(format!("{name}.csv"))
    }
}
