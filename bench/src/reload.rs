//! `pandas`: one more poll through the transformer, against making the marts anew with pandas
//! from the same lake, at growing sizes of the lake.
//!
//! There are three peers: the pipeline that Contrail replaces, as it ran; its steps by themselves,
//! without what scheduled them; and as little as pandas can do it with.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde::Deserialize;
use transformer::Transformer;

use crate::history::{History, Span};
use crate::input::{AIRCRAFT, DAY, INTERVAL, NOON};
use crate::process::{free_memory, mebibytes, own_cpu};
use crate::report::{Aim, Figure};
use crate::sample::Sample;
use crate::{Scale, progress};

const STAGE: &str = "pandas";
const DAYS: i64 = 30;
/// Polls of each kind: without and with the large marts.
const POLLS: usize = 7;
/// Polls before the clock runs.
const WARM_UP: usize = 2;

/// Lines that are shown of what a peer says when it fails.
const SHOWN: usize = 20;

/// A program of `peers`, and the environment of `.tools` it runs in.
#[derive(Clone, Copy)]
struct Peer {
    program: &'static str,
    environment: &'static str,
}

/// The pipeline that Contrail replaces, in its scheduler.
const AS_BEFORE: Peer = Peer {
    program: "dagster_reload.py",
    environment: "dagster",
};
/// Its steps by themselves.
const STEPS: Peer = Peer {
    program: "pandas_reload.py",
    environment: "readers",
};
/// The quickest way there is with pandas.
const HELPED: Peer = Peer {
    program: "pandas_groupby.py",
    environment: "readers",
};

/// What a peer prints.
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
    let mut smaller = None;
    for rows in sizes {
        let polls = rows / AIRCRAFT as i64;
        let span = Span {
            days: DAYS,
            step: DAYS * DAY / polls,
        };
        figures.extend(one_size(&folder, span, &mut smaller).await?);
    }
    Ok(figures)
}

/// What the peers took at one size.
struct Reloads {
    /// As before, and its steps by themselves; or why neither was run.
    before: Result<(Reload, Reload), String>,
    helped: Reload,
}

/// Measures one size. `smaller` is what the steps of the pipeline before took at a smaller one, by
/// which it is known whether they fit in memory: bytes and rows.
async fn one_size(
    folder: &Path,
    span: Span,
    smaller: &mut Option<(u64, u64)>,
) -> anyhow::Result<Vec<Figure>> {
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
    let mut cpu = Duration::ZERO;
    // As in the service, where many polls pass until the large marts have their turn.
    for number in 0..WARM_UP + POLLS + 1 + POLLS {
        let every_mart = number >= WARM_UP + POLLS;
        next += INTERVAL;
        history.append(next).await?;
        let cpu_before = own_cpu();
        let took = poll(&mut transformer, every_mart).await?;
        let spent = own_cpu().saturating_sub(cpu_before);
        match number {
            // The first of each kind finds more to do.
            ..WARM_UP => {}
            _ if number == WARM_UP + POLLS => {}
            _ if every_mart => full.push(took),
            _ => {
                // The system counts in hundredths of a second: only the mean says something.
                cpu += spent / POLLS as u32;
                quick.push(took);
            }
        }
    }
    let rows = transformer.status().rows;
    drop(transformer);
    let needed = smaller.map_or(0, |(bytes, of)| {
        u64::saturating_mul(bytes, rows) / of.max(1)
    });
    let free = free_memory()?;
    let before = if needed > free {
        let [needed, free] = [needed, free].map(mebibytes);
        Err(format!(
            "as before would need {needed:.0} MiB of {free:.0} free ones: not run, and pandas helped stands for it"
        ))
    } else {
        let before = reload(&history, AS_BEFORE, rows)?;
        let steps = reload(&history, STEPS, rows)?;
        *smaller = Some((steps.peak_bytes.max(before.peak_bytes), rows));
        Ok((before, steps))
    };
    let reloads = Reloads {
        before,
        helped: reload(&history, HELPED, rows)?,
    };
    Ok(figures(&reloads, [&quick, &full], cpu))
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

/// Runs a peer, which must make the marts that are published, of so many rows.
fn reload(history: &History, peer: Peer, rows: u64) -> anyhow::Result<Reload> {
    let program = peer.program;
    progress(&format!("making the same marts with {program}"));
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let environment = root.with_file_name(".tools").join(peer.environment);
    let python = environment.join("bin/python");
    let warehouse = PathBuf::from(&history.config.lake.warehouse);
    let output = Command::new(&python)
        .arg("-B")
        .arg(root.join("peers").join(program))
        .arg(warehouse.join("catalog.db"))
        .arg(warehouse.with_file_name("pandas.duckdb"))
        .output()
        .with_context(|| {
            format!(
                "cannot run {}; ./task bench puts it in place",
                python.display()
            )
        })?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let lines: Vec<&str> = said.lines().collect();
        let said = lines[lines.len().saturating_sub(SHOWN)..].join("\n");
        let memory = match output.status.signal() {
            Some(_) => " (as a rule there was not enough memory)",
            None => "",
        };
        bail!("{program} ended with {}{memory}:\n{said}", output.status);
    }
    let printed = String::from_utf8_lossy(&output.stdout);
    let reload: Reload = serde_json::from_str(printed.lines().last().unwrap_or_default())
        .context("cannot read what the peer printed")?;
    if reload.rows != rows {
        bail!("{program} read {} rows of {rows}", reload.rows);
    }
    same_marts(history, &reload)?;
    Ok(reload)
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

fn figures(reloads: &Reloads, [quick, full]: [&[Duration]; 2], cpu: Duration) -> Vec<Figure> {
    let helped = &reloads.helped;
    let size = format!("{:.0} M rows", helped.rows as f64 / 1e6);
    let named = |what: &str| format!("{size}: {what}");
    let took = |what: &str, reload: &Reload| {
        Figure::new(STAGE, named(what), reload.seconds * 1e3, "ms").note(steps(reload))
    };
    let (quick, full) = (Sample::milliseconds(quick), Sample::milliseconds(full));
    let over = |reload: &Reload, poll: &Sample| reload.seconds * 1e3 / poll.median();
    let ratio = |what: &str, reload: &Reload, poll: &Sample| {
        Figure::new(STAGE, named(what), over(reload, poll), "×")
    };
    // Who is quicker may stand for who does not fit in memory.
    let (before, refused) = match &reloads.before {
        Ok((before, _)) => (before, ""),
        Err(refused) => (helped, refused.as_str()),
    };
    let mut figures = Vec::new();
    if let Ok((before, steps)) = &reloads.before {
        figures.push(took("everything again, as before", before));
        figures.push(took("its steps, without a scheduler", steps));
    }
    let cpu = cpu.as_secs_f64() * 1e3;
    figures.extend([
        took("pandas helped", helped),
        Figure::median(STAGE, named("one more poll"), &quick, "ms")
            .note("as the service does it; large marts wait"),
        ratio("as before over a poll", before, &quick)
            .aim(Aim::AtLeast(100.0))
            .note(refused),
        Figure::new(
            STAGE,
            named("the same by CPU time"),
            before.cpu_seconds * 1e3 / cpu,
            "×",
        )
        .note(format!("{:.1} s and {cpu:.0} ms", before.cpu_seconds)),
    ]);
    if let Ok((_, steps)) = &reloads.before {
        figures.push(ratio("its steps over a poll", steps, &quick).aim(Aim::AtLeast(100.0)));
    }
    figures.extend([
        ratio("pandas helped over a poll", helped, &quick),
        Figure::median(STAGE, named("one more poll, every mart"), &full, "ms"),
        ratio("as before over that", before, &full)
            .aim(Aim::AtLeast(100.0))
            .note(refused),
    ]);
    figures
}

fn steps(reload: &Reload) -> String {
    let steps = reload.steps.iter();
    let steps: Vec<String> = steps
        .map(|(name, seconds)| format!("{name} {seconds:.1} s"))
        .collect();
    let memory = mebibytes(reload.peak_bytes);
    format!("{}; {memory:.0} MiB", steps.join(", "))
}
