//! Fetch as Kafka answers it: no sooner than there is something to say or the client's
//! patience is over, and no more than it asked for.

use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::{
    ApiKey, FetchRequest, FetchResponse, RequestHeader, ResponseHeader,
};
use kafka_protocol::protocol::{Decodable, Encodable};
use noida::kafka::engine::Engine;

/// Bytes in front of a record batch's body: its base offset and its length.
const BATCH_PREFIX: usize = 12;
const BATCH_LENGTH_AT: std::ops::Range<usize> = 8..12;

/// Counts changes of the log, so that waiting fetches look again when there was one.
#[derive(Default)]
pub(super) struct Changes {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    count: u64,
    closed: bool,
}

impl Changes {
    /// Something was produced, committed or aborted.
    pub(super) fn notify(&self) {
        self.lock().count += 1;
        self.changed.notify_all();
    }

    /// Ends every wait, now and later.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    fn count(&self) -> u64 {
        self.lock().count
    }

    /// Waits for a change after `seen`; false when `deadline` came first.
    fn wait(&self, seen: u64, deadline: Instant) -> bool {
        let mut state = self.lock();
        while state.count == seen && !state.closed {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = self
                .changed
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        !state.closed
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Answers one framed Fetch request with the bytes of its response.
pub(super) fn answer(engine: &Engine, changes: &Changes, frame: Bytes) -> io::Result<BytesMut> {
    let (header, request) = read(frame)?;
    let patience = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0));
    let deadline = Instant::now() + patience;
    let response = loop {
        // Counted before looking: a change in between makes the wait return at once.
        let seen = changes.count();
        let response = engine.handle_fetch(&request, header.request_api_version);
        if is_worth_sending(&request, &response) || !changes.wait(seen, deadline) {
            break response;
        }
    };
    write(&header, cut(&request, response))
}

fn read(mut frame: Bytes) -> io::Result<(RequestHeader, FetchRequest)> {
    let version = frame
        .get(2..4)
        .and_then(|bytes| bytes.first_chunk())
        .map(|bytes| i16::from_be_bytes(*bytes))
        .ok_or_else(|| invalid("a request without a version"))?;
    let header_version = ApiKey::Fetch.request_header_version(version);
    let header = RequestHeader::decode(&mut frame, header_version).map_err(invalid)?;
    let request = FetchRequest::decode(&mut frame, version).map_err(invalid)?;
    Ok((header, request))
}

fn write(header: &RequestHeader, response: FetchResponse) -> io::Result<BytesMut> {
    let version = header.request_api_version;
    let mut out = BytesMut::new();
    ResponseHeader::default()
        .with_correlation_id(header.correlation_id)
        .encode(&mut out, ApiKey::Fetch.response_header_version(version))
        .map_err(invalid)?;
    response.encode(&mut out, version).map_err(invalid)?;
    Ok(out)
}

/// Whether an error or enough bytes are there.
fn is_worth_sending(request: &FetchRequest, response: &FetchResponse) -> bool {
    let mut bytes = 0;
    for partition in response.responses.iter().flat_map(|topic| &topic.partitions) {
        if partition.error_code != 0 {
            return true;
        }
        bytes += partition.records.as_ref().map_or(0, Bytes::len);
    }
    bytes > 0 && bytes >= usize::try_from(request.min_bytes).unwrap_or(0)
}

/// Keeps as many whole batches as the limits of the partition and of the request allow,
/// and always the first one of the response, so that a batch above a limit still passes.
fn cut(request: &FetchRequest, mut response: FetchResponse) -> FetchResponse {
    let mut left = usize::try_from(request.max_bytes).unwrap_or(0);
    let mut is_first = true;
    for (topic, asked) in response.responses.iter_mut().zip(&request.topics) {
        for (partition, asked) in topic.partitions.iter_mut().zip(&asked.partitions) {
            let Some(records) = partition.records.take() else {
                continue;
            };
            let limit = usize::try_from(asked.partition_max_bytes)
                .unwrap_or(0)
                .min(left);
            let length = whole_batches(&records, limit, is_first);
            is_first &= length == 0;
            left = left.saturating_sub(length);
            // An empty set of records, not none: clients read the field either way.
            partition.records = Some(records.slice(..length));
        }
    }
    response
}

/// The length of the batches that fit into `limit`; the first one counts as fitting when
/// `at_least_one` says so.
fn whole_batches(records: &[u8], limit: usize, at_least_one: bool) -> usize {
    let mut end = 0;
    while let Some(length) = records
        .get(end..)
        .and_then(|rest| rest.get(BATCH_LENGTH_AT))
        .and_then(|bytes| bytes.first_chunk())
        .and_then(|bytes| usize::try_from(i32::from_be_bytes(*bytes)).ok())
    {
        let next = end + BATCH_PREFIX + length;
        let fits = next <= limit || (end == 0 && at_least_one);
        if next > records.len() || !fits {
            break;
        }
        end = next;
    }
    end
}

fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn batches(lengths: &[usize]) -> Vec<u8> {
        let mut out = Vec::new();
        for length in lengths {
            out.extend_from_slice(&0i64.to_be_bytes());
            out.extend_from_slice(&i32::try_from(*length).unwrap().to_be_bytes());
            out.extend(std::iter::repeat_n(7, *length));
        }
        out
    }

    proptest! {
        #[test]
        fn what_is_cut_ends_at_a_batch_and_within_the_limit(
            lengths in proptest::collection::vec(0usize..200, 0..8),
            limit in 0usize..1_000,
            at_least_one: bool,
        ) {
            let records = batches(&lengths);
            let end = whole_batches(&records, limit, at_least_one);
            let ends: Vec<usize> = lengths
                .iter()
                .scan(0, |sum, length| { *sum += BATCH_PREFIX + length; Some(*sum) })
                .collect();
            let fitting = ends.iter().copied().filter(|end| *end <= limit).max();
            let expected = match fitting {
                Some(end) => end,
                None if at_least_one => ends.first().copied().unwrap_or(0),
                None => 0,
            };
            prop_assert_eq!(end, expected);
        }
    }

    #[test]
    fn a_wait_ends_by_a_change_by_time_or_by_closing() {
        let changes = Changes::default();
        let soon = Instant::now() + Duration::from_millis(5);
        assert!(!changes.wait(0, soon), "nothing changed");
        changes.notify();
        let late = Instant::now() + Duration::from_secs(3_600);
        assert!(changes.wait(0, late), "it changed before");
        changes.close();
        assert!(!changes.wait(1, late), "it is closed");
    }
}
