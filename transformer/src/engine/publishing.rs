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

    /// The numbers in the only row of a query, of which some may be null.
    pub(crate) fn numbers(
        &self,
        action: &str,
        sql: &str,
        columns: usize,
    ) -> Result<Vec<Option<f64>>, Error> {
        self.conn
            .query_row(sql, [], |row| (0..columns).map(|at| row.get(at)).collect())
            .map_err(Error::duck(format!("cannot {action}")))
    }

    /// How many polls a run was the first to see.
    pub(crate) fn polls_of(&self, run_id: &str) -> Result<u64, Error> {
        let sql = format!(
            "select count(*)::ubigint from polls where run_id = {}",
            quote(run_id)
        );
        self.value("count the polls of the run", &sql)
    }

    /// The parts of a mart that have changed, with the batch of the change if the model says it.
    pub(crate) fn parts(&self, mart: &Model) -> Result<Vec<(String, Option<i64>)>, Error> {
        let read = || -> duckdb::Result<Vec<(String, Option<i64>)>> {
            let mut statement = self.conn.prepare(&mart.parts)?;
            let mut rows = statement.query([])?;
            let mut parts = Vec::new();
            while let Some(row) = rows.next()? {
                let batch = match row.as_ref().column_count() {
                    0 | 1 => None,
                    _ => row.get(1)?,
                };
                parts.push((row.get(0)?, batch));
            }
            Ok(parts)
        };
        read().map_err(Error::duck(format!(
            "cannot list the changed parts of {}",
            mart.name
        )))
    }

    /// The file a seed was loaded from.
    pub(crate) fn seed_file(&self, name: &str) -> PathBuf {
        let folder = self.path.parent().unwrap_or(Path::new(""));
        folder.join(format!("{name}.csv"))
    }
}
