//! The transformer as a process.

use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use service::cli::CommonArgs;
use service::fault::{Failure, exit_with};
use transformer::{Config, Mode, query};

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
