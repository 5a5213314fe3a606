//! Snapshots made by hand: `replace`, as compaction makes one, in which data files give way to one
//! that holds the same rows; and `delete`, as days leave the lake.

use std::str::FromStr;

use iceberg::spec::{
    DataFile, FormatVersion, MAIN_BRANCH, ManifestEntryRef, ManifestFile, ManifestListWriter,
    ManifestWriterBuilder, Operation, Snapshot, Summary, TableMetadataBuilder,
};
use iceberg::table::Table;
use iceberg::{Catalog, MetadataLocation};
use uuid::Uuid;

use super::{Bench, Row, write};

impl Bench {
    /// Replaces the data files named by `paths` by one with these rows, which must be theirs and
    /// of one day.
    pub async fn replace(&self, paths: &[String], rows: &[Row]) {
        let table = self.table().await;
        assert_eq!(table.metadata().format_version(), FormatVersion::V2);
        let files = write(&table, rows);
        let [file] = files.as_slice() else {
            panic!("the rows are of one day");
        };
        commit(&table, &*self.lake.catalog(), paths, Some(file.clone())).await;
    }

    /// Takes data files out of the table, as its retention does.
    pub async fn remove(&self, paths: &[String]) {
        let table = self.table().await;
        commit(&table, &*self.lake.catalog(), paths, None).await;
        for path in paths {
            std::fs::remove_file(path).unwrap();
        }
    }

    /// The live data files, the oldest first, as paths.
    pub async fn data_files(&self) -> Vec<String> {
        let mut entries = Vec::new();
        for manifest in manifests(&self.table().await).await {
            entries.extend(live(&self.table().await, &manifest).await);
        }
        entries.sort_by_key(|entry| entry.sequence_number());
        let path = |entry: &ManifestEntryRef| entry.file_path().replace("file://", "");
        entries.iter().map(path).collect()
    }
}

async fn manifests(table: &Table) -> Vec<ManifestFile> {
    let snapshot = table.metadata().current_snapshot().unwrap();
    let list = table.manifest_list_reader(snapshot).load().await.unwrap();
    list.consume_entries().into_iter().collect()
}

async fn live(table: &Table, manifest: &ManifestFile) -> Vec<ManifestEntryRef> {
    let loaded = manifest.load_manifest(table.file_io()).await.unwrap();
    let entries = loaded.into_parts().0.into_iter();
    entries.filter(|entry| entry.is_alive()).collect()
}

async fn commit(table: &Table, catalog: &dyn Catalog, paths: &[String], file: Option<DataFile>) {
    let metadata = table.metadata();
    let id = i64::try_from(Uuid::new_v4().as_u128() >> 65).unwrap();
    let sequence = metadata.next_sequence_number();
    let at = |name: String| format!("{}/metadata/{name}.avro", metadata.location());
    let manifest_writer = || {
        let output = table.file_io().new_output(at(Uuid::new_v4().to_string()));
        let schema = metadata.current_schema().clone();
        let spec = metadata.default_partition_spec().as_ref().clone();
        ManifestWriterBuilder::new(output.unwrap(), Some(id), schema, spec).build_v2_data()
    };

    // Manifests that name one of the files are written again; the others stay as they are.
    let mut kept = Vec::new();
    let mut replaced = 0;
    for manifest in manifests(table).await {
        let entries = live(table, &manifest).await;
        let goes = |entry: &ManifestEntryRef| {
            let path = entry.file_path().replace("file://", "");
            paths.contains(&path)
        };
        if !entries.iter().any(goes) {
            kept.push(manifest);
            continue;
        }
        let mut writer = manifest_writer();
        for entry in entries {
            let (data_file, order) = (entry.data_file().clone(), entry.sequence_number().unwrap());
            let in_file = entry.file_sequence_number;
            if goes(&entry) {
                replaced += 1;
                writer.add_delete_file(data_file, order, in_file).unwrap();
            } else {
                let by = entry.snapshot_id().unwrap();
                let added = writer.add_existing_file(data_file, by, order, in_file);
                added.unwrap();
            }
        }
        kept.push(writer.write_manifest_file().await.unwrap());
    }
    assert_eq!(replaced, paths.len(), "not all of them are live");
    let operation = match file {
        Some(_) => Operation::Replace,
        None => Operation::Delete,
    };
    let added = i32::from(file.is_some()).to_string();
    if let Some(file) = file {
        let mut writer = manifest_writer();
        writer.add_file(file, sequence).unwrap();
        kept.push(writer.write_manifest_file().await.unwrap());
    }

    let list = at(format!("snap-{id}"));
    let parent = metadata.current_snapshot_id();
    let output = table.file_io().new_output(&list).unwrap();
    let output = output.writer().await.unwrap();
    let mut writer = ManifestListWriter::v2(output, id, parent, sequence);
    writer.add_manifests(kept.into_iter()).unwrap();
    writer.close().await.unwrap();

    let snapshot = Snapshot::builder()
        .with_snapshot_id(id)
        .with_parent_snapshot_id(parent)
        .with_sequence_number(sequence)
        .with_timestamp_ms(metadata.last_updated_ms() + 1)
        .with_manifest_list(list)
        .with_summary(Summary {
            operation,
            additional_properties: [
                ("added-data-files".to_owned(), added),
                ("deleted-data-files".to_owned(), replaced.to_string()),
            ]
            .into(),
        })
        .with_schema_id(metadata.current_schema_id())
        .build();
    let location = table.metadata_location().unwrap().to_owned();
    let next = MetadataLocation::from_str(&location)
        .unwrap()
        .with_next_version();
    let built = TableMetadataBuilder::new_from_metadata(metadata.clone(), Some(location))
        .set_branch_snapshot(snapshot, MAIN_BRANCH)
        .unwrap()
        .build()
        .unwrap();
    built
        .metadata
        .write_to(table.file_io(), &next)
        .await
        .unwrap();
    // Iceberg builds commits for its own actions only; nobody else is here to come between.
    catalog.drop_table(table.identifier()).await.unwrap();
    let registered = catalog.register_table(table.identifier(), next.to_string());
    registered.await.unwrap();
}
