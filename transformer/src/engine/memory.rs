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
    pub(super) fn is_backlog(&self) -> bool {
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
