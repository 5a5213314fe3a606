//! What each mart means.

use std::collections::BTreeMap;

use serde::Serialize;

use super::error::ApiError;
use super::reader::{self, Reader};

/// The answer of `/api/marts`.
#[derive(Debug, Serialize)]
pub(super) struct MartsAnswer {
    generation: u64,
    marts: Vec<Mart>,
}

#[derive(Debug, Serialize)]
struct Mart {
    name: String,
    description: String,
    /// `null` for a view, whose rows are counted by whoever reads them.
    rows: Option<u64>,
    /// When it was last written.
    updated: String,
    columns: Vec<Column>,
}

#[derive(Debug, Serialize)]
struct Column {
    name: String,
    /// As DuckDB calls it, in lower case.
    #[serde(rename = "type")]
    of: String,
    meaning: String,
}

/// All marts of a generation, by name.
pub(super) fn answer(reader: &Reader) -> Result<MartsAnswer, ApiError> {
    let generation = &reader.generation;
    let mut columns = columns(reader)?;
    let sql = "select view_name, coalesce(comment, '')
        from duckdb_views()
        where not internal and schema_name = 'main'
        order by view_name";
    let marts = reader.query(sql)?.rows.into_iter().map(|row| {
        let [name, description] = texts(row);
        let entry = generation.marts.get(&name);
        let written = entry.map_or(generation.created_at, |entry| entry.refreshed_at);
        Mart {
            description,
            rows: entry.map(crate::publish::MartEntry::rows),
            updated: reader::text(written),
            columns: columns.remove(&name).unwrap_or_default(),
            name,
        }
    });
    Ok(MartsAnswer {
        generation: generation.generation,
        marts: marts.collect(),
    })
}

fn columns(reader: &Reader) -> Result<BTreeMap<String, Vec<Column>>, ApiError> {
    let sql = "select table_name, column_name, data_type, coalesce(comment, '')
        from duckdb_columns()
        where not internal and schema_name = 'main'
        order by table_name, column_index";
    let mut columns: BTreeMap<String, Vec<Column>> = BTreeMap::new();
    for row in reader.query(sql)?.rows {
        let [mart, name, of, meaning] = texts(row);
        let of = match of.as_str() {
            "TIMESTAMP WITH TIME ZONE" => "timestamptz".to_owned(),
            _ => of.to_lowercase(),
        };
        let column = Column { name, of, meaning };
        columns.entry(mart).or_default().push(column);
    }
    Ok(columns)
}

/// A row of texts none of which is null.
fn texts<const N: usize>(row: Vec<Option<String>>) -> [String; N] {
    let mut values = row.into_iter();
    std::array::from_fn(|_| values.next().flatten().unwrap_or_default())
}
