//! `transformer docs`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::{block_on, print};
use crate::models::Models;
use crate::{Config, Error, dictionary};

/// Where to write.
#[derive(Debug, Args)]
pub struct DocsArgs {
    /// The file; without it, standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl DocsArgs {
    /// Writes the data dictionary of the models that the configuration has.
    pub fn run(&self, config: &Config) -> Result<ExitCode, Error> {
        let folder = config.transformer.models.as_deref();
        let models = Models::load(folder)?;
        let text = block_on(dictionary::markdown(&models, folder))?;
        match &self.out {
            Some(file) => std::fs::write(file, text).map_err(Error::file("write", file))?,
            None => print(&text)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}
