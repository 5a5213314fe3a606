//! Removing generations that no reader can hold any more.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::ahead;
use super::generation::{Generation, number_of};
use crate::Error;

/// The numbers of the generations in the folder, ascending.
pub(crate) fn kept(folder: &Path) -> Result<Vec<u64>, Error> {
    let entries = fs::read_dir(folder).map_err(Error::file("read the folder", folder))?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut numbers: Vec<u64> = names.filter_map(|name| number_of(&name)).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// The highest number of a generation in the folder, or 0.
pub(super) fn newest(folder: &Path) -> Result<u64, Error> {
    Ok(kept(folder)?.last().copied().unwrap_or(0))
}

/// Removes what a crash has left: folders that were being written, what was written ahead, and generations
/// newer than the current one, which no reader was ever told of.
pub(super) fn clear_unfinished(folder: &Path, current: Option<&Generation>) -> Result<(), Error> {
    let current = current.map_or(0, |current| current.generation);
    let entries = fs::read_dir(folder).map_err(Error::file("read the folder", folder))?;
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let never_named = number_of(&name).is_some_and(|number| number > current);
        if never_named || name.starts_with(".unfinished-") || name == ahead::FOLDER {
            let path = entry.path();
            fs::remove_dir_all(&path).map_err(Error::file("remove", &path))?;
        }
    }
    Ok(())
}

/// Puts a generation that was refused where a person can look at it, in place of an older one.
pub(super) fn set_aside(unfinished: &Path, refused: &Path) {
    discard(refused);
    if let Err(error) = fs::rename(unfinished, refused) {
        tracing::debug!(path = %refused.display(), %error, "what was refused cannot be kept");
        discard(unfinished);
    }
}

/// Removes a folder that was being written. What cannot be removed now is removed when the
/// folder is opened next.
pub(super) fn discard(unfinished: &Path) {
    if let Err(error) = fs::remove_dir_all(unfinished)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::debug!(path = %unfinished.display(), %error, "cannot remove what was written");
    }
}

/// Removes generations that were replaced more than `keep` ago. One was replaced when the next
/// was written, so its own age is not what counts. What cannot be removed is tried again with
/// the next generation.
pub(super) fn remove_old(folder: &Path, current: u64, keep: Duration, now: SystemTime) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    let mut generations: Vec<(u64, SystemTime)> = entries
        .flatten()
        .filter_map(|entry| {
            let number = number_of(&entry.file_name().to_string_lossy())?;
            Some((number, entry.metadata().ok()?.modified().ok()?))
        })
        .collect();
    generations.sort_unstable();
    for pair in generations.windows(2) {
        let [(number, _), (_, replaced)] = pair else {
            continue;
        };
        let held = now.duration_since(*replaced).unwrap_or(Duration::ZERO);
        if *number >= current || held <= keep {
            continue;
        }
        let path = folder.join(super::generation::folder_name(*number));
        if let Err(error) = fs::remove_dir_all(&path) {
            tracing::warn!(path = %path.display(), %error, "cannot remove an old generation");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generations(folder: &Path) -> Vec<u64> {
        let names = fs::read_dir(folder).unwrap().flatten();
        let mut numbers: Vec<u64> = names
            .filter_map(|entry| number_of(&entry.file_name().to_string_lossy()))
            .collect();
        numbers.sort_unstable();
        numbers
    }

    #[test]
    fn what_was_replaced_long_ago_goes_and_the_current_one_stays() {
        let folder = tempfile::tempdir().unwrap();
        for number in [1, 2, 3, 10] {
            fs::create_dir(folder.path().join(format!("gen-{number}"))).unwrap();
        }
        let now = SystemTime::now();
        let keep = Duration::from_secs(1800);
        remove_old(folder.path(), 10, keep, now + Duration::from_secs(60));
        assert_eq!(generations(folder.path()), [1, 2, 3, 10]);
        remove_old(folder.path(), 10, keep, now + Duration::from_secs(3600));
        assert_eq!(generations(folder.path()), [10]);
        assert_eq!(newest(folder.path()).unwrap(), 10);
    }
}
