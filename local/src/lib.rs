//! The whole pipeline in one process: `contrail demo`, `run`, `replay`, `query`, `status`.

pub mod broker;
pub mod registry;
