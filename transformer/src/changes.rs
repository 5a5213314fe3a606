//! What the lake has that was not counted yet.
//!
//! Rows are taken from files that `append` snapshots added. A `replace` snapshot (compaction)
//! moves rows between files and adds none, so its files are only noted as where rows now are.
//! A `delete` takes files away: the days it took rows of are counted again, all but the daily
//! aggregates of days that the lake has nothing of any more. After an `overwrite`, or when the
//! watermark is no ancestor of the current snapshot any more, only a rebuild from the live files
//! is sure to be right.

use std::collections::HashSet;

use futures::{StreamExt, TryStreamExt, stream};
use iceberg::spec::{
    DataFileFormat, Datum, ManifestContentType, ManifestEntryRef, ManifestFile, ManifestStatus,
    Operation, PrimitiveLiteral, SnapshotRef,
};
use iceberg::table::Table;

use crate::Error;
use crate::schema::SourceSchema;

/// Manifests read at the same time.
const READ_AHEAD: usize = 8;

/// Snapshots taken in one go at most, so that a long backlog is worked off in steps.
const SNAPSHOTS_AT_ONCE: usize = 256;

/// How far a table was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watermark {
    /// The table's uuid: a table that was dropped and made again is another one.
    pub table_uuid: String,
    /// The last snapshot that was read.
    pub snapshot_id: i64,
}

/// One data file of the lake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LakeFile {
    /// Path on the local file system.
    pub path: String,
    /// Rows in it.
    pub rows: u64,
    /// Earliest `snapshot_time` in it, in microseconds since 1970, if its writer noted it.
    pub first_time: Option<i64>,
    /// Latest `snapshot_time` in it, likewise.
    pub last_time: Option<i64>,
}

/// What to do to be up to date with a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changes {
    /// Nothing.
    None,
    /// Count the rows of these files; they were appended up to `watermark`.
    Appended {
        /// Where this leads.
        watermark: Watermark,
        /// The files.
        files: Vec<LakeFile>,
    },
    /// Note that rows that were counted have moved, or have left.
    Moved {
        /// Where this leads.
        watermark: Watermark,
        /// Files that hold rows that were counted.
        added: Vec<LakeFile>,
        /// Paths that are no longer part of the table.
        removed: Vec<String>,
    },
    /// Forget everything and count these files.
    Rebuild {
        /// Where this leads.
        watermark: Watermark,
        /// All live files.
        files: Vec<LakeFile>,
    },
}

/// Compares the table with the watermark. Takes at most about `rows` rows of appended snapshots;
/// ask again after they are counted.
pub async fn since(
    table: &Table,
    watermark: Option<&Watermark>,
    rows: u64,
) -> Result<Changes, Error> {
    let Some(current) = table.metadata().current_snapshot() else {
        return Ok(Changes::None);
    };
    let Some(path) = path_from(table, watermark, current) else {
        return rebuild(table, current).await;
    };
    let Some(first) = path.first() else {
        return Ok(Changes::None);
    };
    match first.summary().operation {
        Operation::Append => appended(table, next_appends(&path, rows)).await,
        Operation::Replace | Operation::Delete => moved(table, first).await,
        Operation::Overwrite => rebuild(table, current).await,
    }
}

/// The snapshots after the watermark, oldest first; `None` when it is no ancestor.
fn path_from<'a>(
    table: &'a Table,
    watermark: Option<&Watermark>,
    current: &'a SnapshotRef,
) -> Option<Vec<&'a SnapshotRef>> {
    let metadata = table.metadata();
    let watermark = watermark?;
    if watermark.table_uuid != metadata.uuid().to_string() {
        return None;
    }
    let mut path = Vec::new();
    let mut snapshot = current;
    while snapshot.snapshot_id() != watermark.snapshot_id {
        path.push(snapshot);
        snapshot = metadata.snapshot_by_id(snapshot.parent_snapshot_id()?)?;
    }
    path.reverse();
    Some(path)
}

/// The leading appends of a path, as many as stay within `rows`, but one at least.
fn next_appends<'a>(path: &[&'a SnapshotRef], rows: u64) -> Vec<&'a SnapshotRef> {
    let mut taken = Vec::new();
    let mut sum = 0;
    for snapshot in path.iter().take(SNAPSHOTS_AT_ONCE) {
        let summary = snapshot.summary();
        let added = summary.additional_properties.get("added-records");
        sum += added.and_then(|rows| rows.parse().ok()).unwrap_or(rows);
        let append = summary.operation == Operation::Append;
        if !append || (sum > rows && !taken.is_empty()) {
            break;
        }
        taken.push(*snapshot);
    }
    taken
}

/// The files that a run of appends added, from the manifest list of the last of them: an append
/// may merge manifests, but drops no entry.
async fn appended(table: &Table, run: Vec<&SnapshotRef>) -> Result<Changes, Error> {
    let Some(last) = run.last() else {
        return Ok(Changes::None);
    };
    let ids: HashSet<i64> = run.iter().map(|snapshot| snapshot.snapshot_id()).collect();
    let entries = entries(table, last, |manifest| {
        ids.contains(&manifest.added_snapshot_id)
    })
    .await?;
    let mut seen = HashSet::new();
    let fresh = entries.iter().filter(|entry| {
        entry.is_alive()
            && entry.snapshot_id().is_some_and(|id| ids.contains(&id))
            && seen.insert(entry.file_path())
    });
    Ok(Changes::Appended {
        watermark: watermark_at(table, last),
        files: files(table, fresh)?,
    })
}

async fn moved(table: &Table, snapshot: &SnapshotRef) -> Result<Changes, Error> {
    let id = snapshot.snapshot_id();
    let entries = entries(table, snapshot, |manifest| manifest.added_snapshot_id == id).await?;
    let by = |status: ManifestStatus| {
        entries
            .iter()
            .filter(move |entry| entry.status() == status && entry.snapshot_id() == Some(id))
    };
    Ok(Changes::Moved {
        watermark: watermark_at(table, snapshot),
        added: files(table, by(ManifestStatus::Added))?,
        removed: by(ManifestStatus::Deleted)
            .map(|entry| local_path(entry.file_path()))
            .collect::<Result<_, _>>()?,
    })
}

async fn rebuild(table: &Table, snapshot: &SnapshotRef) -> Result<Changes, Error> {
    let entries = entries(table, snapshot, |_| true).await?;
    Ok(Changes::Rebuild {
        watermark: watermark_at(table, snapshot),
        files: files(table, entries.iter().filter(|entry| entry.is_alive()))?,
    })
}

fn watermark_at(table: &Table, snapshot: &SnapshotRef) -> Watermark {
    Watermark {
        table_uuid: table.metadata().uuid().to_string(),
        snapshot_id: snapshot.snapshot_id(),
    }
}

/// The entries of those data manifests of a snapshot that `wanted` picks.
async fn entries(
    table: &Table,
    snapshot: &SnapshotRef,
    wanted: impl Fn(&ManifestFile) -> bool,
) -> Result<Vec<ManifestEntryRef>, Error> {
    let name = table.identifier().name();
    let list = table.manifest_list_reader(snapshot).load().await;
    let list = list.map_err(Error::changes(name))?;
    let manifests = data_manifests(list.consume_entries(), name)?;
    let manifests: Vec<ManifestFile> = manifests.into_iter().filter(wanted).collect();
    let read = stream::iter(manifests)
        .map(async |manifest| manifest.load_manifest(table.file_io()).await)
        .buffered(READ_AHEAD)
        .map_ok(|manifest| stream::iter(manifest.into_parts().0.into_iter().map(Ok)))
        .try_flatten();
    read.try_collect().await.map_err(Error::changes(name))
}

/// The manifests of data files, unless others say which of their rows are deleted.
fn data_manifests(
    manifests: impl IntoIterator<Item = ManifestFile>,
    table: &str,
) -> Result<Vec<ManifestFile>, Error> {
    let is_data = |manifest: &ManifestFile| manifest.content == ManifestContentType::Data;
    let (manifests, deletes): (Vec<_>, Vec<_>) = manifests.into_iter().partition(is_data);
    let mut deletes = deletes.iter();
    if deletes.any(|manifest| manifest.has_added_files() || manifest.has_existing_files()) {
        return Err(Error::DeleteFiles {
            table: table.to_owned(),
        });
    }
    Ok(manifests)
}

fn files<'a>(
    table: &Table,
    entries: impl Iterator<Item = &'a ManifestEntryRef>,
) -> Result<Vec<LakeFile>, Error> {
    let schema = SourceSchema::of(table.metadata().current_schema());
    let time = schema.id_of("snapshot_time").unwrap_or_default();
    let parquet = entries.filter(|entry| entry.file_format() == DataFileFormat::Parquet);
    parquet
        .map(|entry| {
            Ok(LakeFile {
                path: local_path(entry.file_path())?,
                rows: entry.record_count(),
                first_time: micros(entry.data_file().lower_bounds().get(&time)),
                last_time: micros(entry.data_file().upper_bounds().get(&time)),
            })
        })
        .collect()
}

fn micros(bound: Option<&Datum>) -> Option<i64> {
    match bound?.literal() {
        PrimitiveLiteral::Long(micros) => Some(*micros),
        _ => None,
    }
}

/// `file:///a/b`, `file:/a/b` or `/a/b` as a path; other storage is refused.
fn local_path(location: &str) -> Result<String, Error> {
    let path = match location.strip_prefix("file:") {
        Some(rest) => rest.strip_prefix("//").unwrap_or(rest),
        None => location,
    };
    if path.starts_with('/') {
        Ok(path.to_owned())
    } else {
        Err(Error::NotLocal(location.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_local_paths_are_read() {
        for location in ["file:///a/b.parquet", "file:/a/b.parquet", "/a/b.parquet"] {
            assert_eq!(local_path(location).unwrap(), "/a/b.parquet");
        }
        for location in ["s3://bucket/b.parquet", "b.parquet"] {
            let error = local_path(location).unwrap_err().to_string();
            assert!(error.contains("local file system"), "{error}");
        }
    }

    #[test]
    fn delete_files_are_refused_until_they_are_gone() {
        let manifest = |content, added: u32, existing: u32| ManifestFile {
            manifest_path: "m.avro".to_owned(),
            manifest_length: 1,
            partition_spec_id: 0,
            content,
            sequence_number: 1,
            min_sequence_number: 1,
            added_snapshot_id: 1,
            added_files_count: Some(added),
            existing_files_count: Some(existing),
            deleted_files_count: Some(1),
            added_rows_count: Some(1),
            existing_rows_count: Some(1),
            deleted_rows_count: Some(1),
            partitions: None,
            key_metadata: None,
            first_row_id: None,
        };
        let data = manifest(ManifestContentType::Data, 1, 0);
        for (added, existing, refused) in [(1, 0, true), (0, 1, true), (0, 0, false)] {
            let deletes = manifest(ManifestContentType::Deletes, added, existing);
            let found = data_manifests([data.clone(), deletes], "flight_states");
            match refused {
                true => assert!(matches!(found, Err(Error::DeleteFiles { .. }))),
                false => assert_eq!(found.unwrap(), std::slice::from_ref(&data)),
            }
        }
    }
}
