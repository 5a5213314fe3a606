//! Which polls are in the marts, or in the lake, with all their rows.

use std::collections::HashMap;
use std::path::PathBuf;

use contract::names::FLIGHT_STATES_TABLE;
use lake::{Lake, LakeConfig};
use transformer::changes::{self, Changes, LakeFile};

use crate::error::Error;
use crate::recordings::Recording;

/// Recordings that the lake is asked for at once: what is asked for has bounded memory so.
const AT_ONCE: usize = 200;
const MICROS_PER_SECOND: i64 = 1_000_000;

/// Times of polls in seconds since the epoch, with the different aircraft of each.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Presence(HashMap<i64, u64>);

impl Presence {
    /// Asks the published marts; a folder where nothing is published has no poll.
    ///
    /// # Errors
    /// When the marts cannot be read.
    pub async fn read(published: PathBuf) -> Result<Presence, Error> {
        let sql = "select epoch(snapshot_time)::bigint, aircraft_total::bigint from kpi_history";
        Presence::of(published, sql.to_owned()).await
    }

    /// Asks the lake's own files for the times of `recordings`, with the views of what is
    /// published open. The marts forget detail, the lake does not.
    ///
    /// # Errors
    /// When the lake cannot be read.
    pub async fn in_lake(
        lake: &LakeConfig,
        published: PathBuf,
        recordings: &[Recording],
    ) -> Result<Presence, Error> {
        let mut all = Presence::default();
        if recordings.is_empty() {
            return Ok(all);
        }
        let files = files(lake).await?;
        // In the order of their time, as a scan gives them.
        for some in recordings.chunks(AT_ONCE) {
            let times = some.iter().map(|recording| recording.time);
            let (Some(first), Some(last)) = (times.clone().min(), times.max()) else {
                continue;
            };
            if let Some(sql) = polls_of(&files, first, last) {
                all.0.extend(Presence::of(published.clone(), sql).await?.0);
            }
        }
        Ok(all)
    }

    async fn of(published: PathBuf, sql: String) -> Result<Presence, Error> {
        let task = tokio::task::spawn_blocking(move || transformer::query(&published, &sql));
        let found = match task.await {
            Ok(Ok(found)) => found,
            Ok(Err(transformer::Error::NotPublished(_))) => return Ok(Presence::default()),
            Ok(Err(error)) => return Err(error.into()),
            Err(_) => return Err(Error::Panicked("query of the marts")),
        };
        let number = |value: &Option<String>| value.as_ref()?.parse().ok();
        let polls = found.rows.iter().filter_map(|row| {
            let [time, aircraft] = row.as_slice() else {
                return None;
            };
            Some((number(time)?, u64::try_from(number(aircraft)?).ok()?))
        });
        Ok(Presence(polls.collect()))
    }

    /// Whether every aircraft of the recording is there. A poll that has more, as when it
    /// was also recorded live, has these too.
    pub fn has(&self, recording: &Recording) -> bool {
        let found = self.0.get(&recording.time).copied().unwrap_or(0);
        found >= recording.aircraft
    }
}

/// The files of the lake, with the times in them.
async fn files(lake: &LakeConfig) -> Result<Vec<LakeFile>, Error> {
    let Some(table) = Lake::open(lake).await?.load(FLIGHT_STATES_TABLE).await? else {
        return Ok(Vec::new());
    };
    match changes::since(&table, None, u64::MAX).await? {
        // Without a watermark it is all there is.
        Changes::Rebuild { files, .. } => Ok(files),
        _ => Ok(Vec::new()),
    }
}

/// The query for the polls between two times, if there are files that may have them.
fn polls_of(files: &[LakeFile], first: i64, last: i64) -> Option<String> {
    let reaches = |file: &&LakeFile| {
        let (from, to) = (
            first.saturating_mul(MICROS_PER_SECOND),
            last.saturating_mul(MICROS_PER_SECOND),
        );
        file.first_time.is_none_or(|time| time <= to)
            && file.last_time.is_none_or(|time| time >= from)
    };
    let paths = files.iter().filter(reaches);
    let paths: Vec<String> = paths
        .map(|file| format!("'{}'", file.path.replace('\'', "''")))
        .collect();
    if paths.is_empty() {
        return None;
    }
    Some(format!(
        "select epoch(snapshot_time)::bigint, count(distinct icao24)::bigint
        from read_parquet([{}], union_by_name = true, hive_partitioning = false)
        where snapshot_time between to_timestamp({first}) and to_timestamp({last})
        group by all",
        paths.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_poll_is_there_when_all_its_aircraft_are() {
        let empty = tempfile::tempdir().unwrap();
        let nothing = Presence::read(empty.path().to_owned()).await.unwrap();
        assert_eq!(nothing, Presence::default());

        let presence = Presence(HashMap::from([(10, 3)]));
        let check = |time, aircraft, expected| {
            let recording = Recording {
                path: PathBuf::new(),
                time,
                rows: aircraft,
                aircraft,
            };
            assert_eq!(presence.has(&recording), expected, "{time} {aircraft}");
        };
        check(10, 3, true);
        check(10, 2, true);
        check(10, 4, false);
        check(11, 1, false);
        check(11, 0, true);
    }
}
