//! Record batches as they lie in a log: where each ends, and what it means to a
//! transaction. Only headers are read, and the records of control batches.

use std::collections::HashMap;
use std::ops::Range;

use bytes::Bytes;
use kafka_protocol::records::RecordBatchDecoder;

/// Bytes in front of what a batch's length counts: its base offset and the length itself.
pub(super) const PREFIX: usize = 12;
const LENGTH: Range<usize> = 8..12;
const ATTRIBUTES: Range<usize> = 21..23;
const PRODUCER_ID: Range<usize> = 43..51;
const TRANSACTIONAL: i16 = 0x10;
const CONTROL: i16 = 0x20;
/// A control record's key: a version and the kind, where 0 is an abort.
const MARKER_KIND: Range<usize> = 2..4;
const ABORT: i16 = 0;

/// One batch of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Batch {
    pub(super) base_offset: i64,
    /// Where it lies in the bytes that were read.
    pub(super) bytes: Range<usize>,
    pub(super) kind: Kind,
}

/// What a batch means to the transaction of the producer that is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Plain,
    Transactional(i64),
    Commit(i64),
    Abort(i64),
}

/// The whole batches in `records`, in order.
pub(super) fn read(records: &Bytes) -> Vec<Batch> {
    let mut batches = Vec::new();
    let mut start = 0;
    while let Some(batch) = read_one(records, start) {
        start = batch.bytes.end;
        batches.push(batch);
    }
    batches
}

/// The aborted transactions that a reader of these batches must know: producer and first
/// offset, in the order of their ends.
///
/// A transaction that began before the first batch begins there for this reader. One whose
/// records all lie before is left out, as are those that ended before: a client skips
/// every later record of a producer for which it is given an abort that it never sees end.
pub(super) fn aborted_transactions(batches: &[Batch]) -> Vec<(i64, i64)> {
    let mut first_offsets = HashMap::new();
    let mut aborted = Vec::new();
    for batch in batches {
        match batch.kind {
            Kind::Plain => {}
            Kind::Transactional(producer) => {
                first_offsets.entry(producer).or_insert(batch.base_offset);
            }
            Kind::Commit(producer) => {
                first_offsets.remove(&producer);
            }
            Kind::Abort(producer) => {
                aborted.extend(
                    first_offsets
                        .remove(&producer)
                        .map(|first| (producer, first)),
                );
            }
        }
    }
    aborted
}

fn read_one(records: &Bytes, start: usize) -> Option<Batch> {
    let rest = records.get(start..)?;
    let base_offset = i64::from_be_bytes(*rest.first_chunk()?);
    let length = i32::from_be_bytes(*rest.get(LENGTH)?.first_chunk()?);
    let end = start + PREFIX + usize::try_from(length).ok()?;
    let batch = records.get(start..end)?;
    let attributes = i16::from_be_bytes(*batch.get(ATTRIBUTES)?.first_chunk()?);
    let producer = i64::from_be_bytes(*batch.get(PRODUCER_ID)?.first_chunk()?);
    let kind = if attributes & TRANSACTIONAL == 0 {
        Kind::Plain
    } else if attributes & CONTROL == 0 {
        Kind::Transactional(producer)
    } else if is_abort(records.slice(start..end)) {
        Kind::Abort(producer)
    } else {
        Kind::Commit(producer)
    };
    Some(Batch {
        base_offset,
        bytes: start..end,
        kind,
    })
}

fn is_abort(mut batch: Bytes) -> bool {
    let mut kind = || {
        let records = RecordBatchDecoder::decode(&mut batch).ok()?.records;
        let key = records.first()?.key.as_ref()?;
        Some(i16::from_be_bytes(*key.get(MARKER_KIND)?.first_chunk()?))
    };
    kind() == Some(ABORT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(kinds: &[Kind], expected: &[(i64, i64)]) {
        let batches: Vec<Batch> = kinds
            .iter()
            .zip(10..)
            .map(|(kind, base_offset)| Batch {
                base_offset,
                bytes: 0..0,
                kind: *kind,
            })
            .collect();
        assert_eq!(aborted_transactions(&batches), expected);
    }

    #[test]
    fn only_aborts_that_a_reader_meets_are_told() {
        use Kind::{Abort, Commit, Plain, Transactional as Data};
        check(
            &[Data(1), Data(1), Abort(1), Data(1), Commit(1)],
            &[(1, 10)],
        );
        check(&[Abort(1), Data(1), Commit(1)], &[]);
        check(&[Data(1), Commit(1), Plain, Data(1)], &[]);
        check(
            &[Data(1), Data(2), Abort(2), Abort(1), Data(2), Abort(2)],
            &[(2, 11), (1, 10), (2, 14)],
        );
    }

    #[test]
    fn what_is_no_batch_ends_the_reading() {
        assert_eq!(read(&Bytes::new()), []);
        assert_eq!(read(&Bytes::from_static(&[0; 100])), []);
        assert_eq!(read(&Bytes::from_static(&[255; 100])), []);
    }
}
