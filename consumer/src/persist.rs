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
/// How often it is looked whether the source still waits.
const LOOK: Duration = Duration::from_millis(20);
/// An attempt that takes longer is told of.
const LONG: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 15 });
/// How long the catalog may take for an answer. PostgreSQL ends its statements sooner by itself,
/// if it still runs; one that is suspended, or whose machine is gone, says nothing for ever.
pub(crate) const ANSWER_LIMIT: Duration = Duration::from_secs(if cfg!(test) { 5 } else { 60 });

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
    /// Tries again after every error that may pass. An attempt is left in the middle when the
    /// source gives up waiting.
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
            let tried = self.runtime.block_on(async {
                tokio::select! {
                    biased;
                    tried = attempt() => Some(tried),
                    () = self.abandoned(what) => None,
                }
            });
            let error = match tried {
                Some(Ok(value)) => return Ok(Tried::Done(value)),
                Some(Err(error)) if error.retryable() => error,
                Some(Err(error)) => return Err(error),
                None => return Ok(Tried::Abandoned),
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

    /// As [`persist`](Self::persist), for attempts that ask the catalog: one without an answer ends
    /// after a minute. What it has asked for may still be done later. That is no danger: whether a
    /// table may be changed is decided where it is, by comparing what it was.
    ///
    /// # Errors
    /// One that does not pass.
    pub fn persist_in_catalog<T>(
        &self,
        what: &str,
        mut attempt: impl AsyncFnMut() -> Result<T, ConsumerError>,
    ) -> Result<Tried<T>, ConsumerError> {
        self.persist(what, async || {
            let answer = tokio::time::timeout(ANSWER_LIMIT, attempt()).await;
            answer.unwrap_or(Err(ConsumerError::NoAnswer(ANSWER_LIMIT)))
        })
    }

    /// Waits until the source has stopped waiting, and says so when that takes long.
    async fn abandoned(&self, what: &str) {
        let began = Instant::now();
        let mut said = false;
        while !self.is_abandoned() {
            if !said && began.elapsed() >= LONG {
                said = true;
                let seconds = LONG.as_secs();
                tracing::warn!("waiting to {what} for {seconds} s");
                self.health
                    .not_ready(format!("waiting to {what} for more than {seconds} s"));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    fn is_abandoned(&self) -> bool {
        self.shared.abandon.load(Ordering::Acquire)
    }

    fn is_abandoned_within(&self, pause: Duration) -> bool {
        let until = Instant::now() + pause;
        while Instant::now() < until {
            if self.is_abandoned() {
                return true;
            }
            std::thread::sleep(LOOK);
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use service::health::{Health, State};
    use tokio::sync::watch;
    use tokio::task::{JoinHandle, spawn_blocking};

    /// What an attempt that never gets an answer says of itself.
    struct Case {
        health: Health,
        shared: Arc<Shared>,
        /// Attempts that have begun.
        begun: watch::Receiver<u32>,
        thread: JoinHandle<Result<Tried<()>, ConsumerError>>,
    }

    impl Case {
        /// Gets an answer at the attempt of this number, from 1, or never.
        fn start(answered: Option<u32>) -> Case {
            let (health, shared) = (Health::new(), Arc::<Shared>::default());
            let persistence = Persistence {
                runtime: Handle::current(),
                shared: Arc::clone(&shared),
                health: health.component("lake"),
            };
            persistence.health.ready();
            let (attempts, begun) = watch::channel(0);
            let thread = spawn_blocking(move || {
                persistence.persist_in_catalog("commit", async || {
                    attempts.send_modify(|number| *number += 1);
                    if answered != Some(*attempts.borrow()) {
                        std::future::pending::<()>().await;
                    }
                    Ok(())
                })
            });
            Case {
                health,
                shared,
                begun,
                thread,
            }
        }

        async fn expect_not_ready(&self, reason: &str) {
            let give_up = Instant::now() + 4 * ANSWER_LIMIT;
            loop {
                let lake = self.health.status().components["lake"].clone();
                let said = lake.reason.unwrap_or_default();
                if lake.state == State::NotReady && said.contains(reason) {
                    return;
                }
                assert!(Instant::now() < give_up, "it says {said:?}");
                tokio::time::sleep(LOOK).await;
            }
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_attempt_without_an_answer_is_told_of_and_ends() {
        let case = Case::start(Some(2));
        case.expect_not_ready("waiting to commit").await;
        case.expect_not_ready("cannot commit: no answer within 5 s")
            .await;
        let tried = case.thread.await.unwrap().unwrap();
        assert!(matches!(tried, Tried::Done(())));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_attempt_is_left_when_nobody_waits_for_it() {
        let mut case = Case::start(None);
        case.begun.wait_for(|number| *number > 0).await.unwrap();
        assert!(!case.thread.is_finished());
        let asked = Instant::now();
        case.shared.abandon.store(true, Ordering::Release);
        let tried = case.thread.await.unwrap().unwrap();
        assert!(matches!(tried, Tried::Abandoned));
        assert!(asked.elapsed() < ANSWER_LIMIT / 2, "{:?}", asked.elapsed());
    }
}
