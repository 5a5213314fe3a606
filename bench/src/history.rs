//! A lake with days of polls in it, written straight to the table by the consumer's writer.
//!
//! Real history has a poll every 30 s: 28.8 million rows a day. Here the polls are coarser,
//! but the days are real ones, and what the transformer keeps for each day (who was seen, under
//! which callsign, in which cells) is about as large as in reality, because it grows with the
//! aircraft and their flights, hardly with how often they are looked at. So that days differ
//! as they do in reality, a poll holds 10,000 of a larger fleet that are in the air.

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use arrow::array::RecordBatch;
use consumer::write;
use contract::Poll;
use iceberg::table::Table;
use iceberg::transaction::{ApplyTransactionAction, Transaction};
use lake::tables::FLIGHT_STATES;
use lake::{Lake, LakeConfig};
use simulator::Fleet;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::input::{self, AIRCRAFT, DAY, NOON, SEED};
use crate::progress;

/// So many that 10,000 of them are in the air at any time.
const FLEET: usize = 30_000;
/// Any will do: nobody looks it up.
const SCHEMA_ID: u32 = 1;
/// Polls of one commit, before the last day: as files are after compaction, a few a day.
const COMPACTED: usize = 16;
/// Groups of polls that are made at the same time.
const WORKERS: usize = 2;
const COMPLETE: &str = "complete";

/// How long a history is, and how coarse.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    /// Days up to [`NOON`].
    pub days: i64,
    /// Seconds from one poll to the next.
    pub step: i64,
}

/// A lake that holds a history.
pub struct History {
    /// The transformer's configuration for it.
    pub config: transformer::Config,
    /// Where the transformer keeps its private state.
    pub analytics: PathBuf,
    lake: Lake,
    fleet: Arc<Fleet>,
}

impl History {
    /// Makes it in a folder, or finds it there.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn make(folder: &Path, span: Span) -> anyhow::Result<History> {
        let folder = folder.join(format!("{}-days-every-{}-s", span.days, span.step));
        let complete = folder.join(COMPLETE);
        if folder.exists() && !complete.exists() {
            fs::remove_dir_all(&folder)?;
        }
        let analytics = folder.join("analytics");
        let published = folder.join("published");
        let logs = folder.join("logs");
        let pairs = [
            ("transformer.analytics", &*analytics.to_string_lossy()),
            ("transformer.published", &published.to_string_lossy()),
            ("transformer.logs", &logs.to_string_lossy()),
        ];
        let defaults = [lake::config::DEFAULTS, transformer::config::DEFAULTS];
        let mut config: transformer::Config = input::config(&defaults, &pairs)?;
        config.lake = LakeConfig::in_folder(&folder.join("warehouse"));
        let history = History {
            lake: Lake::open(&config.lake).await?,
            config,
            analytics,
            fleet: Arc::new(Fleet::new(SEED, FLEET)),
        };
        if !complete.exists() {
            history.fill(span).await?;
            fs::write(&complete, "").context("cannot note that the history is complete")?;
        }
        Ok(history)
    }

    /// Commits one more poll of 10,000 rows.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn append(&self, time: i64) -> anyhow::Result<()> {
        let table = self.lake.load_or_create(&FLIGHT_STATES).await?;
        self.commit(rows(&self.fleet, &table, &[time])?).await
    }

    async fn fill(&self, span: Span) -> anyhow::Result<()> {
        let groups = groups(span);
        progress(&format!(
            "writing {} days of history, {} polls of {AIRCRAFT} rows",
            span.days,
            groups.iter().map(Vec::len).sum::<usize>()
        ));
        let table = self.lake.load_or_create(&FLIGHT_STATES).await?;
        let mut made: VecDeque<JoinHandle<anyhow::Result<_>>> = VecDeque::new();
        for group in groups {
            if made.len() >= WORKERS
                && let Some(first) = made.pop_front()
            {
                self.commit(first.await??).await?;
            }
            let (fleet, table) = (Arc::clone(&self.fleet), table.clone());
            made.push_back(spawn_blocking(move || rows(&fleet, &table, &group)));
        }
        for rest in made {
            self.commit(rest.await??).await?;
        }
        Ok(())
    }

    async fn commit(&self, rows: Vec<RecordBatch>) -> anyhow::Result<()> {
        let table = self.lake.load_or_create(&FLIGHT_STATES).await?;
        let id = uuid::Uuid::now_v7().to_string();
        let files = write::write_files(&table, &rows, &id).await?;
        let transaction = Transaction::new(&table);
        let append = transaction
            .fast_append()
            .with_check_duplicate(false)
            .add_data_files(files);
        let transaction = append.apply(transaction)?;
        transaction.commit(&*self.lake.catalog()).await?;
        Ok(())
    }
}

/// The times of the polls, oldest first, by commit: the last day's one by one, as they came.
fn groups(span: Span) -> Vec<Vec<i64>> {
    let times = |from: i64, to: i64| -> Vec<i64> {
        (from..to)
            .step_by(usize::try_from(span.step).unwrap_or(1))
            .collect()
    };
    let before = times(NOON - span.days * DAY, NOON - DAY);
    let last = times(NOON - DAY, NOON);
    let before = before.chunks(COMPACTED).map(<[i64]>::to_vec);
    before.chain(last.chunks(1).map(<[i64]>::to_vec)).collect()
}

/// The rows of these polls.
fn rows(fleet: &Fleet, table: &Table, times: &[i64]) -> anyhow::Result<Vec<RecordBatch>> {
    let mut decoder = input::decoder(table, SCHEMA_ID)?;
    let mut rows = Vec::new();
    for time in times {
        let poll = in_the_air(input::poll(fleet, *time)?)?;
        rows.extend(input::rows(&mut decoder, &poll, SCHEMA_ID)?);
    }
    Ok(rows)
}

fn in_the_air(mut poll: Poll) -> anyhow::Result<Poll> {
    poll.states.retain(|state| state.on_ground == Some(false));
    if poll.states.len() < AIRCRAFT {
        bail!(
            "only {} of {FLEET} aircraft are in the air at {}",
            poll.states.len(),
            poll.time
        );
    }
    // Other aircraft fly on other days.
    let day = usize::try_from(poll.time / DAY).unwrap_or(0);
    let first = day * 997 % poll.states.len();
    poll.states.rotate_left(first);
    poll.states.truncate(AIRCRAFT);
    Ok(poll)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_is_whole_days_and_ends_with_single_polls() {
        let step = DAY / 24;
        for (days, commits) in [(1, 24), (3, 2 * 24 / COMPACTED + 24)] {
            let groups = groups(Span { days, step });
            assert_eq!(groups.len(), commits);
            let times = groups.concat();
            assert_eq!(times.len() as i64, days * 24);
            assert_eq!(times.first(), Some(&(NOON - days * DAY)));
            assert_eq!(times.last(), Some(&(NOON - step)));
            assert!(times.windows(2).all(|pair| pair[1] - pair[0] == step));
            assert!(groups.iter().rev().take(24).all(|group| group.len() == 1));
        }
    }
}
