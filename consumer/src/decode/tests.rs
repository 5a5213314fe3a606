use super::*;

use arrow::array::AsArray;
use arrow::datatypes::{DataType, Int64Type, Schema, TimeUnit};
use proptest::prelude::*;

const AVRO: &str = r#"{"type":"record","name":"R","fields":[
    {"name":"n","type":"long"},{"name":"s","type":["null","string"],"default":null},
    {"name":"t","type":{"type":"long","logicalType":"timestamp-micros"}}]}"#;

/// The table's columns, `s` among them or not yet.
fn table(with_s: bool) -> Columns {
    let time = DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into()));
    let mut fields = vec![
        Field::new("n", DataType::Int64, false),
        Field::new("t", time, false),
    ];
    if with_s {
        fields.push(Field::new("s", DataType::Utf8, true));
    }
    Columns::new(Arc::new(Schema::new(fields)), "t")
}

fn avro() -> WriterSchema {
    WriterSchema::Avro(AVRO.to_owned())
}

fn decoder() -> Decoder {
    let mut decoder = Decoder::new(table(true));
    assert!(decoder.missing(1, &avro()).is_empty());
    decoder.add(1, &avro());
    decoder.add(2, &WriterSchema::None("no schema has the id 2".to_owned()));
    decoder
}

/// `n` is below 64, so that it is one byte.
fn row(n: u8) -> Vec<u8> {
    row_at(n, 0)
}

fn row_at(n: u8, micros: i64) -> Vec<u8> {
    let mut row = vec![0, 0, 0, 0, 1, n * 2, 2, 4, b'o', b'k'];
    // Avro's long: zigzag, seven bits a byte.
    let mut left = ((micros << 1) ^ (micros >> 63)).cast_unsigned();
    while left >= 0x80 {
        row.push((left & 0x7f) as u8 | 0x80);
        left >>= 7;
    }
    row.push(left as u8);
    row
}

fn chunk(payloads: &[Vec<u8>]) -> Chunk {
    let mut chunk = Chunk::default();
    for (offset, payload) in (0..).zip(payloads) {
        chunk.push(0, offset, payload);
    }
    chunk
}

fn numbers(decoded: &Decoded) -> Vec<i64> {
    decoded
        .batches
        .iter()
        .flat_map(|batch| {
            batch
                .column(0)
                .as_primitive::<Int64Type>()
                .values()
                .to_vec()
        })
        .collect()
}

#[test]
fn every_kind_of_bad_record_is_rejected_with_its_reason() {
    let cases: [(Vec<u8>, &str); 12] = [
        (vec![], "too few for a schema id"),
        (b"{\"n\":1}".to_vec(), "first byte is 0x7b"),
        (vec![0, 0, 0, 0, 9, 2], "schema 9 was not looked up"),
        (vec![0, 0, 0, 0, 2, 2], "no schema has the id 2"),
        (vec![0, 0, 0, 0, 1, 2, 2, 4, b'o'], "ends after 9 bytes"),
        ([row(3), vec![1]].concat(), "after the record's last field"),
        ([row(3), row(4)].concat(), "after the record's last field"),
        (vec![0, 0, 0, 0, 1, 2, 2, 4, 0xff, 0xfe, 0], "UTF"),
        // Times that a table partitioned by day has no folder for.
        (
            row_at(3, i64::MAX),
            "no time between 1970 and the year 10000",
        ),
        (row_at(3, i64::MIN), "t is -9223372036854775808"),
        (row_at(3, -1), "t is -1 µs"),
        (row_at(3, 253_402_300_800_000_000), "t is 253402300800"),
    ];
    for (payload, reason) in cases {
        let decoded = decoder().decode(&chunk(&[row(1), payload.clone(), row(2)]));
        assert_eq!(numbers(&decoded), [1, 2], "{reason}");
        assert_eq!(decoded.rejects.len(), 1, "{reason}");
        let reject = &decoded.rejects[0];
        assert_eq!((reject.record.offset, &reject.payload), (1, &payload));
        assert!(
            reject.reason.contains(reason),
            "{}: {reason}",
            reject.reason
        );
    }
}

#[test]
fn a_new_column_is_reported_and_read_once_the_table_has_it() {
    let mut decoder = Decoder::new(table(false));
    let missing = decoder.missing(1, &avro());
    assert_eq!(missing.len(), 1);
    assert_eq!(missing[0].name(), "s");
    // Whoever asks and is kept from adding the column asks again.
    assert_eq!(decoder.unknown_schemas(&chunk(&[row(1)])), [1]);
    decoder.set_table(table(true));
    decoder.add(1, &avro());
    let decoded = decoder.decode(&chunk(&[row(1)]));
    assert_eq!(
        decoded.batches[0].column(2).as_string::<i32>().value(0),
        "ok"
    );
}

#[test]
fn the_last_time_of_all_is_a_time() {
    let last = row_at(5, 253_402_300_799_999_999);
    let decoded = decoder().decode(&chunk(&[last, row(6)]));
    assert_eq!(numbers(&decoded), [5, 6]);
}

proptest! {
    /// Good and bad records in any order: each is a row or a reject, in order, and a bad
    /// one never costs a good one.
    #[test]
    fn nothing_is_lost(kinds in proptest::collection::vec((0u8..60, 0usize..4), 0..200)) {
        let mut payloads = Vec::new();
        let mut good = Vec::new();
        for (n, kind) in &kinds {
            let mut payload = row(*n);
            match kind {
                0 | 1 => good.push(i64::from(*n)),
                2 => payload.truncate(7),
                _ => payload.push(0),
            }
            payloads.push(payload);
        }
        let decoded = decoder().decode(&chunk(&payloads));
        prop_assert_eq!(decoded.rejects.len(), payloads.len() - good.len());
        prop_assert_eq!(numbers(&decoded), good);
    }
}
