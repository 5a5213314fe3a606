//! The pipeline in one process, and its parts.

#![cfg(test)]

mod broker;
mod chain;
mod cli;
mod configuration_reference;
mod questions;
mod registry;
mod support;
