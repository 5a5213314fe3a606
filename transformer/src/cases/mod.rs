//! The given/expect cases of models, and the runner that `transformer test` and the tests use.
//!
//! `models/tests/MART.toml` holds cases: batches of `flight_states` rows as CSV, each committed
//! to a lake of its own and published, and the rows that the mart must then have, as CSV.
//! What a case does not name is null in what is given (`ingestion_time` is the poll's time,
//! `source` is `replay`), and not compared in what is expected. `icao24` and `snapshot_time` are
//! always given. Cells are separated by commas; `null` is a null and `''` an empty text. The
//! columns of `expect` may be any expressions over the mart.
//!
//! - `sheet`: CSV as cases have it.
//! - `lake`: a lake of a case's own.

mod lake;
mod sheet;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use serde::Deserialize;

use self::sheet::Sheet;
use crate::models::Models;
use crate::{Config, Error, Transformer, query};

pub(crate) use self::lake::Scratch;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseFile {
    case: Vec<CaseText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseText {
    name: String,
    given: Vec<String>,
    expect: String,
}

/// One case of a mart.
#[derive(Debug, Clone)]
pub struct Case {
    /// The mart.
    pub mart: String,
    /// What it shows, in a sentence.
    pub name: String,
    given: Vec<Sheet>,
    expect: Sheet,
}

/// How a case went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Rows that were expected and are not there.
    pub missing: Vec<String>,
    /// Rows that are there and were not expected.
    pub unexpected: Vec<String>,
    /// The columns that were compared.
    pub columns: String,
    /// How long it took.
    pub duration: Duration,
}

/// The cases of all models, by mart and in the order of their files.
pub fn all(models: &Models) -> Result<Vec<Case>, Error> {
    let mut cases = Vec::new();
    for (mart, text) in models.files().cases() {
        let wrong = |reason: String| Error::Case {
            model: mart.to_owned(),
            reason,
        };
        if !models.get(mart)?.mart {
            return Err(wrong(
                "only marts have cases: what is private is seen in them".into(),
            ));
        }
        let file: CaseFile = toml::from_str(text).map_err(|error| wrong(error.to_string()))?;
        for case in file.case {
            let named = |reason: String| wrong(format!("case {:?}: {reason}", case.name));
            let given = case.given.iter().map(|text| Sheet::parse(text));
            cases.push(Case {
                mart: mart.to_owned(),
                given: given.collect::<Result<_, _>>().map_err(named)?,
                expect: Sheet::parse(&case.expect).map_err(named)?,
                name: case.name.clone(),
            });
        }
    }
    Ok(cases)
}

impl Case {
    /// Runs the case on a lake and a transformer of its own, in a temporary folder. `models` is
    /// the folder of further models, if there is one.
    pub async fn run(&self, models: Option<&Path>) -> Result<Outcome, Error> {
        let began = Instant::now();
        let scratch = Scratch::new(models).await?;
        let mut transformer = Transformer::open(scratch.config()).await?;
        for sheet in &self.given {
            let given = scratch.append(sheet).await;
            given.map_err(|reason| Error::Case {
                model: self.mart.clone(),
                reason: format!("case {:?}: {reason}", self.name),
            })?;
            transformer.catch_up().await?;
        }
        if self.given.is_empty() {
            transformer.catch_up().await?;
        }
        drop(transformer);
        let found = self.found(scratch.config())?;
        Ok(self.compare(found, began))
    }

    /// The mart's rows, as text.
    fn found(&self, config: &Config) -> Result<Vec<Vec<String>>, Error> {
        let select = format!(
            "select {} from {}",
            self.expect.columns.join(", "),
            self.mart
        );
        let result = query(&config.transformer.published, &select)?;
        let text = |value: Option<String>| match value {
            None => "null".to_owned(),
            Some(value) if value.is_empty() => "''".to_owned(),
            Some(value) => value,
        };
        let rows = result.rows.into_iter();
        Ok(rows
            .map(|row| row.into_iter().map(text).collect())
            .collect())
    }

    fn compare(&self, found: Vec<Vec<String>>, began: Instant) -> Outcome {
        // How often each row is there, less how often it was expected.
        let mut balance: BTreeMap<String, i64> = BTreeMap::new();
        for row in found {
            *balance.entry(row.join(", ")).or_default() += 1;
        }
        for row in &self.expect.rows {
            *balance.entry(row.join(", ")).or_default() -= 1;
        }
        let mut outcome = Outcome {
            missing: Vec::new(),
            unexpected: Vec::new(),
            columns: self.expect.columns.join(", "),
            duration: began.elapsed(),
        };
        for (row, count) in balance {
            let rows = if count < 0 {
                &mut outcome.missing
            } else {
                &mut outcome.unexpected
            };
            (0..count.abs()).for_each(|_| rows.push(row.clone()));
        }
        outcome
    }
}

impl Outcome {
    /// Whether the mart had the rows that were expected, and no others.
    pub fn holds(&self) -> bool {
        self.missing.is_empty() && self.unexpected.is_empty()
    }

    /// What differs: rows with `-` are missing, rows with `+` were not expected.
    pub fn difference(&self) -> String {
        let mut text = format!("    {}\n", self.columns);
        for row in &self.missing {
            text.push_str(&format!("  - {row}\n"));
        }
        for row in &self.unexpected {
            text.push_str(&format!("  + {row}\n"));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_compared_without_order_and_with_their_number() {
        let case = Case {
            mart: "m".to_owned(),
            name: "n".to_owned(),
            given: Vec::new(),
            expect: Sheet::parse("a, b\n1, 2\n1, 2\n3, null").unwrap(),
        };
        let row = |a: &str, b: &str| vec![a.to_owned(), b.to_owned()];
        let same = vec![row("3", "null"), row("1", "2"), row("1", "2")];
        assert!(case.compare(same, Instant::now()).holds());
        let other = vec![row("1", "2"), row("3", "4")];
        let outcome = case.compare(other, Instant::now());
        assert!(!outcome.holds());
        assert_eq!(
            outcome.difference(),
            "    a, b\n  - 1, 2\n  - 3, null\n  + 3, 4\n"
        );
    }
}
