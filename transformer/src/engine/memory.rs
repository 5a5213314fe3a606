//! How much memory DuckDB may use: little day in, day out, more while a backlog is counted.
//!
//! A step of many rows fills the tables of the batch with far more than a poll does. Most of that
//! could be spilled, but not the small blocks that each column of each row group has, so that a
//! limit made for polls would end a rebuild.

use std::cell::Cell;

use super::Engine;
use crate::schema::quote;
use crate::{Error, TransformerConfig};

/// A step of more rows than this is of a backlog.
const BACKLOG_ROWS: u64 = 100_000;

/// The two limits, and which of them holds.
#[derive(Debug)]
pub(super) struct Memory {
    limit: String,
    backlog: String,
    is_backlog: Cell<bool>,
}

impl Memory {
    pub fn new(config: &TransformerConfig) -> Memory {
        Memory {
            limit: config.memory_limit.clone(),
            backlog: config.backlog_memory_limit.clone(),
            is_backlog: Cell::new(false),
        }
    }
}

impl Engine {
    /// Tries the limits, so that one that cannot be read is refused at the start.
    pub(super) fn check_memory(&self) -> Result<(), Error> {
        for (key, limit) in [
            ("backlog_memory_limit", &self.memory.backlog),
            ("memory_limit", &self.memory.limit),
        ] {
            self.set_memory(limit).map_err(|error| Error::Config {
                key,
                reason: error.in_full(),
            })?;
        }
        Ok(())
    }

    /// Makes room for a step of so many rows, if they are many.
    pub(super) fn make_room(&self, rows: u64) -> Result<(), Error> {
        self.use_threads(rows > BACKLOG_ROWS)?;
        if rows > BACKLOG_ROWS && !self.memory.is_backlog.get() {
            self.set_memory(&self.memory.backlog)?;
            self.memory.is_backlog.set(true);
        }
        Ok(())
    }

    /// Does work that fails as a whole or not at all. Where it lacks memory, such as for what a
    /// backlog left when the process ended, it is done again with the room of a backlog.
    pub(crate) fn with_room<T>(&self, work: impl Fn() -> Result<T, Error>) -> Result<T, Error> {
        match work() {
            Err(error) if error.is_out_of_memory() && !self.is_backlog() => {
                tracing::debug!(error = error.in_full(), "again with more memory");
                self.make_room(u64::MAX)?;
                work()
            }
            done => done,
        }
    }

    /// Whether a backlog is being counted, or was and is not published yet.
    pub(crate) fn is_backlog(&self) -> bool {
        self.memory.is_backlog.get()
    }

    /// Gives back the room that a backlog has taken, once it is published too.
    pub(crate) fn give_back_room(&self) {
        if !self.memory.is_backlog.get() {
            return;
        }
        match self.set_memory(&self.memory.limit) {
            Ok(()) => self.memory.is_backlog.set(false),
            // More is in use than can be given back at the moment: the next publication tries.
            Err(error) => tracing::debug!(error = error.in_full(), "the room is still needed"),
        }
    }

    fn set_memory(&self, limit: &str) -> Result<(), Error> {
        let sql = format!("set memory_limit = {}", quote(limit));
        self.run("set the memory limit", &sql)
    }
}

#[cfg(test)]
mod tests {
    use service::config::Loader;

    use super::super::newest;
    use super::*;
    use crate::Config;

    fn engine(folder: &std::path::Path) -> Engine {
        let loader = Loader::new()
            .defaults(lake::config::DEFAULTS)
            .defaults(crate::config::DEFAULTS)
            .environment([("", ""); 0]);
        let mut config = loader.load::<Config>().unwrap().transformer;
        config.analytics = folder.to_owned();
        Engine::open(&config).unwrap()
    }

    fn in_memory(engine: &Engine) -> i64 {
        let sql = "select sum(memory_usage_bytes + temporary_storage_bytes)::bigint
            from duckdb_memory() where tag = 'IN_MEMORY_TABLE'";
        engine.value("ask for the memory", sql).unwrap()
    }

    #[test]
    fn what_a_batch_has_used_is_given_back() {
        let folder = tempfile::tempdir().unwrap();
        let engine = engine(folder.path());
        let batch = || {
            engine.empty_native_tables()?;
            let rows = "insert into new_repeats
                select 'abcdef', to_timestamp(range) from range(100000)";
            engine.run("fill a table", rows)?;
            engine.empty_native_tables()
        };
        engine.transaction(batch).unwrap();
        let before = in_memory(&engine);
        for _ in 0..20 {
            engine.transaction(batch).unwrap();
        }
        let more = in_memory(&engine) - before;
        assert!(more < 1 << 20, "{more} bytes after 20 batches");
    }

    #[test]
    fn what_the_newest_poll_has_used_is_given_back() {
        let folder = tempfile::tempdir().unwrap();
        let engine = engine(folder.path());
        let poll = || {
            let session = engine.twin.session();
            newest::make(&session, &engine.models, &[], false).unwrap();
            let rows = "insert into new_latest_states by name
                select range::varchar as icao24, to_timestamp(range) as snapshot_time
                from range(10000)";
            session.run("fill a table", rows).unwrap();
            newest::make(&session, &engine.models, &[], true).unwrap();
        };
        poll();
        let count: i64 = engine
            .value("count", "select count(*) from int_latest_states")
            .unwrap();
        assert_eq!(count, 10_000);
        let before = in_memory(&engine);
        (0..50).for_each(|_| poll());
        let more = in_memory(&engine) - before;
        assert!(more < 2 << 20, "{more} bytes after 50 polls");
    }

    #[test]
    fn small_steps_have_a_thread_for_each_connection() {
        let folder = tempfile::tempdir().unwrap();
        let engine = engine(folder.path());
        let threads = || -> i64 {
            let sql = "select current_setting('threads')";
            engine.value("ask for the threads", sql).unwrap()
        };
        for (rows, expected) in [(10_000, 1), (10_000_000, 2), (10_000, 1)] {
            engine.make_room(rows).unwrap();
            assert_eq!(threads(), expected, "{rows} rows");
        }
    }

    #[test]
    fn what_lacks_memory_gets_the_room_of_a_backlog_until_it_is_published() {
        let folder = tempfile::tempdir().unwrap();
        let engine = engine(folder.path());
        let limit = || -> String {
            let sql = "select current_setting('memory_limit')";
            engine.value("ask for the limit", sql).unwrap()
        };
        let usual = limit();
        let sort = "create or replace temp table sorted as
            select count(*) from (select distinct md5(range::varchar) from range(600000))";
        engine
            .run("set a small limit", "set memory_limit = '8MiB'")
            .unwrap();
        assert!(engine.run("sort", sort).unwrap_err().is_out_of_memory());
        engine.with_room(|| engine.run("sort", sort)).unwrap();
        assert!(engine.is_backlog());
        assert_ne!(limit(), usual);
        engine.give_back_room();
        assert!(!engine.is_backlog());
        assert_eq!(limit(), usual);
        // An error of another kind is not tried again.
        engine
            .with_room(|| engine.run("fail", "select nothing"))
            .unwrap_err();
        assert!(!engine.is_backlog());
    }
}
