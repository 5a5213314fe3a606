//! `transformer export`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use crate::export::{Export, Format};
use crate::{Config, Error};

/// What to write where.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// The mart.
    #[arg(long)]
    mart: String,
    /// How it is written; JSON is one array of objects.
    #[arg(long, value_enum)]
    format: Format,
    /// The file, which is complete or not there; without it, standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// A generation that is still kept, instead of the newest.
    #[arg(long, value_name = "N")]
    generation: Option<u64>,
    /// Only rows for which this SQL expression is true, such as "origin_country = 'Germany'".
    #[arg(long = "where", value_name = "SQL")]
    condition: Option<String>,
}

impl ExportArgs {
    /// Writes the mart, and says on standard error how many rows it has.
    pub fn run(&self, config: &Config) -> Result<ExitCode, Error> {
        self.from(&config.transformer.published)
    }

    /// Writes a mart that is published in a folder.
    pub fn from(&self, published: &Path) -> Result<ExitCode, Error> {
        let export = Export {
            mart: self.mart.clone(),
            format: self.format,
            generation: self.generation,
            condition: self.condition.clone(),
        };
        match &self.out {
            Some(file) => {
                let rows = export.to_file(published, file)?;
                eprintln!("{rows} rows of {} written to {}", self.mart, file.display());
            }
            None => export.to_stdout(published)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}
