//! Fetch as Kafka answers it: no sooner than there is something to say or the client's
//! patience is over, no more than it asked for, and with the aborted transactions that
//! concern what is sent.
//!
//! The engine is asked as if uncommitted records were wanted, since what it would leave
//! out of a committed view, and which aborts it would name, is not what clients need.

use std::io;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::fetch_response::{AbortedTransaction, PartitionData};
use kafka_protocol::messages::{
    ApiKey, FetchRequest, FetchResponse, ProducerId, RequestHeader, ResponseHeader,
};
use kafka_protocol::protocol::{Decodable, Encodable};
use noida::kafka::engine::Engine;

use super::batches::{self, Batch};
use super::changes::Changes;

const READ_COMMITTED: i8 = 1;
const READ_UNCOMMITTED: i8 = 0;

/// Answers one framed Fetch request with the bytes of its response.
pub(super) fn answer(engine: &Engine, changes: &Changes, frame: Bytes) -> io::Result<BytesMut> {
    let (header, mut request) = read(frame)?;
    let is_committed = request.isolation_level == READ_COMMITTED;
    request.isolation_level = READ_UNCOMMITTED;
    let patience = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0));
    let deadline = Instant::now() + patience;
    let response = loop {
        // Counted before looking: a change in between makes the wait return at once.
        let seen = changes.count();
        let mut response = engine.handle_fetch(&request, header.request_api_version);
        shape(&request, &mut response, is_committed);
        if is_worth_sending(&request, &response) || !changes.wait(seen, deadline) {
            break response;
        }
    };
    write(&header, &response)
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

fn write(header: &RequestHeader, response: &FetchResponse) -> io::Result<BytesMut> {
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
    for partition in response
        .responses
        .iter()
        .flat_map(|topic| &topic.partitions)
    {
        if partition.error_code != 0 {
            return true;
        }
        bytes += partition.records.as_ref().map_or(0, Bytes::len);
    }
    bytes > 0 && bytes >= usize::try_from(request.min_bytes).unwrap_or(0)
}

/// Leaves of each partition the whole batches that may be seen and that the limits of the
/// partition and of the request allow. The first batch of the response passes whatever its
/// size, so that one above a limit does not stop its reader for good.
fn shape(request: &FetchRequest, response: &mut FetchResponse, is_committed: bool) {
    let mut left = usize::try_from(request.max_bytes).unwrap_or(0);
    let mut is_first = true;
    for (topic, asked) in response.responses.iter_mut().zip(&request.topics) {
        for (partition, asked) in topic.partitions.iter_mut().zip(&asked.partitions) {
            let Some(records) = partition.records.take() else {
                continue;
            };
            let mut found = batches::read(&records);
            if is_committed {
                name_aborted(partition, &found);
                found.retain(|batch| batch.base_offset < partition.last_stable_offset);
            }
            let limit = usize::try_from(asked.partition_max_bytes)
                .unwrap_or(0)
                .min(left);
            let length = fitting(&found, limit, is_first);
            is_first &= length == 0;
            left = left.saturating_sub(length);
            partition.records = Some(records.slice(..length));
        }
    }
}

fn name_aborted(partition: &mut PartitionData, batches: &[Batch]) {
    let aborted: Vec<AbortedTransaction> = batches::aborted_transactions(batches)
        .into_iter()
        .map(|(producer, first_offset)| {
            AbortedTransaction::default()
                .with_producer_id(ProducerId(producer))
                .with_first_offset(first_offset)
        })
        .collect();
    partition.aborted_transactions = (!aborted.is_empty()).then_some(aborted);
}

/// The length of the batches that fit into `limit`; the first one counts as fitting when
/// `at_least_one` says so.
fn fitting(batches: &[Batch], limit: usize, at_least_one: bool) -> usize {
    let fits = |batch: &&Batch| batch.bytes.end <= limit;
    let fitting = batches.iter().take_while(fits).last();
    let forced = if at_least_one { batches.first() } else { None };
    fitting.or(forced).map_or(0, |batch| batch.bytes.end)
}

fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::batches::Kind;
    use proptest::prelude::*;

    fn of_lengths(lengths: &[usize]) -> Vec<Batch> {
        let ends = lengths.iter().scan(0, |end, length| {
            *end += length;
            Some(*end)
        });
        ends.zip(lengths)
            .map(|(end, length)| Batch {
                base_offset: 0,
                bytes: end - length..end,
                kind: Kind::Plain,
            })
            .collect()
    }

    proptest! {
        #[test]
        fn what_is_cut_ends_at_a_batch_and_within_the_limit(
            lengths in proptest::collection::vec(1usize..200, 0..8),
            limit in 0usize..1_000,
            at_least_one: bool,
        ) {
            let length = fitting(&of_lengths(&lengths), limit, at_least_one);
            let sums = (0..=lengths.len()).map(|count| lengths[..count].iter().sum::<usize>());
            let within = sums.filter(|sum| *sum <= limit).max().unwrap();
            let forced = lengths.first().copied().unwrap_or(0);
            let expected = if within == 0 && at_least_one { forced } else { within };
            prop_assert_eq!(length, expected);
        }
    }
}
