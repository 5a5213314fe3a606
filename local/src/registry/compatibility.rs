//! Whether a new schema may follow the ones in front of it.

use std::str::FromStr;

use apache_avro::Schema;
use apache_avro::schema_compatibility::SchemaCompatibility;
use serde::{Deserialize, Serialize};

/// What a new version must be able to do, in the registry's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Level {
    /// Anything goes.
    None,
    /// It reads what the newest version wrote.
    #[default]
    Backward,
    /// It reads what every version wrote.
    BackwardTransitive,
    /// The newest version reads what it writes.
    Forward,
    /// Every version reads what it writes.
    ForwardTransitive,
    /// It and the newest version read each other.
    Full,
    /// It and every version read each other.
    FullTransitive,
}

impl Level {
    fn is_transitive(self) -> bool {
        use Level as L;
        matches!(
            self,
            L::BackwardTransitive | L::ForwardTransitive | L::FullTransitive
        )
    }

    fn is_backward(self) -> bool {
        use Level as L;
        matches!(
            self,
            L::Backward | L::BackwardTransitive | L::Full | L::FullTransitive
        )
    }

    fn is_forward(self) -> bool {
        use Level as L;
        matches!(
            self,
            L::Forward | L::ForwardTransitive | L::Full | L::FullTransitive
        )
    }
}

impl FromStr for Level {
    type Err = serde::de::value::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        use serde::de::IntoDeserializer;
        Level::deserialize(text.to_ascii_uppercase().into_deserializer())
    }
}

/// What keeps `candidate` from following `earlier` (oldest first); empty when nothing does.
pub(super) fn objections(level: Level, candidate: &Schema, earlier: &[Schema]) -> Vec<String> {
    let from = if level.is_transitive() {
        0
    } else {
        earlier.len().saturating_sub(1)
    };
    let mut found = Vec::new();
    for (index, other) in earlier.iter().enumerate().skip(from) {
        let version = index + 1;
        if level.is_backward()
            && let Err(error) = SchemaCompatibility::can_read(other, candidate)
        {
            found.push(format!("it cannot read version {version}: {error}"));
        }
        if level.is_forward()
            && let Err(error) = SchemaCompatibility::can_read(candidate, other)
        {
            found.push(format!("version {version} cannot read it: {error}"));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = r#"{"type":"record","name":"A","fields":[{"name":"a","type":"long"}]}"#;
    const WITH_DEFAULT: &str = r#"{"type":"record","name":"A","fields":[
        {"name":"a","type":"long"},{"name":"b","type":["null","string"],"default":null}]}"#;
    const WITHOUT_DEFAULT: &str = r#"{"type":"record","name":"A","fields":[
        {"name":"a","type":"long"},{"name":"b","type":"string"}]}"#;
    const OTHER_TYPE: &str =
        r#"{"type":"record","name":"A","fields":[{"name":"a","type":"string"}]}"#;

    #[track_caller]
    fn check(level: Level, earlier: &[&str], candidate: &str, allowed: bool) {
        let parse = |text: &&str| Schema::parse_str(text).unwrap();
        let earlier: Vec<Schema> = earlier.iter().map(parse).collect();
        let found = objections(level, &parse(&candidate), &earlier);
        assert_eq!(found.is_empty(), allowed, "{level:?}: {found:?}");
    }

    #[test]
    fn backward_asks_for_defaults_of_new_fields() {
        check(Level::Backward, &[PLAIN], WITH_DEFAULT, true);
        check(Level::Backward, &[PLAIN], WITHOUT_DEFAULT, false);
        check(Level::Backward, &[WITHOUT_DEFAULT], PLAIN, true);
        check(Level::Backward, &[PLAIN], OTHER_TYPE, false);
    }

    #[test]
    fn forward_asks_for_defaults_of_dropped_fields() {
        check(Level::Forward, &[PLAIN], WITHOUT_DEFAULT, true);
        check(Level::Forward, &[WITHOUT_DEFAULT], PLAIN, false);
        check(Level::Forward, &[WITH_DEFAULT], PLAIN, true);
    }

    #[test]
    fn full_asks_for_both_and_none_for_nothing() {
        check(Level::Full, &[PLAIN], WITH_DEFAULT, true);
        check(Level::Full, &[PLAIN], WITHOUT_DEFAULT, false);
        check(Level::Full, &[WITHOUT_DEFAULT], PLAIN, false);
        check(Level::None, &[PLAIN], OTHER_TYPE, true);
    }

    #[test]
    fn only_transitive_levels_look_behind_the_newest_version() {
        let earlier = [OTHER_TYPE, PLAIN];
        check(Level::Backward, &earlier, WITH_DEFAULT, true);
        check(Level::BackwardTransitive, &earlier, WITH_DEFAULT, false);
        check(Level::ForwardTransitive, &earlier, WITH_DEFAULT, false);
        check(Level::FullTransitive, &[], WITH_DEFAULT, true);
    }

    #[test]
    fn levels_are_read_as_they_are_written() {
        assert_eq!("backward_transitive".parse(), Ok(Level::BackwardTransitive));
        assert!("SIDEWAYS".parse::<Level>().is_err());
        assert_eq!(
            serde_json::to_value(Level::FullTransitive).unwrap(),
            "FULL_TRANSITIVE"
        );
    }
}
