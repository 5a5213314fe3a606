//! The commands of the program `metabase-dashboards`.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args as ClapArgs, Parser, Subcommand};
use service::cli::CommonArgs;
use service::fault::{Failure, exit_with};

use crate::apply::{self, Options, Step};
use crate::config::{Config, DEFAULTS, MetabaseConfig};
use crate::content::Library;
use crate::metabase::start;
use crate::{Error, export, verify};

/// Keeps Metabase's dashboards as the files say.
#[derive(Debug, Parser)]
#[command(name = "metabase-dashboards", version)]
struct Args {
    #[command(flatten)]
    common: CommonArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Set Metabase up if nobody has, bring it to what the files say, and see that it works.
    Apply(ApplyArgs),
    /// Say what apply would change.
    Diff,
    /// Take what was changed in Metabase into the files.
    Export(ExportArgs),
    /// Check the files, without a Metabase.
    Check,
}

#[derive(Debug, ClapArgs)]
struct ApplyArgs {
    /// Take back what persons have changed in what came from here.
    #[arg(long)]
    overwrite: bool,
    /// Do not ask the questions afterwards.
    #[arg(long)]
    unchecked: bool,
}

#[derive(Debug, ClapArgs)]
struct ExportArgs {
    /// Dashboards, by the names of their folders; without a name, all of them.
    dashboards: Vec<String>,
    /// Folder of the content to write into; metabase.content when it is not given.
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
}

/// The whole life of the process.
pub fn main() -> ExitCode {
    let args = Args::parse();
    match run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => exit_with(error),
    }
}

fn run(args: Args) -> anyhow::Result<()> {
    let loader = args.common.loader().defaults(DEFAULTS);
    let config: Config = loader.load()?;
    if args.common.print_config {
        print!("{}", service::config::print(&config));
        return Ok(());
    }
    service::telemetry::init(&config.log)?;
    let runtime = tokio::runtime::Runtime::new()?;
    let config = &config.metabase;
    let done = runtime.block_on(async {
        match args.command {
            Command::Apply(args) => apply_files(config, &args).await,
            Command::Diff => diff(config).await,
            Command::Export(args) => export_files(config, &args).await,
            Command::Check => check(config),
        }
    });
    Ok(done.map_err(Failure::new)?)
}

/// The content that is configured.
fn library(config: &MetabaseConfig) -> Result<Library, Error> {
    Ok(match config.content.is_empty() {
        true => Library::embedded()?,
        false => Library::in_folder(Path::new(&config.content))?,
    })
}

fn check(config: &MetabaseConfig) -> Result<(), Error> {
    let library = library(config)?;
    say(&format!(
        "{} questions and {} dashboards, no mistake",
        library.questions.len(),
        library.dashboards.len()
    ))
}

async fn diff(config: &MetabaseConfig) -> Result<(), Error> {
    let library = library(config)?;
    let client = start::login(config, false).await?;
    let options = Options {
        look_only: true,
        overwrite: false,
    };
    let outcome = apply::apply(&client, config, &library, options).await?;
    steps(&outcome.steps, "would be changed")
}

async fn apply_files(config: &MetabaseConfig, args: &ApplyArgs) -> Result<(), Error> {
    let library = library(config)?;
    let client = start::login(config, true).await?;
    let options = Options {
        look_only: false,
        overwrite: args.overwrite,
    };
    let outcome = apply::apply(&client, config, &library, options).await?;
    steps(&outcome.steps, "changed")?;
    if args.unchecked {
        return Ok(());
    }
    let report = verify::verify(&client, &library, &outcome.ids, config.fresh_timeout).await;
    report.sound()?;
    say(&format!(
        "{} questions have rows, {} have become fresher",
        report.questions, report.advancing
    ))
}

async fn export_files(config: &MetabaseConfig, args: &ExportArgs) -> Result<(), Error> {
    let folder = match &args.to {
        Some(folder) => folder.clone(),
        None if !config.content.is_empty() => PathBuf::from(&config.content),
        None => {
            return Err(Error::Setting {
                key: "content",
                reason: "it is empty, so there is no folder to write to; give --to DIR".into(),
            });
        }
    };
    let library = match folder.is_dir() {
        true => Library::in_folder(&folder)?,
        false => library(config)?,
    };
    let client = start::login(config, false).await?;
    let done = export::export(&client, &library, &args.dashboards, &folder).await?;
    for file in &done.files {
        say(&format!("wrote {}", file.display()))?;
    }
    for name in &done.adopted {
        say(&format!("question {name}: its file keeps it from now on"))?;
    }
    if done.files.is_empty() {
        say("the files say what Metabase has")?;
    }
    Ok(())
}

fn steps(steps: &[Step], what: &str) -> Result<(), Error> {
    for step in steps {
        say(&step.to_string())?;
    }
    let written = steps.iter().filter(|step| step.writes()).count();
    match written {
        0 => say(&format!("nothing {what}")),
        n => say(&format!("{n} {what}")),
    }
}

/// A line on standard output. A reader that has seen enough is no fault.
fn say(line: &str) -> Result<(), Error> {
    match writeln!(std::io::stdout(), "{line}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Error::file("write to", "standard output")(error))
        }
        _ => Ok(()),
    }
}
