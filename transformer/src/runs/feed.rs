//! A journal as the input of a mart in day parts.
//!
//! The model reads a temporary table of the private DuckDB. It keeps the rows of the day, so that
//! a publication reads no journal: of what a day holds only what is new since the last publication
//! is added.

use std::marker::PhantomData;

use chrono::NaiveDate;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::journal::Journal;
use crate::Error;
use crate::engine::Engine;
use crate::schema::{quote, quote_list};

/// Rows that are kept for the next publication; beyond, it reads the journal.
const NEW_AT_MOST: usize = 1000;

/// A row of a journal that becomes a mart.
pub(crate) trait Row: Serialize + DeserializeOwned {
    /// The table that the model reads.
    const TABLE: &'static str;
    /// Its column that is never null.
    const ID: &'static str;
    /// Its column by whose day the mart is in parts.
    const TIME: &'static str;
    /// Its columns with their types, as JSON.
    const COLUMNS: &'static str;
}

/// What of a journal is in the table, and what is in the mart.
#[derive(Debug)]
pub(crate) struct Feed<T> {
    /// The table has the rows of all days that the mart lacks, but the new ones.
    valid: bool,
    /// Rows that came since, as JSON.
    new: Vec<String>,
    /// A row that was put into the table and never into the journal.
    passing: Option<String>,
    /// Days before this one are in the mart.
    published_before: Option<NaiveDate>,
    /// The table has no rows of days before this one.
    kept_from: Option<NaiveDate>,
    rows: PhantomData<fn(T)>,
}

impl<T> Default for Feed<T> {
    fn default() -> Feed<T> {
        Feed {
            valid: false,
            new: Vec::new(),
            passing: None,
            published_before: None,
            kept_from: None,
            rows: PhantomData,
        }
    }
}

impl<T: Row> Feed<T> {
    /// Notes a row that was written to the journal.
    pub(crate) fn add(&mut self, row: &T) {
        self.new.extend(serde_json::to_string(row));
        if self.new.len() > NEW_AT_MOST {
            self.valid = false;
            self.new.clear();
        }
    }

    /// Puts the rows that the mart lacks, all of them if it is to be made `anew`, into the table;
    /// and `passing`, a row with its id, for this publication only.
    pub(crate) fn load(
        &mut self,
        engine: &Engine,
        journal: &Journal<T>,
        anew: bool,
        passing: Option<(&str, &T)>,
    ) -> Result<(), Error> {
        let valid = std::mem::take(&mut self.valid) && !anew;
        let mut rows = std::mem::take(&mut self.new);
        let (table, id, time) = (T::TABLE, T::ID, T::TIME);
        let mut sql = String::new();
        if valid {
            if let Some(passing) = &self.passing {
                sql.push_str(&format!(
                    "delete from {table} where {id} = {};",
                    quote(passing)
                ));
            }
            let day = self
                .published_before
                .filter(|day| self.kept_from != Some(*day));
            if let Some(day) = day {
                // Made anew: what is deleted from a temporary table is never given back.
                sql.push_str(&format!(
                    "create or replace temp table {table} as
                    select * from {table} where utc_date({time}) >= date '{day}';"
                ));
            }
        } else {
            sql.push_str(&format!(
                "create or replace temp table {table} as from {table} limit 0;"
            ));
            sql.push_str(&read_files(
                journal,
                self.published_before.filter(|_| !anew),
            ));
            // They are in the files.
            rows.clear();
        }
        rows.extend(passing.and_then(|(_, row)| serde_json::to_string(row).ok()));
        if !rows.is_empty() {
            sql.push_str(&format!(
                "insert into {table} by name
                select unnest(record)
                from (select unnest(from_json({}, {})) as record);",
                quote(&format!("[{}]", rows.join(","))),
                quote(&format!("[{}]", T::COLUMNS)),
            ));
        }
        engine.run(&format!("fill {table}"), &sql)?;
        self.valid = true;
        self.kept_from = self.published_before;
        self.passing = passing.map(|(id, _)| id.to_owned());
        Ok(())
    }

    /// A generation with what was loaded is current.
    pub(crate) fn published(&mut self, today: NaiveDate) {
        self.published_before = Some(today);
    }
}

/// The statement that reads the journal from a day on.
fn read_files<T: Row>(journal: &Journal<T>, from: Option<NaiveDate>) -> String {
    let days = journal.days().into_iter();
    let files: Vec<String> = days
        .filter(|day| from.is_none_or(|from| *day >= from))
        .map(|day| journal.path(day).to_string_lossy().into_owned())
        .collect();
    if files.is_empty() {
        return String::new();
    }
    // A line that a kill has torn is read as a row of nulls.
    format!(
        "insert into {} by name
        select *
        from read_json({}, format = 'newline_delimited', ignore_errors = true, hive_partitioning = false, columns = {})
        where {} is not null;",
        T::TABLE,
        quote_list(files.iter().map(String::as_str)),
        T::COLUMNS.replace('"', "'"),
        T::ID,
    )
}
