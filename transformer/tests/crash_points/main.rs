//! What the next start finds when a step was the last one.
//!
//! Fail points are those of the whole process, so these tests have a program of their own.

#![cfg(test)]

mod flights;
mod refresh;

#[path = "../support/mod.rs"]
mod support;
