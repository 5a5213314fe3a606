//! What is tried until it works, or until the source has stopped waiting for it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use service::fault::{Faulty, chain};
use service::health::Component;
use tokio::runtime::Handle;

use crate::ConsumerError;
use crate::link::Shared;

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LAST_PAUSE: Duration = Duration::from_secs(5);
/// How often a pause looks whether the source still waits.
const LOOK: Duration = Duration::from_millis(20);

/// What became of it.
pub(crate) enum Tried<T> {
    Done(T),
    /// The source has given up waiting.
    Abandoned,
}

/// Tries, on the thread that it is called on.
pub(crate) struct Persistence {
    /// Runs the attempts.
    pub runtime: Handle,
    /// Says whether the source still waits.
    pub shared: Arc<Shared>,
    /// Says what does not work.
    pub health: Component,
}

impl Persistence {
    /// Tries again after every error that may pass.
    ///
    /// # Errors
    /// One that does not pass.
    pub fn persist<T>(
        &self,
        what: &str,
        mut attempt: impl AsyncFnMut() -> Result<T, ConsumerError>,
    ) -> Result<Tried<T>, ConsumerError> {
        let mut pause = FIRST_PAUSE;
        loop {
            let error = match self.runtime.block_on(attempt()) {
                Ok(value) => return Ok(Tried::Done(value)),
                Err(error) if error.retryable() => error,
                Err(error) => return Err(error),
            };
            let reason = chain(&error);
            tracing::warn!(error = reason, "cannot {what}, trying again");
            metrics::counter!("contrail_consumer_retries_total", "step" => what.to_owned())
                .increment(1);
            self.health.not_ready(format!("cannot {what}: {reason}"));
            if self.is_abandoned_within(pause) {
                return Ok(Tried::Abandoned);
            }
            pause = (pause * 2).min(LAST_PAUSE);
        }
    }

    fn is_abandoned_within(&self, pause: Duration) -> bool {
        let until = Instant::now() + pause;
        while Instant::now() < until {
            if self.shared.abandon.load(Ordering::Acquire) {
                return true;
            }
            std::thread::sleep(LOOK);
        }
        false
    }
}
