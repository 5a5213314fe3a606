//! Naming some of the models: `kpi_latest`, `country_stats+`, `+kpi_latest`, `a,b+`, `region_*`.
//!
//! `+` before a name takes what the model reads along, directly or by others; `+` after it, what
//! reads the model. `*` stands for any part of a name.

use std::collections::BTreeSet;

use super::graph::Direction;
use super::{Model, Models};
use crate::Error;

impl Models {
    /// The models that a selector names, each after those it depends on.
    pub fn select(&self, selector: &str) -> Result<Vec<&Model>, Error> {
        let names = self.selected(selector)?;
        let models = self.iter();
        Ok(models.filter(|model| names.contains(&model.name)).collect())
    }

    /// The names that a selector reaches: models, and above them sources and seeds.
    pub fn selected(&self, selector: &str) -> Result<BTreeSet<String>, Error> {
        let mut names = BTreeSet::new();
        for term in selector.split(',').map(str::trim) {
            self.add(term, &mut names)?;
        }
        Ok(names)
    }

    fn add(&self, term: &str, names: &mut BTreeSet<String>) -> Result<(), Error> {
        let (up, term) = match term.strip_prefix('+') {
            Some(rest) => (true, rest),
            None => (false, term),
        };
        let (down, pattern) = match term.strip_suffix('+') {
            Some(rest) => (true, rest),
            None => (false, term),
        };
        let lineage = self.lineage();
        let found = lineage.nodes.keys().filter(|name| matches(pattern, name));
        let found: Vec<String> = found.cloned().collect();
        if found.is_empty() {
            let nodes = lineage.nodes.keys().map(String::as_str);
            return Err(Error::NoModel {
                name: pattern.to_owned(),
                nearest: super::nearest(pattern, nodes),
            });
        }
        for name in found {
            if up {
                names.extend(lineage.reached(&name, Direction::Up));
            }
            if down {
                names.extend(lineage.reached(&name, Direction::Down));
            }
            names.insert(name);
        }
        Ok(())
    }
}

/// Whether a name is of a pattern, in which `*` stands for any text.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((start, rest)) => name.strip_prefix(start).is_some_and(|tail| {
            let ends = (0..=tail.len()).filter(|at| tail.is_char_boundary(*at));
            ends.into_iter().any(|at| matches(rest, &tail[at..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(selector: &str, with: &[&str], without: &[&str]) {
        let models = Models::embedded().unwrap();
        let names = models.selected(selector).unwrap();
        for name in with {
            assert!(names.contains(*name), "{selector}: no {name} in {names:?}");
        }
        for name in without {
            assert!(!names.contains(*name), "{selector}: {name} in {names:?}");
        }
    }

    #[test]
    fn plus_takes_along_what_is_read_or_what_reads() {
        check(
            "kpi_latest",
            &["kpi_latest"],
            &["int_latest_states", "kpi_history"],
        );
        check(
            "+kpi_latest",
            &["kpi_latest", "int_latest_states", "aviation.flight_states"],
            &["kpi_history"],
        );
        check(
            "int_latest_states+",
            &["int_latest_states", "kpi_latest", "current_positions"],
            &["aircraft_stats"],
        );
        check(
            "aviation.flight_states+",
            &["kpi_latest", "aircraft_stats"],
            &["countries"],
        );
        check(
            "+kpi_latest+",
            &["int_latest_states", "kpi_latest"],
            &["current_positions"],
        );
        check(
            "kpi_*, country_stats",
            &["kpi_latest", "kpi_history", "country_stats"],
            &["int_latest_states"],
        );
        check("*", &["kpi_latest", "countries"], &[]);
    }

    #[test]
    fn models_come_in_the_order_of_their_dependencies() {
        let models = Models::embedded().unwrap();
        let selected = models.select("+kpi_latest").unwrap();
        assert_eq!(selected.last().unwrap().name, "kpi_latest");
        assert!(selected.len() > 1);
    }

    #[test]
    fn a_name_of_nothing_is_refused_with_the_nearest() {
        let models = Models::embedded().unwrap();
        for selector in ["kpi_lates", "+kpi_lates+", "country_stats,kpi_lates"] {
            let error = models.select(selector).unwrap_err().to_string();
            assert!(error.contains("kpi_latest"), "{error}");
        }
        assert!(models.select("").is_err());
        assert!(models.select("nothing_*").is_err());
    }

    #[test]
    fn a_star_stands_for_any_text() {
        assert!(matches("*_stats", "country_stats") && matches("a*c*e", "abcde"));
        assert!(!matches("a*c", "abcd") && !matches("", "a") && matches("*", ""));
    }
}
