//! A log file for one piece of work.
//!
//! What is logged inside a span that a file is [attached](attach) to is also written to that
//! file, for people, whatever `log.level` says: from `debug` on for the modules named in
//! [`VERBOSE`], from `info` on for all others. [`layer`] does the writing; `telemetry` installs it.

use std::collections::HashMap;
use std::fmt::{self, Write as _};
use std::fs::File;
use std::io::Write as _;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Span, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

/// Modules of which everything from `debug` on is written.
const VERBOSE: [&str; 2] = ["transformer", "lake"];

/// Bytes after which a file takes no more lines: work that goes on for hours must not fill the
/// disk with its own account.
const LONGEST: u64 = 4 << 20;

/// Files by the id of their span.
static FILES: LazyLock<Mutex<HashMap<u64, Arc<Attachment>>>> = LazyLock::new(Mutex::default);
/// How many there are, so that an event costs nothing while there is none.
static ATTACHED: AtomicUsize = AtomicUsize::new(0);

#[derive(Debug)]
struct Attachment {
    file: File,
    written: AtomicU64,
}

/// A file that is attached to a span, until this is dropped.
#[derive(Debug)]
pub struct Attached {
    span: Option<u64>,
}

/// Writes what is logged inside `span` to `file` too. Without a subscriber there is nothing to
/// write.
pub fn attach(span: &Span, file: File) -> Attached {
    let span = span.id().map(|id| id.into_u64());
    if let Some(id) = span {
        let attachment = Attachment {
            file,
            written: AtomicU64::new(0),
        };
        if files().insert(id, Arc::new(attachment)).is_none() {
            ATTACHED.fetch_add(1, Ordering::Relaxed);
        }
    }
    Attached { span }
}

impl Drop for Attached {
    fn drop(&mut self) {
        if let Some(id) = self.span
            && files().remove(&id).is_some()
        {
            ATTACHED.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

fn files() -> MutexGuard<'static, HashMap<u64, Arc<Attachment>>> {
    FILES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The layer that writes to attached files.
pub(crate) fn layer<S>() -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let filter = Targets::new()
        .with_targets(VERBOSE.map(|module| (module, LevelFilter::DEBUG)))
        .with_default(LevelFilter::INFO);
    FileLayer.with_filter(filter)
}

struct FileLayer;

impl<S> Layer<S> for FileLayer
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        if ATTACHED.load(Ordering::Relaxed) == 0 {
            return;
        }
        let Some(mut scope) = context.event_scope(event) else {
            return;
        };
        let attachment = {
            let files = files();
            scope.find_map(|span| files.get(&span.id().into_u64()).cloned())
        };
        if let Some(attachment) = attachment {
            attachment.write(event);
        }
    }
}

impl Attachment {
    fn write(&self, event: &Event<'_>) {
        let metadata = event.metadata();
        let mut line = format!(
            "{} {:>5} {}:",
            humantime::format_rfc3339_micros(SystemTime::now()),
            metadata.level(),
            metadata.target(),
        );
        let mut fields = Fields::default();
        event.record(&mut fields);
        line.push_str(&fields.message);
        line.push_str(&fields.others);
        line.push('\n');
        let length = line.len() as u64;
        let before = self.written.fetch_add(length, Ordering::Relaxed);
        if before >= LONGEST {
            return;
        }
        if before + length >= LONGEST {
            line.push_str("(what follows is left out: the log has become too long)\n");
        }
        // The work matters more than its account: a full disk is said elsewhere.
        let _ = (&self.file).write_all(line.as_bytes());
    }
}

/// An event's message, and its other fields as ` name=value`.
#[derive(Default)]
struct Fields {
    message: String,
    others: String,
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a text cannot fail.
        let _ = match field.name() {
            "message" => write!(self.message, " {value:?}"),
            name => write!(self.others, " {name}={value:?}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    /// What is in a file that was attached to a span while `work` ran inside it.
    fn written(work: impl FnOnce()) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.log");
        let subscriber = tracing_subscriber::registry().with(layer());
        tracing::subscriber::with_default(subscriber, || {
            let span = tracing::info_span!(target: "transformer::runs", "run");
            let attached = attach(&span, File::create(&path).unwrap());
            span.in_scope(work);
            drop(attached);
            span.in_scope(|| tracing::info!("too late"));
        });
        std::fs::read_to_string(&path).unwrap()
    }

    #[test]
    fn events_inside_the_span_are_written_and_others_are_not() {
        tracing::info!("before");
        let text = written(|| {
            tracing::info!(rows = 3, path = "a b", "counted");
            let inner = tracing::info_span!(target: "transformer::x", "inner");
            inner.in_scope(|| tracing::debug!(target: "transformer::engine", "deep"));
            tracing::debug!(target: "somebody::else", "left out");
            tracing::trace!(target: "transformer::engine", "left out");
        });
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 2, "{text}");
        assert!(lines[0].ends_with("INFO service::span_file::tests: counted rows=3 path=\"a b\""));
        assert!(
            lines[1].ends_with("DEBUG transformer::engine: deep"),
            "{text}"
        );
    }

    #[test]
    fn a_file_has_an_end() {
        let long = "x".repeat(1 << 20);
        let text = written(|| {
            for _ in 0..8 {
                tracing::info!("{long}");
            }
        });
        assert_eq!(text.lines().count(), 5);
        assert!(text.trim_end().ends_with("become too long)"));
    }
}
