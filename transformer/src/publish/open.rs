//! The part of the mart `flights` with those that go on. It comes as columns, not from a query: nearly all
//! of it is new with every poll.

use std::fs;
use std::path::Path;

use arrow::array::RecordBatch;

use super::ahead::Ahead;
use super::columns;
use super::export::{At, Made};
use crate::Error;
use crate::engine::Engine;
use crate::flights::keep::{MART, Open};

/// The name of the part.
const PART: &str = "open";

/// Columns in which many rows have the same value.
const REPEATING: [&str; 3] = ["origin_country", "first_seen", "last_seen"];

/// Settles the flights, and writes the part of those that go on, or takes the one that was written ahead.
/// `None` where nobody knows which go on.
pub(super) fn settle(
    engine: &Engine,
    ahead: &Ahead,
    into: &Path,
    at: At<'_>,
) -> Result<Option<Made>, Error> {
    let settle = |since| engine.with_room(|| engine.settle_flights(at.lake.schema, since));
    let (made, since) = ahead.open_flights(at.totals.batch).unzip();
    let mut open = settle(since)?;
    if let (Open::Ahead, Some(made)) = (&open, made) {
        if ahead.take_part(&made, into) {
            return Ok(Some(made));
        }
        open = settle(None)?;
    }
    match open {
        Open::Rows(rows) => write(into, &rows).map(Some),
        Open::Ahead | Open::Unknown => Ok(None),
    }
}

/// Writes the part, if it has rows.
pub(super) fn write(into: &Path, rows: &RecordBatch) -> Result<Made, Error> {
    let mut made = Made {
        file: format!("{MART}/{PART}.parquet"),
        rows: 0,
    };
    if rows.num_rows() > 0 {
        let folder = into.join(MART);
        fs::create_dir_all(&folder).map_err(Error::file("create the folder", &folder))?;
        made.rows = columns::write(MART, rows, &REPEATING, &into.join(&made.file))?;
    }
    Ok(made)
}
