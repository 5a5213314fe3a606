//! Which polls are in the marts with all their rows.

use std::collections::HashMap;
use std::path::PathBuf;

use crate::error::Error;
use crate::recordings::Recording;

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
        let task = tokio::task::spawn_blocking(move || transformer::query(&published, sql));
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
