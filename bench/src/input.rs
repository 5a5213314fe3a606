//! What is measured with: polls of the simulated fleet, as bodies, as records, as rows.

use anyhow::{Context, bail};
use arrow::array::RecordBatch;
use consumer::chunk::Chunk;
use consumer::columns::Columns;
use consumer::decode::{Decoder, WriterSchema};
use contract::{Poll, Source, avro};
use iceberg::table::Table;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use service::config::Loader;
use simulator::Fleet;

/// Rows of one poll.
pub const AIRCRAFT: usize = 10_000;
/// Seconds from one poll to the next.
pub const INTERVAL: i64 = 30;
/// Seconds of a day.
pub const DAY: i64 = 86_400;
/// Seed of every fleet.
pub const SEED: u64 = 20_250;
/// Time of the newest history, in seconds since 1970: noon of a day, so that the polls that
/// follow it are on the same one.
pub const NOON: i64 = 1_750_032_000 + DAY / 2;

const MICROS_PER_SECOND: i64 = 1_000_000;

/// A poll as it comes out of the producer's reader.
///
/// # Errors
/// When the simulator's body is not OpenSky's.
pub fn poll(fleet: &Fleet, time: i64) -> anyhow::Result<Poll> {
    read(&fleet.body(time, true))
}

/// Reads a body as the producer does.
///
/// # Errors
/// When it is not OpenSky's.
pub fn read(body: &[u8]) -> anyhow::Result<Poll> {
    producer::opensky::parse(body).context("cannot read the simulator's body")
}

/// A service's configuration: its defaults, then these keys; nothing of the environment.
///
/// # Errors
/// When a key is unknown.
pub fn config<T: DeserializeOwned + Serialize + JsonSchema>(
    defaults: &[&'static str],
    pairs: &[(&str, &str)],
) -> anyhow::Result<T> {
    let pairs: Vec<(String, String)> = pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    let loader = Loader::new().environment::<&str, &str>([]);
    let loader = defaults
        .iter()
        .fold(loader, |loader, text| loader.defaults(text));
    Ok(loader.overrides(&pairs).load()?)
}

/// The consumer's decoder for the contract's schema under this id, into the table's columns.
///
/// # Errors
/// When the contract and the table do not fit together.
pub fn decoder(table: &Table, schema_id: u32) -> anyhow::Result<Decoder> {
    let mut decoder = Decoder::new(Columns::of(table)?);
    let writer = WriterSchema::Avro(avro::FLIGHT_STATE_SCHEMA.to_owned());
    let missing = decoder.missing(schema_id, &writer);
    if !missing.is_empty() {
        bail!("the table lacks columns of the contract: {missing:?}");
    }
    decoder.add(schema_id, &writer);
    Ok(decoder)
}

/// Decodes, and takes a record that cannot be for an error.
///
/// # Errors
/// When there is such a record.
pub fn decode(decoder: &mut Decoder, chunk: &Chunk) -> anyhow::Result<Vec<RecordBatch>> {
    let decoded = decoder.decode(chunk);
    match decoded.rejects.first() {
        Some(reject) => bail!("a record cannot be decoded: {}", reject.reason),
        None => Ok(decoded.batches),
    }
}

/// A poll as rows of the table, by way of the records that would be in the topic.
///
/// # Errors
/// As [`decode`].
pub fn rows(
    decoder: &mut Decoder,
    poll: &Poll,
    schema_id: u32,
) -> anyhow::Result<Vec<RecordBatch>> {
    let mut chunk = Chunk::default();
    let mut record = Vec::new();
    let time = poll.time * MICROS_PER_SECOND;
    for (offset, state) in (0..).zip(&poll.states) {
        record.clear();
        avro::encode(&mut record, schema_id, state, time, time, Source::Simulator);
        chunk.push(0, offset, &record);
    }
    decode(decoder, &chunk)
}
