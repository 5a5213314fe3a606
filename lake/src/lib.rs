//! The lake: where the Iceberg tables are and what they look like.
//!
//! - [`config`]: the `[lake]` section.
//! - [`tables`]: schema, partitioning and sort order of every table.
//! - [`Lake`]: the open catalog.
//!
//! Only the consumer, which writes, and the transformer, which reads, use this crate.

pub mod config;
mod database;
mod durable;
mod error;
mod open;
pub mod tables;

pub use config::LakeConfig;
pub use error::LakeError;
pub use open::Lake;
