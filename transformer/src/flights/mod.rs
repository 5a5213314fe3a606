//! Flights, derived from state vectors.
//!
//! A flight is what an aircraft does between leaving the ground and being back on it, as far as
//! receivers saw it. [`rules`] says what separates two, in numbers with their reasons.
//!
//! Everything rests on one algebra. A [`Piece`] is a stretch of one aircraft's rows, and two that
//! follow each other are joined, or separated, by what their adjacent rows say; it does not matter
//! which two of many are joined first. So files are read by several threads, tracks are carried
//! from batch to batch, and a track that is read again from the lake comes out the same.
//!
//! Rows that are older than what is known of their aircraft (a backfill, a partition that lags)
//! are late. Nothing they say reaches farther than [`rules::LONGEST_SILENCE`] from them, except by
//! the flights they touch; those are taken back and derived again from the lake.
//!
//! In reading order:
//! - [`rules`]: rows, and the decisions about one or two of them.
//! - [`piece`]: the algebra.
//! - [`flight`]: what comes out.
//! - [`tracks`]: the tracks of one run of rows.
//! - [`tracker`]: the open ends of all aircraft's tracks, between batches.
//! - [`again`]: which rows to read again when some came late, and what becomes of them.
//! - `snapshot`: the tracker as bytes.
//! - `rows`: flights as columns.
//! - `keep`: the tracks between refreshes, and the flights in the private database.

pub mod again;
pub mod flight;
pub(crate) mod keep;
pub mod piece;
mod rows;
pub mod rules;
mod snapshot;
#[cfg(test)]
mod tests;
pub mod tracker;
pub mod tracks;

pub use again::Window;
pub use flight::Flight;
pub use piece::Piece;
pub use rules::Point;
pub(crate) use snapshot::VERSION;
pub use tracker::{Closed, Tracker};
pub use tracks::{Late, Runs, Tracks};
