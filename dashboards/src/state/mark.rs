//! The line by which something in Metabase is known to be kept by this program, and whether a person has
//! changed it since.
//!
//! Metabase gives out its own ids and takes none of ours, so what belongs to which file stands at the end
//! of the description: `Kept by Contrail: question live-sky/positions (4f6c2d1e-9a7b3c2d-41). …`. Of the two
//! digests the first is of what was wanted and the second of what Metabase had afterwards: Metabase may
//! write something in another way, and that is no change of anybody's. The number is Metabase's own for
//! the thing; a copy that a person has made has the number of another. Without the last two, writing was
//! never finished.

use std::fmt;

use serde_json::Value as Json;
use sha2::{Digest as _, Sha256};

const BEGIN: &str = "Kept by Contrail: ";
const END: &str = " Delete this line to make it yours.";

/// What something in Metabase is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A collection.
    Collection,
    /// A question or a model.
    Question,
    /// A dashboard.
    Dashboard,
}

impl Kind {
    /// How messages call it, and the line.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Collection => "collection",
            Kind::Question => "question",
            Kind::Dashboard => "dashboard",
        }
    }

    fn parse(text: &str) -> Option<Kind> {
        [Kind::Collection, Kind::Question, Kind::Dashboard]
            .into_iter()
            .find(|kind| kind.as_str() == text)
    }
}

/// What a file is in Metabase.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// What it is.
    pub kind: Kind,
    /// Its id in the content.
    pub id: String,
}

impl Key {
    /// The key of an id.
    pub fn new(kind: Kind, id: impl Into<String>) -> Key {
        Key {
            kind,
            id: id.into(),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.as_str(), self.id)
    }
}

/// The line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// What it is.
    pub key: Key,
    /// Digest of what was wanted.
    pub wanted: String,
    /// What was there afterwards; none until it was looked at.
    pub found: Option<Found>,
}

/// What there was after writing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Digest of what Metabase had.
    pub digest: String,
    /// Metabase's number for it.
    pub id: i64,
}

impl Mark {
    /// The line of what is being written.
    pub fn unfinished(key: &Key, wanted: &str) -> Mark {
        Mark {
            key: key.clone(),
            wanted: wanted.to_owned(),
            found: None,
        }
    }

    /// A description with the line below it.
    pub fn below(&self, description: &str) -> String {
        let line = self.to_string();
        match description.trim() {
            "" => line,
            text => format!("{text}\n\n{line}"),
        }
    }

    /// A description without the line, and the line. Without one it is somebody else's. What a person
    /// has written below the line is a part of the description.
    pub fn split(description: &str) -> (String, Option<Mark>) {
        let whole = description.trim();
        let parts = whole
            .rsplit_once(BEGIN)
            .and_then(|(text, rest)| Some((text, rest.split_once(END)?)));
        match parts.and_then(|(text, (line, below))| Some((text, Mark::parse(line)?, below))) {
            Some((text, mark, below)) => {
                let both = [text.trim(), below.trim()];
                let both = both.into_iter().filter(|part| !part.is_empty());
                (both.collect::<Vec<_>>().join("\n\n"), Some(mark))
            }
            None => (whole.to_owned(), None),
        }
    }

    /// The same of a body of Metabase's.
    pub fn split_of(body: &Json) -> (String, Option<Mark>) {
        Mark::split(body["description"].as_str().unwrap_or_default())
    }

    /// Reads `question live-sky/positions (4f6c2d1e-9a7b3c2d-41).`.
    fn parse(line: &str) -> Option<Mark> {
        let (key, rest) = line.split_once(" (")?;
        let (written, _) = rest.split_once(").")?;
        let (kind, id) = key.split_once(' ')?;
        let parts: Vec<&str> = written.split('-').collect();
        let (wanted, found) = match parts[..] {
            [wanted] => (wanted, None),
            [wanted, digest, id] => {
                let digest = digest.to_owned();
                let id = id.parse().ok()?;
                (wanted, Some(Found { digest, id }))
            }
            _ => return None,
        };
        Some(Mark {
            key: Key::new(Kind::parse(kind)?, id),
            wanted: wanted.to_owned(),
            found,
        })
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{BEGIN}{} ({}", self.key, self.wanted)?;
        if let Some(found) = &self.found {
            write!(f, "-{}-{}", found.digest, found.id)?;
        }
        write!(f, ").{END}")
    }
}

/// A short digest, whatever the order of the keys.
pub fn digest(value: &Json) -> String {
    let mut text = String::new();
    write_sorted(value, &mut text);
    short_hash(&text, 6)
}

/// The first bytes of a text's SHA-256, in hexadecimal.
pub(super) fn short_hash(text: &str, bytes: usize) -> String {
    let hash = Sha256::digest(text.as_bytes());
    let first = hash.iter().take(bytes);
    first.map(|byte| format!("{byte:02x}")).collect()
}

fn write_sorted(value: &Json, out: &mut String) {
    match value {
        Json::Object(map) => {
            let mut keys: Vec<_> = map.keys().collect();
            keys.sort();
            out.push('{');
            for key in keys {
                out.push_str(&Json::from(key.as_str()).to_string());
                out.push(':');
                write_sorted(&map[key], out);
                out.push(',');
            }
            out.push('}');
        }
        Json::Array(items) => {
            out.push('[');
            for item in items {
                write_sorted(item, out);
                out.push(',');
            }
            out.push(']');
        }
        other => out.push_str(&other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn mark(found: Option<&str>) -> Mark {
        Mark {
            key: Key::new(Kind::Question, "live-sky/positions"),
            wanted: "0123".into(),
            found: found.map(|digest| Found {
                digest: digest.to_owned(),
                id: 41,
            }),
        }
    }

    #[test]
    fn the_line_is_found_again_below_any_description() {
        for description in ["", "Where they are.", "Two\n\nparagraphs (with brackets)."] {
            for mark in [mark(None), mark(Some("abcd"))] {
                let whole = mark.below(description);
                assert_eq!(Mark::split(&whole), (description.to_owned(), Some(mark)));
            }
        }
    }

    #[test]
    fn what_a_person_writes_below_the_line_is_kept() {
        let mark = mark(Some("abcd"));
        let whole = format!(
            "{}\n\nAsk Ana before changing.",
            mark.below("Where they are.")
        );
        let both = "Where they are.\n\nAsk Ana before changing.";
        assert_eq!(Mark::split(&whole), (both.to_owned(), Some(mark)));
    }

    #[test]
    fn what_a_person_wrote_is_nobody_elses() {
        for description in [
            "",
            "Mine.",
            "Kept by Contrail: not a line of ours",
            "Kept by Contrail: thing x (1). Delete this line to make it yours.",
            "Kept by Contrail: question x (1-2). Delete this line to make it yours.",
            "Kept by Contrail: question x (1-2-3).",
        ] {
            assert_eq!(Mark::split(description), (description.to_owned(), None));
        }
    }

    #[test]
    fn a_digest_knows_no_order_of_keys() {
        let one = digest(&json!({"a": 1, "b": {"c": [1, 2], "d": null}}));
        let same = digest(&json!({"b": {"d": null, "c": [1, 2]}, "a": 1}));
        let other = digest(&json!({"b": {"d": null, "c": [2, 1]}, "a": 1}));
        assert_eq!(one, same);
        assert_ne!(one, other);
        assert_eq!(one.len(), 12);
    }
}
