//! The whole pipeline in one process: `contrail demo`, `run`, `replay`, `query`, `status`.
//!
//! The services are the same libraries that run as processes of their own; what they meet
//! at is here and lives as long as the process: a broker, a schema registry, and for the
//! demo a simulated OpenSky.
//!
//! In reading order:
//! - [`cli`]: commands and flags.
//! - [`config`]: what can be set, and what each command has by default.
//! - [`home`]: the data folder and the services' settings that follow from it.
//! - [`broker`], [`registry`], [`trim`]: Kafka and the schema registry, in memory.
//! - [`live`]: producer, consumer and transformer side by side, and their end in order;
//!   [`part`] is one of them.
//! - [`marts`]: the marts brought up to the lake, before and after that.
//! - [`recordings`], [`presence`], [`replay`]: recorded bodies through the same chain.
//! - [`figures`], [`display`]: what a person sees meanwhile.
//! - [`inspect`]: what is in a data folder.

pub mod cli;
pub mod config;
pub mod home;

pub mod broker;
pub mod registry;
pub mod trim;

pub mod live;
pub mod marts;
mod part;

pub mod presence;
pub mod recordings;
pub mod replay;

pub mod display;
pub mod figures;
pub mod inspect;

mod error;

pub use config::Config;
pub use error::Error;
