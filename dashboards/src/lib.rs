//! Metabase as code: questions and dashboards as files, and what brings a Metabase to what they say.
//!
//! In reading order:
//! - [`content`]: the files, checked against each other; [`sql`]: which tables they ask for.
//! - [`metabase`]: a Metabase, its database, and what is in it that came from here.
//! - [`state`]: a file as Metabase has it, and how the two are compared.
//! - [`apply`], [`verify`], [`export`]: from the files to Metabase, whether it works there, and back.
//! - [`cli`]: the commands; [`config`]: what can be set.

pub mod config;
pub mod content;
mod error;
pub mod sql;

pub mod metabase;
pub mod state;

pub mod apply;
pub mod export;
pub mod verify;

pub mod cli;

pub use config::{Config, DEFAULTS};
pub use error::Error;
