//! What can be wrong with a configuration, said in one line with the remedy.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::fault::{Fault, Faulty};

/// Where a value was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A `default.toml` compiled into the program.
    Defaults,
    /// The configuration file.
    File(PathBuf),
    /// The environment variable of this name.
    Environment(String),
    /// An override from the command line.
    Override,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Defaults => f.write_str("the built-in defaults"),
            Origin::File(path) => write!(f, "{}", path.display()),
            Origin::Environment(name) => write!(f, "environment variable {name}"),
            Origin::Override => f.write_str("--set"),
        }
    }
}

/// Why a configuration was refused. Every message is one line and says what to do.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The named file cannot be read.
    #[error(
        "cannot read the configuration file {path}; name an existing file with --config",
        path = path.display()
    )]
    ReadFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is not TOML.
    #[error("{origin} is not TOML, line {line}: {reason}")]
    NotToml {
        /// The file.
        origin: Origin,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong there.
        reason: String,
    },
    /// An environment variable of ours is not UTF-8.
    #[error("environment variable {name} is not UTF-8; set it to plain text")]
    NotUnicode {
        /// The variable.
        name: String,
    },
    /// There is no such key.
    #[error(
        "unknown key {key:?} in {origin}{} (see docs/configuration.md)",
        did_you_mean(origin, suggestion.as_deref())
    )]
    UnknownKey {
        /// The key, dotted.
        key: String,
        /// Where it was written.
        origin: Origin,
        /// The nearest key there is.
        suggestion: Option<String>,
    },
    /// The section belongs to another program, so that setting it here has no effect.
    #[error(
        "{key:?} in {origin} has no effect: this program has no section [{section}] \
         (see docs/configuration.md)"
    )]
    OtherPrograms {
        /// The key, dotted.
        key: String,
        /// Its top-level section.
        section: String,
        /// Where it was written.
        origin: Origin,
    },
    /// The key names a section and was given a single value.
    #[error("{key:?} in {origin} is a section; set one of its keys (see docs/configuration.md)")]
    IsSection {
        /// The key, dotted.
        key: String,
        /// Where it was written.
        origin: Origin,
    },
    /// The value has the wrong type, or is not one of those allowed.
    #[error(
        "wrong value for {key:?} in {origin}: found {found}, expected {expected} \
         (see docs/configuration.md)"
    )]
    WrongValue {
        /// The key, dotted.
        key: String,
        /// Where it was written.
        origin: Origin,
        /// What was written; for a secret, only its type.
        found: String,
        /// What is wanted.
        expected: String,
    },
    /// The value has the right type but cannot be used.
    #[error(
        "wrong value for {key:?}{}: {reason} (see docs/configuration.md)",
        within(origin)
    )]
    Invalid {
        /// The key, dotted.
        key: String,
        /// Where it was written, if that is known.
        origin: Option<Origin>,
        /// Why not.
        reason: String,
    },
    /// A key without a default was not set.
    #[error(
        "{key:?} is not set; set it in the configuration file or as {variable} \
         (see docs/configuration.md)"
    )]
    Missing {
        /// The key, dotted.
        key: String,
        /// The environment variable that sets it.
        variable: String,
    },
}

impl ConfigError {
    /// A value that a service refuses itself, such as one that contradicts another.
    pub fn invalid(key: impl Into<String>, reason: impl Into<String>) -> ConfigError {
        ConfigError::Invalid {
            key: key.into(),
            origin: None,
            reason: reason.into(),
        }
    }
}

impl Faulty for ConfigError {
    fn fault(&self) -> Fault {
        match self {
            // What is compiled in is not the user's to put right.
            ConfigError::NotToml { origin, .. }
            | ConfigError::UnknownKey { origin, .. }
            | ConfigError::WrongValue { origin, .. }
                if *origin == Origin::Defaults =>
            {
                Fault::Internal
            }
            _ => Fault::Configuration,
        }
    }
}

fn within(origin: &Option<Origin>) -> String {
    origin
        .as_ref()
        .map_or(String::new(), |o| format!(" in {o}"))
}

/// The nearest key, in the form in which it would be written at `origin`.
fn did_you_mean(origin: &Origin, suggestion: Option<&str>) -> String {
    match (origin, suggestion) {
        (_, None) => String::new(),
        (Origin::Environment(_), Some(key)) => {
            format!("; did you mean {}?", super::layer::variable(key))
        }
        (_, Some(key)) => format!("; did you mean {key:?}?"),
    }
}
