//! What every Contrail service needs and none should write for itself.
//!
//! In reading order: a `main` takes its flags from [`cli`], loads its [`config`], starts
//! [`telemetry`], and serves [`health`] and [`metrics`] over [`http`] until [`shutdown`]; whether it is
//! [`ready`] can be asked by another call of the program.
//! What can fail meanwhile is tried again by [`retry`] or said in one line by [`fault`], and what
//! a person should look at is sent by [`notify`]. [`data_folder`] guards the local folder against
//! a second process by a [`lock`], [`span_file`] gives a piece of work a log file of its own, and
//! [`crash`] marks the steps at which tests kill a service; [`heaps`] keeps memory low. [`tls`] is for whoever makes an HTTP
//! client, and [`registry`] for whoever asks a schema registry.
//!
//! Nothing here knows Kafka, Iceberg or DuckDB: this crate has no sibling dependency.

pub mod cli;
pub mod config;
pub mod span_file;
pub mod telemetry;

pub mod health;
pub mod http;
pub mod metrics;
pub mod ready;
pub mod registry;
pub mod tls;

pub mod shutdown;

pub mod fault;
pub mod retry;

pub mod notify;

pub mod crash;
pub mod data_folder;
pub mod heaps;
pub mod lock;
