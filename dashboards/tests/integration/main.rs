//! The provisioner against a stand-in for Metabase ([`double`]), which is stricter than Metabase is.
#![cfg(test)]

mod double;
mod support;

mod applying;
mod cli;
mod exporting;
mod persons;
mod refusals;
mod verifying;
