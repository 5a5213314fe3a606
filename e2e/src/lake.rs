//! The table, counted by readers that are not ours.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde::Deserialize;

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

/// Counts the table in `warehouse`; `None` while there is none.
pub fn try_count(warehouse: &Path) -> Option<Counted> {
    if !warehouse.join("catalog.db").is_file() {
        return None;
    }
    let python = crate::root().join(".tools/readers/bin/python");
    let output = Command::new(&python)
        .arg(crate::root().join("e2e/readers/count_rows.py"))
        .arg(warehouse.join("catalog.db"))
        .arg(warehouse)
        .output()
        .unwrap_or_else(|error| {
            panic!(
                "cannot run {}: {error}; run ./task setup:test once",
                python.display()
            )
        });
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            said.contains("NoSuchTableError"),
            "the readers failed:\n{said}"
        );
        return None;
    }
    Some(serde_json::from_slice(&output.stdout).expect("JSON of the readers"))
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

/// Waits until the table's positions are at the end of what was published, then sees that
/// every row is in the table once.
pub fn expect_exactly(warehouse: &Path, load: &Load, limit: Duration) -> Counted {
    let counted = crate::wait("every row in the table", limit, || {
        let counted = try_count(warehouse)?;
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
