//! The records of one poll, encoded one after another.

use contract::{Poll, avro};

use crate::publish::Stamp;

const MICROS_PER_SECOND: i64 = 1_000_000;

/// Keys and values in one piece of memory each, which the next poll uses again.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    keys: Vec<u8>,
    values: Vec<u8>,
    /// Where the key and the value of each record end.
    ends: Vec<(usize, usize)>,
}

impl Batch {
    /// Replaces the content by the rows of `poll`.
    pub(crate) fn encode(&mut self, poll: &Poll, stamp: Stamp) {
        self.keys.clear();
        self.values.clear();
        self.ends.clear();
        let snapshot_time = poll.time.saturating_mul(MICROS_PER_SECOND);
        let ingestion_time = stamp.ingestion_time.timestamp_micros();
        for state in &poll.states {
            self.keys.extend_from_slice(state.icao24.as_bytes());
            avro::encode(
                &mut self.values,
                stamp.schema_id,
                state,
                snapshot_time,
                ingestion_time,
                stamp.source,
            );
            self.ends.push((self.keys.len(), self.values.len()));
        }
    }

    /// Number of records.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Bytes of all values.
    pub(crate) fn bytes(&self) -> usize {
        self.values.len()
    }

    /// Key and value of each record.
    pub(crate) fn records(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let starts = std::iter::once((0, 0)).chain(self.ends.iter().copied());
        starts
            .zip(&self.ends)
            .map(|((key, value), ends)| (&self.keys[key..ends.0], &self.values[value..ends.1]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;
    use contract::{FlightState, Source, wire};

    #[test]
    fn records_come_out_one_by_one_and_memory_is_used_again() {
        let poll = |icao24s: &[&str]| Poll {
            time: 7,
            states: icao24s
                .iter()
                .map(|icao24| FlightState {
                    icao24: (*icao24).to_owned(),
                    ..FlightState::default()
                })
                .collect(),
        };
        let stamp = Stamp {
            schema_id: 9,
            ingestion_time: DateTime::UNIX_EPOCH,
            source: Source::Live,
        };
        let mut batch = Batch::default();
        for icao24s in [&["aaaaaa", "b", "cccccc"][..], &["dddddd"], &[]] {
            batch.encode(&poll(icao24s), stamp);
            assert_eq!(batch.len(), icao24s.len());
            let keys: Vec<_> = batch.records().map(|(key, _)| key).collect();
            assert_eq!(
                keys,
                icao24s.iter().map(|k| k.as_bytes()).collect::<Vec<_>>()
            );
            let mut bytes = 0;
            for (key, value) in batch.records() {
                let (id, body) = wire::parse(value).unwrap();
                assert_eq!(id, 9);
                // The address comes first: its length, then itself.
                assert_eq!(&body[1..=key.len()], key);
                bytes += value.len();
            }
            assert_eq!(bytes, batch.bytes());
        }
    }
}
