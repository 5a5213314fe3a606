//! How far the marts are.

use std::path::Path;

use chrono::Utc;
use serde::Serialize;

use super::error::ApiError;
use super::reader::{self, Reader};
use crate::{Error, Status};

/// The answer of `/api/status`. Before the first publication the generation is 0 and there are
/// no marts.
#[derive(Debug, Default, Serialize)]
pub(super) struct StatusAnswer {
    generation: u64,
    /// When it was written.
    updated: Option<String>,
    /// Time of the newest poll in it.
    as_of: Option<String>,
    /// How long ago that was.
    age_seconds: Option<f64>,
    rows: u64,
    polls: u64,
    /// The lake's snapshot it was counted from: a text, since it is more than a double can hold.
    watermark: Option<String>,
    /// Everything is being counted again from the lake.
    rebuilding: bool,
    /// All that the lake held when it was last looked at is published.
    caught_up: bool,
    marts: Vec<MartStatus>,
}

#[derive(Debug, Serialize)]
struct MartStatus {
    name: String,
    rows: u64,
    /// The generation in which it was last written.
    generation: u64,
    updated: String,
    as_of: Option<String>,
    age_seconds: Option<f64>,
}

/// What is published, and what the transformer says of itself.
pub(super) fn answer(published: &Path, live: &Status) -> Result<StatusAnswer, ApiError> {
    let generation = match reader::current(published) {
        Ok(generation) => generation,
        Err(ApiError::Marts(Error::NotPublished(_))) => {
            return Ok(StatusAnswer {
                rebuilding: live.rebuilding,
                ..StatusAnswer::default()
            });
        }
        Err(error) => return Err(error),
    };
    let reader = Reader::open(published, generation)?;
    let sql = "select coalesce(sum(aircraft_total), 0)::bigint, count(*) from kpi_history";
    let counts = reader.query(sql)?.rows.into_iter().flatten().flatten();
    let mut counts = counts.map(|count| count.parse().unwrap_or(0));
    let now = Utc::now();
    let generation = &reader.generation;
    let marts = generation.marts.iter().map(|(name, entry)| MartStatus {
        name: name.clone(),
        rows: entry.rows(),
        generation: entry.generation,
        updated: reader::text(entry.refreshed_at),
        as_of: reader::time(entry.as_of),
        age_seconds: reader::age(entry.as_of, now),
    });
    Ok(StatusAnswer {
        generation: generation.generation,
        updated: Some(reader::text(generation.created_at)),
        as_of: reader::time(generation.as_of),
        age_seconds: reader::age(generation.as_of, now),
        rows: counts.next().unwrap_or(0),
        polls: counts.next().unwrap_or(0),
        watermark: generation.snapshot_id.map(|id| id.to_string()),
        rebuilding: live.rebuilding,
        caught_up: live.caught_up && live.generation == generation.generation,
        marts: marts.collect(),
    })
}
