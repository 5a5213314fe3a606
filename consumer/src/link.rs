//! What the two threads say to each other.

use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use crate::chunk::Chunk;
use crate::position::{Positions, Stream};

/// Chunks on their way to the pipeline at the most.
const QUEUED_CHUNKS: usize = 16;

/// What the pipeline is told, in order.
pub enum Event {
    /// Records of the current assignment.
    Rows(Chunk),
    /// Partitions are to be read from where the table stands, which is the answer. What
    /// was buffered before is void.
    Assigned {
        /// What the positions belong to.
        stream: Stream,
        /// Takes the table's positions.
        reply: SyncSender<Positions>,
    },
    /// The partitions are given away: commit what is buffered, or drop it when they are
    /// `lost` to somebody else already.
    Revoked {
        /// Whether it is too late for a commit.
        lost: bool,
        /// Takes the word that it is done.
        reply: SyncSender<()>,
    },
}

/// What the source is told.
pub enum Command {
    /// Somebody else has committed: forget what was read, start again where the table stands.
    Restart,
    /// The table stands here now.
    Committed(Positions),
}

/// What both threads see.
#[derive(Debug, Default)]
pub struct Shared {
    /// Bytes of chunks sent but not decoded yet.
    pub queued: AtomicUsize,
    /// Bytes of rows decoded but not committed yet.
    pub buffered: AtomicUsize,
    /// The last commit took too long: give it up.
    pub abandon: AtomicBool,
}

/// The way from the source to the pipeline.
pub fn channel() -> (SyncSender<Event>, Receiver<Event>) {
    sync_channel(QUEUED_CHUNKS)
}
