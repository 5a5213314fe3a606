//! What was done, one line each.

use std::fmt;

use crate::state::Key;

/// What was done to something, or would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It is new.
    Made,
    /// These parts of it are not what they were.
    Changed(Vec<String>),
    /// Writing it was not finished before.
    Finished,
    /// There is no file for it any more; it is in Metabase's trash now.
    Removed,
    /// A person has changed it, and it stays so.
    Edited(Vec<String>),
    /// A person has changed it, and its file says so by now.
    Taken,
    /// A person has thrown it, or the collection it is in, away, and it stays so.
    Trashed,
    /// There is no file for it any more, and it stays, since there are a person's things in it.
    Holds,
}

/// What something was done to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// The connection to the tables, by the name of the database.
    Database(String),
    /// What is made from a file.
    Kept(Key),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subject::Database(name) => write!(f, "database {name}"),
            Subject::Kept(key) => key.fmt(f),
        }
    }
}

/// One line of what was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// To what.
    pub subject: Subject,
    /// Its title.
    pub title: String,
    /// What.
    pub change: Change,
}

impl Step {
    /// Whether anything is written for it.
    pub fn writes(&self) -> bool {
        !matches!(
            self.change,
            Change::Edited(_) | Change::Trashed | Change::Holds
        )
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Step {
            subject,
            title,
            change,
        } = self;
        match change {
            Change::Made => write!(f, "+ {subject}: {title}"),
            Change::Changed(parts) => write!(f, "~ {subject}: {}", parts.join(", ")),
            Change::Finished => write!(f, "~ {subject}: an earlier run did not finish it"),
            Change::Removed => write!(f, "- {subject}: {title}, to the trash"),
            Change::Edited(parts) => write!(
                f,
                "! {subject}: edited in Metabase ({}) and left as it is; `export` takes that into the files, \
                 `apply --overwrite` takes it back",
                parts.join(", ")
            ),
            Change::Taken => write!(f, "= {subject}: the file says what was edited in Metabase"),
            Change::Trashed => write!(
                f,
                "! {subject}: somebody put it, or its collection, into Metabase's trash, where it stays; \
                 `apply --overwrite` brings it back"
            ),
            Change::Holds => write!(
                f,
                "! {subject}: it has no files any more, and stays since there are things in it that were not \
                 made here"
            ),
        }
    }
}
