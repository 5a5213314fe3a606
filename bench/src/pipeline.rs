//! `pipeline`: the whole of it in one process, as people run it, at the pace of the real
//! OpenSky: with the simulator in the same process, and with the simulator beside it.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::input::{AIRCRAFT, INTERVAL};
use crate::process::{Process, Usage, mebibytes};
use crate::producer_stage::simulator;
use crate::report::{Aim, Figure};
use crate::sample::Sample;
use crate::{Scale, progress};

const STAGE: &str = "pipeline";
const POLL: Duration = Duration::from_secs(INTERVAL as u64);
/// The clock runs between polls, so that so many intervals hold so many polls.
const WARM_UP: Duration = Duration::from_secs(INTERVAL as u64 * 3 / 2);
/// The second one starts so much later, so that they do not work at the same moments.
const APART: Duration = Duration::from_secs(10);
/// How often memory is looked at.
const LOOK: Duration = Duration::from_secs(1);
const ENDING: Duration = Duration::from_secs(60);

/// A pipeline that runs.
struct Running {
    process: Process,
    data: PathBuf,
}

/// What one used.
struct Measured {
    cpu: Duration,
    written: u64,
    /// Resident memory once a second, in MiB.
    resident: Sample,
    usage: Usage,
}

/// Measures both at once.
///
/// # Errors
/// When one does not end well, or has not taken every poll to the marts.
pub async fn measure(folder: &Path, scale: Scale) -> anyhow::Result<Vec<Figure>> {
    let folder = folder.join(STAGE);
    std::fs::create_dir_all(&folder)?;
    // A folder of its own: what an earlier run left there would count.
    let folder = tempfile::tempdir_in(folder)?;
    let polls = scale.pick(20, 2);
    let span = POLL * polls;
    progress(&format!(
        "two pipelines run for {} s",
        (WARM_UP + span + APART).as_secs()
    ));
    let (_simulator, url) = simulator(folder.path())?;
    let whole = whole(&folder.path().join("demo"), span)?;
    let whole = tokio::spawn(follow(whole, span));
    tokio::time::sleep(APART).await;
    let without = without_simulator(&folder.path().join("run"), &url, span)?;
    let without = follow(without, span).await?;
    let whole = whole.await??;
    let mut figures = Vec::new();
    for (what, measured) in [("demo", whole), ("run, simulator apart", without)] {
        let share = measured.cpu.as_secs_f64() / span.as_secs_f64() * 100.0;
        let peak = mebibytes(measured.usage.resident_peak);
        let note = format!(
            "{polls} polls of {AIRCRAFT} aircraft, {:.2} s of CPU each",
            measured.cpu.as_secs_f64() / f64::from(polls)
        );
        figures.push(
            Figure::new(STAGE, format!("{what}: CPU of one core"), share, "%")
                .aim(Aim::AtMost(5.0))
                .note(note),
        );
        figures.push(
            Figure::median(
                STAGE,
                format!("{what}: resident memory, p50"),
                &measured.resident,
                "MiB",
            )
            .aim(Aim::AtMost(300.0)),
        );
        figures.push(
            Figure::new(STAGE, format!("{what}: resident memory, peak"), peak, "MiB")
                .aim(Aim::AtMost(300.0))
                .note(format!(
                    "{:.0} MiB at the end, {:.0} of them not pages of files",
                    mebibytes(measured.usage.resident),
                    mebibytes(measured.usage.anonymous)
                )),
        );
        let written = mebibytes(measured.written) / f64::from(polls);
        figures.push(Figure::new(
            STAGE,
            format!("{what}: written to disk, each poll"),
            written,
            "MiB",
        ));
    }
    Ok(figures)
}

/// `contrail demo`.
fn whole(data: &Path, span: Duration) -> anyhow::Result<Running> {
    let aircraft = AIRCRAFT.to_string();
    let interval = format!("{INTERVAL}s");
    let own = ["--aircraft", &aircraft, "--interval", &interval];
    start(data, "demo", &own, span)
}

/// `contrail run`, with a simulator for OpenSky.
fn without_simulator(data: &Path, url: &str, span: Duration) -> anyhow::Result<Running> {
    let base = format!("producer.opensky.base_url={url}/api");
    let token = format!("producer.opensky.token_url={url}/token");
    let settings = [
        &*base,
        &token,
        "producer.source=simulator",
        "http.listen=127.0.0.1:0",
    ];
    let own: Vec<&str> = settings
        .iter()
        .flat_map(|setting| ["--set", *setting])
        .collect();
    start(data, "run", &own, span)
}

fn start(data: &Path, command: &str, own: &[&str], span: Duration) -> anyhow::Result<Running> {
    // Long enough for the clock to have stopped before it ends.
    let limit = format!("{}s", (WARM_UP + span + POLL / 3).as_secs());
    let data = data.to_owned();
    let folder = data.to_string_lossy().into_owned();
    let arguments = [&[command, "--data", &folder, "--for", &limit], own].concat();
    let process = Process::start(&data.with_extension("log"), "contrail", arguments)?;
    Ok(Running { process, data })
}

/// Looks at it before and after the span, and at what it has made of it.
async fn follow(running: Running, span: Duration) -> anyhow::Result<Measured> {
    let Running { process, data } = running;
    tokio::time::sleep(WARM_UP).await;
    let before = process.usage()?;
    let mut resident = Vec::new();
    let end = Instant::now() + span;
    while Instant::now() < end {
        tokio::time::sleep(LOOK.min(end.saturating_duration_since(Instant::now()))).await;
        resident.push(mebibytes(process.usage()?.resident));
    }
    let usage = process.usage()?;
    tokio::task::block_in_place(|| process.end(ENDING))?;
    let published = data.join("published");
    let counted = transformer::query(&published, "select count(*) from kpi_history")
        .context("the pipeline has published nothing")?;
    let polls = counted
        .rows
        .first()
        .and_then(|row| row.first()?.as_ref()?.parse().ok());
    let polls: u64 = polls.context("no number of polls")?;
    // The simulator's clock steps back at times, and such a poll is dropped.
    let expected = (WARM_UP + span).as_secs() / POLL.as_secs() - 1;
    if polls < expected {
        bail!("{polls} polls are in the marts, not the {expected} of this time");
    }
    Ok(Measured {
        cpu: usage.cpu.saturating_sub(before.cpu),
        written: usage.written.saturating_sub(before.written),
        resident: Sample::new(resident),
        usage,
    })
}
