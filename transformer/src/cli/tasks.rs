//! `transformer refresh`, `rebuild` and `backfill`: what a person asks for once.

use std::process::ExitCode;

use chrono::NaiveDate;
use clap::Args;
use service::cli::CommonArgs;

use super::{DEFAULTS, print, selected};
use crate::models::Models;
use crate::{Config, Days, Error, Task};

/// Which marts to publish.
#[derive(Debug, Args)]
pub struct RefreshArgs {
    /// Marts, such as `country_stats`, `kpi_*`, or `int_polls+` for all that read a model.
    #[arg(long, value_name = "MARTS")]
    select: String,
}

/// Which days to count.
#[derive(Debug, Clone, Copy, Args)]
pub struct DaysArgs {
    /// The first day, in UTC; without it, from the first there is.
    #[arg(long, value_name = "YYYY-MM-DD")]
    from: Option<NaiveDate>,
    /// The last day; without it, to the last there is.
    #[arg(long, value_name = "YYYY-MM-DD")]
    to: Option<NaiveDate>,
}

impl RefreshArgs {
    /// The task, for the marts that the selector reaches.
    pub fn task(&self, config: &Config) -> Result<Task, Error> {
        let models = Models::load(config.transformer.models.as_deref())?;
        let found = selected(&models, &self.select)?;
        let marts = models.marts().map(|mart| &mart.name);
        let select = marts.filter(|name| found.contains(*name));
        let select: std::collections::BTreeSet<String> = select.cloned().collect();
        if select.is_empty() {
            return Err(Error::NoMart {
                name: self.select.clone(),
                known: models.marts().map(|mart| mart.name.clone()).collect(),
            });
        }
        Ok(Task::Refresh { select })
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

/// Does what a person asked for, and says what has come of it.
pub(super) fn run(
    mut common: CommonArgs,
    task: impl FnOnce(&Config) -> Result<Task, Error>,
) -> ExitCode {
    // Nobody looks at the metrics of a command, and the port may be the service's.
    common.set.push(("http.listen".into(), String::new()));
    let work = |config: Config, health, shutdown| async {
        let task = task(&config)?;
        if let Some(published) = crate::run_task(config, task, health, shutdown).await? {
            print(&format!(
                "generation {} is published; written anew: {}\n",
                published.generation,
                published.written.join(", ")
            ))?;
        }
        Ok::<_, Error>(())
    };
    service::cli::run(&common.into(), &DEFAULTS, work)
}
