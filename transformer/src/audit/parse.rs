//! Audits from header lines and from files.

use super::{Audit, Check, Severity};
use crate::Error;
use crate::models::model::{HeaderLine, Model};

/// The audits of a mart: those of its header, and those that follow from its grain.
pub(super) fn of_model(model: &Model) -> Result<Vec<Audit>, Error> {
    let mut audits = Vec::new();
    for line in &model.audits {
        let (severity, name, check) =
            line_of(&line.text).map_err(|reason| refused(model, line, &reason))?;
        must_have_columns(model, &check).map_err(|reason| refused(model, line, &reason))?;
        audits.push(Audit {
            mart: model.name.clone(),
            name,
            severity,
            check,
        });
    }
    let names = |nullable: bool| -> Vec<String> {
        let columns = model
            .grain
            .iter()
            .filter(|column| nullable || !column.nullable);
        columns.map(|column| column.name.clone()).collect()
    };
    let (all, never_null) = (names(true), names(false));
    let has =
        |audits: &[Audit], of: fn(&Check) -> bool| audits.iter().any(|audit| of(&audit.check));
    let mut implied = Vec::new();
    if !never_null.is_empty() && !has(&audits, |check| matches!(check, Check::NotNull(_))) {
        implied.push((
            format!("not_null({})", never_null.join(", ")),
            Check::NotNull(never_null),
        ));
    }
    if all.is_empty() {
        implied.push(("one_row".to_owned(), Check::OneRow));
    } else if !has(&audits, |check| matches!(check, Check::Unique(_))) {
        implied.push((format!("unique({})", all.join(", ")), Check::Unique(all)));
    }
    audits.extend(implied.into_iter().map(|(name, check)| Audit {
        mart: model.name.clone(),
        name,
        severity: Severity::Block,
        check,
    }));
    Ok(audits)
}

/// The audit of a file `models/audits/NAME.sql`.
pub(super) fn of_file(name: &str, text: &str) -> Result<Audit, Error> {
    let refused = |reason: String| Error::Audit {
        audit: format!("models/audits/{name}.sql"),
        reason,
    };
    let (mut mart, mut severity, mut description) = (None, None, None);
    let mut query = String::new();
    for line in text.lines() {
        let comment = line.strip_prefix("--").filter(|_| query.trim().is_empty());
        let Some(comment) = comment else {
            query.push_str(line);
            query.push('\n');
            continue;
        };
        let Some((key, value)) = comment
            .split_once(':')
            .filter(|_| !comment.starts_with("   "))
        else {
            // A description may go on in further lines.
            continue;
        };
        let value = value.trim();
        match key.trim() {
            "description" => description = Some(value),
            "mart" => mart = Some(value),
            "severity" => {
                let found = severity_of(value);
                severity = Some(found.ok_or_else(|| refused(no_severity(value)))?);
            }
            other => {
                return Err(refused(format!(
                    "no header key is called {other:?}; there are description, mart and severity"
                )));
            }
        }
    }
    let query = query.trim().trim_end_matches(';').trim().to_owned();
    let missing = |what: &str| refused(format!("it has no {what}"));
    description
        .filter(|text| !text.is_empty())
        .ok_or_else(|| missing("description"))?;
    if query.is_empty() {
        return Err(missing("query"));
    }
    Ok(Audit {
        mart: mart.ok_or_else(|| missing("mart"))?.to_owned(),
        name: name.to_owned(),
        severity: severity.ok_or_else(|| missing("severity"))?,
        check: Check::Sql(query),
    })
}

fn refused(model: &Model, line: &HeaderLine, reason: &str) -> Error {
    Error::Audit {
        audit: format!("{:?} of {}, line {}", line.text, model.name, line.line),
        reason: reason.to_owned(),
    }
}

fn must_have_columns(model: &Model, check: &Check) -> Result<(), String> {
    let columns = match check {
        Check::NotNull(columns) | Check::Unique(columns) => columns.as_slice(),
        Check::Range { column, .. } | Check::Reference { column, .. } => {
            std::slice::from_ref(column)
        }
        _ => &[],
    };
    let known = |column: &String| model.columns.iter().any(|(name, _)| name == column);
    match columns.iter().find(|column| !known(column)) {
        Some(column) => Err(format!("the mart has no column {column}")),
        None => Ok(()),
    }
}

/// `block range(a, 0, 1)` as severity, name and check.
fn line_of(line: &str) -> Result<(Severity, String, Check), String> {
    let (severity, rest) = line.trim().split_once(' ').unwrap_or((line, ""));
    let severity = severity_of(severity).ok_or_else(|| no_severity(severity))?;
    let rest = rest.trim();
    if let Some(named) = rest.strip_prefix("sql ") {
        let (name, query) = named
            .split_once(':')
            .ok_or("write it as `sql NAME: select …`")?;
        let query = query.trim().trim_end_matches(';').trim();
        if query.is_empty() {
            return Err("it has no query".to_owned());
        }
        return Ok((
            severity,
            name.trim().to_owned(),
            Check::Sql(query.to_owned()),
        ));
    }
    Ok((severity, rest.to_owned(), check_of(rest)?))
}

fn check_of(text: &str) -> Result<Check, String> {
    let call = text.strip_suffix(')').and_then(|text| text.split_once('('));
    let (kind, arguments) = call.ok_or("write it as `KIND(…)` or `sql NAME: select …`")?;
    let arguments: Vec<&str> = arguments.split(',').map(str::trim).collect();
    let columns = || -> Result<Vec<String>, String> {
        match arguments.iter().find(|name| !is_name(name)) {
            Some(name) => Err(format!("{name:?} is not a column")),
            None => Ok(arguments.iter().map(|name| (*name).to_owned()).collect()),
        }
    };
    match (kind.trim(), &arguments[..]) {
        ("not_null", _) => Ok(Check::NotNull(columns()?)),
        ("unique", _) => Ok(Check::Unique(columns()?)),
        ("range", [column, low, high]) if is_name(column) => {
            let (low, high) = (number(low)?, number(high)?);
            match low <= high {
                true => Ok(Check::Range {
                    column: (*column).to_owned(),
                    low,
                    high,
                }),
                false => Err("its lowest value is above its highest".to_owned()),
            }
        }
        ("range", _) => Err("write it as `range(column, low, high)`".to_owned()),
        ("freshness", [age]) => humantime::parse_duration(age)
            .map(Check::Freshness)
            .map_err(|_| format!("{age:?} is not a duration; write one such as `freshness(10m)`")),
        ("volume", [percent]) => {
            let percent = number(percent.trim_end_matches('%'))?;
            match percent > 0.0 {
                true => Ok(Check::Volume(percent)),
                false => Err("its percentage is not above 0".to_owned()),
            }
        }
        ("reference", [column, other]) if is_name(column) => {
            let other = other
                .split_once('.')
                .filter(|(mart, of)| is_name(mart) && is_name(of));
            let (mart, of) = other.ok_or("write it as `reference(column, mart.column)`")?;
            Ok(Check::Reference {
                column: (*column).to_owned(),
                mart: mart.to_owned(),
                of: of.to_owned(),
            })
        }
        (kind, _) => Err(format!(
            "no audit is called {kind:?} with so many values; there are not_null, unique, range, \
             freshness, volume, reference and sql"
        )),
    }
}

fn severity_of(text: &str) -> Option<Severity> {
    match text {
        "warn" => Some(Severity::Warn),
        "block" => Some(Severity::Block),
        _ => None,
    }
}

fn no_severity(text: &str) -> String {
    format!("{text:?} is not a severity; there are warn and block")
}

fn number(text: &str) -> Result<f64, String> {
    let found = text.parse::<f64>().ok().filter(|number| number.is_finite());
    found.ok_or_else(|| format!("{text:?} is not a number"))
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read() {
        let text = |s: &str| s.to_owned();
        let cases = [
            (
                "block not_null(a, b)",
                Severity::Block,
                "not_null(a, b)",
                Check::NotNull(vec![text("a"), text("b")]),
            ),
            (
                "warn unique(a)",
                Severity::Warn,
                "unique(a)",
                Check::Unique(vec![text("a")]),
            ),
            (
                "warn range(rate, -0.5, 1)",
                Severity::Warn,
                "range(rate, -0.5, 1)",
                Check::Range {
                    column: text("rate"),
                    low: -0.5,
                    high: 1.0,
                },
            ),
            (
                "warn freshness(10m)",
                Severity::Warn,
                "freshness(10m)",
                Check::Freshness(std::time::Duration::from_secs(600)),
            ),
            (
                "warn volume(50%)",
                Severity::Warn,
                "volume(50%)",
                Check::Volume(50.0),
            ),
            (
                "block reference(a, m.b)",
                Severity::Block,
                "reference(a, m.b)",
                Check::Reference {
                    column: text("a"),
                    mart: text("m"),
                    of: text("b"),
                },
            ),
            (
                "block sql adds_up: select * from m where a::text = 'x:y';",
                Severity::Block,
                "adds_up",
                Check::Sql(text("select * from m where a::text = 'x:y'")),
            ),
        ];
        for (line, severity, name, check) in cases {
            assert_eq!(
                line_of(line),
                Ok((severity, name.to_owned(), check)),
                "{line}"
            );
        }
    }

    #[test]
    fn what_is_no_audit_is_refused_with_the_rule() {
        for (line, reason) in [
            ("maybe unique(a)", "warn and block"),
            ("block", "KIND"),
            ("block uniq(a)", "no audit is called"),
            ("block unique(a b)", "not a column"),
            ("block range(a, 1)", "low, high"),
            ("block range(a, 2, 1)", "above its highest"),
            ("block range(a, x, 1)", "not a number"),
            ("warn freshness(soon)", "not a duration"),
            ("warn volume(0)", "not above 0"),
            ("warn reference(a, b)", "mart.column"),
            ("warn sql x", "sql NAME"),
            ("warn sql x:", "no query"),
        ] {
            let error = line_of(line).unwrap_err();
            assert!(error.contains(reason), "{line}: {error}");
        }
    }

    #[test]
    fn files_say_what_they_look_at() {
        let text = "-- description: nothing is\n--   wrong: never\n-- mart: m\n-- severity: block\n\n\
                    -- why\nselect 1 where false;\n";
        let audit = of_file("nothing", text).unwrap();
        assert_eq!(
            (audit.mart.as_str(), audit.severity),
            ("m", Severity::Block)
        );
        assert_eq!(audit.check, Check::Sql("select 1 where false".to_owned()));
        for (text, reason) in [
            ("-- description: d\n-- mart: m\nselect 1", "no severity"),
            ("-- description: d\n-- severity: warn\nselect 1", "no mart"),
            ("-- mart: m\n-- severity: warn\nselect 1", "no description"),
            (
                "-- description: d\n-- mart: m\n-- severity: warn\n",
                "no query",
            ),
            ("-- mood: m\n", "no header key"),
            ("-- severity: loud\n", "not a severity"),
        ] {
            let error = of_file("x", text).unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
