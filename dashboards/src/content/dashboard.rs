//! A dashboard: the questions it shows and where. One `dashboard.toml` a folder.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::error::Mistake;
use super::front_matter;
use super::question::Parameter;

/// Name of a dashboard's file.
pub const FILE: &str = "dashboard.toml";

/// Columns of a dashboard's grid.
pub const WIDTH: u32 = 24;

/// A dashboard, as its file has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Dashboard {
    /// Name of its folder. It stays when the title changes.
    pub id: String,
    /// The file, from the folder of all content.
    pub file: PathBuf,
    /// What the file says.
    pub layout: Layout,
}

/// What a dashboard's file says.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layout {
    /// Heading; also that of its collection.
    pub title: String,
    /// What it shows, for whoever sees it.
    pub description: String,
    /// Its filters, in order.
    #[serde(default)]
    pub filters: Vec<Filter>,
    /// What stands on it.
    pub cards: Vec<Card>,
}

/// A filter of a dashboard. It sets the parameter of the same name of every question that has one.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Filter {
    /// Its name; what a click sets, and what stands in the address.
    pub name: String,
    /// What may be chosen.
    #[serde(flatten)]
    pub parameter: Parameter,
}

/// Something on a dashboard: a question, a heading or a text.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// A question of the same folder, or of another one with the folder: `regions/by_region`.
    #[serde(default)]
    pub question: Option<String>,
    /// A heading.
    #[serde(default)]
    pub heading: Option<String>,
    /// A text in Markdown.
    #[serde(default)]
    pub text: Option<String>,
    /// Column and row of its upper left corner, from 0; the grid is [`WIDTH`] columns wide.
    pub at: [u32; 2],
    /// How many columns and rows it takes.
    pub size: [u32; 2],
    /// Visualization settings that hold on this dashboard only, under Metabase's own names.
    #[serde(default)]
    pub settings: toml::Table,
    /// What a click does, other than what Metabase does by itself.
    #[serde(default)]
    pub click: Option<Click>,
}

/// What a click on a card does: it opens another dashboard, or it sets filters of this one.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Click {
    /// The dashboard to open; without it, this one's filters are set.
    #[serde(default)]
    pub dashboard: Option<String>,
    /// The filters that are set, each by a column of the question.
    pub set: BTreeMap<String, String>,
    /// The column whose values can be clicked, for a table.
    #[serde(default)]
    pub column: Option<String>,
}

impl Dashboard {
    /// Reads a file, which lies at `file` in the folder of all content.
    ///
    /// # Errors
    /// It is not what a layout must be.
    pub fn parse(file: &Path, text: &str) -> Result<Dashboard, Vec<Mistake>> {
        let mut layout: Layout =
            front_matter::parse(file, text).map_err(|mistake| vec![mistake])?;
        // Where a card stands is what it says, and not where it is written.
        layout.cards.sort_by_key(|card| (card.at[1], card.at[0]));
        let id = file.parent().and_then(Path::file_name).unwrap_or_default();
        let dashboard = Dashboard {
            id: id.to_string_lossy().into_owned(),
            file: file.to_owned(),
            layout,
        };
        let wrong = dashboard.mistakes();
        match wrong.is_empty() {
            true => Ok(dashboard),
            false => Err(wrong
                .into_iter()
                .map(|reason| Mistake::new(file, reason))
                .collect()),
        }
    }

    /// The full id of the question that a card shows.
    pub fn question_of(&self, card: &Card) -> Option<String> {
        card.question.as_ref().map(|name| match name.contains('/') {
            true => name.clone(),
            false => format!("{}/{name}", self.id),
        })
    }

    fn mistakes(&self) -> Vec<String> {
        let layout = &self.layout;
        let mut wrong = Vec::new();
        for (key, text) in [
            ("title", &layout.title),
            ("description", &layout.description),
        ] {
            if text.trim().is_empty() {
                wrong.push(format!("{key} is empty; it is what a reader sees first"));
            }
        }
        if layout.cards.is_empty() {
            wrong.push("there are no [[cards]]".into());
        }
        let mut names = BTreeSet::new();
        for filter in &layout.filters {
            if !names.insert(&filter.name) {
                wrong.push(format!("there are two filters {:?}", filter.name));
            }
            wrong.extend(filter.parameter.mistakes(&filter.name));
        }
        for (n, card) in layout.cards.iter().enumerate() {
            let name = card.name();
            let kinds = [&card.question, &card.heading, &card.text];
            if kinds.iter().filter(|kind| kind.is_some()).count() != 1 {
                wrong.push(format!(
                    "card {} is to have one of question, heading and text",
                    n + 1
                ));
            }
            let [column, _] = card.at;
            let [wide, high] = card.size;
            if wide == 0 || high == 0 || column.saturating_add(wide) > WIDTH {
                wrong.push(format!(
                    "{name} is at column {column} and {wide} by {high} large; the grid is {WIDTH} columns \
                     wide, and a card at least 1 by 1"
                ));
            }
            for other in &layout.cards[..n] {
                if card.overlaps(other) {
                    wrong.push(format!(
                        "{name} at {:?} lies over {} at {:?}; move one, or make it smaller",
                        card.at,
                        other.name(),
                        other.at
                    ));
                }
            }
        }
        wrong
    }
}

impl Card {
    /// How messages call it.
    pub fn name(&self) -> String {
        match (&self.question, &self.heading, &self.text) {
            (Some(question), _, _) => format!("the question {question:?}"),
            (_, Some(heading), _) => format!("the heading {heading:?}"),
            (_, _, Some(text)) => format!("the text {:?}", text.lines().next().unwrap_or("")),
            _ => "a card".to_owned(),
        }
    }

    fn overlaps(&self, other: &Card) -> bool {
        (0..2).all(|axis| {
            self.at[axis] < other.at[axis].saturating_add(other.size[axis])
                && other.at[axis] < self.at[axis].saturating_add(self.size[axis])
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "\
title = \"Countries\"
description = \"Who flies where.\"

[[filters]]
name = \"region\"
title = \"Region\"
type = \"text\"

[[cards]]
heading = \"By country\"
at = [0, 0]
size = [24, 1]

[[cards]]
question = \"by_country\"
at = [0, 1]
size = [12, 8]
click = { dashboard = \"regions\", set = { region = \"region\" } }

[[cards]]
question = \"regions/by_region\"
at = [12, 1]
size = [12, 8]
";

    fn parse(text: &str) -> Result<Dashboard, String> {
        Dashboard::parse(Path::new("countries/dashboard.toml"), text).map_err(|wrong| {
            let said: Vec<_> = wrong.iter().map(ToString::to_string).collect();
            said.join("\n")
        })
    }

    #[test]
    fn a_file_is_a_dashboard() {
        let dashboard = parse(FILE).unwrap();
        assert_eq!(dashboard.id, "countries");
        let questions: Vec<_> = dashboard
            .layout
            .cards
            .iter()
            .map(|card| dashboard.question_of(card))
            .collect();
        assert_eq!(
            questions,
            [
                None,
                Some("countries/by_country".into()),
                Some("regions/by_region".into())
            ]
        );
        assert_eq!(dashboard.layout.filters[0].name, "region");
    }

    #[test]
    fn a_layout_that_cannot_be_is_refused() {
        for (from, to, said) in [
            (
                "at = [12, 1]",
                "at = [11, 8]",
                "the question \"regions/by_region\" at [11, 8] lies over the question \"by_country\" at \
                 [0, 1]; move one",
            ),
            (
                "at = [12, 1]",
                "at = [13, 1]",
                "the grid is 24 columns wide",
            ),
            ("size = [24, 1]", "size = [24, 0]", "at least 1 by 1"),
            (
                "heading = \"By country\"",
                "",
                "card 1 is to have one of question, heading and text",
            ),
            (
                "at = [0, 0]",
                "at = [0, -1]",
                "dashboard.toml:11: invalid value",
            ),
            ("\"Who flies where.\"", "\"\"", "description is empty"),
            ("click =", "clik =", "unknown field `clik`"),
        ] {
            let text = FILE.replacen(from, to, 1);
            assert_ne!(text, FILE);
            let error = parse(&text).unwrap_err();
            assert!(error.contains(said), "{said} is not in {error}");
        }
        let twice = FILE.replacen(
            "[[cards]]",
            "[[filters]]\nname = \"region\"\ntitle = \"R\"\ntype = \"text\"\n\n[[cards]]",
            1,
        );
        assert!(
            parse(&twice)
                .unwrap_err()
                .contains("two filters \"region\"")
        );
    }
}
