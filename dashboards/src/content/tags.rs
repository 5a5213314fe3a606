//! The tags of a question's SQL: `{{country}}`, and what stands in `[[…]]` and falls away when a tag in it
//! has no value.

use std::collections::BTreeSet;

/// The names of all tags.
pub fn tags(sql: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut rest = sql;
    while let Some((_, after)) = rest.split_once("{{") {
        let Some((name, after)) = after.split_once("}}") else {
            break;
        };
        names.insert(name.trim().to_owned());
        rest = after;
    }
    names
}

/// The SQL with a value, as an SQL literal, for every tag that has one. What is optional and lacks one
/// falls away.
///
/// # Errors
/// A tag outside of `[[…]]` has no value, or brackets do not match; says which.
pub fn fill(sql: &str, value: impl Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = sql;
    while let Some(at) = rest.find("[[") {
        out.push_str(&filled(&rest[..at], &value)?);
        let (optional, after) = rest[at + 2..]
            .split_once("]]")
            .ok_or("\"[[\" without \"]]\"")?;
        if tags(optional).iter().all(|name| value(name).is_some()) {
            out.push_str(&filled(optional, &value)?);
        }
        rest = after;
    }
    out.push_str(&filled(rest, &value)?);
    Ok(out)
}

fn filled(sql: &str, value: &impl Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = sql;
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, after) = after.split_once("}}").ok_or("\"{{\" without \"}}\"")?;
        let name = name.trim();
        out.push_str(before);
        out.push_str(
            &value(name).ok_or_else(|| {
                format!("{{{{{name}}}}} stands outside of [[…]] and has no default")
            })?,
        );
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

/// A text as an SQL literal.
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SQL: &str = "select * from t where a > {{least}} [[and b = {{ country }}]] order by 1";

    #[test]
    fn tags_are_found_once_each() {
        let names: Vec<_> = tags(SQL).into_iter().collect();
        assert_eq!(names, ["country", "least"]);
        assert!(tags("select '{' || '}'").is_empty());
    }

    #[test]
    fn what_is_optional_falls_away_without_its_value() {
        let one = |name: &str| (name == "least").then(|| "5".to_owned());
        assert_eq!(
            fill(SQL, one).unwrap(),
            "select * from t where a > 5  order by 1"
        );
        let both = |name: &str| Some(literal(&format!("{name}'s")));
        assert_eq!(
            fill(SQL, both).unwrap(),
            "select * from t where a > 'least''s' and b = 'country''s' order by 1"
        );
    }

    #[test]
    fn what_cannot_be_filled_is_said() {
        let none = |_: &str| None;
        for (sql, said) in [
            ("{{a}}", "{{a}} stands outside of [[…]] and has no default"),
            ("[[ x", "\"[[\" without \"]]\""),
            ("{{ x", "\"{{\" without \"}}\""),
        ] {
            assert_eq!(fill(sql, none).unwrap_err(), said);
        }
    }
}
