//! Commands and flags of the binary `contrail`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use axum::Router;
use clap::{Args, Parser, Subcommand};
use indicatif::HumanCount;
use service::cli::CommonArgs;
use service::data_folder::DataFolder;
use service::fault::{Failure, exit_with};
use service::health::Health;
use service::shutdown::Shutdown;
use service::{config, http, metrics};
use tokio::runtime::Runtime;
use transformer::cli::export::ExportArgs;
use transformer::cli::lineage::LineageArgs;
use transformer::cli::runs::RunsArgs;

use crate::config::{Command, Config};
use crate::display::{self, Display};
use crate::error::Error;
use crate::home::{self, Home, Servers};
use crate::inspect::{self, Format};
use crate::live;
use crate::replay::{self, Request};

const DEMO_DATA: &str = "data/demo";
const LIVE_DATA: &str = "data/live";
const REPLAY_DATA: &str = "data/replay";
const ENVIRONMENT_FILE: &str = ".env";
/// Exit code of a process that SIGINT ended, as shells give it.
const EXIT_INTERRUPTED: u8 = 130;

/// A real-time aviation lakehouse in one process.
#[derive(Debug, Parser)]
#[command(name = "contrail", version)]
struct Cli {
    #[command(flatten)]
    common: CommonArgs,
    #[command(subcommand)]
    command: Commands,
}

#[derive(Debug, Subcommand)]
enum Commands {
    /// Run the pipeline on a simulated OpenSky.
    Demo(DemoArgs),
    /// Run the pipeline on the real OpenSky, with the credentials in .env if there are any.
    ///
    /// Ctrl-C ends it in order, with nothing left on the way. A process that is killed loses
    /// the polls of its last seconds, which were in memory and not in the lake yet.
    Run(RunArgs),
    /// Take recorded OpenSky bodies through the whole pipeline.
    ///
    /// What the marts have already is passed over: the same recordings twice change nothing,
    /// and the same command goes on after an interruption.
    Replay(ReplayArgs),
    /// Answer a query over the published marts.
    Query(QueryArgs),
    /// Write a published mart to a file, or to standard output.
    Export(ExportCommand),
    /// Show which model reads which, down from the lake's tables.
    Lineage(LineageArgs),
    /// List the last refreshes of the marts, or show one with its log.
    Runs(RunsCommand),
    /// Say what a data folder holds and who uses it.
    Status(StatusArgs),
}

#[derive(Debug, Args)]
struct DemoArgs {
    /// Data folder.
    #[arg(long, value_name = "DIR", default_value = DEMO_DATA)]
    data: PathBuf,
    /// End by itself after this time, such as 60s or 10m.
    #[arg(long = "for", value_name = "TIME", value_parser = humantime::parse_duration)]
    limit: Option<Duration>,
    /// Size of the simulated fleet, at most 100000.
    #[arg(long, value_name = "N")]
    aircraft: Option<usize>,
    /// Time from one poll to the next.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    interval: Option<Duration>,
    /// Another seed gives another fleet.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
}

#[derive(Debug, Args)]
struct RunArgs {
    /// Data folder; started again with the same one, it goes on where it was.
    #[arg(long, value_name = "DIR", default_value = LIVE_DATA)]
    data: PathBuf,
    /// End by itself after this time, such as 60s or 10m.
    #[arg(long = "for", value_name = "TIME", value_parser = humantime::parse_duration)]
    limit: Option<Duration>,
}

#[derive(Debug, Args)]
struct ReplayArgs {
    /// Recorded bodies, *.json or *.json.gz, and folders of them.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Data folder.
    #[arg(long, value_name = "DIR", default_value = REPLAY_DATA)]
    data: PathBuf,
    /// Leave out files that cannot be used, instead of refusing all.
    #[arg(long)]
    skip_bad: bool,
}

#[derive(Debug, Args)]
struct QueryArgs {
    /// One SQL query.
    sql: String,
    /// Data folder; by default the one where something was published last.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// How to write the result.
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

#[derive(Debug, Args)]
struct ExportCommand {
    /// Data folder; by default the one where something was published last.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    #[command(flatten)]
    export: ExportArgs,
}

#[derive(Debug, Args)]
struct RunsCommand {
    /// Data folder; by default the one where something was published last.
    #[arg(long, value_name = "DIR", global = true)]
    data: Option<PathBuf>,
    #[command(flatten)]
    runs: RunsArgs,
}

#[derive(Debug, Args)]
struct StatusArgs {
    /// Data folder; by default the one where something was published last.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// The whole life of the process.
pub fn main() -> ExitCode {
    let Cli { common, command } = Cli::parse();
    let result = match command {
        Commands::Demo(args) => demo(&common, &args),
        Commands::Run(args) => run(&common, &args),
        Commands::Replay(args) => replay(&common, args),
        Commands::Query(args) => query(args),
        Commands::Export(args) => export(args),
        Commands::Lineage(args) => lineage(&args),
        Commands::Runs(args) => runs(args),
        Commands::Status(args) => status(args),
    };
    match result {
        Ok(code) => code,
        Err(error) => exit_with(anyhow::Error::new(Failure::new(error))),
    }
}

fn demo(common: &CommonArgs, args: &DemoArgs) -> Result<ExitCode, Error> {
    let mut own = Vec::new();
    let mut set = |key: &str, value: Option<String>| {
        own.extend(value.map(|value| (key.to_owned(), value)));
    };
    set("simulator.aircraft", args.aircraft.map(|n| n.to_string()));
    set("simulator.seed", args.seed.map(|n| n.to_string()));
    let interval = args.interval.map(humantime::format_duration);
    set("producer.interval", interval.map(|time| time.to_string()));
    session(Command::Demo, common, &own, &args.data, args.limit)
}

fn run(common: &CommonArgs, args: &RunArgs) -> Result<ExitCode, Error> {
    read_environment_file(Path::new(ENVIRONMENT_FILE))?;
    session(Command::Run, common, &[], &args.data, args.limit)
}

/// Variables that are set already stay as they are.
fn read_environment_file(path: &Path) -> Result<(), Error> {
    let unusable = |reason: String| Error::Environment {
        path: path.to_owned(),
        reason,
    };
    match dotenvy::from_path(path) {
        Ok(()) => Ok(()),
        Err(dotenvy::Error::Io(error)) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(dotenvy::Error::Io(error)) => Err(unusable(error.to_string())),
        // The error holds the line, and the line may hold a secret.
        Err(_) => Err(unusable("a line is not NAME=value".to_owned())),
    }
}

/// `demo` and `run`.
fn session(
    command: Command,
    common: &CommonArgs,
    own: &[(String, String)],
    data: &Path,
    limit: Option<Duration>,
) -> Result<ExitCode, Error> {
    let mut config = command.load(common, own)?;
    if common.print_config {
        display::print(&config::print(&config))?;
        return Ok(ExitCode::SUCCESS);
    }
    config.validate()?;
    let display = Display::new();
    display.start_log(&config.log)?;
    metrics::install_recorder();
    runtime()?.block_on(async {
        let (shutdown, health) = (Shutdown::on_signals(), Health::new());
        let serving = Shutdown::new();
        let listen = config.http.listen.clone();
        let server = http::serve(&listen, health.clone(), Router::new(), serving.clone()).await?;
        // Kept for as long as the session: dropped, it ends.
        let simulator = match command {
            Command::Demo => Some(simulator::start(config.simulator.clone()).await?),
            Command::Run | Command::Replay => None,
        };
        if let Some(simulator) = &simulator {
            config.producer.opensky.base_url = format!("{}/api", simulator.base_url());
            config.producer.opensky.token_url = simulator.token_url();
        }
        let url = server
            .is_listening()
            .then(|| format!("http://{}", server.addr));
        let home = Home::open(data, command, config)?;
        let _endpoint = match &url {
            Some(url) => Some(home.announce(url)?),
            None => None,
        };
        let servers = Servers::start(home.folder()).await?;
        display.say(&banner(command, &home, data, url.as_deref()));
        let ended = live::run(&home, &servers, &health, &shutdown, limit, &display).await;
        serving.trigger();
        server.join().await;
        let summary = ended?;
        display.say(&closing(&summary, data));
        Ok(ExitCode::SUCCESS)
    })
}

fn replay(common: &CommonArgs, args: ReplayArgs) -> Result<ExitCode, Error> {
    let config = Command::Replay.load(common, &[])?;
    if common.print_config {
        display::print(&config::print(&config))?;
        return Ok(ExitCode::SUCCESS);
    }
    config.validate()?;
    let display = Display::new();
    display.start_log(&config.log)?;
    metrics::install_recorder();
    runtime()?.block_on(async {
        let (shutdown, health) = (Shutdown::on_signals(), Health::new());
        let listen = config.http.listen.clone();
        let serving = Shutdown::new();
        let server = http::serve(&listen, health.clone(), Router::new(), serving.clone()).await?;
        let request = Request {
            paths: args.paths,
            skip_bad: args.skip_bad,
        };
        let ended = replay::run(config, &args.data, request, &health, &shutdown, &display).await;
        serving.trigger();
        server.join().await;
        let summary = ended?;
        display.say(&replayed(&summary, &args.data));
        Ok(if summary.interrupted {
            ExitCode::from(EXIT_INTERRUPTED)
        } else {
            ExitCode::SUCCESS
        })
    })
}

fn query(args: QueryArgs) -> Result<ExitCode, Error> {
    let data = inspect::choose(args.data, &[LIVE_DATA, DEMO_DATA, REPLAY_DATA])?;
    display::print(&inspect::query(&data, &args.sql, args.format)?)?;
    Ok(ExitCode::SUCCESS)
}

fn export(args: ExportCommand) -> Result<ExitCode, Error> {
    let data = inspect::choose(args.data, &[LIVE_DATA, DEMO_DATA, REPLAY_DATA])?;
    let folder = DataFolder::view(&data)?;
    Ok(args.export.from(&folder.published())?)
}

fn lineage(args: &LineageArgs) -> Result<ExitCode, Error> {
    display::print(&args.of(None)?)?;
    Ok(ExitCode::SUCCESS)
}

fn runs(args: RunsCommand) -> Result<ExitCode, Error> {
    let data = inspect::choose(args.data, &[LIVE_DATA, DEMO_DATA, REPLAY_DATA])?;
    let folder = DataFolder::view(&data)?;
    display::print(&args.runs.of(&home::run_logs(&folder))?)?;
    Ok(ExitCode::SUCCESS)
}

fn status(args: StatusArgs) -> Result<ExitCode, Error> {
    let data = inspect::choose(args.data, &[LIVE_DATA, DEMO_DATA, REPLAY_DATA])?;
    let status = runtime()?.block_on(inspect::status(&data))?;
    display::print(&status.to_string())?;
    Ok(ExitCode::SUCCESS)
}

fn runtime() -> Result<Runtime, Error> {
    Runtime::new().map_err(Error::Runtime)
}

/// What is running and where things are.
fn banner(command: Command, home: &Home, data: &Path, url: Option<&str>) -> String {
    let Config {
        producer,
        simulator,
        ..
    } = home.config();
    let interval = humantime::format_duration(producer.interval);
    let source = match command {
        Command::Demo => format!(
            "a simulated OpenSky with {} aircraft every {interval}.",
            HumanCount(simulator.aircraft as u64)
        ),
        _ if producer.opensky.is_anonymous() => format!(
            "OpenSky every {interval}, without credentials: that lasts for 100 polls of the \
            whole world a day; .env.example shows how to give some."
        ),
        _ => format!("OpenSky every {interval}."),
    };
    let mut text = format!("Contrail asks {source}\n");
    let mut line = |name: &str, value: String| {
        // Writing to a text cannot fail.
        let _ = writeln!(text, "  {name:<8} {value}");
    };
    line("data", home.folder().root().display().to_string());
    match url {
        Some(url) => line("metrics", format!("{url}/metrics, and {url}/readyz")),
        None => line("metrics", "off; http.listen switches them on".to_owned()),
    }
    line("query", query_command(data));
    text.push_str("Ctrl-C ends it.");
    text
}

/// A command that can be typed as it stands, from where this one was.
fn query_command(data: &Path) -> String {
    let start = if Path::new("task").is_file() {
        "./task query --"
    } else {
        "contrail query"
    };
    format!(
        "{start} --data {} \"select * from kpi_latest\"",
        data.display()
    )
}

fn closing(summary: &live::Summary, data: &Path) -> String {
    let live::Summary {
        figures,
        dead_letters,
        duration,
    } = summary;
    let mut text = format!(
        "Ended after {:.0} s: {} polls, {} rows in the lake",
        duration.as_secs_f64(),
        HumanCount(figures.polls),
        HumanCount(figures.committed),
    );
    if figures.failed > 0 {
        let _ = write!(text, ", {} polls failed", HumanCount(figures.failed));
    }
    if *dead_letters > 0 {
        let _ = write!(text, ", {} dead letters", HumanCount(*dead_letters));
    }
    let _ = write!(
        text,
        ". Marts: generation {}, {} rows.\n  query    {}",
        figures.generation,
        HumanCount(figures.in_marts),
        query_command(data)
    );
    text
}

fn replayed(summary: &replay::Summary, data: &Path) -> String {
    let start = if summary.interrupted {
        "Interrupted; the same command goes on. So far: "
    } else {
        "Replayed "
    };
    let mut text = format!(
        "{start}{} of {} recordings, {} rows in {:.1} s ({} rows/s), {} dead letters",
        HumanCount(summary.published),
        HumanCount(summary.bodies),
        HumanCount(summary.rows),
        summary.duration.as_secs_f64(),
        HumanCount(summary.rows_per_second() as u64),
        HumanCount(summary.dead_letters),
    );
    for (count, what) in [
        (summary.present, "were there already"),
        (
            summary.older,
            "are in the lake, but older than the marts keep detail of (transformer.retention)",
        ),
        (summary.repeated, "repeat another one"),
        (summary.skipped, "were left out, see above"),
    ] {
        if count > 0 {
            let _ = write!(text, "; {} {what}", HumanCount(count));
        }
    }
    let _ = write!(
        text,
        ". Marts: generation {}.\n  query    {}",
        summary.generation,
        query_command(data)
    );
    text
}
