//! Lake, private database and publisher together, as the service and the tests use them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use lake::Lake;
use serde::Serialize;

use crate::changes::{self, Changes};
pub use crate::engine::Counted as Refreshed;
use crate::engine::{Engine, Totals};
pub use crate::publish::Published;
use crate::publish::{Publisher, Scope};
use crate::schema::SourceSchema;
use crate::{Config, Error};

/// An open transformer: the one writer of its folders.
#[derive(Debug)]
pub struct Transformer {
    lake: Lake,
    works: Arc<Mutex<Works>>,
    schema: SourceSchema,
    step_rows: u64,
    /// Where the table's metadata was when everything of it was counted.
    seen: Option<String>,
    table_snapshot: Option<i64>,
    totals: Totals,
    generation: u64,
}

/// What blocks, and is therefore used from blocking threads only.
#[derive(Debug)]
struct Works {
    engine: Engine,
    publisher: Publisher,
}

/// How far the transformer is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Status {
    /// The lake's snapshot that was counted last.
    pub watermark: Option<i64>,
    /// The lake's current snapshot when it was last looked at.
    pub table_snapshot: Option<i64>,
    /// The generation readers see; 0 before the first.
    pub generation: u64,
    /// Rows counted, each (icao24, snapshot_time) once.
    pub rows: u64,
    /// Polls counted.
    pub polls: u64,
    /// Time of the newest poll that was counted.
    pub as_of: Option<DateTime<Utc>>,
    /// Whether everything is being counted again from the lake.
    pub rebuilding: bool,
    /// Everything the lake held when it was last looked at is counted and published.
    pub caught_up: bool,
}

impl Transformer {
    /// Opens the lake and the folders, and takes the lock of the private one.
    pub async fn open(config: &Config) -> Result<Transformer, Error> {
        let lake = Lake::open(&config.lake).await?;
        let section = config.transformer.clone();
        let opened = tokio::task::spawn_blocking(move || {
            let engine = Engine::open(&section)?;
            let publisher = Publisher::open(&section)?;
            let totals = engine.totals()?;
            let generation = publisher.current().map_or(0, |current| current.generation);
            Ok::<_, Error>((Works { engine, publisher }, totals, generation))
        });
        let (works, totals, generation) = opened.await??;
        Ok(Transformer {
            lake,
            works: Arc::new(Mutex::new(works)),
            schema: SourceSchema::flight_states(),
            step_rows: config.transformer.step_rows.max(1),
            seen: None,
            table_snapshot: None,
            totals,
            generation,
        })
    }

    /// Counts the next rows of the lake, at most about `transformer.step_rows`; `None` when all
    /// are counted. Readers see nothing of it until [`publish`](Self::publish).
    pub async fn refresh(&mut self) -> Result<Option<Refreshed>, Error> {
        let Some(table) = self.lake.load(contract::names::FLIGHT_STATES_TABLE).await? else {
            return Ok(None);
        };
        let location = table.metadata_location().map(str::to_owned);
        if location.is_some() && location == self.seen && !self.totals.waiting {
            return Ok(None);
        }
        self.table_snapshot = table.metadata().current_snapshot_id();
        self.schema = SourceSchema::of(table.metadata().current_schema());
        // Files that were noted come first: only then may later changes move rows about.
        let changes = if self.totals.waiting {
            Changes::None
        } else {
            let watermark = self.blocking(|works| works.engine.watermark()).await?;
            changes::since(&table, watermark.as_ref(), self.step_rows).await?
        };
        if changes == Changes::None && !self.totals.waiting {
            self.seen = location;
            return Ok(None);
        }
        let schema = self.schema.clone();
        let work = move |works: &mut Works| {
            let counted = works.engine.refresh(&changes, &schema)?;
            let totals = works.engine.totals()?;
            // During a backlog no publication follows that would do it.
            if totals.waiting {
                works.engine.checkpoint()?;
            }
            Ok((counted, totals))
        };
        let (refreshed, totals) = self.blocking(work).await?;
        self.totals = totals;
        Ok(Some(refreshed))
    }

    /// Whether a publication of this scope would change what readers see.
    pub async fn publication_due(&self, scope: Scope) -> Result<bool, Error> {
        if self.totals.rebuilding {
            return Ok(false);
        }
        let totals = self.totals.clone();
        self.blocking(move |works| Ok(works.publisher.due(&works.engine, &totals, scope)))
            .await
    }

    /// Publishes a generation. `full` writes every mart that has changed; otherwise those that
    /// are large wait for their turn.
    pub async fn publish(&mut self, full: bool) -> Result<Published, Error> {
        let scope = if full { Scope::Full } else { Scope::Quick };
        self.publish_scope(scope).await
    }

    /// Publishes a generation with the marts that `scope` says.
    pub async fn publish_scope(&mut self, scope: Scope) -> Result<Published, Error> {
        let schema = self.schema.clone();
        let work = move |works: &mut Works| {
            let Works { engine, publisher } = works;
            let published = publisher.publish(engine, &schema, scope)?;
            engine.checkpoint()?;
            Ok(published)
        };
        let published = self.blocking(work).await?;
        self.generation = published.generation;
        Ok(published)
    }

    /// Counts everything the lake holds and publishes all of it.
    pub async fn catch_up(&mut self) -> Result<Published, Error> {
        while self.refresh().await?.is_some() {}
        self.publish(true).await
    }

    /// How far it is.
    pub fn status(&self) -> Status {
        let totals = &self.totals;
        Status {
            watermark: totals.snapshot_id,
            table_snapshot: self.table_snapshot,
            generation: self.generation,
            rows: totals.rows,
            polls: totals.polls,
            as_of: totals.as_of.and_then(DateTime::from_timestamp_micros),
            rebuilding: totals.rebuilding,
            caught_up: self.table_snapshot == totals.snapshot_id && !totals.waiting,
        }
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Works) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let works = Arc::clone(&self.works);
        let task = tokio::task::spawn_blocking(move || {
            // A panic leaves DuckDB's transaction behind, which the next one rolls back.
            work(&mut works.lock().unwrap_or_else(PoisonError::into_inner))
        });
        task.await?
    }
}

impl Status {
    /// How old the newest counted poll is.
    pub fn age(&self, now: DateTime<Utc>) -> Option<Duration> {
        now.signed_duration_since(self.as_of?).to_std().ok()
    }
}
