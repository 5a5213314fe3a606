//! One model, as its file says it.

use std::fmt;
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::Error;

/// The folder a model lies in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layer {
    /// Reads the lake's tables.
    Staging,
    /// What several marts share.
    Intermediate,
    /// What readers see.
    Marts,
}

impl Layer {
    /// In which order the folders are worked through.
    pub const ALL: [Layer; 3] = [Layer::Staging, Layer::Intermediate, Layer::Marts];

    /// Name of the folder.
    pub fn folder(self) -> &'static str {
        match self {
            Layer::Staging => "staging",
            Layer::Intermediate => "intermediate",
            Layer::Marts => "marts",
        }
    }
}

/// What becomes of a model's `@select`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A temporary table of each batch; one in memory lasts until it is made anew.
    Table,
    /// A temporary view of each batch; a mart of this kind is a view for readers.
    View,
    /// Kept as state and merged batch by batch; work is proportional to what is new.
    Incremental,
    /// Computed whole when published, from state of a bounded size.
    Full,
    /// A table of the model's name that the program itself makes; there is no `@select`.
    Native,
}

/// What a refresh costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refresh {
    /// Work in proportion to the rows that are new.
    Incremental,
    /// The keys, or parts, that new rows have are computed again.
    AffectedKeys,
    /// Computed whole, from input of a bounded size.
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

/// A column that tells rows apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrainColumn {
    /// Its name.
    pub name: String,
    /// Whether it may be null; a null is a value like others then.
    pub nullable: bool,
}

/// A line of the header that others parse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderLine {
    /// Its text, without comment signs and indentation.
    pub text: String,
    /// Number of the line in the file.
    pub line: usize,
}

/// A table of the state that outlives a rebuild, as far as it is of days that the lake no longer
/// has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DailyTable {
    /// The table.
    pub name: String,
    /// The day of a row, in SQL; none when rows are of no day and all of them are kept.
    pub day: Option<String>,
}

/// One SQL file.
#[derive(Debug, Clone)]
pub struct Model {
    /// Name of the file without `.sql`.
    pub name: String,
    /// The folder it lies in.
    pub layer: Layer,
    /// Whether it is published.
    pub mart: bool,
    /// Where the file is, for people.
    pub origin: String,
    /// What the model is, in a sentence or two.
    pub description: String,
    /// The columns that tell rows apart; none for a model of one row.
    pub grain: Vec<GrainColumn>,
    /// What becomes of its `@select`.
    pub kind: Kind,
    /// What a refresh costs.
    pub refresh: Refresh,
    /// How often it is published.
    pub publish: Publish,
    /// Whether each step of a backlog settles it, so that what waits stays small.
    pub settles_backlog: bool,
    /// Whether its table is in memory, made on the second connection while other models merge, and
    /// made again after a start.
    pub in_memory: bool,
    /// Tables of the state that outlive a rebuild.
    pub daily: Vec<DailyTable>,
    /// Columns with their meaning and unit.
    pub columns: Vec<(String, String)>,
    /// What must hold of its rows, as the header says it.
    pub audits: Vec<HeaderLine>,
    /// Models it reads, found in its SQL.
    pub depends: Vec<String>,
    /// Tables of no model that it reads: the lake's, seeds, the engine's own.
    pub sources: Vec<String>,
    /// Tables that it makes.
    pub tables: Vec<String>,
    /// `@state`, or empty.
    pub state: String,
    /// `@merge`, or empty.
    pub merge: String,
    /// `@forget`, or empty.
    pub forget: String,
    /// `@settle`, or empty.
    pub settle: String,
    /// `@parts`, or empty when the mart is one file.
    pub parts: String,
    /// `@select`, or empty.
    pub select: String,
    /// Lines of the file at which the sections begin.
    pub(super) lines: Vec<(&'static str, usize)>,
}

impl Model {
    /// The sections that hold SQL, by name.
    pub fn sections(&self) -> [(&'static str, &str); 6] {
        [
            ("state", &self.state),
            ("merge", &self.merge),
            ("forget", &self.forget),
            ("settle", &self.settle),
            ("parts", &self.parts),
            ("select", &self.select),
        ]
    }

    /// A fingerprint of what decides the mart's files, apart from the state they are made of.
    pub fn fingerprint(&self) -> String {
        super::hex(&Sha256::digest(format!("{}\0{}", self.parts, self.select)))
    }

    /// The grain as the header says it.
    pub fn grain_text(&self) -> String {
        if self.grain.is_empty() {
            return "one row".to_owned();
        }
        let columns = self.grain.iter();
        let columns: Vec<_> = columns.map(ToString::to_string).collect();
        columns.join(", ")
    }

    /// Refuses a header whose columns are not those that the mart has, in their order. A view
    /// over the lake may have further ones, which the lake has gained.
    pub fn must_describe(&self, columns: &[String]) -> Result<(), Error> {
        let described: Vec<&String> = self.columns.iter().map(|(name, _)| name).collect();
        let missing = columns.iter().find(|name| !described.contains(name));
        let missing = missing.filter(|_| self.kind != Kind::View);
        let extra = described.iter().find(|name| !columns.contains(name));
        let reason = match (missing, extra) {
            (Some(name), _) => format!("the header does not say what column {name} means"),
            (None, Some(name)) => {
                format!("the header describes column {name}, which the mart does not have")
            }
            (None, None)
                if self.kind != Kind::View && !columns.iter().eq(described.iter().copied()) =>
            {
                "the header has the columns in another order than the mart".to_owned()
            }
            (None, None) => return Ok(()),
        };
        Err(super::header::refused(&self.name, &self.origin, 1, reason))
    }

    /// The error that a section breaks a rule.
    pub(crate) fn refused(&self, section: &str, rule: &str) -> Error {
        let line = self.line_of(section, 0);
        super::header::refused(&self.name, &self.origin, line, rule.to_owned())
    }

    /// The line of the file on which a byte of a section stands.
    pub(super) fn line_of(&self, section: &str, position: usize) -> usize {
        let begin = self.lines.iter().find(|(name, _)| *name == section);
        let text = self
            .sections()
            .into_iter()
            .find(|(name, _)| *name == section);
        let before = text.and_then(|(_, text)| text.get(..position));
        let further = before.map_or(0, |before| before.matches('\n').count());
        begin.map_or(0, |(_, line)| line + further)
    }
}

impl fmt::Display for GrainColumn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.nullable { "?" } else { "" };
        write!(f, "{}{mark}", self.name)
    }
}

impl fmt::Display for Refresh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refresh::Incremental => "incremental",
            Refresh::AffectedKeys => "affected keys",
            Refresh::Full => "full",
        })
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Table => "table",
            Kind::View => "view",
            Kind::Incremental => "incremental",
            Kind::Full => "full",
            Kind::Native => "native",
        })
    }
}

impl fmt::Display for Publish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Publish::Always => f.write_str("with every refresh"),
            Publish::Share { percent, at_least } => {
                let at_least = humantime::format_duration(*at_least);
                write!(f, "{percent}% of the time, at least every {at_least}")
            }
        }
    }
}
