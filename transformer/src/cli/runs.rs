//! `transformer runs`.

use std::path::Path;

use clap::{Args, Subcommand};

use super::query::Format;
use crate::runs::{RunStatus, listing};
use crate::{Config, Error};

/// Which runs to list, or which to show.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct RunsArgs {
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

impl RunsArgs {
    /// The runs of the transformer that is configured.
    pub fn text(&self, config: &Config) -> Result<String, Error> {
        self.of(&config.transformer.logs)
    }

    /// The runs whose logs are in this folder.
    pub fn of(&self, logs: &Path) -> Result<String, Error> {
        if let Some(RunsCommand::Show { id }) = &self.show {
            let (run, log) = listing::find(logs, id)?;
            return Ok(listing::show(&run, log.as_deref()));
        }
        let runs = listing::list(logs, self.last, self.status)?;
        let table = listing::table(&runs);
        Ok(match self.format {
            Format::Table if runs.is_empty() => {
                let such = self.status.map_or("", |_| " of this status");
                format!("no run{such} is noted in {}\n", logs.display())
            }
            Format::Table => table.to_table(),
            Format::Csv => table.to_csv(),
            Format::Json => serde_json::to_string(&runs).unwrap_or_default() + "\n",
        })
    }
}
