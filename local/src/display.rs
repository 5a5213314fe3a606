//! What a person sees: in a terminal a status line under the log, elsewhere log lines.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressFinish, ProgressStyle};
use service::config::LogConfig;
use service::telemetry::{self, TelemetryError};

use crate::error::Error;

/// How often a status line moves while nothing happens.
const TICK: Duration = Duration::from_millis(250);
/// How often the log says how far things are, where there is no terminal.
pub const LOG_EVERY: Duration = Duration::from_secs(10);

/// The terminal, or its absence.
#[derive(Clone)]
pub struct Display {
    bars: MultiProgress,
    is_terminal: bool,
}

impl Display {
    /// Looks whether stderr is a terminal.
    pub fn new() -> Display {
        Display {
            bars: MultiProgress::new(),
            is_terminal: io::stderr().is_terminal(),
        }
    }

    /// Whether there is a status line, so that the log need not say how far things are.
    pub fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// Starts the log, above the status line when there is one.
    ///
    /// # Errors
    /// When `log.level` cannot be read.
    pub fn start_log(&self, config: &LogConfig) -> Result<(), TelemetryError> {
        if !self.is_terminal {
            return telemetry::init(config);
        }
        let bars = self.bars.clone();
        telemetry::init_to(config, move || AboveBars(bars.clone()))
    }

    /// Writes a line to stdout, above the status line. What it says is no reason to end a session.
    pub fn say(&self, text: &str) {
        let said = self.bars.suspend(|| print(&format!("{text}\n")));
        if let Err(error) = said {
            tracing::warn!("{}", service::fault::chain(&error));
        }
    }

    /// A line of text that is written again and again until it is dropped; unseen where there
    /// is no terminal.
    pub fn line(&self) -> ProgressBar {
        let bar = ProgressBar::new_spinner().with_finish(ProgressFinish::AndClear);
        let bar = self.bars.add(bar);
        bar.enable_steady_tick(TICK);
        bar
    }

    /// A bar of `length` rows, there until it is dropped; unseen where there is no terminal.
    pub fn rows(&self, length: u64) -> ProgressBar {
        let template = "{bar:32} {human_pos}/{human_len} rows, {per_sec}, {eta} left {msg}";
        let bar = ProgressBar::new(length).with_finish(ProgressFinish::AndClear);
        let bar = self.bars.add(bar);
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.enable_steady_tick(TICK);
        bar
    }
}

/// Writes to stdout. A reader that has gone away, as `head` does, is no reason to fail.
///
/// # Errors
/// When it cannot be written to, as on a full disk.
pub fn print(text: &str) -> Result<(), Error> {
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(text.as_bytes());
    match written.and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Error::Output(error)),
        _ => Ok(()),
    }
}

impl Default for Display {
    fn default() -> Self {
        Display::new()
    }
}

/// Writes to stderr with the bars out of the way.
struct AboveBars(MultiProgress);

impl Write for AboveBars {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.suspend(|| io::stderr().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
