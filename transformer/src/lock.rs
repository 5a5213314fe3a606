//! One writer a folder.

use std::path::Path;

use service::lock::{Lock, LockError};

use crate::Error;

/// Takes a folder for this process alone, until the lock is dropped or the process ends in any
/// way, or says who has it.
pub(crate) fn take(folder: &Path) -> Result<Lock, Error> {
    std::fs::create_dir_all(folder).map_err(Error::file("create the folder", folder))?;
    let path = folder.join("transformer.lock");
    Lock::take(&path, &program()).map_err(|error| match error {
        LockError::Held(holder) => Error::Locked {
            folder: folder.to_owned(),
            holder: holder.to_string(),
        },
        LockError::Io(source) => Error::file("lock", &path)(source),
    })
}

/// What runs here, as a person started it: `transformer rebuild`, `contrail demo`.
fn program() -> String {
    let mut words = std::env::args();
    let program = words.next().unwrap_or_default();
    let name = Path::new(&program).file_stem().unwrap_or_default();
    let mut text = name.to_string_lossy().into_owned();
    if let Some(command) = words.next().filter(|word| !word.starts_with('-')) {
        text.push(' ');
        text.push_str(&command);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_one_is_refused_and_told_who_has_it() {
        let folder = tempfile::tempdir().unwrap();
        let first = take(folder.path()).unwrap();
        let error = take(folder.path()).unwrap_err().to_string();
        let process = format!("process {} on ", std::process::id());
        assert!(
            error.contains(&process) && error.contains(", since "),
            "{error}"
        );
        drop(first);
        take(folder.path()).unwrap();
    }
}
