//! The pipeline between a source that the tests play and a real table.

use std::sync::mpsc::{self, sync_channel};

use super::*;
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::Int32Type;
use axum::Router;
use axum::extract::Path;
use axum::routing::get;
use contract::{FlightState, Source, avro};
use futures::TryStreamExt;
use iceberg::TableIdent;
use lake::LakeConfig;
use lake::tables::FLIGHT_STATES;
use serde_json::{Value, json};
use service::config::{KafkaConfig, Loader, RegistryConfig};
use service::health::Health;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::config::{Config, DEFAULTS};
use crate::link;
use crate::position::Advances;

const PATIENCE: Duration = Duration::from_secs(60);
/// 26 April 2025.
const TIME: i64 = 1_745_700_530_000_000;

/// The contract's schema, with this field behind the others.
fn with_field(name: &str, kind: &Value) -> String {
    let mut schema: Value = serde_json::from_str(avro::FLIGHT_STATE_SCHEMA).unwrap();
    let field = json!({"name": name, "type": ["null", kind], "default": null});
    schema["fields"].as_array_mut().unwrap().push(field);
    schema.to_string()
}

/// A row of schema `id`; `more` is what it has behind the contract's fields.
fn row(id: u32, more: &[u8]) -> Vec<u8> {
    let state = FlightState {
        icao24: "4b1805".to_owned(),
        ..FlightState::default()
    };
    let mut row = Vec::new();
    avro::encode(&mut row, id, &state, TIME, TIME, Source::Live);
    row.extend_from_slice(more);
    row
}

/// A registry that has these schemas, the first under 1.
async fn registry(schemas: Vec<String>) -> Registry {
    let answer = move |Path(id): Path<usize>| {
        let schema = json!({ "schema": schemas[id - 1] }).to_string();
        async move { schema }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().route("/schemas/ids/{id}", get(answer));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let config = RegistryConfig {
        url,
        ..RegistryConfig::default()
    };
    Registry::new(&config, "flight-states").unwrap()
}

/// A pipeline that runs, and the other ends of what it is connected to.
struct Case {
    _folder: TempDir,
    lake: Lake,
    events: Option<SyncSender<Event>>,
    commands: Receiver<Command>,
    thread: std::thread::JoinHandle<Result<Reporter, ConsumerError>>,
}

impl Case {
    async fn new(schemas: Vec<String>) -> Case {
        let folder = tempfile::tempdir().unwrap();
        let lake = Lake::open(&LakeConfig::in_folder(folder.path()))
            .await
            .unwrap();
        let loader = DEFAULTS
            .iter()
            .fold(Loader::new(), |l, text| l.defaults(text));
        let mut config: Config = loader.environment::<&str, &str>([]).load().unwrap();
        // Commits are made when a test wants them.
        config.consumer.commit_age = Duration::from_secs(3600);
        let (events, inbox) = link::channel();
        let (orders, commands) = mpsc::channel();
        let parts = Parts {
            runtime: Handle::current(),
            table: lake.load_or_create(&FLIGHT_STATES).await.unwrap(),
            lake: lake.clone(),
            registry: registry(schemas).await,
            dead_letters: DeadLetters::new(
                &KafkaConfig::default(),
                "dead-letters",
                "flight-states",
            ),
            config: config.consumer,
            commands: orders,
            shared: Arc::default(),
            reporter: Reporter::new(watch::Sender::new(crate::Progress::default())),
            health: Health::new().component("lake"),
        };
        let pipeline = Pipeline::new(parts).unwrap();
        Case {
            _folder: folder,
            lake,
            events: Some(events),
            commands,
            thread: std::thread::spawn(move || pipeline.run(&inbox)),
        }
    }

    fn stream() -> Stream {
        Stream {
            cluster: "cluster".to_owned(),
            topic_id: "topic".to_owned(),
            group: "group".to_owned(),
        }
    }

    fn send(&self, event: Event) {
        self.events.as_ref().unwrap().send(event).unwrap();
    }

    fn assign(&self) -> Positions {
        let (reply, answer) = sync_channel(1);
        let stream = Case::stream();
        self.send(Event::Assigned { stream, reply });
        answer.recv_timeout(PATIENCE).unwrap()
    }

    fn rows(&self, first: i64, payloads: &[Vec<u8>]) {
        let mut chunk = Chunk::default();
        for (offset, payload) in (first..).zip(payloads) {
            chunk.push(0, offset, payload);
        }
        self.send(Event::Rows(chunk));
    }

    /// Has everything committed.
    fn revoke(&self) {
        let (reply, done) = sync_channel(1);
        self.send(Event::Revoked { lost: false, reply });
        done.recv_timeout(PATIENCE).unwrap();
    }

    /// Somebody else commits the table's first record.
    async fn overtake(&self) {
        let table = self.table().await;
        let (catalog, stream) = (self.lake.catalog(), Case::stream());
        let mut advances = Advances::default();
        advances.add(0, 0, &Positions::new());
        let commit = Commit {
            catalog: &catalog,
            stream: &stream,
            batch_id: "of somebody else",
            files: Vec::new(),
            advances: &advances,
        };
        let outcome = commit.run(&table).await.unwrap();
        assert!(matches!(outcome, Outcome::Committed(_)));
    }

    async fn table(&self) -> Table {
        let identifier = TableIdent::from_strs(["aviation", FLIGHT_STATES.name]).unwrap();
        self.lake.catalog().load_table(&identifier).await.unwrap()
    }

    async fn batches(&self) -> Vec<RecordBatch> {
        let scan = self.table().await.scan().build().unwrap();
        scan.to_arrow().await.unwrap().try_collect().await.unwrap()
    }

    fn end(&mut self) {
        self.events = None;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_column_is_not_lost_when_the_commit_before_it_is_stale() {
    let schemas = vec![
        avro::FLIGHT_STATE_SCHEMA.to_owned(),
        with_field("operator", &json!("string")),
    ];
    let mut case = Case::new(schemas).await;
    assert_eq!(case.assign(), Positions::new());
    // Handled by the time the next event is taken.
    case.rows(0, &[row(1, b"")]);
    case.overtake().await;
    // Its column asks for a commit first, which is refused.
    case.rows(1, &[row(2, b"\x02\x06ABC")]);
    let command = case.commands.recv_timeout(PATIENCE).unwrap();
    assert!(matches!(command, Command::Restart));

    assert_eq!(case.assign(), Positions::from([(0, 1)]));
    case.rows(1, &[row(2, b"\x02\x06ABC")]);
    case.revoke();
    let batches = case.batches().await;
    let operators: Vec<String> = batches
        .iter()
        .filter_map(|batch| batch.column_by_name("operator"))
        .flat_map(|column| {
            let column = column.as_string::<i32>();
            column
                .iter()
                .flatten()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(operators, ["ABC"]);
    case.end();
    assert_eq!(
        case.thread.join().unwrap().unwrap().latest().rows_committed,
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_field_may_be_a_list() {
    let list = json!({"type": "array", "items": "int"});
    let mut case = Case::new(vec![with_field("levels", &list)]).await;
    case.assign();
    // A block of two items, 3 and -4, and the end of the list.
    case.rows(0, &[row(1, b"\x02\x04\x06\x07\x00"), row(1, b"\x00")]);
    case.revoke();
    let batches = case.batches().await;
    let column = batches[0].column_by_name("levels").unwrap();
    let lists = column.as_list::<i32>();
    assert_eq!((lists.len(), lists.null_count()), (2, 1));
    let items = lists.values().as_primitive::<Int32Type>();
    assert_eq!(items.values(), &[3, -4]);
    case.end();
    assert_eq!(
        case.thread.join().unwrap().unwrap().latest().rows_committed,
        2
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_field_of_a_type_that_no_table_has_ends_it() {
    let millis = json!({"type": "long", "logicalType": "timestamp-millis"});
    let case = Case::new(vec![with_field("seen", &millis)]).await;
    case.assign();
    case.rows(0, &[row(1, b"\x02\x00")]);
    let deadline = Instant::now() + PATIENCE;
    while !case.thread.is_finished() {
        assert!(Instant::now() < deadline, "it goes on trying");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let error = case.thread.join().unwrap().err().unwrap();
    assert!(matches!(error, ConsumerError::Column { .. }), "{error}");
    assert!(error.to_string().contains("seen"), "{error}");
}
