//! `transformer query` and `transformer status`.

use clap::{Args, ValueEnum};

use crate::{Config, Error};

/// What to ask.
#[derive(Debug, Args)]
pub struct QueryArgs {
    /// The query, such as "from country_stats".
    sql: String,
    /// How the answer is written.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

/// How rows are written.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Format {
    Table,
    Csv,
    Json,
}

impl QueryArgs {
    /// The answer.
    pub fn answer(&self, config: &Config) -> Result<String, Error> {
        let result = crate::query(&config.transformer.published, &self.sql)?;
        Ok(match self.format {
            Format::Table => result.to_table(),
            Format::Csv => result.to_csv(),
            Format::Json => result.to_json()? + "\n",
        })
    }
}

/// How far the published marts are.
pub fn status(config: &Config) -> Result<String, Error> {
    let status = crate::query::published_status(&config.transformer.published)?;
    let text = serde_json::to_string_pretty(&status);
    Ok(text.unwrap_or_default() + "\n")
}
