//! A service that runs beside others in this process and is ended in its turn.

use std::future::Future;
use std::time::Duration;

use service::shutdown::Shutdown;
use tokio::task::JoinHandle;

use crate::error::Error;

/// How long the consumer may take for what was published before the end. Long, for a machine
/// that is busy with other things: what is not committed then is lost.
pub(crate) const DRAIN: Duration = Duration::from_secs(120);

/// A running service.
pub(crate) struct Part<T> {
    name: &'static str,
    shutdown: Shutdown,
    task: JoinHandle<Result<T, Error>>,
    result: Option<Result<T, Error>>,
}

impl<T: Send + 'static> Part<T> {
    /// Starts `service`, which is to end by the shutdown it is given.
    pub(crate) fn start<F, E>(name: &'static str, service: impl FnOnce(Shutdown) -> F) -> Part<T>
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
        E: Into<Error>,
    {
        let shutdown = Shutdown::new();
        let running = service(shutdown.clone());
        Part {
            name,
            shutdown,
            task: tokio::spawn(async move { running.await.map_err(Into::into) }),
            result: None,
        }
    }

    /// Waits until it has ended by itself.
    pub(crate) async fn ended(&mut self) {
        if self.result.is_none() {
            let joined = (&mut self.task).await;
            self.result = Some(joined.unwrap_or(Err(Error::Panicked(self.name))));
        }
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.result.is_some()
    }

    /// Asks it to end and waits for it. That it had ended before is an error.
    pub(crate) async fn end(mut self) -> Result<T, Error> {
        let early = self.has_ended();
        self.shutdown.trigger();
        self.ended().await;
        match self.result.take() {
            Some(Err(error)) => Err(error),
            Some(Ok(value)) if !early => Ok(value),
            _ => Err(Error::Ended(self.name)),
        }
    }
}

impl<T> Drop for Part<T> {
    /// Whoever drops it does not wait; it still ends by itself.
    fn drop(&mut self) {
        self.shutdown.trigger();
    }
}
