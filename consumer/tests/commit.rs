//! The commit protocol on a real SQLite catalog, without Kafka.
#![cfg(test)]

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray, TimestampMicrosecondArray, new_null_array};
use arrow::datatypes::SchemaRef;
use consumer::commit::{Commit, Outcome};
use consumer::position::{Advances, Positions, Stream};
use consumer::write::write_files;
use futures::TryStreamExt;
use iceberg::arrow::schema_to_arrow_schema;
use iceberg::spec::DataFile;
use iceberg::table::Table;
use lake::tables::FLIGHT_STATES;
use lake::{Lake, LakeConfig};

struct Fixture {
    _folder: tempfile::TempDir,
    lake: Lake,
    table: Table,
    stream: Stream,
}

impl Fixture {
    async fn new() -> Fixture {
        let folder = tempfile::tempdir().unwrap();
        let lake = Lake::open(&LakeConfig::in_folder(folder.path()))
            .await
            .unwrap();
        let table = lake.load_or_create(&FLIGHT_STATES).await.unwrap();
        let stream = Stream {
            cluster: "cluster".to_owned(),
            topic_id: "topic".to_owned(),
            group: "group".to_owned(),
        };
        Fixture {
            _folder: folder,
            lake,
            table,
            stream,
        }
    }

    /// One row for each day, in files of their own.
    async fn commit(&self, batch_id: &str, days: &[i64], advances: &Advances) -> Outcome {
        let rows = rows(&self.table, days);
        let files = write_files(&self.table, &[rows], batch_id).await.unwrap();
        assert_eq!(files.len(), days.len());
        self.commit_files(batch_id, files, advances).await
    }

    async fn commit_files(
        &self,
        batch_id: &str,
        files: Vec<DataFile>,
        advances: &Advances,
    ) -> Outcome {
        let catalog = self.lake.catalog();
        let commit = Commit {
            catalog: &catalog,
            stream: &self.stream,
            batch_id,
            files,
            advances,
        };
        commit.run(&self.table).await.unwrap()
    }

    async fn count(&self) -> usize {
        let table = self.lake.load(FLIGHT_STATES.name).await.unwrap().unwrap();
        let stream = table.scan().build().unwrap().to_arrow().await.unwrap();
        let batches: Vec<RecordBatch> = stream.try_collect().await.unwrap();
        batches.iter().map(RecordBatch::num_rows).sum()
    }

    async fn positions(&self) -> Positions {
        let table = self.lake.load(FLIGHT_STATES.name).await.unwrap().unwrap();
        self.stream
            .positions(table.metadata().properties())
            .unwrap()
    }
}

fn rows(table: &Table, days: &[i64]) -> RecordBatch {
    let schema: SchemaRef =
        Arc::new(schema_to_arrow_schema(table.metadata().current_schema()).unwrap());
    let columns = schema.fields().iter().map(|field| -> ArrayRef {
        match field.name().as_str() {
            "snapshot_time" | "ingestion_time" => {
                let times = days.iter().map(|day| day * 86_400_000_000);
                Arc::new(TimestampMicrosecondArray::from_iter_values(times).with_timezone("+00:00"))
            }
            "icao24" | "source" => {
                Arc::new(StringArray::from_iter_values(days.iter().map(|_| "3c6444")))
            }
            _ => new_null_array(field.data_type(), days.len()),
        }
    });
    RecordBatch::try_new(Arc::clone(&schema), columns.collect()).unwrap()
}

/// Offsets `first..=last` of partition 0, read by somebody who knows `committed`.
fn advances(first: i64, last: i64, committed: &Positions) -> Advances {
    let mut advances = Advances::default();
    for offset in first..=last {
        advances.add(0, offset, committed);
    }
    advances
}

#[tokio::test]
async fn of_two_batches_from_the_same_position_one_is_refused() {
    let fixture = Fixture::new().await;
    let first = advances(0, 9, &Positions::new());
    assert!(matches!(
        fixture.commit("a", &[1, 2], &first).await,
        Outcome::Committed(_)
    ));
    // The table object is the one from before: the transaction would rebase in silence.
    let rival = advances(0, 4, &Positions::new());
    assert!(matches!(
        fixture.commit("b", &[3], &rival).await,
        Outcome::Stale(_)
    ));
    assert_eq!(fixture.count().await, 2);
    assert_eq!(fixture.positions().await, Positions::from([(0, 10)]));
    let next = advances(10, 11, &Positions::from([(0, 10)]));
    assert!(matches!(
        fixture.commit("c", &[3], &next).await,
        Outcome::Committed(_)
    ));
    assert_eq!(fixture.count().await, 3);
}

#[tokio::test]
async fn a_batch_tried_again_after_it_got_in_is_recognized() {
    let fixture = Fixture::new().await;
    let batch = advances(0, 9, &Positions::new());
    assert!(matches!(
        fixture.commit("a", &[1], &batch).await,
        Outcome::Committed(_)
    ));
    // As after an answer that was lost: the guard refuses, but the table has the batch.
    assert!(matches!(
        fixture.commit("a", &[1], &batch).await,
        Outcome::Committed(_)
    ));
    assert_eq!(fixture.count().await, 1);
}

#[tokio::test]
async fn a_batch_of_dead_letters_only_moves_the_positions_and_fences() {
    let fixture = Fixture::new().await;
    let batch = advances(0, 9, &Positions::new());
    assert!(matches!(
        fixture.commit_files("a", vec![], &batch).await,
        Outcome::Committed(_)
    ));
    assert!(matches!(
        fixture.commit_files("b", vec![], &batch).await,
        Outcome::Stale(_)
    ));
    assert_eq!(fixture.count().await, 0);
    assert_eq!(fixture.positions().await, Positions::from([(0, 10)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn racing_batches_of_different_partitions_all_get_in() {
    let fixture = Arc::new(Fixture::new().await);
    let tasks: Vec<_> = (0..4)
        .map(|partition| {
            let fixture = Arc::clone(&fixture);
            tokio::spawn(async move {
                let mut batch = Advances::default();
                batch.add(partition, 7, &Positions::new());
                let id = format!("batch-{partition}");
                fixture.commit(&id, &[i64::from(partition)], &batch).await
            })
        })
        .collect();
    for task in tasks {
        assert!(matches!(task.await.unwrap(), Outcome::Committed(_)));
    }
    assert_eq!(fixture.count().await, 4);
    assert_eq!(fixture.positions().await.len(), 4);
}
