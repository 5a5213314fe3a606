//! The SQL files under `models/`, parsed.
//!
//! A file opens with a header of `-- key: value` lines, then has sections that `-- @name` opens:
//!
//! | section | what it is |
//! |---|---|
//! | `@state` | tables of the private DuckDB that the model keeps |
//! | `@merge` | how the rows of one batch enter them |
//! | `@settle` | work that is done once before the mart is published, not with every batch |
//! | `@parts` | which parts changed after `getvariable('published_batch')`, for a mart in parts |
//! | `@select` | what the model is: a temporary table or view of a batch, or a mart |
//!
//! Adding a model is adding a file.

use std::time::Duration;

use include_dir::{Dir, include_dir};
use sha2::{Digest, Sha256};

use crate::Error;

static FILES: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/models");

/// In which order the folders are worked through, and what their models are for.
const LAYERS: [&str; 3] = ["staging", "intermediate", "marts"];

/// What becomes of a model's `@select`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A temporary table of each batch.
    Table,
    /// A temporary view of each batch; a mart of this kind is a view for readers.
    View,
    /// A table of each batch that the native pass over the rows fills.
    Native,
    /// Kept as state and merged batch by batch; work is proportional to what is new.
    Incremental,
    /// Computed whole when published, from state of a bounded size.
    Full,
}

/// How often a mart is published anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Publish {
    /// With every refresh.
    Always,
    /// As often as this share of the time allows, in percent, given what it took the last time;
    /// but at least once in `at_least`.
    Share {
        /// Percent of the time.
        percent: u32,
        /// The longest it may wait.
        at_least: Duration,
    },
}

/// One SQL file.
#[derive(Debug, Clone)]
pub struct Model {
    /// Name of the file without `.sql`.
    pub name: String,
    /// Whether it is published.
    pub mart: bool,
    /// What the model is, in a sentence.
    pub description: String,
    /// What one row is.
    pub grain: String,
    /// What becomes of its `@select`.
    pub kind: Kind,
    /// How often it is published.
    pub publish: Publish,
    /// Models and tables it reads.
    pub depends: Vec<String>,
    /// Columns with their meaning and unit.
    pub columns: Vec<(String, String)>,
    /// `@state`, or empty.
    pub state: String,
    /// `@merge`, or empty.
    pub merge: String,
    /// `@settle`, or empty.
    pub settle: String,
    /// `@parts`, or empty when the mart is one file.
    pub parts: String,
    /// `@select`, or empty.
    pub select: String,
}

/// All models, each after those it depends on.
#[derive(Debug, Clone)]
pub struct Models {
    models: Vec<Model>,
}

impl Models {
    /// The models this program was built with.
    pub fn embedded() -> Result<Models, Error> {
        let mut models = Vec::new();
        for layer in LAYERS {
            for file in FILES.get_dir(layer).into_iter().flat_map(Dir::files) {
                let stem = file.path().file_stem().unwrap_or_default();
                let name = stem.to_string_lossy();
                let text = file.contents_utf8().unwrap_or_default();
                models.push(Model::parse(&name, layer == "marts", text)?);
            }
        }
        Ok(Models {
            models: in_order(models)?,
        })
    }

    /// Every model, each after those it depends on.
    pub fn iter(&self) -> impl Iterator<Item = &Model> {
        self.models.iter()
    }

    /// The published ones that are kept as files.
    pub fn marts(&self) -> impl Iterator<Item = &Model> {
        self.iter()
            .filter(|model| model.mart && model.kind != Kind::View)
    }

    /// The published ones that are views for readers.
    pub fn views(&self) -> impl Iterator<Item = &Model> {
        self.iter()
            .filter(|model| model.mart && model.kind == Kind::View)
    }

    /// A fingerprint of everything that decides what the state holds. State with another one was
    /// made by other models and has to be made again.
    pub fn state_version(&self) -> String {
        let mut hash = Sha256::new();
        for model in &self.models {
            let batch_select = if model.mart { "" } else { &model.select };
            for part in [&model.name, &model.state, &model.merge, &model.settle] {
                hash.update(part);
                hash.update([0]);
            }
            hash.update(batch_select);
            hash.update([0]);
        }
        hash.update(crate::fold::VERSION.to_le_bytes());
        hash.update(seed("countries"));
        hex(&hash.finalize())
    }
}

/// The text of a seed file, `models/seeds/NAME.csv`.
pub fn seed(name: &str) -> &'static str {
    let path = format!("seeds/{name}.csv");
    let file = FILES.get_file(path);
    file.and_then(|file| file.contents_utf8())
        .unwrap_or_default()
}

/// The given/expect cases of the models, `models/tests/*.toml`, as (model, text).
pub fn cases() -> impl Iterator<Item = (String, &'static str)> {
    let files = FILES.get_dir("tests").into_iter().flat_map(Dir::files);
    files.map(|file| {
        let stem = file.path().file_stem().unwrap_or_default();
        let text = file.contents_utf8().unwrap_or_default();
        (stem.to_string_lossy().into_owned(), text)
    })
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Model {
    /// A fingerprint of what decides the mart's files, apart from the state they are made of.
    pub fn fingerprint(&self) -> String {
        hex(&Sha256::digest(format!("{}\0{}", self.parts, self.select)))
    }

    fn parse(name: &str, mart: bool, text: &str) -> Result<Model, Error> {
        let wrong = |reason: String| Error::Model {
            model: name.to_owned(),
            reason,
        };
        let mut model = Model {
            name: name.to_owned(),
            mart,
            description: String::new(),
            grain: String::new(),
            kind: Kind::Full,
            publish: Publish::Always,
            depends: Vec::new(),
            columns: Vec::new(),
            state: String::new(),
            merge: String::new(),
            settle: String::new(),
            parts: String::new(),
            select: String::new(),
        };
        let mut section = None;
        let mut key = "";
        for line in text.lines() {
            if let Some(opened) = line.strip_prefix("-- @") {
                section = Some(opened.trim());
                continue;
            }
            if let Some(section) = section {
                let part = match section {
                    "state" => &mut model.state,
                    "merge" => &mut model.merge,
                    "settle" => &mut model.settle,
                    "parts" => &mut model.parts,
                    "select" => &mut model.select,
                    other => return Err(wrong(format!("no section is called @{other}"))),
                };
                part.push_str(line);
                part.push('\n');
                continue;
            }
            let Some(comment) = line.strip_prefix("--") else {
                if line.trim().is_empty() {
                    continue;
                }
                return Err(wrong(format!("{line:?} is in no section")));
            };
            if let Some((column, meaning)) = comment.strip_prefix("   ").and_then(column_of)
                && key == "columns"
            {
                model.columns.push((column.to_owned(), meaning.to_owned()));
            } else if comment.starts_with("   ") && key == "description" {
                model.description.push(' ');
                model.description.push_str(comment.trim());
            } else if let Some((found, value)) = comment.split_once(':') {
                key = found.trim();
                model.set(key, value.trim()).map_err(wrong)?;
            } else {
                return Err(wrong(format!("cannot read the header line {line:?}")));
            }
        }
        for (what, text) in [("description", &model.description), ("grain", &model.grain)] {
            if text.is_empty() {
                return Err(wrong(format!("the header has no {what}")));
            }
        }
        Ok(model)
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        match key {
            "description" => self.description = value.to_owned(),
            "grain" => self.grain = value.to_owned(),
            "columns" => {}
            "depends" => {
                let names = value.split(',').map(str::trim);
                self.depends = names.filter(|n| !n.is_empty()).map(str::to_owned).collect();
            }
            "kind" => {
                self.kind = match value {
                    "table" => Kind::Table,
                    "view" => Kind::View,
                    "native" => Kind::Native,
                    "incremental" => Kind::Incremental,
                    "full" => Kind::Full,
                    other => return Err(format!("no kind is called {other:?}")),
                }
            }
            "publish" => self.publish = publish(value)?,
            other => return Err(format!("no header key is called {other:?}")),
        }
        Ok(())
    }
}

/// `name: meaning` of an indented header line.
fn column_of(line: &str) -> Option<(&str, &str)> {
    let (name, meaning) = line.split_once(": ")?;
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    plain.then_some((name, meaning.trim()))
}

/// `2% of the time, at least every 5m`.
fn publish(text: &str) -> Result<Publish, String> {
    let rule = || {
        let (percent, at_least) = text.split_once("% of the time, at least every ")?;
        Some(Publish::Share {
            percent: percent.parse().ok().filter(|p| (1..=100).contains(p))?,
            at_least: humantime::parse_duration(at_least).ok()?,
        })
    };
    rule()
        .ok_or_else(|| format!("{text:?} is not of the form \"2% of the time, at least every 5m\""))
}

/// Sorts models so that each comes after those it depends on; names of no model are tables.
fn in_order(mut waiting: Vec<Model>) -> Result<Vec<Model>, Error> {
    let mut done: Vec<Model> = Vec::new();
    while !waiting.is_empty() {
        let ready = waiting.iter().position(|model| {
            let blocks = |name: &String| waiting.iter().any(|other| other.name == *name);
            !model.depends.iter().any(blocks)
        });
        let Some(ready) = ready else {
            return Err(Error::Model {
                model: waiting.remove(0).name,
                reason: "its dependencies lead back to itself".to_owned(),
            });
        };
        done.push(waiting.remove(ready));
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_model_is_read_and_comes_after_what_it_depends_on() {
        let models = Models::embedded().unwrap();
        let names: Vec<_> = models.iter().map(|model| model.name.as_str()).collect();
        let at = |name| names.iter().position(|n| *n == name).unwrap();
        assert!(at("new_polls") < at("int_polls"));
        assert!(at("new_aircraft_hours") < at("country_stats"));
        assert!(at("int_latest_states") < at("kpi_latest"));
    }

    #[test]
    fn every_mart_says_what_its_columns_mean() {
        for model in Models::embedded()
            .unwrap()
            .iter()
            .filter(|model| model.mart)
        {
            assert!(!model.columns.is_empty(), "{}", model.name);
            assert!(!model.select.is_empty(), "{}", model.name);
        }
    }

    #[test]
    fn what_a_header_may_not_say_is_refused() {
        let cases = [
            ("-- grain: x\n", "no description"),
            ("-- description: x\n", "no grain"),
            ("-- description: x\n-- kind: cube\n", "no kind is called"),
            ("-- colour: red\n", "no header key"),
            ("-- @selct\nselect 1\n", "no section is called"),
            ("select 1\n", "in no section"),
            ("-- publish: often\n", "not of the form"),
        ];
        for (text, reason) in cases {
            let error = Model::parse("m", true, text).unwrap_err().to_string();
            assert!(error.contains(reason), "{text:?}: {error}");
        }
    }

    #[test]
    fn a_circle_is_refused() {
        let model = |name: &str, depends: &str| {
            let text = format!("-- description: d\n-- grain: g\n-- depends: {depends}\n");
            Model::parse(name, false, &text).unwrap()
        };
        assert!(in_order(vec![model("a", "b"), model("b", "a")]).is_err());
        let order = in_order(vec![model("a", "b, table"), model("b", "")]).unwrap();
        assert_eq!(order[0].name, "b");
    }
}
