//! The source: OpenSky's REST API.
//!
//! - [`client`]: asks for a body, with retries left to the caller.
//! - [`auth`]: the access token a request carries.
//! - [`states`]: reads a body of `/states/all`; `row` reads one row of it.
//!
//! The credit budget (`credits`) and `/flights/*` (`flights`) will stand beside these.

pub mod auth;
pub mod client;
mod row;
pub mod states;

pub use client::{Answer, FetchError, OpenSky};
pub use states::{ParseError, parse, parse_at};
