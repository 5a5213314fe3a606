//! Two connections share the marts of a publication, so that both cores are at work: most queries
//! are too small for DuckDB to do it.

use std::path::PathBuf;
use std::time::Duration;

use super::generation::MartEntry;
use crate::models::Model;

/// A mart to write, and as readers see it now.
pub(super) struct Job<'a> {
    pub mart: &'a Model,
    pub before: Option<(PathBuf, &'a MartEntry)>,
}

/// Variables that the second connection has too.
const COMMON: [&str; 3] = ["part", "published_batch", "cell_degrees"];

/// What a mart is taken to cost that was never written.
const UNKNOWN: Duration = Duration::from_millis(20);

/// Those for the first connection, and those that both take from, the longest first, as far as that
/// is known. `only_first` are marts that the first connection has something to do for before.
pub(super) fn share<'a>(
    jobs: Vec<Job<'a>>,
    only_first: impl Fn(&Model) -> bool,
) -> (Vec<Job<'a>>, Vec<Job<'a>>) {
    let (first, mut free): (Vec<Job<'a>>, Vec<Job<'a>>) = jobs.into_iter().partition(|job| {
        only_first(job.mart) || !job.mart.settle.is_empty() || has_own_variables(job.mart)
    });
    free.sort_by(|a, b| cost(b).total_cmp(&cost(a)));
    (first, free)
}

fn cost(job: &Job<'_>) -> f64 {
    let before = job.before.as_ref();
    before.map_or(UNKNOWN.as_secs_f64(), |(_, entry)| entry.duration)
}

/// Whether a mart reads a variable of a batch, which the second connection does not have.
pub(super) fn has_own_variables(mart: &Model) -> bool {
    [&mart.parts, &mart.select].into_iter().any(|sql| {
        let sql = sql.to_ascii_lowercase();
        let mut named = sql.split("getvariable").skip(1);
        named.any(|rest| {
            let name = rest.trim_start().strip_prefix('(').map(str::trim_start);
            let name = name.and_then(|name| name.strip_prefix('\''));
            let name = name.and_then(|name| name.split_once('\''));
            name.is_none_or(|(name, _)| !COMMON.contains(&name))
        })
    })
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::models::Models;

    fn jobs(models: &Models) -> Vec<Job<'_>> {
        let marts = models.marts();
        marts.map(|mart| Job { mart, before: None }).collect()
    }

    #[test]
    fn the_first_gets_what_is_its_own() {
        let models = &Models::embedded().unwrap();
        let all = jobs(models).len();
        let (first, free) = share(jobs(models), |mart| mart.name == "flights");
        assert_eq!(first.len() + free.len(), all);
        let is_free = |name: &str| free.iter().any(|job| job.mart.name == name);
        for name in ["flights", "aircraft_stats", "flight_density_grid"] {
            assert!(!is_free(name), "{name}");
        }
        assert!(is_free("country_stats"));
        let (first, free) = share(jobs(models), |_| true);
        assert_eq!((first.len(), free.len()), (all, 0));
    }

    #[test]
    fn what_takes_longest_comes_first() {
        let models = Models::embedded().unwrap();
        let entry = |duration| MartEntry {
            generation: 1,
            model: String::new(),
            batch: 1,
            as_of: None,
            refreshed_at: chrono::Utc::now(),
            duration,
            files: BTreeMap::new(),
            progress: BTreeMap::new(),
            written: BTreeSet::new(),
        };
        let entries = [("kpi_history", entry(0.1)), ("corridors", entry(0.001))];
        let mut jobs = jobs(&models);
        for (name, entry) in &entries {
            let job = jobs.iter_mut().find(|job| job.mart.name == *name).unwrap();
            job.before = Some((PathBuf::new(), entry));
        }
        let (_, free) = share(jobs, |_| false);
        assert_eq!(free.first().unwrap().mart.name, "kpi_history");
        assert_eq!(free.last().unwrap().mart.name, "corridors");
    }

    #[test]
    fn a_variable_of_the_batch_is_known_by_its_name() {
        let models = Models::embedded().unwrap();
        let mut mart = models.get("kpi_history").unwrap().clone();
        assert!(!has_own_variables(&mart));
        let select = mart.select.clone();
        for written in [
            "getvariable( 'first_day')",
            "GetVariable ('first_day')",
            "getvariable(name)",
        ] {
            mart.select = format!("{select} and {written} is null");
            assert!(has_own_variables(&mart), "{written}");
        }
    }
}
