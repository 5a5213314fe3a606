//! Rows of a mart, a page at a time.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Map, Value};
use url::form_urlencoded;

use super::error::ApiError;
use super::reader::{self, Reader};
use crate::Error;
use crate::schema::identifier;

const DEFAULT_LIMIT: u32 = 100;
const MOST: u32 = 10_000;

/// What is wanted of a mart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Page {
    limit: u32,
    offset: u64,
    /// Columns, with whether the largest comes first.
    order: Vec<(String, bool)>,
}

/// The answer of `/api/marts/NAME`.
#[derive(Debug, Serialize)]
pub(super) struct PageAnswer {
    mart: String,
    generation: u64,
    /// Time of the newest poll in the mart.
    as_of: Option<String>,
    limit: u32,
    offset: u64,
    /// The offset of the page after this one; `null` when this is the last.
    next_offset: Option<u64>,
    rows: Vec<Map<String, Value>>,
}

/// Refuses every parameter.
pub(super) fn none(query: Option<&str>) -> Result<(), ApiError> {
    match pairs(query).first() {
        Some((key, _)) => Err(wrong(format!("{key:?} is not a parameter; there are none"))),
        None => Ok(()),
    }
}

impl Page {
    /// What the parameters of an address ask for.
    pub fn parse(query: Option<&str>) -> Result<Page, ApiError> {
        let mut page = Page {
            limit: DEFAULT_LIMIT,
            offset: 0,
            order: Vec::new(),
        };
        for (key, value) in pairs(query) {
            match key.as_str() {
                "limit" => page.limit = limit(&value)?,
                "offset" => page.offset = offset(&value)?,
                "order" => page.order = order(&value)?,
                _ => {
                    return Err(wrong(format!(
                        "{key:?} is not a parameter; there are limit, offset and order"
                    )));
                }
            }
        }
        Ok(page)
    }

    /// The page's rows.
    pub fn answer(&self, reader: &Reader, name: &str) -> Result<PageAnswer, ApiError> {
        let mut marts = reader.columns()?;
        let Some(columns) = marts.remove(name) else {
            return Err(ApiError::Marts(Error::NoMart {
                name: name.to_owned(),
                known: marts.into_keys().collect(),
            }));
        };
        let sql = self.sql(name, &columns)?;
        let mut rows = reader.query(&sql)?.to_objects(written);
        let limit = self.limit as usize;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let generation = &reader.generation;
        let entry = generation.marts.get(name);
        Ok(PageAnswer {
            mart: name.to_owned(),
            generation: generation.generation,
            as_of: reader::time(entry.map_or(generation.as_of, |entry| entry.as_of)),
            limit: self.limit,
            offset: self.offset,
            next_offset: more.then(|| self.offset + u64::from(self.limit)),
            rows,
        })
    }

    /// The query; for one row more, which tells whether this is the last page.
    fn sql(&self, mart: &str, columns: &[String]) -> Result<String, ApiError> {
        let mut order: Vec<String> = Vec::new();
        let mut named = BTreeSet::new();
        for (column, descending) in &self.order {
            if !columns.contains(column) {
                return Err(wrong(format!(
                    "order names {column:?}, which {mart} has not; it has {}",
                    columns.join(", ")
                )));
            }
            if named.insert(column) {
                let direction = if *descending { "desc" } else { "asc" };
                order.push(format!("{} {direction} nulls last", identifier(column)));
            }
        }
        // Rows that are equal by these keep their places from one page to the next.
        if !order.is_empty() {
            let others = columns.iter().filter(|column| !named.contains(column));
            order.extend(others.map(|column| identifier(column)));
        }
        let order = match order.is_empty() {
            true => String::new(),
            false => format!(" order by {}", order.join(", ")),
        };
        Ok(format!(
            "select * from {}{order} limit {} offset {}",
            identifier(mart),
            u64::from(self.limit) + 1,
            self.offset
        ))
    }
}

/// Integers up to this one are exact in a JSON number, which many read as a double.
const LARGEST_EXACT: u128 = 1 << 53;

/// What is not written as DuckDB does.
fn written(of: &str, value: &str) -> Option<String> {
    rfc3339(of, value).or_else(|| large(of, value))
}

/// An integer that is more than a double can hold, as text.
fn large(of: &str, value: &str) -> Option<String> {
    let digits = value.strip_prefix('-').unwrap_or(value);
    let is_large = digits
        .parse()
        .is_ok_and(|number: u128| number > LARGEST_EXACT);
    (of.ends_with("INT") && is_large).then(|| value.to_owned())
}

/// A time as DuckDB writes it in UTC, as RFC 3339.
fn rfc3339(of: &str, value: &str) -> Option<String> {
    if of != "TIMESTAMP WITH TIME ZONE" {
        return None;
    }
    let (date, time) = value.strip_suffix("+00")?.split_once(' ')?;
    Some(format!("{date}T{time}Z"))
}

fn pairs(query: Option<&str>) -> Vec<(String, String)> {
    let query = query.unwrap_or_default().as_bytes();
    form_urlencoded::parse(query).into_owned().collect()
}

fn limit(value: &str) -> Result<u32, ApiError> {
    let limit = value.parse().ok();
    limit
        .filter(|limit| (1..=MOST).contains(limit))
        .ok_or_else(|| {
            wrong(format!(
                "limit={value} is not a whole number from 1 to {MOST}"
            ))
        })
}

fn offset(value: &str) -> Result<u64, ApiError> {
    // DuckDB's is a signed number.
    let offset = value.parse::<u32>().map(u64::from);
    offset.map_err(|_| {
        let most = u32::MAX;
        wrong(format!(
            "offset={value} is not a whole number from 0 to {most}"
        ))
    })
}

fn order(value: &str) -> Result<Vec<(String, bool)>, ApiError> {
    let keys = value.split(',').map(|key| match key.strip_prefix('-') {
        Some(column) => (column.to_owned(), true),
        None => (key.to_owned(), false),
    });
    let keys: Vec<_> = keys.collect();
    if keys.iter().any(|(column, _)| column.is_empty()) {
        return Err(wrong(format!(
            "order={value} is not a list of columns, such as order=-velocity,icao24, where - puts the largest first"
        )));
    }
    Ok(keys)
}

fn wrong(rule: String) -> ApiError {
    ApiError::Parameter(rule)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sql(query: &str) -> Result<String, String> {
        let columns = ["a", "b", "c"].map(str::to_owned);
        let page = Page::parse(Some(query)).map_err(|error| error.to_string())?;
        page.sql("m", &columns).map_err(|error| error.to_string())
    }

    #[test]
    fn an_address_becomes_a_query() {
        for (query, expected) in [
            ("", "select * from \"m\" limit 101 offset 0"),
            ("limit=5&offset=10", "select * from \"m\" limit 6 offset 10"),
            (
                "order=-b,a",
                "select * from \"m\" order by \"b\" desc nulls last, \"a\" asc nulls last, \"c\" limit 101 offset 0",
            ),
            (
                "order=b,b,-b&limit=10000",
                "select * from \"m\" order by \"b\" asc nulls last, \"a\", \"c\" limit 10001 offset 0",
            ),
        ] {
            assert_eq!(sql(query).unwrap(), expected, "{query}");
        }
    }

    #[test]
    fn what_breaks_a_rule_is_refused_with_the_rule() {
        for (query, rule) in [
            ("limit=0", "from 1 to 10000"),
            ("limit=10001", "from 1 to 10000"),
            ("limit=-1", "from 1 to 10000"),
            ("limit=", "from 1 to 10000"),
            ("offset=-1", "from 0 to"),
            ("offset=1e9", "from 0 to"),
            ("order=", "list of columns"),
            ("order=a,,b", "list of columns"),
            ("order=a%22", "it has a, b, c"),
            ("order=-d", "it has a, b, c"),
            ("where=1", "limit, offset and order"),
        ] {
            let said = sql(query).unwrap_err();
            assert!(said.contains(rule), "{query}: {said}");
        }
    }

    #[test]
    fn integers_that_a_double_cannot_hold_are_text() {
        for (of, value, is_text) in [
            ("BIGINT", "9007199254740992", false),
            ("BIGINT", "9007199254740993", true),
            ("BIGINT", "-7439428834527012945", true),
            ("UBIGINT", "18446744073709551615", true),
            ("BIGINT", "12", false),
            ("DOUBLE", "1e300", false),
            ("VARCHAR", "9007199254740993", false),
        ] {
            assert_eq!(written(of, value).is_some(), is_text, "{of} {value}");
        }
    }

    #[test]
    fn times_are_rfc_3339() {
        let of = "TIMESTAMP WITH TIME ZONE";
        let time = |value| rfc3339(of, value);
        assert_eq!(
            time("2026-11-21 09:13:09+00").unwrap(),
            "2026-11-21T09:13:09Z"
        );
        assert_eq!(
            time("2026-11-21 09:13:09.25+00").unwrap(),
            "2026-11-21T09:13:09.25Z"
        );
        assert_eq!(time("infinity"), None);
        assert_eq!(rfc3339("DATE", "2026-11-21"), None);
    }
}
