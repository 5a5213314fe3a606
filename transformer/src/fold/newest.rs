//! The rows of the newest poll, with every column that readers see of them.
//!
//! The pass over the rows reads only what it adds up; it notes where the newest poll's rows are,
//! and these few are read here.

use std::path::PathBuf;

use arrow::array::RecordBatch;
use parquet::arrow::arrow_reader::{RowSelection, RowSelector};

use super::columns::{DataFile, Shape, Wanted};
use super::worker::Place;
use crate::Error;
use crate::schema::SourceSchema;

/// The columns of `new_latest_states`.
const COLUMNS: &Wanted = &[
    ("icao24", Shape::Text),
    ("callsign", Shape::Text),
    ("origin_country", Shape::Text),
    ("time_position", Shape::Time),
    ("last_contact", Shape::Time),
    ("longitude", Shape::Double),
    ("latitude", Shape::Double),
    ("baro_altitude", Shape::Double),
    ("on_ground", Shape::Flag),
    ("velocity", Shape::Double),
    ("true_track", Shape::Double),
    ("vertical_rate", Shape::Double),
    ("geo_altitude", Shape::Double),
    ("squawk", Shape::Text),
    ("spi", Shape::Flag),
    ("position_source", Shape::Integer),
    ("category", Shape::Integer),
    ("snapshot_time", Shape::Time),
];

/// Reads the rows at `places`.
pub(super) fn read(
    files: &[PathBuf],
    schema: &SourceSchema,
    mut places: Vec<Place>,
) -> Result<Vec<RecordBatch>, Error> {
    places.sort_unstable();
    let mut read = Vec::new();
    for of_file in places.chunk_by(|one, other| one.file == other.file) {
        let Some(path) = of_file.first().and_then(|place| files.get(place.file)) else {
            continue;
        };
        let file = DataFile::open(path, schema, COLUMNS)?;
        let groups = (0..file.row_groups().len()).collect();
        let selection = selection(of_file.iter().map(|place| place.row));
        for rows in file.read(groups, Some(selection))? {
            let batch = rows?.into_batch(COLUMNS);
            read.push(batch.map_err(|error| Error::DataFile {
                path: path.clone(),
                source: Box::new(error.into()),
            })?);
        }
    }
    Ok(read)
}

/// The rows of these numbers, which ascend.
fn selection(rows: impl Iterator<Item = u64>) -> RowSelection {
    let mut selectors: Vec<RowSelector> = Vec::new();
    let mut next = 0;
    for row in rows {
        let skipped = usize::try_from(row.saturating_sub(next)).unwrap_or(usize::MAX);
        if skipped > 0 {
            selectors.push(RowSelector::skip(skipped));
        }
        match selectors.last_mut() {
            Some(last) if !last.skip => last.row_count += 1,
            _ => selectors.push(RowSelector::select(1)),
        }
        next = row + 1;
    }
    selectors.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selection_skips_what_lies_between() {
        let selection = selection([0, 1, 5, 6, 9].into_iter());
        let found: Vec<_> = selection.iter().map(|s| (s.skip, s.row_count)).collect();
        let expected = [(false, 2), (true, 3), (false, 2), (true, 2), (false, 1)];
        assert_eq!(found, expected);
    }
}
