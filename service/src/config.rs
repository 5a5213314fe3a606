//! Configuration: committed defaults, one file, the environment, and `--set`, in that order.
//!
//! Every layer is checked by itself against the JSON schema of the configuration struct, so that
//! an error can name the key and where it was written. All services share one file: each takes
//! its own sections and leaves alone those of the others.

mod byte_size;
mod check;
mod error;
mod layer;
mod loader;
mod reference;
mod remedy;
mod schema;
mod secret;
mod sections;

pub use byte_size::{ByteSize, ParseByteSizeError};
pub use error::{ConfigError, Origin};
pub use loader::Loader;
pub use reference::Reference;
pub use schema::HumanDuration;
pub use secret::Secret;
pub use sections::{HttpConfig, KafkaConfig, LogConfig, LogFormat, NotifyConfig, RegistryConfig};

use serde::Serialize;

/// The defaults of the sections that services share. [`Loader::new`] starts from them.
pub const DEFAULTS: &str = include_str!("../default.toml");

/// Every top-level section there is, in the order of the reference. One that a program does not
/// use is ignored in the shared file; one that is not listed here is refused.
pub const KNOWN_SECTIONS: &[&str] = &[
    "kafka",
    "registry",
    "http",
    "log",
    "notify",
    "lake",
    "producer",
    "consumer",
    "transformer",
    "simulator",
    "local",
    "metabase",
];

/// The configuration as TOML, with secrets masked: what `--print-config` prints.
pub fn print<T: Serialize>(config: &T) -> String {
    match toml::to_string(config) {
        Ok(text) => text,
        Err(error) => format!("# this configuration cannot be written as TOML: {error}\n"),
    }
}
