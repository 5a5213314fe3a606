//! The SQL files under `models/`, parsed.
//!
//! A file opens with a header of `-- key: value` lines:
//!
//! | key | what it is |
//! |---|---|
//! | `description` | what the model is, in a sentence; goes on in indented lines |
//! | `grain` | the columns that tell its rows apart, such as `icao24, callsign?`; one with `?` may be null; `one row` for a model of one |
//! | `kind` | what becomes of its `@select`: `table`, `view`, `incremental` or `full`; `native` for a table that the program itself makes |
//! | `refresh` | what a refresh costs: `incremental`, `affected keys` or `full` |
//! | `publish` | how often a large mart is written, such as `2% of the time, at least every 5m`; without it, with every refresh |
//! | `backlog` | `settle`: each step of a backlog does `@settle` too, so that what waits stays small |
//! | `home` | `memory`: a table that is made anew, in memory and beside the merges, and read when marts are published |
//! | `daily` | tables of daily aggregates, such as `country_days by day`: a rebuild leaves them the days that the lake no longer has |
//! | `columns` | indented lines `name: meaning and unit`, in the order of the select |
//! | `audits` | indented lines such as `block range(dq_ok_rate, 0, 1)`; not null and unique on the grain need none |
//! | `source` | of a native table: the lake's tables it is made of |
//!
//! then has sections that `-- @name` opens:
//!
//! | section | what it is |
//! |---|---|
//! | `@state` | tables of the private DuckDB that the model keeps |
//! | `@merge` | how the rows of one batch enter them |
//! | `@forget` | removes the days from `getvariable('forget_from')` to `getvariable('forget_to')` from them |
//! | `@settle` | work that is done once before the mart is published, not with every batch |
//! | `@parts` | which parts changed after `getvariable('published_batch')`, and by which batch if it says so, for a mart in parts |
//! | `@select` | what the model is: a temporary table or view of a batch, a table in memory, or a mart |
//!
//! What a model depends on stands nowhere: it is read from its SQL, by DuckDB's own parser.
//! Adding a model is adding a file, here or in the folder `transformer.models`.
//!
//! - [`model`]: one file, parsed.
//! - `header`: the parsing.
//! - [`files`]: where the files come from.
//! - `sql`: what SQL reads, writes and makes.
//! - [`sources`]: the tables that no model makes.
//! - [`graph`]: which model depends on which.
//! - [`select`]: naming some of the models, such as `country_stats+`.

pub mod files;
pub mod graph;
mod header;
pub mod model;
pub mod select;
pub mod sources;
mod sql;

use std::path::Path;

use sha2::{Digest, Sha256};

pub use files::Files;
pub use graph::Lineage;
pub use model::{GrainColumn, HeaderLine, Kind, Layer, Model, Publish, Refresh};
pub(crate) use sql::row_condition;

use crate::Error;

/// All models, each after those it depends on.
#[derive(Debug, Clone)]
pub struct Models {
    models: Vec<Model>,
    files: Files,
}

impl Models {
    /// The models this program was built with.
    pub fn embedded() -> Result<Models, Error> {
        Models::load(None)
    }

    /// The models this program was built with, and those of a folder; where both have a model
    /// of one name, it is the folder's that counts.
    pub fn load(folder: Option<&Path>) -> Result<Models, Error> {
        let mut files = Files::embedded();
        if let Some(folder) = folder {
            files.add_folder(folder)?;
        }
        Models::of(files)
    }

    /// The models of some files.
    pub fn of(files: Files) -> Result<Models, Error> {
        let models = files.models().map(header::parse);
        let mut models: Vec<Model> = models.collect::<Result<_, _>>()?;
        let seeds: Vec<&str> = files.seeds().map(|(name, _)| name).collect();
        graph::connect(&mut models, &seeds)?;
        Ok(Models {
            models: graph::in_order(models)?,
            files,
        })
    }

    /// Every model, each after those it depends on.
    pub fn iter(&self) -> impl Iterator<Item = &Model> {
        self.models.iter()
    }

    /// The model of a name; if there is none, the error names the nearest.
    pub fn get(&self, name: &str) -> Result<&Model, Error> {
        let found = self.iter().find(|model| model.name == name);
        found.ok_or_else(|| Error::NoModel {
            name: name.to_owned(),
            nearest: nearest(name, self.iter().map(|model| model.name.as_str())),
        })
    }

    /// The published ones that are the result of a query, kept as files.
    pub fn marts(&self) -> impl Iterator<Item = &Model> {
        let kept = |kind| matches!(kind, Kind::Incremental | Kind::Full);
        self.iter()
            .filter(move |model| model.mart && kept(model.kind))
    }

    /// The published ones that the program itself writes, as files too.
    pub fn native_marts(&self) -> impl Iterator<Item = &Model> {
        self.iter()
            .filter(|model| model.mart && model.kind == Kind::Native)
    }

    /// The published ones that are views for readers.
    pub fn views(&self) -> impl Iterator<Item = &Model> {
        self.iter()
            .filter(|model| model.mart && model.kind == Kind::View)
    }

    /// The files they were read from, with seeds and cases.
    pub fn files(&self) -> &Files {
        &self.files
    }

    /// Which model reads which, down from the lake's tables.
    pub fn lineage(&self) -> Lineage {
        Lineage::of(self)
    }

    /// A fingerprint of everything that decides what the state holds. State with another one was
    /// made by other models and has to be made again.
    pub fn state_version(&self) -> String {
        let mut hash = Sha256::new();
        for model in &self.models {
            let batch_select = if model.mart { "" } else { &model.select };
            for part in [
                &model.name,
                &model.state,
                &model.merge,
                &model.forget,
                &model.settle,
            ] {
                hash.update(part);
                hash.update([0]);
            }
            hash.update(batch_select);
            hash.update([0]);
        }
        hash.update(crate::fold::VERSION.to_le_bytes());
        hash.update(crate::flights::VERSION.to_le_bytes());
        for (name, text) in self.files.seeds() {
            hash.update(name);
            hash.update([0]);
            hash.update(text);
            hash.update([0]);
        }
        hex(&hash.finalize())
    }
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The name that is most like another, if one is like it at all.
pub(crate) fn nearest<'a>(name: &str, among: impl Iterator<Item = &'a str>) -> Option<String> {
    let near = |other: &str| strsim::normalized_damerau_levenshtein(name, other);
    let best = among.max_by(|a, b| near(a).total_cmp(&near(b)))?;
    (near(best) >= 0.5).then(|| best.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_model_is_read_and_comes_after_what_it_depends_on() {
        let models = Models::embedded().unwrap();
        let names: Vec<_> = models.iter().map(|model| model.name.as_str()).collect();
        for (at, model) in models.iter().enumerate() {
            for needed in &model.depends {
                let before = names.iter().position(|name| name == needed).unwrap();
                assert!(before < at, "{needed} comes after {}", model.name);
            }
        }
        let latest = models.get("kpi_latest").unwrap();
        assert!(latest.depends.iter().any(|n| n == "int_latest_states"));
    }

    #[test]
    fn every_mart_says_what_its_columns_mean() {
        for model in Models::embedded().unwrap().iter().filter(|m| m.mart) {
            assert!(!model.columns.is_empty(), "{}", model.name);
        }
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_nearest() {
        let error = Models::embedded().unwrap().get("country_stat").unwrap_err();
        assert!(error.to_string().contains("country_stats"), "{error}");
    }

    #[test]
    fn a_seed_decides_what_the_state_holds() {
        let mut files = Files::embedded();
        let before = Models::of(files.clone()).unwrap().state_version();
        assert_eq!(Models::embedded().unwrap().state_version(), before);
        files.set_seed("countries", "origin_country,iso_a2,region\nAtlantis,,EU\n");
        assert_ne!(Models::of(files).unwrap().state_version(), before);
    }
}
