//! The embedded Kafka broker: one node, in memory, for as long as the process lives.
//!
//! The engine is noida-db's. Some of its habits would reach the user, so they are kept
//! away from them here: its fetch answers at once, with the whole log, and with every
//! abort there ever was (`fetch` waits, cuts and tells as Kafka does), and it never lets
//! go of a record by itself (the caller deletes what the lake has committed, by
//! [`Broker::delete_before`]).
//!
//! Every broker has a cluster id of its own, so that positions stored for one that has
//! ended are never mistaken for positions in this one.

mod batches;
mod changes;
mod connection;
mod fetch;

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use contract::names;
use kafka_protocol::messages::delete_records_request::{
    DeleteRecordsPartition, DeleteRecordsTopic,
};
use kafka_protocol::messages::{DeleteRecordsRequest, DescribeLogDirsRequest, TopicName};
use kafka_protocol::protocol::StrBytes;
use noida::kafka::engine::{Engine, PartitionSnapshot, Snapshot, TopicSnapshot};

use changes::Changes;

const HOST: &str = "127.0.0.1";
const BROKER_ID: i32 = 1;
/// Dead letters are kept for looking at, up to this many bytes.
const DEAD_LETTER_BYTES: u32 = 8 * 1024 * 1024;
/// Versions of the requests that are handed to the engine without a socket.
const DELETE_RECORDS_VERSION: i16 = 2;
const DESCRIBE_LOG_DIRS_VERSION: i16 = 1;

/// A running broker; dropping it closes the port and every connection.
pub struct Broker {
    address: SocketAddr,
    cluster_id: String,
    engine: Engine,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

/// What the acceptor, the connections and the handle have in common.
#[derive(Default)]
struct Shared {
    changes: Changes,
    connections: Mutex<Connections>,
}

#[derive(Default)]
struct Connections {
    closed: bool,
    next: u64,
    open: HashMap<u64, TcpStream>,
}

impl Broker {
    /// Starts a broker on a free port of 127.0.0.1, with the project's topics in
    /// `partitions` partitions.
    ///
    /// # Errors
    /// When no port or thread can be had.
    pub fn start(partitions: i32) -> io::Result<Broker> {
        let listener = TcpListener::bind((HOST, 0))?;
        let address = listener.local_addr()?;
        let cluster_id = format!(
            "{}{}",
            names::EMBEDDED_CLUSTER_PREFIX,
            uuid::Uuid::new_v4().simple()
        );
        let engine = Engine::new_persistent(
            empty_cluster(&cluster_id, partitions),
            HOST.to_owned(),
            i32::from(address.port()),
        );
        engine.spawn_log_cleaner();
        let shared = Arc::new(Shared::default());
        let acceptor = {
            let (engine, shared) = (engine.clone(), Arc::clone(&shared));
            thread::Builder::new()
                .name("broker-accept".to_owned())
                .spawn(move || accept(&listener, &engine, &shared))?
        };
        Ok(Broker {
            address,
            cluster_id,
            engine,
            shared,
            acceptor: Some(acceptor),
        })
    }

    /// `host:port`, as `bootstrap.servers` wants it.
    pub fn bootstrap(&self) -> String {
        self.address.to_string()
    }

    /// The cluster id that clients see.
    pub fn cluster_id(&self) -> &str {
        &self.cluster_id
    }

    /// Deletes the records of `topic` in front of each partition's offset.
    ///
    /// An offset beyond the log's end, or a partition that does not exist, is passed over:
    /// nothing is deleted that was not asked for.
    pub fn delete_before(&self, topic: &str, offsets: &BTreeMap<i32, i64>) {
        let partitions = offsets
            .iter()
            .map(|(partition, offset)| {
                DeleteRecordsPartition::default()
                    .with_partition_index(*partition)
                    .with_offset(*offset)
            })
            .collect();
        let topic = DeleteRecordsTopic::default()
            .with_name(topic_name(topic))
            .with_partitions(partitions);
        let request = DeleteRecordsRequest::default().with_topics(vec![topic]);
        self.engine
            .handle_delete_records(&request, DELETE_RECORDS_VERSION);
    }

    /// Bytes of every record the broker holds.
    pub fn stored_bytes(&self) -> u64 {
        let request = DescribeLogDirsRequest::default().with_topics(None);
        self.engine
            .handle_describe_log_dirs(&request, DESCRIBE_LOG_DIRS_VERSION)
            .results
            .into_iter()
            .flat_map(|directory| directory.topics)
            .flat_map(|topic| topic.partitions)
            .map(|partition| u64::try_from(partition.partition_size).unwrap_or(0))
            .sum()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        {
            let mut connections = self.shared.lock();
            connections.closed = true;
            for stream in connections.open.values() {
                // An error means that the client has gone already.
                let _ = stream.shutdown(Shutdown::Both);
            }
        }
        self.shared.changes.close();
        // The acceptor waits for a connection: this one lets it see that it is over.
        if TcpStream::connect(self.address).is_ok()
            && let Some(acceptor) = self.acceptor.take()
        {
            let _ = acceptor.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Connections> {
        self.connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes an open connection; `None` when the broker is closed.
    fn register(&self, stream: &TcpStream) -> Option<u64> {
        let stream = stream.try_clone().ok()?;
        let mut connections = self.lock();
        if connections.closed {
            return None;
        }
        let id = connections.next;
        connections.next += 1;
        connections.open.insert(id, stream);
        Some(id)
    }
}

fn accept(listener: &TcpListener, engine: &Engine, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        if shared.lock().closed {
            return;
        }
        let Ok(stream) = stream else { continue };
        let Some(id) = shared.register(&stream) else {
            continue;
        };
        let (engine, for_thread) = (engine.clone(), Arc::clone(shared));
        let spawned = thread::Builder::new()
            .name("broker".to_owned())
            .spawn(move || {
                if let Err(error) = connection::serve(&stream, &engine, &for_thread.changes) {
                    tracing::debug!(%error, "a connection to the embedded broker ended");
                }
                for_thread.lock().open.remove(&id);
            });
        if let Err(error) = spawned {
            tracing::warn!(%error, "no thread for a connection to the embedded broker");
            shared.lock().open.remove(&id);
        }
    }
}

/// A cluster that has the project's topics and no record.
///
/// State vectors are never deleted by age: a replayed record may carry any time, and what
/// the lake has not committed must stay.
fn empty_cluster(cluster_id: &str, partitions: i32) -> Snapshot {
    let states = HashMap::from([("retention.ms".to_owned(), "-1".to_owned())]);
    let letters = HashMap::from([
        ("retention.bytes".to_owned(), DEAD_LETTER_BYTES.to_string()),
        (
            "segment.bytes".to_owned(),
            (DEAD_LETTER_BYTES / 8).to_string(),
        ),
        (
            "max.message.bytes".to_owned(),
            names::DEAD_LETTERS_MESSAGE_BYTES.to_string(),
        ),
    ]);
    Snapshot {
        topics: vec![
            topic(names::FLIGHT_STATES_TOPIC, partitions, states),
            topic(names::DEAD_LETTERS_TOPIC, 1, letters),
        ],
        broker_id: BROKER_ID,
        host: HOST.to_owned(),
        port: 0,
        cluster_id: cluster_id.to_owned(),
        next_producer_id: 1_000,
        committed_offsets: Vec::new(),
        offset_metadata: Vec::new(),
        broker_configs: HashMap::new(),
    }
}

fn topic(name: &str, partitions: i32, configs: HashMap<String, String>) -> (String, TopicSnapshot) {
    let empty = |id| PartitionSnapshot {
        id,
        leader: BROKER_ID,
        record_batches: Vec::new(),
        high_watermark: 0,
        producer_seqs: Vec::new(),
        aborted_txns: Vec::new(),
        log_start_offset: 0,
        segments: Vec::new(),
        tombstone_horizons: Vec::new(),
        clean_offset: 0,
    };
    let snapshot = TopicSnapshot {
        name: name.to_owned(),
        is_internal: false,
        partitions: (0..partitions).map(|id| (id, empty(id))).collect(),
        configs,
    };
    (name.to_owned(), snapshot)
}

fn topic_name(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_owned()))
}
