//! The producer against scripted servers and an embedded broker.

#![cfg(test)]

mod common;
mod connect;
mod opensky;
mod process;
mod publish;
mod registry;
mod run;
