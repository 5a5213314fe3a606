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

/// One line of what was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// To what.
    pub key: Key,
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
        let Step { key, title, change } = self;
        match change {
            Change::Made => write!(f, "+ {key}: {title}"),
            Change::Changed(parts) => write!(f, "~ {key}: {}", parts.join(", ")),
            Change::Finished => write!(f, "~ {key}: an earlier run did not finish it"),
            Change::Removed => write!(f, "- {key}: {title}, to the trash"),
            Change::Edited(parts) => write!(
                f,
                "! {key}: edited in Metabase ({}) and left as it is; `export` takes that into the files, \
                 `apply --overwrite` takes it back",
                parts.join(", ")
            ),
            Change::Taken => write!(f, "= {key}: the file says what was edited in Metabase"),
            Change::Trashed => write!(
                f,
                "! {key}: somebody put it, or its collection, into Metabase's trash, where it stays; \
                 `apply --overwrite` brings it back"
            ),
            Change::Holds => write!(
                f,
                "! {key}: it has no files any more, and stays since there are things in it that were not \
                 made here"
            ),
        }
    }
}
