//! `transformer test`: like a test runner, but the tests are cases of models.

use std::process::ExitCode;

use clap::Args;

use super::{block_on, print, selected};
use crate::cases::{self, Case};
use crate::models::Models;
use crate::{Config, Error};

/// Which cases to run.
#[derive(Debug, Args)]
pub struct TestArgs {
    /// The marts whose cases are run, such as `country_stats` or `kpi_*`; without it, all.
    #[arg(value_name = "MODEL")]
    selector: Option<String>,
    /// Only cases whose name contains this text.
    #[arg(long, value_name = "TEXT")]
    case: Option<String>,
}

impl TestArgs {
    /// Runs the cases and prints how each went; fails when one does not hold.
    pub fn run(&self, config: &Config) -> Result<ExitCode, Error> {
        let folder = config.transformer.models.as_deref();
        let models = Models::load(folder)?;
        let chosen = self.chosen(&models)?;
        if chosen.is_empty() {
            return Err(Error::Case {
                model: self
                    .selector
                    .clone()
                    .unwrap_or_else(|| "all models".to_owned()),
                reason: "no case is so called".to_owned(),
            });
        }
        block_on(async {
            let mut failed = Vec::new();
            for case in &chosen {
                let outcome = case.run(folder).await?;
                let verdict = if outcome.holds() { "ok" } else { "FAILED" };
                let seconds = outcome.duration.as_secs_f64();
                print(&format!("{} … {verdict} ({seconds:.2} s)\n", title(case)))?;
                if !outcome.holds() {
                    print(&outcome.difference())?;
                    failed.push(title(case));
                }
            }
            let passed = chosen.len() - failed.len();
            let result = if failed.is_empty() { "ok" } else { "FAILED" };
            print(&format!(
                "\n{result}: {passed} passed, {} failed\n",
                failed.len()
            ))?;
            Ok(match failed.is_empty() {
                true => ExitCode::SUCCESS,
                false => ExitCode::FAILURE,
            })
        })
    }

    fn chosen(&self, models: &Models) -> Result<Vec<Case>, Error> {
        let names = match &self.selector {
            Some(selector) => Some(selected(models, selector)?),
            None => None,
        };
        let mut cases = cases::all(models)?;
        cases.retain(|case| {
            names
                .as_ref()
                .is_none_or(|names| names.contains(&case.mart))
                && self
                    .case
                    .as_ref()
                    .is_none_or(|text| case.name.contains(text))
        });
        Ok(cases)
    }
}

fn title(case: &Case) -> String {
    format!("{}: {}", case.mart, case.name)
}
