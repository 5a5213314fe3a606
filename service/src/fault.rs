//! Whose fault an error is, whether to try again, and how a process reports it on its way out.

use std::error::Error;
use std::fmt;
use std::process::ExitCode;

use crate::config::ConfigError;
use crate::data_folder::DataFolderError;
use crate::http::HttpError;
use crate::notify::NotifyError;
use crate::telemetry::TelemetryError;

/// Whose fault an error is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The person who configured or called the program can put it right. Exit code 2.
    Configuration,
    /// What was read is not what it claims to be. Exit code 1.
    Input,
    /// Something this process depends on failed or cannot be reached. Exit code 1.
    Dependency,
    /// A mistake in Contrail. Exit code 1.
    Internal,
}

impl Fault {
    /// The exit code of a process that ends for this reason: 2 for configuration and usage, else 1.
    pub fn exit_code(self) -> u8 {
        match self {
            Fault::Configuration => 2,
            Fault::Input | Fault::Dependency | Fault::Internal => 1,
        }
    }
}

/// An error that knows whose fault it is.
pub trait Faulty: Error {
    /// Whose fault it is.
    fn fault(&self) -> Fault;

    /// Whether the same call may succeed when it is made again.
    fn retryable(&self) -> bool {
        false
    }

    /// What a person can do about it, when the message does not already say so.
    fn remedy(&self) -> Option<String> {
        None
    }
}

/// A [`Faulty`] error in a form that keeps its fault inside an [`anyhow::Error`].
///
/// It displays as the error it wraps.
pub struct Failure {
    fault: Fault,
    remedy: Option<String>,
    error: Box<dyn Error + Send + Sync>,
}

impl Failure {
    /// Wraps `error`; `main` returns the result to [`exit_with`].
    pub fn new(error: impl Faulty + Send + Sync + 'static) -> Failure {
        Failure {
            fault: error.fault(),
            remedy: error.remedy(),
            error: Box::new(error),
        }
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.error, f)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.error, f)
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.source()
    }
}

/// Prints one line, `error: …: …; remedy`, to stderr and gives the exit code that fits.
///
/// The code is 2 when the error is one of this crate's, or a [`Failure`], whose fault is
/// [`Fault::Configuration`]; otherwise it is 1.
pub fn exit_with(err: anyhow::Error) -> ExitCode {
    eprintln!("{}", one_line(&err));
    ExitCode::from(fault_of(&err).exit_code())
}

/// The fault of the first error in the chain that has one; [`Fault::Internal`] when none has.
pub(crate) fn fault_of(err: &anyhow::Error) -> Fault {
    err.chain().find_map(known_fault).unwrap_or(Fault::Internal)
}

fn known_fault(err: &(dyn Error + 'static)) -> Option<Fault> {
    if let Some(failure) = err.downcast_ref::<Failure>() {
        return Some(failure.fault);
    }
    fn of<E: Faulty + 'static>(err: &(dyn Error + 'static)) -> Option<Fault> {
        err.downcast_ref::<E>().map(Faulty::fault)
    }
    of::<ConfigError>(err)
        .or_else(|| of::<DataFolderError>(err))
        .or_else(|| of::<TelemetryError>(err))
        .or_else(|| of::<HttpError>(err))
        .or_else(|| of::<NotifyError>(err))
}

/// An error with its causes, in one line. A cause that the text before it already repeats is left
/// out.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut line = String::new();
    for cause in causes(error) {
        let text = cause
            .to_string()
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        if line.contains(&text) {
            continue;
        }
        if !line.is_empty() {
            line.push_str(": ");
        }
        line.push_str(&text);
    }
    line
}

/// An error and what is behind it, down to the first cause.
pub fn causes<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn Error + 'static)| {
        (*error).source()
    })
}

fn one_line(err: &anyhow::Error) -> String {
    let line = chain(&**err);
    let remedy = err
        .chain()
        .find_map(|e| e.downcast_ref::<Failure>()?.remedy.as_deref());
    match remedy {
        Some(remedy) => format!("error: {line}; {remedy}"),
        None => format!("error: {line}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot log in to the broker at {broker}")]
    struct LoginError {
        broker: &'static str,
        fault: Fault,
        source: std::io::Error,
    }

    impl Faulty for LoginError {
        fn fault(&self) -> Fault {
            self.fault
        }
        fn remedy(&self) -> Option<String> {
            Some("check kafka.sasl_password".into())
        }
    }

    fn login_error(fault: Fault, cause: &str) -> LoginError {
        LoginError {
            broker: "b:9092",
            fault,
            source: std::io::Error::other(cause.to_owned()),
        }
    }

    #[test]
    fn a_chain_is_one_line_with_its_remedy() {
        let err = anyhow::Error::new(Failure::new(login_error(
            Fault::Configuration,
            "refused\n  by the server",
        )))
        .context("cannot start the producer");
        assert_eq!(
            one_line(&err),
            "error: cannot start the producer: cannot log in to the broker at b:9092: \
             refused by the server; check kafka.sasl_password"
        );
    }

    #[test]
    fn a_repeated_cause_is_said_once() {
        let err = anyhow::Error::new(std::io::Error::other("disk full"))
            .context("cannot write: disk full");
        assert_eq!(one_line(&err), "error: cannot write: disk full");
    }

    #[test]
    fn the_exit_code_follows_the_fault_through_context() {
        for (fault, code) in [
            (Fault::Configuration, 2),
            (Fault::Input, 1),
            (Fault::Dependency, 1),
            (Fault::Internal, 1),
        ] {
            let err = anyhow::Error::new(Failure::new(login_error(fault, "x"))).context("outer");
            assert_eq!(fault_of(&err), fault);
            assert_eq!(fault_of(&err).exit_code(), code);
        }
        assert_eq!(fault_of(&anyhow::anyhow!("plain")), Fault::Internal);
        let config = anyhow::Error::new(ConfigError::invalid("kafka.brokers", "is empty"));
        assert_eq!(fault_of(&config), Fault::Configuration);
    }
}
