//! A server that answers like OpenSky's REST API, for the demo, for tests and for
//! benchmarks: a seeded fleet that flies between real airports, or recorded bodies, with
//! the API's quirks, tokens, credits and failures.
//!
//! To read it in order: a [`Fleet`] is many aircraft, each with a rotation of flights;
//! every moment is computed from the seed alone. [`quirks`] spoil its rows as OpenSky's
//! are, [`state`] writes them as a body. The server around it checks tokens, charges
//! credits, and fails on demand. [`Simulator`] is the running server with the handles a
//! test needs.
//!
//! The library depends on no other part of the project, so what it sends is an
//! independent reading of the API, not an echo of the project's own.

mod config;
mod error;

pub mod airports;
pub mod registries;

mod aircraft;
mod draws;
pub mod fleet;
pub mod flights;
pub mod geo;
mod motion;
pub mod quirks;
mod routes;
pub mod state;

pub mod recorded;

mod answer;
mod auth;
mod clock;
mod credits;
mod fault;
mod query;
mod server;
mod simulator;

pub use config::{AuthConfig, ClientSecret, Config, CreditsConfig, DEFAULTS, FaultConfig, Mode};
pub use error::Error;
pub use fault::Fault;
pub use fleet::{Fleet, MAX_AIRCRAFT};
pub use simulator::{Simulator, TOKEN_PATH, start};
