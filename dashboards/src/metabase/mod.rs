//! What is asked of Metabase, and nothing of what it is asked for.
//!
//! - [`client`]: requests, and what refusals mean.
//! - [`start`]: waiting for it, setting it up, logging in.
//! - [`database`]: the connection to the tables.
//! - [`kept`]: what there is in it that this program has made; [`models`]: a model's columns.
//!
//! Shapes are those of Metabase 0.58 to 0.63, read from its source, its command line's schemas and its
//! API changelog; docs/metabase.md says what was never seen against a running one.

pub mod client;
pub mod database;
pub mod kept;
pub mod models;
pub mod start;

pub use client::Client;

/// The oldest supported version: queries are written as MBQL 5, which came with 0.57, and the shapes were
/// read for 0.58 and later.
pub const OLDEST: &str = "0.58";

/// The second number of [`OLDEST`], by which versions are compared: Metabase's first is its edition.
const OLDEST_MAJOR: u32 = 58;
