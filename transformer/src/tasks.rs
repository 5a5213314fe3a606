//! What a person asks for once: some marts now, days counted again, what is missing.
//!
//! Each takes the folder as the service does, so it is refused by name while the service has it.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use service::health::Health;
use service::notify::Notifier;
use service::shutdown::Shutdown;

use crate::publish::Scope;
use crate::runs::Kind;
use crate::{Config, Error, Published, Transformer};

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Task {
    /// Count what is new, and write these marts anew, whether or not they have changed;
    /// of those in parts the parts that have.
    Refresh {
        /// Names of marts.
        select: BTreeSet<String>,
    },
    /// Count days, or everything, again from the lake.
    Rebuild(Days),
    /// Count what is new, and those of these days that the lake has and the marts have not.
    Backfill(Days),
}

/// Days, both ends included; an absent end leaves that side open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Days {
    /// The first day.
    pub from: Option<NaiveDate>,
    /// The last day.
    pub to: Option<NaiveDate>,
}

impl Task {
    /// As what it is recorded.
    pub fn kind(&self) -> Kind {
        match self {
            Task::Refresh { .. } => Kind::Refresh,
            Task::Rebuild(_) => Kind::Rebuild,
            Task::Backfill(_) => Kind::Backfill,
        }
    }
}

/// Does a task, and publishes what has come of it. None when `shutdown` came first; what was
/// counted until then is published by a later run.
///
/// # Errors
/// The folder is in use, a mart is not known, or counting or publishing has failed.
pub async fn run_task(
    config: Config,
    task: Task,
    health: Health,
    shutdown: Shutdown,
) -> Result<Option<Published>, Error> {
    let notifier = Notifier::start(&config.notify)?;
    let mut transformer = Transformer::open_with(&config, notifier.clone()).await?;
    transformer.set_kind(task.kind()).await?;
    health.component("transformer").ready();
    let done = work(&mut transformer, task, &shutdown).await;
    if let Err(error) = &done {
        transformer.fail_run(error).await?;
    }
    notifier.finish(std::time::Duration::from_secs(5)).await;
    done
}

async fn work(
    transformer: &mut Transformer,
    task: Task,
    shutdown: &Shutdown,
) -> Result<Option<Published>, Error> {
    let mut only = None;
    match task {
        Task::Refresh { select } => {
            transformer.must_know(&select).await?;
            only = Some(select);
        }
        Task::Rebuild(days) => transformer.rebuild(days).await?,
        Task::Backfill(days) => transformer.backfill(days).await?,
    }
    transformer.begin_run().await?;
    while transformer.refresh().await?.is_some() {
        if shutdown.is_triggered() {
            return Ok(None);
        }
    }
    let published = transformer.publish_only(Scope::Full, only).await?;
    Ok(Some(published))
}
