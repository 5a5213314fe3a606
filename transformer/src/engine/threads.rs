//! How many threads DuckDB uses: all it may for what is large, one a connection for what is small.
//!
//! A connection whose statement another thread works at asks in a loop whether it is done. With small
//! statements on two connections, which the connections' own threads do as quickly, more than a quarter
//! of the processor's time went into that.

use std::cell::Cell;

use super::Engine;
use crate::{Error, TransformerConfig};

/// How many there may be, and how many there are.
#[derive(Debug)]
pub(super) struct Threads {
    pub most: usize,
    now: Cell<usize>,
}

impl Threads {
    pub fn new(config: &TransformerConfig) -> Threads {
        let most = config.threads.max(1) as usize;
        Threads {
            most,
            now: Cell::new(most),
        }
    }
}

impl Engine {
    /// Has DuckDB use all threads it may, or none but those of the connections.
    pub(crate) fn use_threads(&self, all: bool) -> Result<(), Error> {
        let wanted = if all { self.threads.most } else { 1 };
        if self.threads.now.get() != wanted {
            self.run("say how many threads", &format!("set threads = {wanted}"))?;
            self.threads.now.set(wanted);
        }
        Ok(())
    }
}
