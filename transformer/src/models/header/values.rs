//! What stands behind the keys of a header.

use crate::models::model::{DailyTable, GrainColumn, Kind, Publish, Refresh};

/// Whether it can be the name of a column or a table.
pub(super) fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !name.is_empty() && name.chars().all(plain)
}

/// `icao24, callsign?`, or `one row`.
pub(super) fn grain(text: &str) -> Result<Vec<GrainColumn>, String> {
    if text == "one row" {
        return Ok(Vec::new());
    }
    let column = |text: &str| {
        let text = text.trim();
        let name = text.strip_suffix('?').unwrap_or(text);
        is_name(name).then(|| GrainColumn {
            name: name.to_owned(),
            nullable: text.ends_with('?'),
        })
    };
    let columns: Option<Vec<_>> = text.split(',').map(column).collect();
    columns.ok_or_else(|| {
        format!("the grain {text:?} is not of the form \"icao24, callsign?\" or \"one row\"")
    })
}

/// `incremental`.
pub(super) fn kind(text: &str) -> Result<Kind, String> {
    Ok(match text {
        "table" => Kind::Table,
        "view" => Kind::View,
        "incremental" => Kind::Incremental,
        "full" => Kind::Full,
        "native" => Kind::Native,
        other => {
            return Err(format!(
                "no kind is called {other:?}; there are table, view, incremental, full and native"
            ));
        }
    })
}

/// `affected keys`.
pub(super) fn refresh(text: &str) -> Result<Refresh, String> {
    Ok(match text {
        "incremental" => Refresh::Incremental,
        "affected keys" => Refresh::AffectedKeys,
        "full" => Refresh::Full,
        other => {
            return Err(format!(
                "no refresh is called {other:?}; there are incremental, affected keys and full"
            ));
        }
    })
}

/// `settle`.
pub(super) fn settles_backlog(text: &str) -> Result<bool, String> {
    match text {
        "settle" => Ok(true),
        other => Err(format!(
            "in a backlog a model can settle, and not {other:?}; leave the line out otherwise"
        )),
    }
}

/// `memory`.
pub(super) fn in_memory(text: &str) -> Result<bool, String> {
    match text {
        "memory" => Ok(true),
        other => Err(format!(
            "a model can be at home in memory, and not {other:?}; leave the line out otherwise"
        )),
    }
}

/// `country_days by day, country_day_aircraft by day`.
pub(super) fn daily(text: &str) -> Result<Vec<DailyTable>, String> {
    let table = |text: &str| {
        let (name, day) = match text.trim().split_once(" by ") {
            Some((name, day)) => (name.trim(), Some(day.trim().to_owned())),
            None => (text.trim(), None),
        };
        if !is_name(name) || day.as_deref() == Some("") {
            return Err(format!(
                "{text:?} is not of the form \"table by day\", or \"table\" for all of it"
            ));
        }
        Ok(DailyTable {
            name: name.to_owned(),
            day,
        })
    };
    text.split(',').map(table).collect()
}

/// `2% of the time, at least every 5m`.
pub(super) fn publish(text: &str) -> Result<Publish, String> {
    let rule = || {
        let (percent, at_least) = text.split_once("% of the time, at least every ")?;
        Some(Publish::Share {
            percent: percent.parse().ok().filter(|p| (1..=100).contains(p))?,
            at_least: humantime::parse_duration(at_least).ok()?,
        })
    };
    rule()
        .ok_or_else(|| format!("{text:?} is not of the form \"2% of the time, at least every 5m\""))
}
