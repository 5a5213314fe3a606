//! The producer: asks OpenSky for all aircraft and publishes each answer to Kafka.
//!
//! A poll is one Kafka transaction, so consumers that read committed see it whole or not at all,
//! and a poll that is not newer than the last one published is dropped.
//!
//! In reading order:
//!
//! - [`config`]: what can be set.
//! - [`opensky`]: asks for a body and reads it.
//! - [`quarantine`]: where a body goes that cannot be read.
//! - [`registry`]: registers the schema.
//! - [`publish`]: one poll, one transaction; `batch` encodes it, `connect` gets a client ready,
//!   `kafka` says what its errors mean, `newest` reads what was published last, and `link` ties
//!   them together.
//! - [`run`](mod@run): the loop over the polls.
//!
//! Absent on purpose, for now: the credit budget, the archive of raw bodies, `/flights/*` and the
//! daily files. Each is a module beside these.

pub mod config;
pub mod error;

pub mod opensky;
pub mod quarantine;
pub mod registry;

mod batch;
mod connect;
mod kafka;
mod link;
mod newest;
pub mod publish;

pub mod run;

pub use config::{Config, DEFAULTS, ProducerConfig};
pub use error::ProducerError;
pub use kafka::PublishError;
pub use publish::{Published, Publisher, Stamp};
pub use registry::Registry;
pub use run::{Progress, run, run_after};
