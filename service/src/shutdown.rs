//! One signal to end by, passed down to everything that runs.

use std::time::{Duration, Instant};

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Exit code of a process that is told a second time to end.
const EXIT_INTERRUPTED: i32 = 130;
/// For so long a repeated signal is taken for the same wish: one Ctrl-C may come both from the
/// terminal, to its whole process group, and from a wrapper that passes it on.
const SAME_WISH: Duration = Duration::from_secs(1);

/// A request to end, seen by every clone. It is never taken back.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    token: CancellationToken,
}

impl Shutdown {
    /// A shutdown that only [`trigger`](Shutdown::trigger) starts.
    pub fn new() -> Shutdown {
        Shutdown::default()
    }

    /// A shutdown that SIGINT and SIGTERM start too. A further signal, more than a second after
    /// the first, ends the process at once, with exit code 130: what must survive that must survive
    /// a crash anyway.
    ///
    /// Call it inside a Tokio runtime, once a process. When the handlers cannot be installed this
    /// is logged, and the signals keep their default effect.
    pub fn on_signals() -> Shutdown {
        let shutdown = Shutdown::new();
        // The handlers are in place when this returns, not when the task first runs.
        let handlers = signal(SignalKind::interrupt())
            .and_then(|interrupt| Ok((interrupt, signal(SignalKind::terminate())?)));
        let (mut interrupt, mut terminate) = match handlers {
            Ok(handlers) => handlers,
            Err(error) => {
                tracing::error!(%error, "cannot handle SIGINT and SIGTERM");
                return shutdown;
            }
        };
        let on_signal = shutdown.clone();
        tokio::spawn(async move {
            let mut first = None;
            loop {
                let name = tokio::select! {
                    _ = interrupt.recv() => "SIGINT",
                    _ = terminate.recv() => "SIGTERM",
                };
                match Wish::of(first, on_signal.is_triggered(), Instant::now()) {
                    Wish::End => {
                        tracing::info!(signal = name, "ending");
                        first = Some(Instant::now());
                        on_signal.trigger();
                    }
                    Wish::Same => tracing::debug!(signal = name, "ending already"),
                    Wish::Leave => {
                        tracing::warn!(signal = name, "told again to end, leaving at once");
                        std::process::exit(EXIT_INTERRUPTED);
                    }
                }
            }
        });
        shutdown
    }

    /// Asks everything that waits on this shutdown, and on its children, to end.
    pub fn trigger(&self) {
        self.token.cancel();
    }

    /// Whether the end was asked for.
    pub fn is_triggered(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Waits until the end is asked for; returns at once when it already was.
    pub async fn wait(&self) {
        self.token.cancelled().await;
    }

    /// A shutdown that this one starts too, and that can be triggered alone.
    pub fn child(&self) -> Shutdown {
        Shutdown {
            token: self.token.child_token(),
        }
    }
}

/// What a signal asks for.
#[derive(Debug, PartialEq, Eq)]
enum Wish {
    /// To end, for the first time.
    End,
    /// The same again.
    Same,
    /// To leave at once, whatever is unfinished.
    Leave,
}

impl Wish {
    /// The meaning of a signal that comes `now`, after the `first` one; `ending`: the end was asked
    /// for, by a signal or otherwise.
    fn of(first: Option<Instant>, ending: bool, now: Instant) -> Wish {
        match first {
            Some(first) if now.duration_since(first) < SAME_WISH => Wish::Same,
            None if !ending => Wish::End,
            _ => Wish::Leave,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeat_within_a_second_is_the_same_wish() {
        let first = Instant::now();
        let later = |milliseconds| first + Duration::from_millis(milliseconds);
        assert_eq!(Wish::of(None, false, first), Wish::End);
        for repeat in [0, 5, 999] {
            assert_eq!(Wish::of(Some(first), true, later(repeat)), Wish::Same);
        }
        for again in [1_000, 60_000] {
            assert_eq!(Wish::of(Some(first), true, later(again)), Wish::Leave);
        }
        // It is ending for another reason: a person who signals then will not wait.
        assert_eq!(Wish::of(None, true, first), Wish::Leave);
    }

    #[tokio::test]
    async fn every_clone_and_child_sees_a_trigger() {
        let parent = Shutdown::new();
        let (clone, child) = (parent.clone(), parent.child());
        assert!(!child.is_triggered());
        parent.trigger();
        clone.wait().await;
        child.wait().await;
        assert!(clone.is_triggered() && child.is_triggered());
    }

    #[test]
    fn a_child_ends_alone() {
        let parent = Shutdown::new();
        let (one, other) = (parent.child(), parent.child());
        one.trigger();
        assert!(one.is_triggered());
        assert!(!other.is_triggered() && !parent.is_triggered());
    }
}
