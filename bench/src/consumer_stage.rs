//! `consumer`: from a full topic to the committed table, against its limit: the same records
//! from memory, decoded by the same decoder and written by the same writer, and nothing else.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use consumer::chunk::Chunk;
use consumer::{Config, Progress, write};
use lake::tables::FLIGHT_STATES;
use lake::{Lake, LakeConfig};
use service::health::Health;
use service::shutdown::Shutdown;
use simulator::Fleet;
use tokio::sync::watch;

use crate::input::{self, AIRCRAFT, INTERVAL, NOON, SEED};
use crate::process::own_cpu;
use crate::report::{Aim, Figure};
use crate::sample::Sample;
use crate::servers::Servers;
use crate::{Scale, progress};

const STAGE: &str = "consumer";
const LIMIT: Duration = Duration::from_secs(300);

/// One way through all rows.
struct Run {
    wall: Duration,
    /// From its start to its first row: connecting, and joining its group.
    joining: Duration,
    /// Of this whole process, the embedded broker with it.
    cpu: Duration,
}

impl Run {
    /// From the first row on.
    fn working(&self) -> Duration {
        self.wall.saturating_sub(self.joining)
    }
}

/// What the consumer said of one run.
struct Consumed {
    _warehouse: tempfile::TempDir,
    joining: Duration,
    /// How often it stopped reading because it was busy.
    pauses: u64,
}

/// Measures it: the topic is filled once, then limit and consumer take turns.
///
/// # Errors
/// When anything fails, or a row is missing from a table.
pub async fn measure(folder: &Path, scale: Scale) -> anyhow::Result<Vec<Figure>> {
    let (polls, turns) = scale.pick((100, 5), (30, 3));
    let folder = folder.join(STAGE);
    let servers = Servers::start(&folder).await?;
    progress(&format!(
        "filling the topic with {polls} polls of {AIRCRAFT} aircraft"
    ));
    let rows = fill(&servers, polls).await?;
    let chunks = servers.read(rows)?;
    let (mut read, mut limits, mut runs, mut said) = (vec![], vec![], vec![], vec![]);
    for turn in 1..=turns {
        progress(&format!("turn {turn} of {turns}"));
        limits.push(
            clocked(decode_and_write(&folder, &servers, &chunks))
                .await?
                .0,
        );
        let (run, consumed) = clocked(consume(&folder, &servers, rows as u64)).await?;
        runs.push(Run {
            joining: consumed.joining,
            ..run
        });
        said.push(consumed);
        read.push(clocked(async { servers.read(rows) }).await?.0);
    }
    let of_limit = |part: fn(&Run) -> Duration| {
        let pairs = limits.iter().zip(&runs);
        Sample::new(pairs.map(|(limit, run)| part(limit).div_duration_f64(part(run))))
    };
    let joining = Sample::milliseconds(runs.iter().map(|run| &run.joining));
    let pauses = Sample::new(said.iter().map(|consumed| consumed.pauses as f64));
    let unit = "k rows/s";
    Ok(vec![
        Figure::median(
            STAGE,
            "topic to table, of its limit",
            &of_limit(Run::working),
            "×",
        )
        .aim(Aim::AtLeast(0.5))
        .note(format!(
            "{rows} rows, {turns} turns each, from the first row on"
        )),
        Figure::median(
            STAGE,
            "the same with joining the group",
            &of_limit(|run| run.wall),
            "×",
        )
        .note(format!("{:.0} ms to join", joining.median())),
        Figure::median(STAGE, "the same by CPU time", &of_limit(|run| run.cpu), "×")
            .note("the broker's part counts against the consumer"),
        Figure::median(STAGE, "topic to committed table", &rate(&runs, rows), unit).note(format!(
            "{}, {:.0} pauses",
            busy(&runs),
            pauses.median()
        )),
        Figure::median(
            STAGE,
            "limit: memory to Parquet",
            &rate(&limits, rows),
            unit,
        )
        .note(busy(&limits)),
        Figure::median(STAGE, "topic read and dropped", &rate(&read, rows), unit).note(busy(&read)),
    ])
}

/// Thousand rows a second.
fn rate(runs: &[Run], rows: usize) -> Sample {
    let rate = |run: &Run| rows as f64 / run.working().as_secs_f64() / 1e3;
    Sample::new(runs.iter().map(rate))
}

fn busy(runs: &[Run]) -> String {
    let cores = runs
        .iter()
        .map(|run| run.cpu.div_duration_f64(run.working()));
    format!("{:.2} cores busy", Sample::new(cores).median())
}

/// Publishes so many polls; the number of rows.
async fn fill(servers: &Servers, polls: i64) -> anyhow::Result<usize> {
    let fleet = Fleet::new(SEED, AIRCRAFT);
    let mut rows = 0;
    for number in 0..polls {
        let poll = input::poll(&fleet, NOON + number * INTERVAL)?;
        rows += poll.states.len();
        servers.publish(&poll).await?;
    }
    Ok(rows)
}

async fn clocked<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<(Run, T)> {
    let (began, cpu) = (Instant::now(), own_cpu());
    // What comes out is let go of after the clock has stopped.
    let result = work.await?;
    let run = Run {
        wall: began.elapsed(),
        joining: Duration::ZERO,
        cpu: own_cpu().saturating_sub(cpu),
    };
    Ok((run, result))
}

fn config(folder: &Path, servers: &Servers) -> anyhow::Result<(Config, tempfile::TempDir)> {
    let warehouse = tempfile::tempdir_in(folder)?;
    let pairs = [
        ("kafka.brokers", &*servers.broker.bootstrap()),
        ("registry.url", &servers.registry.url()),
    ];
    let mut config: Config = input::config(consumer::config::DEFAULTS, &pairs)?;
    config.lake = LakeConfig::in_folder(warehouse.path());
    Ok((config, warehouse))
}

/// The limit. Files are as large as the consumer's: it commits at this many bytes.
async fn decode_and_write(
    folder: &Path,
    servers: &Servers,
    chunks: &[Chunk],
) -> anyhow::Result<tempfile::TempDir> {
    let (config, warehouse) = config(folder, servers)?;
    let lake = Lake::open(&config.lake).await?;
    let table = lake.load_or_create(&FLIGHT_STATES).await?;
    let mut decoder = input::decoder(&table, servers.schema_id)?;
    let full = config.consumer.commit_bytes.as_usize();
    let (mut batches, mut size) = (Vec::new(), 0);
    for (number, chunk) in chunks.iter().enumerate() {
        for batch in input::decode(&mut decoder, chunk)? {
            size += batch.get_array_memory_size();
            batches.push(batch);
        }
        if size >= full || number + 1 == chunks.len() {
            write::write_files(&table, &batches, &uuid::Uuid::now_v7().to_string()).await?;
            batches.clear();
            size = 0;
        }
    }
    Ok(warehouse)
}

/// The consumer, from its start until every row is committed and it has left its group.
async fn consume(folder: &Path, servers: &Servers, rows: u64) -> anyhow::Result<Consumed> {
    let (config, warehouse) = config(folder, servers)?;
    let shutdown = Shutdown::new();
    let (sender, mut watched) = watch::channel(Progress::default());
    let (began, paused_before) = (Instant::now(), pauses());
    let running = consumer::run(config, Health::new(), shutdown.clone(), Some(sender));
    let end_when_read = async {
        let any = |seen: &Progress| seen.buffered_rows > 0;
        // What is left in the buffer is committed at the end, not when it is old enough.
        let all = |seen: &Progress| seen.rows_committed + seen.buffered_rows >= rows;
        let read = tokio::time::timeout(LIMIT, async {
            watched.wait_for(any).await.ok()?;
            let joining = began.elapsed();
            watched.wait_for(all).await.ok()?;
            Some(joining)
        });
        let read = read.await.ok().flatten();
        shutdown.trigger();
        read
    };
    let (summary, joining) = tokio::join!(running, end_when_read);
    let summary = summary.context("the consumer failed")?;
    match joining {
        Some(joining) if summary.rows_committed == rows && summary.dead_letters == 0 => {
            Ok(Consumed {
                _warehouse: warehouse,
                joining,
                pauses: pauses() - paused_before,
            })
        }
        _ => bail!("{rows} rows were to be committed, the consumer did {summary:?}"),
    }
}

/// How often consumers of this process have stopped reading.
fn pauses() -> u64 {
    let text = service::metrics::install_recorder().render();
    let name = "contrail_consumer_pauses_total ";
    let value = text.lines().find_map(|line| line.strip_prefix(name));
    value.and_then(|value| value.parse().ok()).unwrap_or(0)
}
