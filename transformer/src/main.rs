//! The transformer as a process.

use std::process::ExitCode;

use std::collections::BTreeSet;

use chrono::NaiveDate;
use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use service::cli::CommonArgs;
use service::fault::{Failure, exit_with};
use transformer::runs::{RunStatus, listing};
use transformer::{Config, Days, Mode, Task, query};

const DEFAULTS: [&str; 2] = [lake::config::DEFAULTS, transformer::config::DEFAULTS];

/// Keeps the marts fresh from the Iceberg tables and publishes them.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    #[command(flatten)]
    common: CommonArgs,
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
    Refresh {
        /// Names of marts, separated by commas.
        #[arg(long, value_name = "MARTS", value_delimiter = ',', required = true)]
        select: Vec<String>,
    },
    /// Count days, or everything, again from the lake.
    Rebuild(DaysArgs),
    /// Count what the lake has and the marts have not, and publish everything.
    Backfill(DaysArgs),
    /// List the last runs, or show one with its log.
    Runs(RunsArgs),
    /// Answer a query over the published marts.
    Query {
        /// The query, such as "from country_stats".
        sql: String,
        /// How the answer is written.
        #[arg(long, value_enum, default_value_t = Format::Table)]
        format: Format,
    },
    /// Say how far the published marts are, as JSON.
    Status,
}

#[derive(Debug, Clone, Copy, ClapArgs)]
struct DaysArgs {
    /// The first day, in UTC; without it, from the first there is.
    #[arg(long, value_name = "YYYY-MM-DD")]
    from: Option<NaiveDate>,
    /// The last day; without it, to the last there is.
    #[arg(long, value_name = "YYYY-MM-DD")]
    to: Option<NaiveDate>,
}

#[derive(Debug, ClapArgs)]
#[command(args_conflicts_with_subcommands = true)]
struct RunsArgs {
    #[command(subcommand)]
    show: Option<RunsCommand>,
    /// How many.
    #[arg(long, value_name = "N", default_value_t = 20)]
    last: usize,
    /// Only those that ended, or are, like this.
    #[arg(long, value_enum)]
    status: Option<RunStatus>,
    /// How the answer is written.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

#[derive(Debug, Subcommand)]
enum RunsCommand {
    /// Show one run, then its log.
    Show {
        /// Its id, or the beginning of it.
        id: String,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    Table,
    Csv,
    Json,
}

fn main() -> ExitCode {
    let mut args = Args::parse();
    match args.command.take() {
        Some(Command::Query { sql, format }) if !args.common.print_config => {
            finish(read(&args.common, |config| {
                let result = query(&config.transformer.published, &sql)?;
                Ok(match format {
                    Format::Table => result.to_table(),
                    Format::Csv => result.to_csv(),
                    Format::Json => result.to_json() + "\n",
                })
            }))
        }
        Some(Command::Status) if !args.common.print_config => {
            finish(read(&args.common, |config| {
                let status = transformer::query::published_status(&config.transformer.published)?;
                let text = serde_json::to_string_pretty(&status);
                Ok(text.unwrap_or_default() + "\n")
            }))
        }
        Some(Command::Runs(runs)) if !args.common.print_config => {
            finish(read(&args.common, |config| show_runs(&config, &runs)))
        }
        Some(Command::Refresh { select }) => task(
            args.common,
            Task::Refresh {
                select: select.into_iter().collect::<BTreeSet<_>>(),
            },
        ),
        Some(Command::Rebuild(days)) => task(args.common, Task::Rebuild(days.into())),
        Some(Command::Backfill(days)) => task(args.common, Task::Backfill(days.into())),
        command => {
            if matches!(command, Some(Command::Once)) {
                args.common
                    .set
                    .push(("transformer.mode".into(), "once".into()));
            }
            service::cli::run(
                &args.common,
                &DEFAULTS,
                |mut config: Config, health, shutdown| {
                    if matches!(command, Some(Command::Run)) {
                        config.transformer.mode = Mode::Continuous;
                    }
                    transformer::run(config, health, shutdown, None)
                },
            )
        }
    }
}

impl From<DaysArgs> for Days {
    fn from(days: DaysArgs) -> Days {
        Days {
            from: days.from,
            to: days.to,
        }
    }
}

fn show_runs(config: &Config, args: &RunsArgs) -> Result<String, transformer::Error> {
    let logs = &config.transformer.logs;
    if let Some(RunsCommand::Show { id }) = &args.show {
        let (run, log) = listing::find(logs, id)?;
        return Ok(listing::show(&run, log.as_deref()));
    }
    let runs = listing::list(logs, args.last, args.status)?;
    let table = listing::table(&runs);
    Ok(match args.format {
        Format::Table => table.to_table(),
        Format::Csv => table.to_csv(),
        Format::Json => serde_json::to_string(&runs).unwrap_or_default() + "\n",
    })
}

/// Does what a person asked for, and says what has come of it.
fn task(mut args: CommonArgs, task: Task) -> ExitCode {
    // Nobody looks at the metrics of a command, and the port may be the service's.
    args.set.push(("http.listen".into(), String::new()));
    service::cli::run(&args, &DEFAULTS, |config: Config, health, shutdown| async {
        let published = transformer::run_task(config, task, health, shutdown).await?;
        if let Some(published) = published {
            println!(
                "generation {} is published; written anew: {}",
                published.generation,
                published.written.join(", ")
            );
        }
        Ok::<_, transformer::Error>(())
    })
}

/// Loads the configuration and asks the published marts something.
fn read(
    args: &CommonArgs,
    ask: impl FnOnce(Config) -> Result<String, transformer::Error>,
) -> anyhow::Result<String> {
    let loader = DEFAULTS.iter().fold(args.loader(), |l, d| l.defaults(d));
    Ok(ask(loader.load()?).map_err(Failure::new)?)
}

fn finish(answer: anyhow::Result<String>) -> ExitCode {
    match answer {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => exit_with(error),
    }
}
