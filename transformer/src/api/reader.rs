//! The views at one generation, with memory for one answer.

use std::collections::BTreeMap;
use std::path::Path;

use chrono::{DateTime, SecondsFormat, Utc};
use duckdb::Connection;

use super::error::ApiError;
use crate::Error;
use crate::engine::absolute;
use crate::publish::{Generation, folder_name, init_sql_of};
use crate::query::{self, QueryResult};
use crate::schema::quote;

/// What DuckDB may take for one answer. Nothing is put on the disk.
const LIMITS: &str = "set memory_limit = '256MiB'; set temp_directory = '';";

/// An open generation.
pub(super) struct Reader {
    conn: Connection,
    /// What is in it.
    pub generation: Generation,
}

/// The generation that readers see now.
pub(super) fn current(published: &Path) -> Result<Generation, ApiError> {
    let folder = absolute(published)?;
    let current = Generation::current(&folder)?;
    Ok(current.ok_or(Error::NotPublished(folder))?)
}

/// The tag of everything that is told of a generation. Its number alone would come again after
/// the folder was emptied.
pub(super) fn tag(generation: &Generation) -> String {
    let written = generation.created_at.timestamp_micros();
    format!("\"{}-{written:x}\"", generation.generation)
}

impl Reader {
    /// Opens the views and makes them read `generation`, whatever is published meanwhile.
    pub fn open(published: &Path, generation: Generation) -> Result<Reader, ApiError> {
        let (conn, folder) = query::open(published)?;
        let name = quote(&folder_name(generation.generation));
        let sql = format!("{LIMITS}{}", init_sql_of(&folder, &name));
        conn.execute_batch(&sql).map_err(failed)?;
        Ok(Reader { conn, generation })
    }

    /// The result of a query, every value as text.
    pub fn query(&self, sql: &str) -> Result<QueryResult, ApiError> {
        Ok(query::answer(&self.conn, sql)?)
    }

    /// Names of the columns of each mart, in their order.
    pub fn columns(&self) -> Result<BTreeMap<String, Vec<String>>, ApiError> {
        let sql = "select table_name, column_name
            from duckdb_columns()
            where not internal and schema_name = 'main' and table_name in (
                select view_name from duckdb_views() where not internal and schema_name = 'main'
            )
            order by table_name, column_index";
        let mut columns: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for row in self.query(sql)?.rows {
            let mut texts = row.into_iter().flatten();
            if let (Some(mart), Some(column)) = (texts.next(), texts.next()) {
                columns.entry(mart).or_default().push(column);
            }
        }
        Ok(columns)
    }
}

fn failed(error: duckdb::Error) -> ApiError {
    ApiError::Marts(Error::Query(error.into()))
}

/// A time in microseconds since 1970 as RFC 3339.
pub(super) fn time(micros: Option<i64>) -> Option<String> {
    DateTime::from_timestamp_micros(micros?).map(text)
}

/// A time as RFC 3339.
pub(super) fn text(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// Seconds since a time in microseconds since 1970.
pub(super) fn age(micros: Option<i64>, now: DateTime<Utc>) -> Option<f64> {
    let age = now.signed_duration_since(DateTime::from_timestamp_micros(micros?)?);
    Some(age.to_std().unwrap_or_default().as_secs_f64())
}
