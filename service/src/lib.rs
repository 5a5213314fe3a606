//! What every Contrail service needs and none should write for itself.
//!
//! In reading order: a `main` takes its flags from [`cli`], loads its [`config`], starts
//! [`telemetry`], and serves [`health`] and [`metrics`] over [`http`] until [`shutdown`].
//! What can fail meanwhile is tried again by [`retry`] or said in one line by [`fault`].
//! [`data_folder`] guards the local folder against a second process, and [`crash`] marks the
//! steps at which tests kill a service. [`tls`] is for whoever makes an HTTP client.
//!
//! Nothing here knows Kafka, Iceberg or DuckDB: this crate has no sibling dependency.

pub mod cli;
pub mod config;
pub mod telemetry;

pub mod health;
pub mod http;
pub mod metrics;
pub mod tls;

pub mod shutdown;

pub mod fault;
pub mod retry;

pub mod crash;
pub mod data_folder;
