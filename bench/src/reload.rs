//! `pandas`: one more poll through the transformer, against making the marts anew with pandas
//! from the same lake, at growing sizes of the lake.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde::Deserialize;
use transformer::Transformer;

use crate::history::{History, Span};
use crate::input::{AIRCRAFT, DAY, INTERVAL, NOON};
use crate::process::{mebibytes, own_cpu};
use crate::report::{Aim, Figure};
use crate::sample::Sample;
use crate::{Scale, progress};

const STAGE: &str = "pandas";
const DAYS: i64 = 30;
/// Polls after which every mart is published, the large ones too.
const POLLS: usize = 7;
/// Polls before the clock runs.
const WARM_UP: usize = 2;

/// What `peers/pandas_reload.py` prints.
#[derive(Debug, Deserialize)]
struct Reload {
    seconds: f64,
    cpu_seconds: f64,
    steps: BTreeMap<String, f64>,
    rows: u64,
    peak_bytes: u64,
    /// Rows, and the sum of the counts, of each table it made.
    tables: BTreeMap<String, (u64, u64)>,
}

/// Measures both over lakes of growing size.
///
/// # Errors
/// When anything fails, or the two make different marts.
pub async fn measure(folder: &Path, scale: Scale) -> anyhow::Result<Vec<Figure>> {
    // The same folder as `refresh`, so that `--data` keeps all histories in one place.
    let folder = folder.join("refresh");
    let sizes: &[i64] = scale.pick(
        &[1_000_000, 10_000_000, 50_000_000],
        &[1_000_000, 10_000_000],
    );
    let mut figures = Vec::new();
    for rows in sizes {
        let polls = rows / AIRCRAFT as i64;
        let span = Span {
            days: DAYS,
            step: DAYS * DAY / polls,
        };
        figures.extend(one_size(&folder, span).await?);
    }
    Ok(figures)
}

async fn one_size(folder: &Path, span: Span) -> anyhow::Result<Vec<Figure>> {
    let mut history = History::make(folder, span).await?;
    // pandas knows no retention: the marts are to be of all rows.
    history.config.transformer.retention = Duration::ZERO;
    history.config.transformer.daily_retention = Duration::ZERO;
    let mut transformer = Transformer::open(&history.config).await?;
    progress("counting it");
    transformer.catch_up().await?;
    let newest = transformer.status().as_of;
    let mut next = newest.map_or(NOON, |time| time.timestamp()).max(NOON);
    let (mut quick, mut full) = (Vec::new(), Vec::new());
    let mut cpu = Vec::new();
    for number in 0..2 * (WARM_UP + POLLS) {
        let every_mart = number % 2 == 1;
        next += INTERVAL;
        history.append(next).await?;
        let cpu_before = own_cpu();
        let took = poll(&mut transformer, every_mart).await?;
        if number >= 2 * WARM_UP && every_mart {
            cpu.push(own_cpu().saturating_sub(cpu_before));
        }
        if number >= 2 * WARM_UP {
            let times = if every_mart { &mut full } else { &mut quick };
            times.push(took);
        }
    }
    let rows = transformer.status().rows;
    drop(transformer);
    progress("making the same marts with pandas");
    let reload = reload(&history)?;
    if reload.rows != rows {
        bail!("pandas read {} rows of {rows}", reload.rows);
    }
    same_marts(&history, &reload)?;
    Ok(figures(&reload, &quick, &full, &cpu))
}

/// Counts and publishes one poll, as the service does it.
async fn poll(transformer: &mut Transformer, every_mart: bool) -> anyhow::Result<Duration> {
    let began = Instant::now();
    let refreshed = transformer.refresh().await?;
    let counted = began.elapsed();
    let took = counted + transformer.publish(every_mart).await?.duration;
    match refreshed {
        Some(refreshed) if refreshed.rows == AIRCRAFT as u64 => Ok(took),
        other => bail!("{AIRCRAFT} new rows were to be counted: {other:?}"),
    }
}

fn reload(history: &History) -> anyhow::Result<Reload> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = root.with_file_name(".tools").join("readers/bin/python");
    let warehouse = PathBuf::from(&history.config.lake.warehouse);
    let output = Command::new(&python)
        .arg(root.join("peers/pandas_reload.py"))
        .arg(warehouse.join("catalog.db"))
        .arg(warehouse.with_file_name("pandas.duckdb"))
        .output()
        .with_context(|| {
            format!(
                "cannot run {}; run ./task setup:test once",
                python.display()
            )
        })?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let memory = "killed by a signal: as a rule there was not enough memory";
        let said = if said.is_empty() { memory.into() } else { said };
        bail!("pandas ended with {}: {said}", output.status);
    }
    serde_json::from_slice(&output.stdout).context("cannot read what the peer printed")
}

/// Sees that pandas has computed what the transformer has published.
fn same_marts(history: &History, reload: &Reload) -> anyhow::Result<()> {
    for (mart, counted) in &reload.tables {
        let column = match mart.as_str() {
            "hourly_activity" => "total_flights",
            "flight_density_grid" => "flight_count",
            _ => "total_observations",
        };
        let sql = format!("select count(*), sum({column})::bigint from {mart}");
        let result = transformer::query(&history.config.transformer.published, &sql)?;
        let numbers = result.rows.iter().flatten().flatten();
        let numbers: Vec<u64> = numbers.map(|text| text.parse()).collect::<Result<_, _>>()?;
        if numbers != [counted.0, counted.1] {
            bail!("{mart}: pandas has {counted:?}, the published mart {numbers:?}");
        }
    }
    Ok(())
}

fn figures(
    reload: &Reload,
    quick: &[Duration],
    full: &[Duration],
    cpu: &[Duration],
) -> Vec<Figure> {
    let size = format!("{:.0} M rows", reload.rows as f64 / 1e6);
    let (quick, full) = (Sample::milliseconds(quick), Sample::milliseconds(full));
    // The mean: the system counts CPU time in hundredths of a second.
    let cpu = cpu.iter().sum::<Duration>().as_secs_f64() * 1e3 / cpu.len() as f64;
    let reloaded = reload.seconds * 1e3;
    let steps = reload.steps.iter();
    let steps: Vec<String> = steps
        .map(|(name, seconds)| format!("{name} {seconds:.1} s"))
        .collect();
    vec![
        Figure::new(STAGE, format!("{size}: everything again"), reloaded, "ms").note(format!(
            "{}; {:.0} MiB",
            steps.join(", "),
            mebibytes(reload.peak_bytes)
        )),
        Figure::median(
            STAGE,
            format!("{size}: one more poll, every mart"),
            &full,
            "ms",
        ),
        Figure::new(
            STAGE,
            format!("{size}: pandas over that"),
            reloaded / full.median(),
            "×",
        )
        .aim(Aim::AtLeast(100.0)),
        Figure::new(
            STAGE,
            format!("{size}: the same by CPU time"),
            reload.cpu_seconds * 1e3 / cpu,
            "×",
        )
        .note(format!("{:.1} s and {cpu:.0} ms", reload.cpu_seconds)),
        Figure::new(
            STAGE,
            format!("{size}: pandas over a poll as the service does it"),
            reloaded / quick.median(),
            "×",
        )
        .note(format!("{:.0} ms; large marts wait", quick.median())),
    ]
}
