//! The table, counted by readers that are not ours.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde::Deserialize;

use crate::disk::Disk;
use crate::load::Load;

/// What `readers/count_rows.py` prints. Both readers must agree, or it fails.
#[derive(Debug, Deserialize)]
pub struct Counted {
    /// Paths of the live data files.
    pub files: Vec<String>,
    /// The table's properties, positions among them.
    pub properties: BTreeMap<String, String>,
    /// What pyiceberg counts.
    pub pyiceberg: Reader,
    /// What DuckDB counts in the live Parquet files.
    pub duckdb: Reader,
}

/// What one reader counts.
#[derive(Debug, Deserialize, PartialEq)]
pub struct Reader {
    /// Rows.
    pub rows: u64,
    /// Distinct (icao24, snapshot_time).
    pub distinct_keys: u64,
    /// Rows of each poll, by its time in microseconds.
    pub snapshot_times: BTreeMap<String, u64>,
    /// Rows in which each column is not null.
    pub non_null: BTreeMap<String, u64>,
    /// Exact sums; doubles in millionths.
    pub sums: BTreeMap<String, i128>,
}

/// The SQL catalog of a table.
#[derive(Clone)]
enum Catalog {
    /// A SQLite file.
    File(PathBuf),
    /// URL of a PostgreSQL.
    Server(String),
}

/// Where a table is.
#[derive(Clone)]
pub struct Place<'a> {
    warehouse: PathBuf,
    catalog: Catalog,
    disk: Option<&'a Disk>,
}

impl<'a> Place<'a> {
    /// A warehouse with its catalog inside, as it is by default.
    pub fn of(warehouse: &Path) -> Place<'a> {
        Place {
            warehouse: warehouse.to_owned(),
            catalog: Catalog::File(warehouse.join("catalog.db")),
            disk: None,
        }
    }

    /// Its catalog is elsewhere.
    pub fn with_catalog(self, catalog: &Path) -> Place<'a> {
        Place {
            catalog: Catalog::File(catalog.to_owned()),
            ..self
        }
    }

    /// Its catalog is in a PostgreSQL.
    pub fn with_server(self, url: &str) -> Place<'a> {
        Place {
            catalog: Catalog::Server(url.to_owned()),
            ..self
        }
    }

    /// It is on a disk that not everybody sees.
    pub fn on(self, disk: &'a Disk) -> Place<'a> {
        Place {
            disk: Some(disk),
            ..self
        }
    }

    fn has_catalog(&self) -> bool {
        match (&self.catalog, self.disk) {
            (Catalog::File(file), Some(disk)) => disk.from_outside(file).is_file(),
            (Catalog::File(file), None) => file.is_file(),
            (Catalog::Server(_), _) => true,
        }
    }

    /// One of the scripts in `readers/`, with their Python.
    fn reader(&self, script: &str) -> Command {
        let python = python();
        let mut command = match self.disk {
            Some(disk) => disk.command(python),
            None => Command::new(python),
        };
        command.arg(crate::root().join("e2e/readers").join(script));
        match &self.catalog {
            Catalog::File(file) => command.arg(file),
            Catalog::Server(url) => command.arg(url),
        };
        command
    }

    /// Counts the table; `None` while there is none.
    pub fn try_count(&self) -> Option<Counted> {
        if !self.has_catalog() {
            return None;
        }
        let output = self.reader("count_rows.py").arg(&self.warehouse).output();
        let output = output.expect("the readers run");
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(
                said.contains("NoSuchTableError") || said.contains("UndefinedTable"),
                "the readers failed:\n{said}"
            );
            return None;
        }
        Some(serde_json::from_slice(&output.stdout).expect("JSON of the readers"))
    }

    /// Waits until the table's positions are at the end of what was published, then sees that
    /// every row is in the table once.
    pub fn expect_exactly(&self, load: &Load, limit: Duration) -> Counted {
        let counted = crate::wait("every row in the table", limit, || {
            let counted = self.try_count()?;
            (positions(&counted) == load.ends).then_some(counted)
        });
        let expected: BTreeMap<String, u64> = load
            .published
            .iter()
            .map(|(time, rows)| ((time * 1_000_000).to_string(), *rows))
            .collect();
        assert_eq!(counted.pyiceberg.rows, load.rows(), "rows");
        assert_eq!(
            counted.pyiceberg.distinct_keys,
            load.rows(),
            "distinct keys"
        );
        assert_eq!(
            counted.pyiceberg.snapshot_times, expected,
            "rows of each poll"
        );
        assert_eq!(counted.pyiceberg, counted.duckdb, "the readers differ");
        counted
    }

    /// Takes the catalog's exclusive lock, as another process; it ends when this is dropped.
    pub fn lock(&self) -> Lock {
        let mut holder = self
            .reader("lock_catalog.py")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the lock's holder runs");
        let mut line = String::new();
        let output = holder.stdout.take().expect("its output");
        let _ = BufReader::new(output).read_line(&mut line);
        assert_eq!(line, "locked\n", "the catalog cannot be locked");
        Lock(holder)
    }
}

fn python() -> PathBuf {
    let python = crate::root().join(".tools/readers/bin/python");
    assert!(
        python.exists(),
        "{} is missing; run ./task setup:test once",
        python.display()
    );
    python
}

/// A lock on a catalog that another process holds.
pub struct Lock(Child);

impl Drop for Lock {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// Counts the table in `warehouse`; `None` while there is none.
pub fn try_count(warehouse: &Path) -> Option<Counted> {
    Place::of(warehouse).try_count()
}

/// Counts the table.
pub fn count(warehouse: &Path) -> Counted {
    try_count(warehouse).expect("there is a table")
}

/// The table's positions, by partition.
pub fn positions(counted: &Counted) -> BTreeMap<i32, i64> {
    counted
        .properties
        .iter()
        .filter(|(key, _)| key.starts_with(contract::names::OFFSET_PROPERTY_PREFIX))
        .filter_map(|(key, value)| {
            let partition = key.rsplit('/').next()?.parse().ok()?;
            Some((partition, value.parse().ok()?))
        })
        .collect()
}

/// [`Place::expect_exactly`] of the table in `warehouse`.
pub fn expect_exactly(warehouse: &Path, load: &Load, limit: Duration) -> Counted {
    Place::of(warehouse).expect_exactly(load, limit)
}
