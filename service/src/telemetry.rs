//! Logs: for a person in a terminal, as JSON lines elsewhere; always to stderr. What is logged in
//! a span that has a file goes there too ([`crate::span_file`]).

use std::io::{self, IsTerminal};

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt};

use crate::config::{LogConfig, LogFormat};
use crate::fault::{Fault, Faulty};
use crate::span_file;

/// Why logging could not be started.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// `log.level` cannot be read.
    #[error(
        "cannot read log.level {level:?}; write a level such as \"info\" or \"warn,consumer=debug\""
    )]
    Level {
        /// What was configured.
        level: String,
    },
    /// Logging was started before in this process.
    #[error("cannot start logging")]
    Started(#[source] tracing_subscriber::util::TryInitError),
}

impl Faulty for TelemetryError {
    fn fault(&self) -> Fault {
        match self {
            TelemetryError::Level { .. } => Fault::Configuration,
            TelemetryError::Started(_) => Fault::Internal,
        }
    }
}

/// Starts logging to stderr. Once a process.
///
/// # Errors
/// `log.level` cannot be read, or logging was started before.
pub fn init(config: &LogConfig) -> Result<(), TelemetryError> {
    init_to(config, io::stderr)
}

/// Starts logging to `writer`, for a program that draws on the terminal and must put the lines
/// above its drawing. `auto` still looks at whether stderr is a terminal.
///
/// # Errors
/// As [`init`].
pub fn init_to<W>(config: &LogConfig, writer: W) -> Result<(), TelemetryError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let terminal = io::stderr().is_terminal();
    subscriber(config, writer, terminal)?
        .try_init()
        .map_err(TelemetryError::Started)
}

fn subscriber<W>(
    config: &LogConfig,
    writer: W,
    terminal: bool,
) -> Result<Box<dyn tracing::Subscriber + Send + Sync>, TelemetryError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let filter = filter(&config.level).ok_or_else(|| TelemetryError::Level {
        level: config.level.clone(),
    })?;
    let lines = fmt::layer().with_writer(writer).with_ansi(terminal);
    let human = match config.format {
        LogFormat::Human => true,
        LogFormat::Json => false,
        LogFormat::Auto => terminal,
    };
    let lines = if human {
        lines.compact().with_filter(filter).boxed()
    } else {
        let json = lines.json().flatten_event(true).with_span_list(false);
        json.with_filter(filter).boxed()
    };
    // Each layer has a filter of its own: files get what the terminal is spared.
    let registry = tracing_subscriber::registry().with(lines);
    Ok(Box::new(registry.with(span_file::layer())))
}

/// Reads a level, or levels by module.
fn filter(level: &str) -> Option<EnvFilter> {
    // `EnvFilter` takes a word that is no level for a module of which all is logged, so that a
    // misspelled level would silence everything else.
    let parts: Vec<_> = level.split(',').map(str::trim).collect();
    let misspelled =
        |part: &&str| !part.contains(['=', '[']) && part.parse::<LevelFilter>().is_err();
    if parts.iter().any(misspelled) {
        return None;
    }
    EnvFilter::builder().parse(parts.join(",")).ok()
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What two events, one of them below the level, leave in the log.
    fn logged(format: LogFormat, terminal: bool) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let config = LogConfig {
            format,
            level: "info".into(),
        };
        let subscriber = subscriber(&config, move || writer.clone(), terminal).unwrap();
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(rows = 3, "committed");
            tracing::debug!("left out");
        });
        let bytes = lines.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn json_is_one_object_a_line_with_the_fields_at_the_top() {
        for text in [
            logged(LogFormat::Json, true),
            logged(LogFormat::Auto, false),
        ] {
            let event: serde_json::Value = serde_json::from_str(text.trim()).unwrap();
            assert_eq!(event["message"], "committed");
            assert_eq!(event["rows"], 3);
            assert_eq!(event["level"], "INFO");
        }
    }

    #[test]
    fn human_lines_are_not_json() {
        for text in [
            logged(LogFormat::Human, false),
            logged(LogFormat::Auto, true),
        ] {
            assert_eq!(text.lines().count(), 1);
            assert!(text.contains("committed") && !text.starts_with('{'));
        }
    }

    #[test]
    fn a_level_that_is_none_is_a_configuration_fault() {
        for level in ["inof", "info,consumer=loud", "warn,debgu"] {
            let config = LogConfig {
                format: LogFormat::Auto,
                level: level.into(),
            };
            let err = subscriber(&config, io::sink, false).err().unwrap();
            assert_eq!(err.fault(), Fault::Configuration);
            assert!(err.to_string().starts_with("cannot read log.level"));
        }
        for level in [
            "off",
            "INFO",
            "info, consumer=debug",
            "warn,[span{id=3}]=trace",
        ] {
            assert!(filter(level).is_some(), "{level}");
        }
    }
}
