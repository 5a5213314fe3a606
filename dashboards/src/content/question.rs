//! A question: SQL over the marts, and how Metabase shows its rows. One file each.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::error::{Mistake, near};
use super::front_matter;
use super::tags::{fill, literal, tags};

/// The displays of Metabase that a question may name.
pub const DISPLAYS: [&str; 17] = [
    "area",
    "bar",
    "combo",
    "funnel",
    "gauge",
    "line",
    "map",
    "object",
    "pie",
    "pivot",
    "progress",
    "row",
    "scalar",
    "scatter",
    "smartscalar",
    "table",
    "waterfall",
];

/// A question or a model, as its file has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// Folder and name of the file: `live-sky/positions`. It stays when the title changes.
    pub id: String,
    /// The file, from the folder of all content.
    pub file: PathBuf,
    /// What the file says above its SQL.
    pub header: Header,
    /// The query, with Metabase's tags.
    pub sql: String,
}

/// What a question's file says above its SQL.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Heading, with the unit where there is one.
    pub title: String,
    /// What it shows, for whoever sees it.
    pub description: String,
    /// One of [`DISPLAYS`].
    pub display: String,
    /// A model: a table for others to ask questions of, rather than an answer.
    #[serde(default)]
    pub model: bool,
    /// Heading of each column, with its unit. A column that is none of these is a mistake.
    pub columns: BTreeMap<String, String>,
    /// Further visualization settings, under Metabase's own names.
    #[serde(default)]
    pub settings: toml::Table,
    /// What a person may choose; each is a tag of the SQL.
    #[serde(default)]
    pub parameters: BTreeMap<String, Parameter>,
}

/// Something a person may choose.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    /// Heading.
    pub title: String,
    /// What kind of value it takes.
    #[serde(rename = "type")]
    pub kind: ParameterKind,
    /// The value that is chosen at first.
    #[serde(default)]
    pub default: Option<toml::Value>,
    /// Where the values to choose from are: a question and its column, `live-sky/countries.origin_country`.
    #[serde(default)]
    pub values: Option<String>,
}

/// What kind of value a parameter takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ParameterKind {
    /// A text.
    Text,
    /// A number.
    Number,
    /// A day.
    Date,
}

impl ParameterKind {
    /// As it stands in a file.
    pub fn as_str(self) -> &'static str {
        match self {
            ParameterKind::Text => "text",
            ParameterKind::Number => "number",
            ParameterKind::Date => "date",
        }
    }
}

impl Parameter {
    /// The default as an SQL literal.
    pub fn default_literal(&self) -> Option<String> {
        self.default.as_ref().map(|value| match value {
            toml::Value::String(text) => literal(text),
            other => other.to_string(),
        })
    }

    /// Question and column that the values come from.
    pub fn source(&self) -> Option<(&str, &str)> {
        self.values.as_deref().and_then(|v| v.rsplit_once('.'))
    }

    /// What is wrong with it, if something is.
    pub(super) fn mistakes(&self, name: &str) -> Vec<String> {
        let mut wrong = Vec::new();
        let fits = match (&self.default, self.kind) {
            (None, _) => true,
            (Some(toml::Value::String(_)), ParameterKind::Text) => true,
            (Some(toml::Value::Integer(_) | toml::Value::Float(_)), ParameterKind::Number) => true,
            (Some(toml::Value::String(day)), ParameterKind::Date) => is_day(day),
            _ => false,
        };
        if !fits {
            let kind = self.kind.as_str();
            wrong.push(format!(
                "the default of the parameter {name:?} is no {kind}; a text stands in quotes, a date is \
                 a text such as \"2026-11-01\""
            ));
        }
        if self.values.is_some() && self.source().is_none() {
            wrong.push(format!(
                "the values of the parameter {name:?} are to be a question and its column, such as \
                 \"live-sky/countries.origin_country\""
            ));
        }
        wrong
    }
}

fn is_day(text: &str) -> bool {
    let parts: Vec<_> = text.split('-').collect();
    let number = |part: &str, length: usize| {
        part.len() == length && part.chars().all(|c| c.is_ascii_digit())
    };
    matches!(parts[..], [y, m, d] if number(y, 4) && number(m, 2) && number(d, 2))
}

impl Question {
    /// Reads a file, which lies at `file` in the folder of all content.
    ///
    /// # Errors
    /// Its header is not what a header must be, or does not fit its SQL.
    pub fn parse(file: &Path, text: &str) -> Result<Question, Vec<Mistake>> {
        let (header, sql): (Header, String) =
            front_matter::split(file, text).map_err(|mistake| vec![mistake])?;
        let question = Question {
            id: id_of(file),
            file: file.to_owned(),
            header,
            sql,
        };
        let wrong = question.mistakes();
        match wrong.is_empty() {
            true => Ok(question),
            false => Err(wrong
                .into_iter()
                .map(|reason| Mistake::new(file, reason))
                .collect()),
        }
    }

    /// The SQL as it is asked when nobody has chosen anything.
    ///
    /// # Errors
    /// A tag needs a value and has no default.
    pub fn by_default(&self) -> Result<String, String> {
        self.with(|_| None)
    }

    /// The folder it lies in.
    pub fn folder(&self) -> &str {
        folder_of(&self.id)
    }

    /// The SQL as it is asked when something has been chosen for every parameter.
    ///
    /// # Errors
    /// Brackets do not match.
    pub fn with(&self, chosen: impl Fn(&str) -> Option<String>) -> Result<String, String> {
        fill(&self.sql, |name| {
            chosen(name).or_else(|| {
                self.header
                    .parameters
                    .get(name)
                    .and_then(Parameter::default_literal)
            })
        })
    }

    fn mistakes(&self) -> Vec<String> {
        let header = &self.header;
        let mut wrong = Vec::new();
        for (key, text) in [
            ("title", &header.title),
            ("description", &header.description),
        ] {
            if text.trim().is_empty() {
                wrong.push(format!("{key} is empty; it is what a reader sees first"));
            }
        }
        if !DISPLAYS.contains(&header.display.as_str()) {
            let near = near(&header.display, DISPLAYS);
            let known = DISPLAYS.join(", ");
            wrong.push(format!(
                "display {:?} is none of {known}{near}",
                header.display
            ));
        }
        if header.columns.is_empty() {
            wrong.push("[columns] is empty; every column of the SQL has its heading there".into());
        }
        if self.sql.is_empty() {
            wrong.push("there is no SQL below the header".into());
        }
        if header.model && !header.parameters.is_empty() {
            wrong.push("a model has no parameters, since Metabase takes none".into());
        }
        let used = tags(&self.sql);
        for name in used.iter().filter(|n| !header.parameters.contains_key(*n)) {
            wrong.push(format!(
                "the SQL has {{{{{name}}}}}, and [parameters.{name}] is missing"
            ));
        }
        for (name, parameter) in &header.parameters {
            if !used.contains(name) {
                wrong.push(format!(
                    "the parameter {name:?} is not in the SQL as {{{{{name}}}}}"
                ));
            }
            wrong.extend(parameter.mistakes(name));
        }
        wrong.extend(self.by_default().err());
        wrong.extend(self.unknown_columns());
        wrong
    }

    /// Columns that the settings name and that are none.
    fn unknown_columns(&self) -> Vec<String> {
        let columns = &self.header.columns;
        named_columns(&self.header.settings)
            .into_iter()
            .filter(|(_, column)| !columns.contains_key(column))
            .map(|(setting, column)| {
                let near = near(&column, columns.keys().map(String::as_str));
                format!("the setting {setting:?} names the column {column:?}, which is not in [columns]{near}")
            })
            .collect()
    }
}

/// The settings whose value is a column, or several.
const OF_COLUMNS: [&str; 20] = [
    "funnel.dimension",
    "funnel.metric",
    "graph.dimensions",
    "graph.metrics",
    "map.dimension",
    "map.latitude_column",
    "map.longitude_column",
    "map.metric",
    "map.metric_column",
    "pie.dimension",
    "pie.metric",
    "pivot_table.column",
    "progress.value",
    "scalar.field",
    "scatter.bubble",
    "table.cell_column",
    "table.pivot_column",
    "waterfall.dimension",
    "waterfall.metric",
    "graph.tooltip_columns",
];

/// Every column that visualization settings name, with the setting.
pub(super) fn named_columns(settings: &toml::Table) -> Vec<(String, String)> {
    let mut named = Vec::new();
    let mut texts = |setting: &str, value: &toml::Value| match value {
        toml::Value::String(column) => named.push((setting.to_owned(), column.clone())),
        toml::Value::Array(columns) => named.extend(
            columns
                .iter()
                .filter_map(|column| Some((setting.to_owned(), column.as_str()?.to_owned()))),
        ),
        _ => {}
    };
    for (setting, value) in settings {
        if OF_COLUMNS.contains(&setting.as_str()) {
            texts(setting, value);
        }
    }
    for setting in ["column_settings", "series_settings"] {
        let Some(of_columns) = settings.get(setting).and_then(toml::Value::as_table) else {
            continue;
        };
        for column in of_columns.keys() {
            named.push((setting.to_owned(), column.clone()));
        }
    }
    named
}

/// `live-sky` of `live-sky/positions`.
pub fn folder_of(id: &str) -> &str {
    id.split('/').next().unwrap_or_default()
}

/// `live-sky/positions` of `live-sky/positions.sql`.
fn id_of(file: &Path) -> String {
    let id = file.with_extension("");
    let parts: Vec<_> = id.iter().map(|part| part.to_string_lossy()).collect();
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "\
-- title = \"Aircraft by country\"
-- description = \"How many aircraft each country has.\"
-- display = \"bar\"
--
-- [columns]
-- origin_country = \"Country of registration\"
-- aircraft = \"Aircraft\"
--
-- [settings]
-- \"graph.dimensions\" = [\"origin_country\"]
-- \"graph.metrics\" = [\"aircraft\"]
--
-- [parameters.region]
-- title = \"Region\"
-- type = \"text\"

select origin_country, unique_aircraft as aircraft
from country_stats
where true [[and region = {{region}}]]
";

    fn parse(text: &str) -> Result<Question, String> {
        let file = Path::new("countries/by_country.sql");
        Question::parse(file, text).map_err(|wrong| {
            let said: Vec<_> = wrong.iter().map(ToString::to_string).collect();
            said.join("\n")
        })
    }

    #[test]
    fn a_file_is_a_question() {
        let question = parse(FILE).unwrap();
        assert_eq!(question.id, "countries/by_country");
        assert_eq!(question.header.display, "bar");
        assert_eq!(question.header.columns["aircraft"], "Aircraft");
        assert!(question.by_default().unwrap().ends_with("where true "));
        let chosen = question.with(|_| Some(literal("EU"))).unwrap();
        assert!(chosen.ends_with("where true and region = 'EU'"));
    }

    #[test]
    fn every_mistake_names_its_file_and_what_would_be_right() {
        for (from, to, said) in [
            ("\"bar\"", "\"bars\"", "display \"bars\" is none of"),
            ("\"bar\"", "\"bars\"", "; did you mean \"bar\"?"),
            (
                "[\"aircraft\"]",
                "[\"aircrafts\"]",
                "the setting \"graph.metrics\" names the column \"aircrafts\", which is not in [columns]; \
                 did you mean \"aircraft\"?",
            ),
            (
                "{{region}}",
                "{{regions}}",
                "[parameters.regions] is missing",
            ),
            (
                "{{region}}",
                "{{regions}}",
                "the parameter \"region\" is not in the SQL as {{region}}",
            ),
            ("type = \"text\"", "type = \"txt\"", ":15: unknown variant"),
            (
                "type = \"text\"",
                "type = \"date\"\n-- default = \"today\"",
                "the default of the parameter \"region\" is no date",
            ),
            (
                "type = \"text\"",
                "type = \"text\"\n-- values = \"regions\"",
                "are to be a question and its column",
            ),
            ("\"Aircraft by country\"", "\" \"", "title is empty"),
        ] {
            let text = FILE.replacen(from, to, 1);
            assert_ne!(text, FILE);
            let error = parse(&text).unwrap_err();
            assert!(
                error.starts_with("countries/by_country.sql") && error.contains(said),
                "{said} is not in {error}"
            );
        }
    }

    #[test]
    fn a_tag_that_is_not_optional_needs_a_default() {
        let text = FILE.replace("[[and region = {{region}}]]", "and region = {{region}}");
        assert!(parse(&text).unwrap_err().contains("has no default"));
        let text = text.replace("\"text\"\n", "\"text\"\n-- default = \"EU\"\n");
        let question = parse(&text).unwrap();
        assert!(question.by_default().unwrap().ends_with("region = 'EU'"));
    }
}
