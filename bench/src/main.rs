//! `bench`: measures the stages in one run, each against the limit or the aim that goes with
//! it. README.md says what every figure counts and leaves out.
//!
//! In reading order:
//! - [`report`]: figures, their aims, the table and the JSON; [`sample`]: medians and
//!   percentiles.
//! - [`input`]: polls of the simulated fleet as bodies, as Avro records and as rows.
//! - [`servers`]: an embedded broker and registry; [`process`]: our programs as processes, and
//!   what Linux says they use.
//! - [`consumer_stage`], [`producer_stage`], [`refresh`], [`rebuild`] and [`reload`] with
//!   [`history`], [`pipeline`]: the measurements.

mod report;
mod sample;

mod input;
mod process;
mod servers;

mod consumer_stage;
mod history;
mod pipeline;
mod producer_stage;
mod rebuild;
mod refresh;
mod reload;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, ValueEnum};

use service::config::LogConfig;

use report::{Figure, Report};

/// Measures the stages against their limits.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// Measure only this; may be given several times.
    #[arg(long, value_enum, value_name = "NAME")]
    only: Vec<Name>,
    /// Less of everything: the figures are rougher, and the run takes about a third.
    #[arg(long)]
    quick: bool,
    /// Write the figures to this file too.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Work in this folder and keep it: the history of `refresh` is then made only once.
    /// Without it, a temporary folder that is removed at the end.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// What the services log meanwhile, such as transformer=debug for the time of each model.
    #[arg(long, value_name = "LEVEL", default_value = "warn")]
    log: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Name {
    /// From a full topic to the committed table.
    Consumer,
    /// From a body to its acknowledgement, and the producer's memory.
    Producer,
    /// One more poll over a day and over a month of history.
    Refresh,
    /// Everything counted again from a lake of day files.
    Rebuild,
    /// One more poll against making the marts anew with pandas.
    Pandas,
    /// The whole pipeline in one process, for a while.
    Pipeline,
}

/// How much is measured.
#[derive(Debug, Clone, Copy)]
struct Scale {
    quick: bool,
}

impl Scale {
    /// One of two sizes.
    fn pick<T>(self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }
}

fn main() -> ExitCode {
    // As the program `contrail` does it.
    service::heaps::limit(2);
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => service::fault::exit_with(error),
    }
}

fn run(args: &Args) -> anyhow::Result<()> {
    service::telemetry::init(&LogConfig {
        level: args.log.clone(),
        ..LogConfig::default()
    })?;
    let runtime = tokio::runtime::Runtime::new()?;
    let temporary = tempfile::tempdir()?;
    let folder = match &args.data {
        Some(folder) => std::path::absolute(folder)?,
        None => temporary.path().to_owned(),
    };
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let scale = Scale { quick: args.quick };
    let mut report = Report::new(args.quick);
    println!("{}", report.machine());
    for name in Name::value_variants() {
        if args.only.is_empty() || args.only.contains(name) {
            let figures = runtime.block_on(measure(*name, &folder, scale))?;
            for figure in figures {
                println!("{figure}");
                report.figures.push(figure);
            }
        }
    }
    match &args.json {
        Some(file) => report.write(file),
        None => Ok(()),
    }
}

async fn measure(name: Name, folder: &Path, scale: Scale) -> anyhow::Result<Vec<Figure>> {
    match name {
        Name::Consumer => consumer_stage::measure(folder, scale).await,
        Name::Producer => producer_stage::measure(folder, scale).await,
        Name::Refresh => refresh::measure(folder, scale).await,
        Name::Rebuild => rebuild::measure(folder, scale).await,
        Name::Pandas => reload::measure(folder, scale).await,
        Name::Pipeline => pipeline::measure(folder, scale).await,
    }
}

/// Says on stderr what takes the time.
fn progress(text: &str) {
    eprintln!("  … {text}");
}
