//! Trying again, with growing and jittered pauses.

use std::fmt::Display;
use std::future::Future;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::HumanDuration;
use crate::shutdown::Shutdown;

/// How often, and after what pauses, a failed call is made again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RetryPolicy {
    /// Pause after the first failure; it doubles from one failure to the next.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "HumanDuration")]
    pub first: Duration,
    /// Longest pause, before jitter of up to as much again.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "HumanDuration")]
    pub max: Duration,
    /// Calls in all, the first one included; without a value there is no limit.
    pub attempts: Option<usize>,
}

impl Default for RetryPolicy {
    fn default() -> RetryPolicy {
        RetryPolicy {
            first: Duration::from_millis(200),
            max: Duration::from_secs(30),
            attempts: None,
        }
    }
}

impl RetryPolicy {
    /// The pauses between one call and the next. Each is lengthened by a random part of itself,
    /// so that instances that failed together do not come back together.
    fn pauses(&self) -> impl Iterator<Item = Duration> + use<> {
        let builder = ExponentialBuilder::default()
            .with_min_delay(self.first)
            .with_max_delay(self.max)
            .with_jitter();
        match self.attempts {
            Some(attempts) => builder.with_max_times(attempts.saturating_sub(1)),
            None => builder.without_max_times(),
        }
        .build()
    }
}

/// Calls `op` until it succeeds, fails with an error that is not `retryable`, or the policy's
/// attempts are used up. `what` says in the log what was being done.
///
/// A call that is under way is never cut short. Once `shutdown` is triggered no further call is
/// made.
///
/// # Errors
/// The error of the last call.
pub async fn retry<T, E, F, Fut>(
    policy: &RetryPolicy,
    what: &str,
    retryable: impl Fn(&E) -> bool,
    shutdown: &Shutdown,
    mut op: F,
) -> Result<T, E>
where
    E: Display,
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    let mut pauses = policy.pauses();
    loop {
        let error = match op().await {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        if !retryable(&error) || shutdown.is_triggered() {
            return Err(error);
        }
        let Some(pause) = pauses.next() else {
            return Err(error);
        };
        tracing::warn!(what, %error, pause_ms = pause.as_millis() as u64, "failed, trying again");
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = shutdown.wait() => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quick(attempts: Option<usize>) -> RetryPolicy {
        RetryPolicy {
            first: Duration::from_millis(1),
            max: Duration::from_millis(4),
            attempts,
        }
    }

    /// Runs calls that end as `outcomes` say, and gives the result and the number of calls.
    async fn check(
        policy: &RetryPolicy,
        shutdown: &Shutdown,
        outcomes: &[Result<u8, &'static str>],
    ) -> (Result<u8, &'static str>, usize) {
        let mut calls = 0;
        let result = retry(
            policy,
            "test",
            |e| *e != "fatal",
            shutdown,
            || {
                let outcome = outcomes[calls];
                calls += 1;
                async move { outcome }
            },
        )
        .await;
        (result, calls)
    }

    #[tokio::test]
    async fn ends_by_success_by_a_lasting_error_or_by_the_last_attempt() {
        let shutdown = Shutdown::new();
        let often: Vec<_> = std::iter::repeat_n(Err("again"), 20).collect();
        let later: Vec<_> = often.iter().copied().chain([Ok(7)]).collect();
        assert_eq!(check(&quick(None), &shutdown, &later).await, (Ok(7), 21));
        let lasting = [Err("again"), Err("fatal"), Ok(7)];
        assert_eq!(
            check(&quick(None), &shutdown, &lasting).await,
            (Err("fatal"), 2)
        );
        assert_eq!(
            check(&quick(Some(3)), &shutdown, &often).await,
            (Err("again"), 3)
        );
        assert_eq!(
            check(&quick(Some(1)), &shutdown, &often).await,
            (Err("again"), 1)
        );
    }

    #[tokio::test]
    async fn a_shutdown_ends_the_pause() {
        let shutdown = Shutdown::new();
        let policy = RetryPolicy {
            first: Duration::from_secs(3600),
            max: Duration::from_secs(3600),
            attempts: None,
        };
        let ending = shutdown.clone();
        let result: Result<(), _> = retry(
            &policy,
            "test",
            |_| true,
            &shutdown,
            || {
                let ending = ending.clone();
                tokio::spawn(async move { ending.trigger() });
                async { Err("again") }
            },
        )
        .await;
        assert_eq!(result, Err("again"));
    }

    #[test]
    fn pauses_grow_to_the_longest_with_jitter() {
        let policy = RetryPolicy {
            first: Duration::from_millis(100),
            max: Duration::from_millis(400),
            attempts: Some(6),
        };
        let pauses: Vec<_> = policy.pauses().collect();
        assert_eq!(pauses.len(), 5);
        for (pause, base) in pauses.iter().zip([100, 200, 400, 400, 400]) {
            let base = Duration::from_millis(base);
            assert!((base..=2 * base).contains(pause), "{pause:?} of {base:?}");
        }
    }
}
