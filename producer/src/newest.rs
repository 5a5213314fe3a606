//! The time of the last poll in the topic, read from its newest records.
//!
//! The topic itself is the memory of what was published: it cannot disagree with itself after a
//! crash, as a file beside it could. Aborted records are not seen. Since the rows of a poll go to
//! every partition, and a small poll may miss some, the newest record of each partition is read.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use apache_avro::Schema;
use apache_avro::types::Value;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use service::config::KafkaConfig;

use crate::config::ProducerConfig;
use crate::kafka::{Context, PublishError, client_config, create};

const SLICE: Duration = Duration::from_millis(500);
/// Offsets looked at from the end at first. The last ones are the marks of transactions, which
/// are no records, or records that were taken back; when there is nothing else, more is read.
const WINDOW: i64 = 16;
const WIDER: i64 = 16;
const MICROS_PER_SECOND: i64 = 1_000_000;

/// What is still to be read of a partition.
#[derive(Debug, Clone, Copy)]
struct Range {
    low: i64,
    start: i64,
    high: i64,
}

/// The values of the newest committed record of each partition of the topic that has one.
///
/// # Errors
/// Kafka does not answer within `producer.connect_timeout`.
pub(crate) fn records(
    kafka: &KafkaConfig,
    config: &ProducerConfig,
    cancelled: &AtomicBool,
) -> Result<Vec<Vec<u8>>, PublishError> {
    let mut settings = client_config(kafka);
    settings
        .set("group.id", &config.transactional_id)
        .set("isolation.level", "read_committed")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("fetch.message.max.bytes", "65536")
        .set("queued.max.messages.kbytes", "1024");
    let consumer: BaseConsumer<Context> = create(&settings)?;
    let deadline = Instant::now() + config.connect_timeout;
    let topic = &config.topic;
    let failed = |reason: String| PublishError::Newest {
        topic: topic.clone(),
        reason,
    };
    let mut open = ranges(&consumer, topic, config.connect_timeout)
        .map_err(|error| failed(error.to_string()))?;
    let mut newest = BTreeMap::new();
    while !open.is_empty() {
        let mut assignment = TopicPartitionList::new();
        for (partition, range) in &open {
            assignment
                .add_partition_offset(topic, *partition, Offset::Offset(range.start))
                .map_err(|error| failed(error.to_string()))?;
        }
        consumer
            .assign(&assignment)
            .map_err(|error| failed(error.to_string()))?;
        let mut unfinished: Vec<i32> = open.keys().copied().collect();
        while !unfinished.is_empty() {
            if Instant::now() > deadline || cancelled.load(Ordering::Relaxed) {
                return Err(failed("Kafka did not answer in time".to_owned()));
            }
            match consumer.poll(SLICE) {
                None => {}
                Some(Ok(record)) => {
                    let value = record.payload().unwrap_or_default().to_vec();
                    newest.insert(record.partition(), value);
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    unfinished.retain(|other| *other != partition);
                }
                Some(Err(error)) => tracing::debug!(%error, "while reading the newest records"),
            }
        }
        open = open
            .into_iter()
            .filter(|(partition, range)| !newest.contains_key(partition) && range.start > range.low)
            .map(|(partition, range)| (partition, range.wider()))
            .collect();
    }
    Ok(newest.into_values().collect())
}

/// The end of every partition that may have records.
fn ranges(
    consumer: &BaseConsumer<Context>,
    topic: &str,
    timeout: Duration,
) -> Result<BTreeMap<i32, Range>, KafkaError> {
    let metadata = consumer.fetch_metadata(Some(topic), timeout)?;
    let mut ranges = BTreeMap::new();
    for partition in metadata.topics().iter().flat_map(|t| t.partitions()) {
        let (low, high) = consumer.fetch_watermarks(topic, partition.id(), timeout)?;
        let start = high;
        if low < high {
            ranges.insert(partition.id(), Range { low, start, high }.wider());
        }
    }
    Ok(ranges)
}

impl Range {
    /// The same end, from an earlier start.
    fn wider(self) -> Range {
        let length = ((self.high - self.start) * WIDER).max(WINDOW);
        Range {
            start: (self.high - length).max(self.low),
            ..self
        }
    }
}

/// The `snapshot_time` of an Avro body, in whole seconds since the epoch; none when the body is
/// not of `schema` or has no such time.
pub(crate) fn snapshot_time(schema: &str, mut body: &[u8]) -> Option<i64> {
    let schema = Schema::parse_str(schema).ok()?;
    let value = apache_avro::from_avro_datum(&schema, &mut body, None).ok()?;
    let Value::Record(fields) = value else {
        return None;
    };
    let time = fields.into_iter().find(|(name, _)| name == "snapshot_time");
    match time?.1 {
        Value::TimestampMicros(micros) => Some(micros.div_euclid(MICROS_PER_SECOND)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::{FlightState, Source, avro, wire};

    #[test]
    fn the_time_of_a_record_is_read() {
        let state = FlightState {
            icao24: "4b1805".into(),
            sensors: Some(vec![1, 2]),
            ..FlightState::default()
        };
        let mut record = Vec::new();
        avro::encode(
            &mut record,
            1,
            &state,
            1_745_700_530_000_000,
            5,
            Source::Live,
        );
        let (_, body) = wire::parse(&record).unwrap();
        let read = |body| snapshot_time(avro::FLIGHT_STATE_SCHEMA, body);
        assert_eq!(read(body), Some(1_745_700_530));
        assert_eq!(read(&body[..3]), None);
        assert_eq!(snapshot_time("\"string\"", body), None);
    }

    #[test]
    fn a_range_widens_until_it_is_the_partition() {
        let mut range = Range {
            low: 100,
            start: 5_000,
            high: 5_000,
        };
        let starts: Vec<_> = (0..4)
            .map(|_| {
                range = range.wider();
                range.start
            })
            .collect();
        assert_eq!(starts, [4_984, 4_744, 904, 100]);
    }
}
