//! What the commit protocol promises, on whatever catalog.

use std::collections::BTreeSet;
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
use tokio::sync::Barrier;

struct Fixture {
    lake: Lake,
    table: Table,
    stream: Stream,
}

impl Fixture {
    async fn new(config: &LakeConfig) -> Fixture {
        let lake = Lake::open(config).await.unwrap();
        let table = lake.load_or_create(&FLIGHT_STATES).await.unwrap();
        let stream = Stream {
            cluster: "cluster".to_owned(),
            topic_id: "topic".to_owned(),
            group: "group".to_owned(),
        };
        Fixture {
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

pub async fn of_two_batches_from_the_same_position_one_is_refused(config: &LakeConfig) {
    let fixture = Fixture::new(config).await;
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

pub async fn a_batch_tried_again_after_it_got_in_is_recognized(config: &LakeConfig) {
    let fixture = Fixture::new(config).await;
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

pub async fn a_batch_of_dead_letters_only_moves_the_positions_and_fences(config: &LakeConfig) {
    let fixture = Fixture::new(config).await;
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

pub async fn racing_batches_of_different_partitions_all_get_in(config: &LakeConfig) {
    let fixture = Arc::new(Fixture::new(config).await);
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

pub async fn of_racing_batches_of_the_same_records_one_gets_in(config: &LakeConfig) {
    const RIVALS: usize = 6;
    let fixture = Arc::new(Fixture::new(config).await);
    let start = Arc::new(Barrier::new(RIVALS));
    let tasks: Vec<_> = (0..RIVALS)
        .map(|rival| {
            let (fixture, start) = (Arc::clone(&fixture), Arc::clone(&start));
            tokio::spawn(async move {
                let batch = advances(0, 9, &Positions::new());
                let id = format!("rival-{rival}");
                let rows = rows(&fixture.table, &[1, 2]);
                let files = write_files(&fixture.table, &[rows], &id).await.unwrap();
                start.wait().await;
                fixture.commit_files(&id, files, &batch).await
            })
        })
        .collect();
    let mut committed = 0;
    for task in tasks {
        committed += usize::from(matches!(task.await.unwrap(), Outcome::Committed(_)));
    }
    assert_eq!(committed, 1);
    assert_eq!(fixture.count().await, 2);
    assert_eq!(fixture.positions().await, Positions::from([(0, 10)]));
}

pub async fn several_may_make_the_catalog_and_the_table_at_once(config: &LakeConfig) {
    let tasks: Vec<_> = (0..6)
        .map(|_| {
            let config = config.clone();
            tokio::spawn(async move { Fixture::new(&config).await.table.metadata().uuid() })
        })
        .collect();
    let mut uuids = BTreeSet::new();
    for task in tasks {
        uuids.insert(task.await.unwrap());
    }
    assert_eq!(uuids.len(), 1);
}
