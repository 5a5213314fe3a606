//! One connection to the private database, and the statements it runs.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use duckdb::Connection;

use super::read_seed;
use crate::Error;
use crate::models::{Model, Models};
use crate::schema::quote;

/// A connection. What is temporary, and variables, are its own.
pub(crate) struct Session {
    conn: Connection,
}

/// The second connection, for whatever thread has a use for it.
pub(crate) struct Twin(Mutex<Session>);

impl Twin {
    /// The connection, until it is dropped. A panic elsewhere does not make it useless.
    pub(crate) fn session(&self) -> MutexGuard<'_, Session> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    pub(super) fn new(conn: Connection) -> Session {
        Session { conn }
    }

    /// Another one to the same database.
    pub(super) fn twin(&self) -> Result<Twin, Error> {
        let conn = self.conn.try_clone();
        conn.map(|conn| Twin(Mutex::new(Session::new(conn))))
            .map_err(Error::duck("cannot connect a second time"))
    }

    /// The connection, for what has no helper here.
    pub(crate) fn connection(&self) -> &Connection {
        &self.conn
    }

    /// Gives the connection what every model may read: the seeds, whose files lie in `folder`, and
    /// the size of cells.
    pub(super) fn prepare(
        &self,
        models: &Models,
        folder: &Path,
        cell_degrees: f64,
    ) -> Result<(), Error> {
        for (name, _) in models.files().seeds() {
            let sql = format!(
                "create or replace temp table {name} as {}",
                read_seed(&folder.join(format!("{name}.csv")))
            );
            self.run(&format!("load the seed {name}"), &sql)?;
        }
        let cells = format!("set variable cell_degrees = {cell_degrees}::double");
        self.run("say how large cells are", &cells)
    }

    /// Runs statements.
    pub(crate) fn run(&self, action: &str, sql: &str) -> Result<(), Error> {
        timed(action, sql, || self.conn.execute_batch(sql))
    }

    /// The single value of a query.
    pub(crate) fn value<T: duckdb::types::FromSql>(
        &self,
        action: &str,
        sql: &str,
    ) -> Result<T, Error> {
        timed(action, sql, || {
            self.conn.query_row(sql, [], |row| row.get(0))
        })
    }

    /// The first column of a query.
    pub(crate) fn column<T: duckdb::types::FromSql>(
        &self,
        action: &str,
        sql: &str,
    ) -> Result<Vec<T>, Error> {
        timed(action, sql, || {
            let mut statement = self.conn.prepare(sql)?;
            let rows = statement.query_map([], |row| row.get(0))?;
            rows.collect()
        })
    }

    /// The numbers in the only row of a query, of which some may be null.
    pub(crate) fn numbers(
        &self,
        action: &str,
        sql: &str,
        columns: usize,
    ) -> Result<Vec<Option<f64>>, Error> {
        timed(action, sql, || {
            self.conn.query_row(sql, [], |row| {
                let found = row.as_ref().column_count();
                if found != columns {
                    return Err(duckdb::Error::InvalidColumnIndex(found));
                }
                (0..columns).map(|at| row.get(at)).collect()
            })
        })
    }

    /// The parts of a mart that have changed, with the batch of the change if the model says it.
    pub(crate) fn parts(&self, mart: &Model) -> Result<Vec<(String, Option<i64>)>, Error> {
        let action = format!("list the changed parts of {}", mart.name);
        timed(&action, &mart.parts, || {
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
        })
    }

    /// Counted data files with rows at or after `since` (microseconds since 1970).
    pub(crate) fn live_files(&self, since: i64) -> Result<Vec<String>, Error> {
        let sql = format!(
            "select path from lake_files
            where batch is not null and coalesce(epoch_us(last_time) >= {since}, true)
            order by first_time, path"
        );
        self.column("list the lake's files", &sql)
    }

    /// Writes a query's result to a file and counts its rows.
    pub(crate) fn copy(&self, select: &str, file: &Path, name: &str) -> Result<u64, Error> {
        let sql = format!(
            "copy ({select}) to {} (format parquet, compression zstd)",
            quote(&file.to_string_lossy())
        );
        self.value(&format!("write {name}"), &sql)
    }
}

/// Runs a statement, and says in the log how long it took.
fn timed<T>(action: &str, sql: &str, run: impl FnOnce() -> duckdb::Result<T>) -> Result<T, Error> {
    let began = Instant::now();
    let done = run();
    tracing::trace!(action, elapsed = ?began.elapsed(), sql, "run");
    done.map_err(Error::duck(format!("cannot {action}")))
}
