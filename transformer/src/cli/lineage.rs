//! `transformer lineage`.

use std::path::Path;

use clap::{Args, ValueEnum};

use crate::models::Models;
use crate::{Config, Error, lineage};

/// What to show.
#[derive(Debug, Args)]
pub struct LineageArgs {
    /// A model, source or seed, with all that it reads and all that reads it; `+MODEL` or
    /// `MODEL+` for one of the two, `a,b` for several. Without it, everything.
    #[arg(value_name = "MODEL")]
    selector: Option<String>,
    /// How it is written.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    Text,
    Mermaid,
    Json,
}

impl LineageArgs {
    /// The lineage, in the format asked for.
    pub fn text(&self, config: &Config) -> Result<String, Error> {
        self.of(config.transformer.models.as_deref())
    }

    /// The lineage of the program's models and those of a folder.
    pub fn of(&self, folder: Option<&Path>) -> Result<String, Error> {
        let models = Models::load(folder)?;
        let mut shown = models.lineage();
        if let Some(selector) = &self.selector {
            let names = super::selected(&models, &lineage::both_ways(selector))?;
            shown = shown.only(&names);
        }
        Ok(match self.format {
            Format::Text => lineage::text(&shown),
            Format::Mermaid => lineage::mermaid(&shown),
            Format::Json => lineage::json(&shown, &models),
        })
    }
}
