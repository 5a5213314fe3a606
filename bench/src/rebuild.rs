//! `rebuild`: everything counted again from a lake of day files with a poll every 30 s. Of the last
//! day more is counted than of the others (what `flight_density_recent` needs), so there are two.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use consumer::write;
use iceberg::table::Table;
use iceberg::transaction::{ApplyTransactionAction, Transaction};
use lake::tables::FLIGHT_STATES;
use lake::{Lake, LakeConfig};
use simulator::Fleet;
use tokio::task::spawn_blocking;
use transformer::Transformer;

use crate::input::{self, AIRCRAFT, DAY, INTERVAL, NOON, SEED};
use crate::process::{mebibytes, own_cpu, own_peak, reset_own_peak};
use crate::report::{Aim, Figure};
use crate::{Scale, progress};

const STAGE: &str = "rebuild";
const COMPLETE: &str = "complete";
/// Any will do: nobody looks it up.
const SCHEMA_ID: u32 = 1;
const DAYS: i64 = 2;
/// Aircraft of one file: with a day of polls, about what compaction makes.
const AIRCRAFT_OF_A_FILE: usize = 250;

/// Measures it.
///
/// # Errors
/// When the lake cannot be written or not every row is counted.
pub async fn measure(folder: &Path, scale: Scale) -> anyhow::Result<Vec<Figure>> {
    let aircraft = scale.pick(AIRCRAFT, AIRCRAFT / 4);
    let folder = folder.join(format!("{STAGE}-{aircraft}-{DAYS}-days"));
    let config = make(&folder, aircraft).await?;
    for private in [&config.transformer.analytics, &config.transformer.published] {
        if private.exists() {
            fs::remove_dir_all(private)?;
        }
    }
    progress("counting them");
    reset_own_peak();
    let mut transformer = Transformer::open(&config).await?;
    let (began, cpu) = (Instant::now(), own_cpu());
    let (mut rows, mut folding, mut steps) = (0, Duration::ZERO, 0);
    while let Some(counted) = transformer.refresh().await? {
        rows += counted.rows;
        folding += counted.folding;
        steps += 1;
    }
    let (elapsed, cpu) = (began.elapsed(), own_cpu().saturating_sub(cpu));
    let published = Instant::now();
    transformer.publish(true).await?;
    let published = published.elapsed();
    let status = transformer.status();
    anyhow::ensure!(
        status.caught_up && status.rows == rows,
        "{rows} rows were read and {} counted",
        status.rows
    );
    let per_second = |time: Duration| rows as f64 / time.as_secs_f64() / 1e6;
    Ok(vec![
        Figure::new(STAGE, "rows counted", per_second(elapsed), "M/s")
            .aim(Aim::AtLeast(5.0))
            .note(format!(
                "{rows} rows of {aircraft} aircraft, {DAYS} days of polls every {INTERVAL} s, in {:.1} s and {steps} steps; CPU time {:.1} s; then {:.1} s to publish every mart",
                elapsed.as_secs_f64(),
                cpu.as_secs_f64(),
                published.as_secs_f64(),
            )),
        Figure::new(STAGE, "the pass over the rows alone", per_second(folding), "M/s")
            .note("from data files to the compact tables in DuckDB"),
        Figure::new(STAGE, "resident at most", mebibytes(own_peak()), "MiB"),
    ])
}

/// Makes the lake in a folder, or finds it there.
async fn make(folder: &Path, aircraft: usize) -> anyhow::Result<transformer::Config> {
    let complete = folder.join(COMPLETE);
    if folder.exists() && !complete.exists() {
        fs::remove_dir_all(folder)?;
    }
    let path = |name: &str| folder.join(name).to_string_lossy().into_owned();
    let pairs = [
        ("transformer.analytics", &*path("analytics")),
        ("transformer.published", &*path("published")),
    ];
    let defaults = [lake::config::DEFAULTS, transformer::config::DEFAULTS];
    let mut config: transformer::Config = input::config(&defaults, &pairs)?;
    config.lake = LakeConfig::in_folder(&folder.join("warehouse"));
    if !complete.exists() {
        progress(&format!(
            "writing {DAYS} days of {aircraft} aircraft every {INTERVAL} s"
        ));
        let lake = Lake::open(&config.lake).await?;
        fill(&lake, aircraft).await?;
        fs::write(&complete, "").context("cannot note that the lake is complete")?;
    }
    Ok(config)
}

/// Writes the aircraft in groups, each a file for each day.
async fn fill(lake: &Lake, aircraft: usize) -> anyhow::Result<()> {
    let mut known = HashSet::new();
    let mut left = aircraft;
    let mut number = 0;
    while left > 0 {
        let table = lake.load_or_create(&FLIGHT_STATES).await?;
        // Fleets of different seeds may have an address in common: it belongs to the first.
        let fleet = Fleet::new(SEED + number, AIRCRAFT_OF_A_FILE.min(left)).with_quirks(false);
        let addresses = fleet.states_at(NOON).into_iter().map(|state| state.icao24);
        let own: Arc<HashSet<String>> = Arc::new(
            addresses
                .filter(|address| known.insert(address.clone()))
                .collect(),
        );
        left -= own.len();
        number += 1;
        let of = table.clone();
        let rows = spawn_blocking(move || rows(&fleet, &own, &of)).await??;
        let id = uuid::Uuid::now_v7().to_string();
        let files = write::write_files(&table, &rows, &id).await?;
        let transaction = Transaction::new(&table);
        let append = transaction
            .fast_append()
            .with_check_duplicate(false)
            .add_data_files(files);
        let transaction = append.apply(transaction)?;
        transaction.commit(&*lake.catalog()).await?;
    }
    Ok(())
}

/// The rows of these aircraft over the days.
fn rows(
    fleet: &Fleet,
    own: &HashSet<String>,
    table: &Table,
) -> anyhow::Result<Vec<arrow::array::RecordBatch>> {
    let first = NOON - NOON % DAY;
    let step = usize::try_from(INTERVAL)?;
    let mut decoder = input::decoder(table, SCHEMA_ID)?;
    let mut rows = Vec::new();
    for time in (first..first + DAYS * DAY).step_by(step) {
        let mut poll = input::poll(fleet, time)?;
        poll.states.retain(|state| own.contains(&state.icao24));
        rows.extend(input::rows(&mut decoder, &poll, SCHEMA_ID)?);
    }
    Ok(rows)
}
