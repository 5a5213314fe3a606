//! `producer`: from a body to its acknowledgement, and the memory of the producer's process.

use std::path::Path;
use std::time::{Duration, Instant};

use simulator::Fleet;

use crate::input::{self, AIRCRAFT, INTERVAL, NOON, SEED};
use crate::process::{Process, Usage, mebibytes};
use crate::report::{Aim, Figure};
use crate::sample::Sample;
use crate::servers::Servers;
use crate::{Scale, progress};

const STAGE: &str = "producer";
/// Polls before the clock runs.
const WARM_UP: usize = 10;
const LIMIT: Duration = Duration::from_secs(120);

/// Measures both.
///
/// # Errors
/// When a poll is not published.
pub async fn measure(folder: &Path, scale: Scale) -> anyhow::Result<Vec<Figure>> {
    let folder = folder.join(STAGE);
    let times = latency(&folder, scale.pick(200, 100)).await?;
    let sample = Sample::milliseconds(&times);
    let polls = scale.pick(60, 20);
    let usage = memory(&folder, polls).await?;
    let note = format!("{} polls of {AIRCRAFT} aircraft", sample.len());
    let what = |percentile| format!("body to acknowledged, {percentile}");
    Ok(vec![
        Figure::new(STAGE, what("p50"), sample.percentile(50.0), "ms").note(&note),
        Figure::new(STAGE, what("p99"), sample.percentile(99.0), "ms")
            .aim(Aim::AtMost(150.0))
            .note(format!("largest {:.0} ms", sample.max())),
        Figure::new(
            STAGE,
            "resident memory of the process, peak",
            mebibytes(usage.resident_peak),
            "MiB",
        )
        .aim(Aim::AtMost(30.0))
        .note(format!(
            "after {polls} polls {:.1} MiB, {:.1} of them not pages of files",
            mebibytes(usage.resident),
            mebibytes(usage.anonymous)
        )),
    ])
}

async fn latency(folder: &Path, polls: usize) -> anyhow::Result<Vec<Duration>> {
    let servers = Servers::start(folder).await?;
    let fleet = Fleet::new(SEED, AIRCRAFT);
    progress(&format!("publishing {polls} polls"));
    let mut times = Vec::with_capacity(polls);
    for (number, time) in (0..WARM_UP + polls).zip((NOON..).step_by(INTERVAL as usize)) {
        let body = fleet.body(time, true);
        let began = Instant::now();
        let poll = input::read(&body)?;
        let published = servers.publish(&poll).await?;
        if number >= WARM_UP {
            times.push(began.elapsed());
        }
        let next = published
            .offsets
            .iter()
            .map(|(partition, last)| (*partition, last + 1));
        servers.forget(&next.collect());
    }
    Ok(times)
}

/// What the producer uses after so many polls, one a second.
async fn memory(folder: &Path, polls: i64) -> anyhow::Result<Usage> {
    let servers = Servers::start(folder).await?;
    let (_simulator, url) = simulator(folder)?;
    progress(&format!("a producer process polls {polls} times"));
    let settings = [
        format!("kafka.brokers={}", servers.broker.bootstrap()),
        format!("registry.url={}", servers.registry.url()),
        format!("producer.opensky.base_url={url}/api"),
        format!("producer.opensky.token_url={url}/token"),
        "producer.source=simulator".to_owned(),
        "producer.interval=1s".to_owned(),
        "http.listen=127.0.0.1:0".to_owned(),
    ];
    let arguments = settings.iter().flat_map(|setting| ["--set", setting]);
    let mut producer = Process::start(folder, "producer", arguments)?;
    let rows = polls * AIRCRAFT as i64;
    tokio::task::block_in_place(|| {
        producer.wait_for(&format!("{polls} polls"), LIMIT, || {
            let ends = servers.ends().ok()?;
            servers.forget(&ends);
            (ends.values().sum::<i64>() >= rows).then_some(())
        })
    })?;
    producer.usage()
}

/// A simulator of a whole sky and without a quota, as a process; its address.
///
/// # Errors
/// When it does not start.
pub fn simulator(folder: &Path) -> anyhow::Result<(Process, String)> {
    let aircraft = format!("simulator.aircraft={AIRCRAFT}");
    let settings = [
        &*aircraft,
        "simulator.credits.daily=0",
        "simulator.credits.anonymous_daily=0",
        "http.listen=",
    ];
    let arguments = settings.iter().flat_map(|setting| ["--set", setting]);
    let mut process = Process::start(folder, "simulator", arguments)?;
    let url = process.line("http://", LIMIT)?;
    Ok((process, url))
}
