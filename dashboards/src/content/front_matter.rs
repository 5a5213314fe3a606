//! The top of a question's file: TOML in SQL comments, up to the first line that is neither comment nor
//! blank.

use std::fmt::Write as _;
use std::path::Path;

use serde::de::DeserializeOwned;
use toml::Value;

use super::error::Mistake;

/// Splits a file into what its comments say and its SQL.
///
/// # Errors
/// The comments are not the TOML that `T` is read from.
pub(super) fn split<T: DeserializeOwned>(file: &Path, text: &str) -> Result<(T, String), Mistake> {
    let mut toml = String::new();
    let mut sql = String::new();
    for line in text.lines() {
        match line.strip_prefix("--") {
            Some(comment) if sql.is_empty() => {
                toml.push_str(comment.strip_prefix(' ').unwrap_or(comment));
                toml.push('\n');
            }
            _ if sql.is_empty() && line.trim().is_empty() => toml.push('\n'),
            _ => {
                sql.push_str(line);
                sql.push('\n');
            }
        }
    }
    let header = parse(file, &toml)?;
    Ok((header, sql.trim_end().trim_end_matches(';').to_owned()))
}

/// Reads TOML, and says where it is wrong.
pub(super) fn parse<T: DeserializeOwned>(file: &Path, text: &str) -> Result<T, Mistake> {
    toml::from_str(text).map_err(|error: toml::de::Error| Mistake {
        file: file.to_owned(),
        line: error
            .span()
            .map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1),
        reason: error.message().to_owned(),
    })
}

/// A file of a header and its SQL, as [`split`] reads it.
pub(crate) fn join(toml: &str, sql: &str) -> String {
    let mut text = String::new();
    for line in toml.trim_end().lines() {
        let space = if line.is_empty() { "" } else { " " };
        let _ = writeln!(text, "--{space}{line}");
    }
    let _ = write!(text, "\n{}\n", sql.trim());
    text
}

/// A value as it stands behind `=`, on one line.
pub(crate) fn inline(value: &Value) -> String {
    match value {
        Value::Table(table) => {
            let pairs: Vec<_> = table
                .iter()
                .map(|(key, value)| format!("{} = {}", quoted(key), inline(value)))
                .collect();
            match pairs.is_empty() {
                true => "{}".to_owned(),
                false => format!("{{ {} }}", pairs.join(", ")),
            }
        }
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(inline).collect();
            format!("[{}]", items.join(", "))
        }
        other => other.to_string(),
    }
}

/// A key, in quotes where it needs them.
pub(crate) fn quoted(key: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    match !key.is_empty() && key.chars().all(bare) {
        true => key.to_owned(),
        false => Value::String(key.to_owned()).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Header {
        title: String,
    }

    fn read(text: &str) -> Result<(Header, String), Mistake> {
        split(Path::new("a/b.sql"), text)
    }

    #[test]
    fn the_comments_at_the_top_are_the_header_and_the_rest_is_sql() {
        let text = "\n-- title = \"Now\"\n\nselect 1 as a -- one\n-- not the header\nfrom t;\n";
        let (header, sql) = read(text).unwrap();
        assert_eq!(header.title, "Now");
        assert_eq!(sql, "select 1 as a -- one\n-- not the header\nfrom t");
    }

    #[test]
    fn a_mistake_has_its_line() {
        let text = "-- title = \"Now\"\n-- titel = \"x\"\nselect 1\n";
        let mistake = read(text).unwrap_err();
        assert_eq!(mistake.line, Some(2));
        assert!(
            mistake.to_string().starts_with("a/b.sql:2: unknown field"),
            "{mistake}"
        );
        assert!(read("select 1").unwrap_err().reason.contains("title"));
    }

    #[test]
    fn what_is_joined_is_split_again() {
        let toml = "title = \"Now\"";
        let (header, sql) = read(&join(toml, "select 1\n")).unwrap();
        assert_eq!((header.title.as_str(), sql.as_str()), ("Now", "select 1"));
    }

    #[test]
    fn values_are_written_on_one_line() {
        let table: toml::Table =
            toml::from_str("a = [1, \"x\"]\nb = { \"c.d\" = true, e = {} }").unwrap();
        let line = inline(&Value::Table(table.clone()));
        assert_eq!(line, "{ a = [1, \"x\"], b = { \"c.d\" = true, e = {} } }");
        let again: toml::Table = toml::from_str(&format!("x = {line}")).unwrap();
        assert_eq!(again["x"].as_table(), Some(&table));
    }
}
