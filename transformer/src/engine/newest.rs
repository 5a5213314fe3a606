//! The newest poll: bytes in the database, tables in memory.
//!
//! With every poll all of its rows are others. As a table of the database they would be most of what
//! a batch writes; as one value they cost little, and are there after a start. What marts read is in
//! memory, in a database that both connections see: the second one makes it while the models merge
//! on the first, where a transaction could not write to two databases.

use std::cell::Cell;
use std::io::Cursor;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use duckdb::params;

use super::{Engine, NEWEST, Session};
use crate::Error;
use crate::fold::Table;
use crate::models::{Kind, Models};
use crate::schema::timestamptz;

/// What the tables in memory show.
#[derive(Debug, Default)]
pub(super) struct Newest(Cell<Shown>);

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Shown {
    /// Nobody knows: they are to be made again.
    #[default]
    Unknown,
    /// The rows of this poll, in microseconds since 1970, as the database has them; or none.
    Poll(Option<i64>),
}

impl Newest {
    /// The tables have to be made again before anybody reads them.
    pub fn forget(&self) {
        self.0.set(Shown::Unknown);
    }

    /// Whether they show what is committed.
    pub fn is_known(&self) -> bool {
        self.0.get() != Shown::Unknown
    }

    /// They show this poll since a batch, which is committed now.
    pub fn follows(&self, batch: Shows) {
        match batch {
            Shows::Same => {}
            Shows::Unknown => self.forget(),
            // Unless what they showed before it was forgotten with the batch.
            Shows::Poll(poll) if self.0.get() != Shown::Unknown => {
                self.0.set(Shown::Poll(Some(poll)));
            }
            Shows::Poll(_) => {}
        }
    }
}

/// What the tables in memory show once a batch is committed.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shows {
    /// What they showed before.
    #[default]
    Same,
    /// This poll.
    Poll(i64),
    /// Nobody knows.
    Unknown,
}

/// Rows of the newest poll that a batch has brought.
pub(super) struct NewestRows {
    poll: i64,
    rows: Vec<RecordBatch>,
    /// There are rows of the same poll from batches before.
    is_more: bool,
    /// The tables in memory show those, if there are any.
    leads_on: bool,
}

impl Engine {
    /// Has the tables in memory show what the database has, if they do not.
    pub(crate) fn show_newest(&self) -> Result<(), Error> {
        if self.newest.is_known() {
            return Ok(());
        }
        let kept: Vec<Vec<u8>> =
            self.column("read the newest poll", "select rows from newest_rows")?;
        let mut rows = Vec::new();
        for bytes in kept {
            match from_bytes(bytes) {
                Ok(more) => rows.extend(more),
                Err(error) => tracing::warn!(
                    %error,
                    "rows of the newest poll cannot be read; marts lack them until the next one"
                ),
            }
        }
        make(&self.twin.session(), &self.models, &rows, false)?;
        self.newest.0.set(Shown::Poll(self.newest_kept()?));
        Ok(())
    }

    /// The poll whose rows the database has.
    fn newest_kept(&self) -> Result<Option<i64>, Error> {
        let sql = "select epoch_us(max(snapshot_time)) from newest_rows";
        self.value("find the newest poll", sql)
    }

    /// Keeps the rows of a batch's newest poll, in its transaction, if no poll that was counted is
    /// newer. `None` when one is.
    pub(super) fn keep_newest(
        &self,
        poll: Option<i64>,
        rows: Vec<RecordBatch>,
    ) -> Result<Option<NewestRows>, Error> {
        let known = match self.newest.0.get() {
            Shown::Poll(known) => known,
            Shown::Unknown => self.newest_kept()?,
        };
        let Some(poll) = poll.filter(|poll| known.is_none_or(|known| known <= *poll)) else {
            return Ok(None);
        };
        let is_more = known == Some(poll);
        let bytes = to_bytes(&rows).map_err(broken)?;
        if !is_more {
            self.run("forget the poll before", "delete from newest_rows")?;
        }
        let insert = format!("insert into newest_rows values ({}, ?)", timestamptz(poll));
        let inserted = self.connection().execute(&insert, params![bytes]);
        inserted.map_err(Error::duck("cannot keep the newest poll"))?;
        let leads_on = !is_more || self.newest.0.get() == Shown::Poll(known);
        Ok(Some(NewestRows {
            poll,
            rows,
            is_more,
            leads_on,
        }))
    }
}

impl NewestRows {
    /// Has the tables in memory show the poll. What they have shown is lost, whatever happens.
    pub fn show(&self, session: &Session, models: &Models) -> Shows {
        if !self.leads_on {
            return Shows::Unknown;
        }
        match make(session, models, &self.rows, self.is_more) {
            Ok(()) => Shows::Poll(self.poll),
            Err(error) => {
                let reason = error.in_full();
                tracing::debug!(reason, "the newest poll is made again later");
                Shows::Unknown
            }
        }
    }
}

/// Makes the tables in memory of rows, and of those that are there if they are `more`.
pub(super) fn make(
    session: &Session,
    models: &Models,
    rows: &[RecordBatch],
    more: bool,
) -> Result<(), Error> {
    let name = Table::LatestStates.name();
    if !more {
        session.run("empty the newest poll", &models.get(name)?.state)?;
    }
    let append = || -> duckdb::Result<()> {
        let conn = session.connection();
        let mut appender = conn.appender_to_catalog_and_db(name, "temp", "main")?;
        for rows in rows {
            appender.append_record_batch(rows.clone())?;
        }
        appender.flush()
    };
    append().map_err(Error::duck(format!("cannot fill {name}")))?;
    for model in models.iter().filter(|model| model.in_memory) {
        if model.kind == Kind::Table {
            let sql = format!(
                "create or replace table {NEWEST}.{} as {}",
                model.name, model.select
            );
            session.run(&format!("compute {}", model.name), &sql)?;
        }
    }
    Ok(())
}

fn to_bytes(rows: &[RecordBatch]) -> Result<Vec<u8>, ArrowError> {
    let Some(first) = rows.first() else {
        return Ok(Vec::new());
    };
    let mut writer = StreamWriter::try_new(Vec::new(), &first.schema())?;
    for rows in rows {
        writer.write(rows)?;
    }
    writer.into_inner()
}

fn from_bytes(bytes: Vec<u8>) -> Result<Vec<RecordBatch>, ArrowError> {
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    StreamReader::try_new(Cursor::new(bytes), None)?.collect()
}

fn broken(source: ArrowError) -> Error {
    Error::Fold {
        table: Table::LatestStates.name(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, StringArray};

    use super::*;

    #[test]
    fn rows_are_the_same_when_they_come_back() {
        let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), None, Some("")]));
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![None, Some(2), Some(3)]));
        let rows = RecordBatch::try_from_iter_with_nullable([
            ("text", texts, true),
            ("number", numbers, true),
        ])
        .unwrap();
        let rows = vec![rows.slice(0, 1), rows.slice(1, 2)];
        assert_eq!(from_bytes(to_bytes(&rows).unwrap()).unwrap(), rows);
        assert!(from_bytes(to_bytes(&[]).unwrap()).unwrap().is_empty());
        assert!(from_bytes(vec![1, 2, 3]).is_err());
    }
}
