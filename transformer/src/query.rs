//! Reading the published marts.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use duckdb::{AccessMode, Config as DuckConfig, Connection};

use serde::Serialize;

use crate::Error;
use crate::engine::absolute;
use crate::publish::init_sql;

/// A query's result, every value as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryResult {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// DuckDB types of the columns.
    pub types: Vec<String>,
    /// The rows; a null is `None`.
    pub rows: Vec<Vec<Option<String>>>,
}

/// Answers one query over the newest generation. Times are in UTC.
pub fn query(published: &Path, sql: &str) -> Result<QueryResult, Error> {
    let (conn, _) = open(published)?;
    answer(&conn, sql)
}

/// Answers one query on an open connection.
pub(crate) fn answer(conn: &Connection, sql: &str) -> Result<QueryResult, Error> {
    let sql = sql.trim().trim_end_matches(';');
    let read = || -> duckdb::Result<QueryResult> {
        let (columns, types) = describe(conn, sql)?;
        // DuckDB writes every type as text better than anybody else.
        let as_text = format!("select columns(*)::varchar from (\n{sql}\n)");
        let mut statement = conn.prepare(&as_text)?;
        let mut found = statement.query([])?;
        let mut rows = Vec::new();
        while let Some(row) = found.next()? {
            let values = (0..columns.len()).map(|index| row.get(index));
            rows.push(values.collect::<duckdb::Result<_>>()?);
        }
        Ok(QueryResult {
            columns,
            types,
            rows,
        })
    };
    read().map_err(|error| Error::Query(error.into()))
}

/// Opens the views as the init SQL says, for the newest generation, and gives the folder's
/// absolute path.
pub(crate) fn open(published: &Path) -> Result<(Connection, PathBuf), Error> {
    let folder = absolute(published)?;
    let database = folder.join("views.duckdb");
    check_current(&folder)?;
    let has_views = database.try_exists();
    if !has_views.map_err(Error::file("read", &database))? {
        return Err(Error::NotPublished(folder));
    }
    let connect = || -> duckdb::Result<Connection> {
        let settings = DuckConfig::default()
            .access_mode(AccessMode::ReadOnly)?
            .threads(2)?;
        let conn = Connection::open_with_flags(&database, settings)?;
        conn.execute_batch("set timezone = 'UTC'")?;
        conn.execute_batch(&init_sql(&folder))?;
        Ok(conn)
    };
    match connect() {
        Ok(conn) => Ok((conn, folder)),
        Err(error) => Err(Error::Views {
            folder,
            source: error.into(),
        }),
    }
}

/// Whether `CURRENT` names a generation. Only where there is none nothing was published: a folder
/// that cannot be read is not empty.
fn check_current(folder: &Path) -> Result<(), Error> {
    let path = folder.join("CURRENT");
    let name = match fs::read_to_string(&path) {
        Ok(text) => text.trim().to_owned(),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(Error::NotPublished(folder.to_owned()));
        }
        Err(error) => return Err(Error::file("read", &path)(error)),
    };
    let generation = folder.join(&name);
    let is_there = generation.try_exists();
    match !name.is_empty() && is_there.map_err(Error::file("read", &generation))? {
        true => Ok(()),
        false => Err(Error::NoCurrent { path, name }),
    }
}

fn describe(conn: &Connection, sql: &str) -> duckdb::Result<(Vec<String>, Vec<String>)> {
    let describe = format!("select column_name, column_type from (describe (\n{sql}\n))");
    let mut statement = conn.prepare(&describe)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}

/// How far a published generation is. What only the running transformer knows, such as whether it
/// has caught up with the lake, is not in the files and not here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PublishedStatus {
    /// The lake's snapshot it was counted from.
    pub watermark: Option<i64>,
    /// Its number.
    pub generation: u64,
    /// Rows counted, each (icao24, snapshot_time) once.
    pub rows: u64,
    /// Polls counted.
    pub polls: u64,
    /// Time of the newest poll that was counted.
    pub as_of: Option<DateTime<Utc>>,
}

/// How far the published generation is, from its own files.
pub fn published_status(published: &Path) -> Result<PublishedStatus, Error> {
    let folder = absolute(published)?;
    check_current(&folder)?;
    let current = crate::publish::Generation::current(&folder)?;
    let current = current.ok_or_else(|| Error::NotPublished(folder.clone()))?;
    let sql = "select coalesce(sum(aircraft_total), 0)::bigint, count(*) from kpi_history";
    let counts = query(&folder, sql)?;
    let count = |index: usize| {
        let value = counts.rows.first().and_then(|row| row.get(index)?.as_ref());
        value.and_then(|value| value.parse().ok()).unwrap_or(0)
    };
    Ok(PublishedStatus {
        watermark: current.snapshot_id,
        generation: current.generation,
        rows: count(0),
        polls: count(1),
        as_of: current.as_of.and_then(DateTime::from_timestamp_micros),
    })
}

impl QueryResult {
    /// As a table for a terminal.
    pub fn to_table(&self) -> String {
        let text = |value: &Option<String>| value.clone().unwrap_or_default().replace('\n', " ");
        let mut widths: Vec<usize> = self.columns.iter().map(|c| c.chars().count()).collect();
        for row in &self.rows {
            for (width, value) in widths.iter_mut().zip(row) {
                *width = (*width).max(text(value).chars().count());
            }
        }
        let line = |values: Vec<String>| {
            let cells = values.iter().zip(&widths).zip(&self.types);
            let cells: Vec<String> = cells
                .map(|((value, width), of)| match is_number(of) {
                    true => format!("{value:>width$}"),
                    false => format!("{value:<width$}"),
                })
                .collect();
            format!("{}\n", cells.join("  ").trim_end())
        };
        let mut table = line(self.columns.clone());
        table.push_str(&line(
            widths.iter().map(|width| "-".repeat(*width)).collect(),
        ));
        for row in &self.rows {
            table.push_str(&line(row.iter().map(text).collect()));
        }
        table
    }

    /// As CSV with a header; a null is empty, an empty text is `""`.
    pub fn to_csv(&self) -> String {
        let field = |value: &str| {
            let plain = !value.is_empty() && !value.contains(['"', ',', '\n', '\r']);
            match plain {
                true => value.to_owned(),
                false => format!("\"{}\"", value.replace('"', "\"\"")),
            }
        };
        let mut csv = self
            .columns
            .iter()
            .map(|c| field(c))
            .collect::<Vec<_>>()
            .join(",");
        csv.push('\n');
        for row in &self.rows {
            let values = row
                .iter()
                .map(|value| value.as_deref().map_or(String::new(), field));
            csv.push_str(&values.collect::<Vec<_>>().join(","));
            csv.push('\n');
        }
        csv
    }

    /// As a JSON array of objects.
    ///
    /// # Errors
    /// When two columns have one name: an object keeps one of them.
    pub fn to_json(&self) -> Result<String, Error> {
        let mut seen = BTreeSet::new();
        if let Some(name) = self.columns.iter().find(|name| !seen.insert(*name)) {
            return Err(Error::SameName(name.clone()));
        }
        let rows = self.to_objects(|_, _| None).into_iter();
        let rows: Vec<_> = rows.map(serde_json::Value::Object).collect();
        Ok(serde_json::Value::Array(rows).to_string())
    }

    /// As JSON objects, with the values that `written` gives for a type and a text in their place.
    pub(crate) fn to_objects(
        &self,
        written: impl Fn(&str, &str) -> Option<String>,
    ) -> Vec<serde_json::Map<String, serde_json::Value>> {
        let value = |of: &str, value: Option<&str>| match value.and_then(|v| written(of, v)) {
            Some(text) => serde_json::Value::String(text),
            None => json(of, value),
        };
        let object = |row: &Vec<Option<String>>| {
            let fields = self.columns.iter().zip(&self.types).zip(row);
            fields
                .map(|((name, of), text)| (name.clone(), value(of, text.as_deref())))
                .collect()
        };
        self.rows.iter().map(object).collect()
    }
}

fn is_number(of: &str) -> bool {
    of.ends_with("INT")
        || of.starts_with("DECIMAL")
        || matches!(of, "INTEGER" | "UINTEGER" | "DOUBLE" | "FLOAT")
}

fn json(of: &str, value: Option<&str>) -> serde_json::Value {
    let Some(value) = value else {
        return serde_json::Value::Null;
    };
    let parsed = match of {
        "BOOLEAN" => value.parse().ok().map(serde_json::Value::Bool),
        // What JSON has no number for, such as NaN, stays text.
        _ if is_number(of) => serde_json::from_str(value).ok(),
        _ => None,
    };
    parsed.unwrap_or_else(|| serde_json::Value::String(value.to_owned()))
}

#[cfg(test)]
mod tests {
    use service::fault::{Fault, Faulty};

    use super::*;

    fn result() -> QueryResult {
        let text = |s: &str| Some(s.to_owned());
        QueryResult {
            columns: vec!["name".into(), "n".into(), "ok".into()],
            types: vec!["VARCHAR".into(), "BIGINT".into(), "BOOLEAN".into()],
            rows: vec![
                vec![text("a,\"b\""), text("12"), text("true")],
                vec![text(""), None, None],
            ],
        }
    }

    #[test]
    fn a_table_lines_numbers_up_on_the_right() {
        let expected = "name    n  ok\n-----  --  ----\na,\"b\"  12  true\n\n";
        assert_eq!(result().to_table(), expected);
    }

    #[test]
    fn csv_tells_a_null_from_an_empty_text() {
        assert_eq!(
            result().to_csv(),
            "name,n,ok\n\"a,\"\"b\"\"\",12,true\n\"\",,\n"
        );
    }

    #[test]
    fn json_keeps_numbers_and_nulls() {
        let expected = r#"[{"name":"a,\"b\"","n":12,"ok":true},{"name":"","n":null,"ok":null}]"#;
        let expected: serde_json::Value = serde_json::from_str(expected).unwrap();
        let found: serde_json::Value = serde_json::from_str(&result().to_json().unwrap()).unwrap();
        assert_eq!(found, expected);
    }

    #[test]
    fn json_does_not_lose_a_column_to_another_of_its_name() {
        let mut result = result();
        result.columns[1] = "name".into();
        let error = result.to_json().unwrap_err().to_string();
        assert!(
            error.contains("two columns \"name\"") && error.contains("different names"),
            "{error}"
        );
    }

    #[test]
    fn a_folder_that_cannot_be_read_is_not_an_empty_one() {
        let folder = tempfile::tempdir().unwrap();
        let circle = folder.path().join("published");
        std::os::unix::fs::symlink(&circle, &circle).unwrap();
        let error = query(&circle, "select 1").unwrap_err();
        assert_eq!(error.fault(), Fault::Dependency);
        assert!(error.in_full().contains("published/CURRENT: "), "{error}");
    }

    #[test]
    fn a_current_that_names_nothing_says_what_may_be_deleted() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["", "gen-7"] {
            fs::write(folder.path().join("CURRENT"), name).unwrap();
            let refused = [
                query(folder.path(), "select 1").unwrap_err(),
                published_status(folder.path()).unwrap_err(),
            ];
            for error in refused {
                assert_eq!(error.fault(), Fault::Input);
                assert!(error.to_string().contains("CURRENT names"), "{error}");
                assert!(error.remedy().unwrap().contains("may be deleted"));
            }
        }
    }

    #[test]
    fn damaged_views_say_what_may_be_deleted() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("CURRENT"), "gen-1").unwrap();
        fs::create_dir(folder.path().join("gen-1")).unwrap();
        fs::write(folder.path().join("views.duckdb"), vec![b'x'; 20_000]).unwrap();
        let error = query(folder.path(), "select 1").unwrap_err();
        assert_eq!(error.fault(), Fault::Dependency);
        assert!(error.remedy().is_some(), "{}", error.in_full());
    }

    #[test]
    fn an_empty_folder_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let error = query(folder.path(), "select 1").unwrap_err().to_string();
        assert!(error.contains("nothing is published"), "{error}");
    }
}
