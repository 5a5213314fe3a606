//! The transformer against lakes that the tests write, from its own side and from that of readers.

#![cfg(test)]

mod api;
mod audits;
mod commands;
mod days;
mod dictionary;
mod disk_full;
mod emergencies;
mod flights;
mod marts;
mod models;
mod newest;
mod odd_input;
mod replace;
mod runs;
mod service;

#[path = "../support/mod.rs"]
mod support;
