//! The commands of the program `transformer`, one file each.
//!
//! Those that only read (`query`, `status`, `runs`, `export`, `lineage`) may run beside a transformer
//! that has the same folders.

pub mod docs;
pub mod export;
pub mod lineage;
pub mod query;
pub mod runs;
pub mod tasks;
pub mod test;

use std::collections::BTreeSet;
use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use service::cli::{CommonArgs, ServiceArgs};
use service::fault::{Failure, exit_with};
use tokio::sync::watch;

use crate::models::Models;
use crate::{Config, Error, Mode, Status, Task, api};

/// Defaults of every section the program reads.
pub const DEFAULTS: [&str; 2] = [lake::config::DEFAULTS, crate::config::DEFAULTS];

/// Keeps the marts fresh from the Iceberg tables and publishes them.
#[derive(Debug, Parser)]
#[command(name = "transformer", version)]
struct Args {
    #[command(flatten)]
    service: ServiceArgs,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Follow the lake until told to end (the default).
    Run,
    /// Publish everything the lake holds and end.
    Once,
    /// Count what is new and publish some marts now, whether or not their turn has come.
    Refresh(tasks::RefreshArgs),
    /// Count days, or everything, again from the lake.
    Rebuild(tasks::DaysArgs),
    /// Count what the lake has and the marts have not, and publish everything.
    Backfill(tasks::DaysArgs),
    /// List the last runs, or show one with its log.
    Runs(runs::RunsArgs),
    /// Answer a query over the published marts.
    Query(query::QueryArgs),
    /// Say how far the published marts are, as JSON.
    ///
    /// It reads what is published and asks no running transformer. That one's own address says by
    /// /api/status whether it has caught up with the lake, and whether it counts everything again.
    Status,
    /// Write a published mart to a file, or to standard output.
    Export(export::ExportArgs),
    /// Show which model reads which, down from the lake's tables.
    Lineage(lineage::LineageArgs),
    /// Write the data dictionary: every mart with its columns, as Markdown.
    Docs(docs::DocsArgs),
    /// Run the given/expect cases of the models.
    Test(test::TestArgs),
}

/// The whole life of the process.
pub fn main() -> ExitCode {
    let Args {
        mut service,
        command,
    } = Args::parse();
    let common = service.common.clone();
    let mode = match command {
        Some(command) if !common.print_config && !service.ready => match command {
            Command::Run => Some(Mode::Continuous),
            Command::Once => Some(Mode::Once),
            Command::Refresh(args) => return tasks::run(common, |config| args.task(config)),
            Command::Rebuild(days) => {
                return tasks::run(common, |_| Ok(Task::Rebuild(days.into())));
            }
            Command::Backfill(days) => {
                return tasks::run(common, |_| Ok(Task::Backfill(days.into())));
            }
            Command::Runs(args) => return text(&common, |config| args.text(&config)),
            Command::Query(args) => return text(&common, |config| args.answer(&config)),
            Command::Status => return text(&common, |config| query::status(&config)),
            Command::Lineage(args) => return text(&common, |config| args.text(&config)),
            Command::Export(args) => return code(&common, |config| args.run(&config)),
            Command::Docs(args) => return code(&common, |config| args.run(&config)),
            Command::Test(args) => return code(&common, |config| args.run(&config)),
        },
        Some(Command::Once) => Some(Mode::Once),
        Some(Command::Run) => Some(Mode::Continuous),
        _ => None,
    };
    if let Some(mode) = mode {
        let key = "transformer.mode".to_owned();
        service.common.set.push((key, mode.as_str().to_owned()));
    }
    let (sender, status) = watch::channel(Status::default());
    service::cli::run_with(
        &service,
        &DEFAULTS,
        |config: &Config| api::router(config.transformer.published.clone(), status),
        |config, health, shutdown| crate::run(config, health, shutdown, Some(sender)),
    )
}

/// Loads the configuration and prints what a command answers.
fn text(common: &CommonArgs, ask: impl FnOnce(Config) -> Result<String, Error>) -> ExitCode {
    code(common, |config| {
        print(&ask(config)?)?;
        Ok(ExitCode::SUCCESS)
    })
}

/// Loads the configuration and runs a command.
fn code(common: &CommonArgs, work: impl FnOnce(Config) -> Result<ExitCode, Error>) -> ExitCode {
    let loader = DEFAULTS.iter().fold(common.loader(), |l, d| l.defaults(d));
    let done = || -> anyhow::Result<ExitCode> {
        let config: Config = loader.load()?;
        Ok(work(config).map_err(Failure::new)?)
    };
    done().unwrap_or_else(exit_with)
}

/// The nodes that a selector picks; what it picks nothing of is refused with all that there are.
fn selected(models: &Models, selector: &str) -> Result<BTreeSet<String>, Error> {
    models.selected(selector).map_err(|error| match error {
        Error::NoModel { name, .. } => Error::NotSelected {
            name,
            known: models.lineage().nodes.into_keys().collect(),
        },
        other => other,
    })
}

/// Writes to standard output. A reader that has seen enough, such as `head`, is no fault.
pub(crate) fn print(text: &str) -> Result<(), Error> {
    let mut out = std::io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    match written {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Error::file("write to", "standard output".as_ref())(error))
        }
        _ => Ok(()),
    }
}

/// Runs what waits for the lake.
fn block_on<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let runtime = tokio::runtime::Runtime::new();
    let runtime = runtime.map_err(Error::file("start", "the runtime".as_ref()))?;
    runtime.block_on(work)
}
