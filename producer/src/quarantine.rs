//! A place for bodies that cannot be read.
//!
//! Each is kept as `<time>-<hash>.body` beside `<time>-<hash>.error.txt`, so that whoever looks
//! has both what came and why it was refused. The error is written first and files appear whole,
//! under their final names: a body that is there can be trusted. The oldest go when there are
//! too many, so the folder never fills a disk.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};

use crate::config::QuarantineConfig;

const BODY: &str = "body";
const ERROR: &str = "error.txt";
/// Names of files that are not finished start and end so.
const UNFINISHED: (&str, &str) = (".", ".tmp");
/// Hexadecimal digits of the body's hash in its name.
const HASH_LENGTH: usize = 8;

/// The folder, and how much it may hold.
#[derive(Debug, Clone)]
pub struct Quarantine {
    config: QuarantineConfig,
}

impl Quarantine {
    /// A quarantine as configured. The folder is made when it is first needed.
    pub fn new(config: &QuarantineConfig) -> Quarantine {
        Quarantine {
            config: config.clone(),
        }
    }

    /// Puts a body aside that came at `time` and was refused because of `reason`; gives its path.
    /// A body larger than the whole quarantine is not kept, only its error.
    ///
    /// # Errors
    /// The folder cannot be written to.
    pub fn keep(&self, body: &[u8], reason: &str, time: DateTime<Utc>) -> io::Result<PathBuf> {
        let dir = &self.config.dir;
        fs::create_dir_all(dir)?;
        let hash: String = Sha256::digest(body)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let name = format!(
            "{}-{}",
            time.format("%Y%m%dT%H%M%S%.3fZ"),
            &hash[..HASH_LENGTH]
        );
        let fits = body.len() as u64 <= self.config.max_bytes.bytes();
        let note = format!(
            "{reason}\nreceived: {}\nbytes: {}\nsha256: {hash}\n{}",
            time.to_rfc3339(),
            body.len(),
            if fits {
                ""
            } else {
                "kept: no, too long for the quarantine\n"
            },
        );
        write(dir, &format!("{name}.{ERROR}"), note.as_bytes())?;
        let file = format!("{name}.{BODY}");
        if fits {
            write(dir, &file, body)?;
        }
        self.prune()?;
        Ok(dir.join(file))
    }

    /// Removes the oldest until the rest is within the limits.
    fn prune(&self) -> io::Result<()> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(&self.config.dir)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with(UNFINISHED.0) && name.ends_with(UNFINISHED.1) {
                fs::remove_file(entry.path())?;
            } else if let Some(stem) = name.strip_suffix(&format!(".{ERROR}")) {
                let body = self.config.dir.join(format!("{stem}.{BODY}"));
                let length = fs::metadata(&body).map_or(0, |metadata| metadata.len());
                entries.push((name.clone(), entry.path(), body, length));
            }
        }
        // Names start with the time, so this is from the oldest to the newest.
        entries.sort();
        let mut count = entries.len();
        let mut bytes: u64 = entries.iter().map(|(.., length)| length).sum();
        for (_, error, body, length) in entries {
            if count <= self.config.max_files && bytes <= self.config.max_bytes.bytes() {
                break;
            }
            remove(&body)?;
            remove(&error)?;
            count -= 1;
            bytes -= length;
        }
        Ok(())
    }
}

/// Makes `name` appear in `dir` with all its content.
fn write(dir: &Path, name: &str, content: &[u8]) -> io::Result<()> {
    let unfinished = dir.join(format!("{}{name}{}", UNFINISHED.0, UNFINISHED.1));
    let mut file = fs::File::create(&unfinished)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(unfinished, dir.join(name))
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;
    use service::config::ByteSize;

    fn names(dir: &Path) -> Vec<String> {
        let entries = fs::read_dir(dir).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn quarantine(dir: &Path, max_files: usize, max_bytes: u64) -> Quarantine {
        Quarantine::new(&QuarantineConfig {
            dir: dir.join("quarantine"),
            max_files,
            max_bytes: ByteSize(max_bytes),
        })
    }

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_745_700_530, 0).unwrap() + TimeDelta::seconds(second)
    }

    #[test]
    fn a_body_is_kept_with_its_error() {
        let dir = tempfile::tempdir().unwrap();
        let quarantine = quarantine(dir.path(), 10, 1000);
        let path = quarantine.keep(b"<html>", "not JSON", at(0)).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(name.starts_with("20250426T204850.000Z-"), "{name}");
        assert_eq!(fs::read(&path).unwrap(), b"<html>");
        let note = fs::read_to_string(path.with_extension(ERROR)).unwrap();
        assert!(note.starts_with("not JSON\n"), "{note}");
        assert!(note.contains("bytes: 6\n"), "{note}");
        assert_eq!(names(&quarantine.config.dir).len(), 2);
    }

    #[test]
    fn the_oldest_go_first() {
        let dir = tempfile::tempdir().unwrap();
        let check = |quarantine: &Quarantine, kept: &[i64]| {
            for second in 0..5 {
                let body = vec![b'0' + second as u8; 100];
                quarantine.keep(&body, "bad", at(second)).unwrap();
            }
            let names = names(&quarantine.config.dir);
            let bodies: Vec<_> = names.iter().filter(|n| n.ends_with(BODY)).collect();
            assert_eq!(names.len(), 2 * kept.len(), "{names:?}");
            assert_eq!(bodies.len(), kept.len());
            for (name, second) in bodies.iter().zip(kept) {
                let start = at(*second).format("%Y%m%dT%H%M%S").to_string();
                assert!(name.starts_with(&start), "{name}");
            }
        };
        check(&quarantine(&dir.path().join("files"), 2, 10_000), &[3, 4]);
        check(&quarantine(&dir.path().join("bytes"), 9, 350), &[2, 3, 4]);
    }

    #[test]
    fn what_is_too_long_leaves_its_error_and_the_others() {
        let dir = tempfile::tempdir().unwrap();
        let quarantine = quarantine(dir.path(), 10, 50);
        quarantine.keep(&[b'a'; 40], "bad", at(0)).unwrap();
        let path = quarantine.keep(&[b'b'; 60], "worse", at(1)).unwrap();
        assert!(!path.exists());
        assert_eq!(names(&quarantine.config.dir).len(), 3);
    }

    #[test]
    fn leftovers_of_a_crash_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        let quarantine = quarantine(dir.path(), 10, 1000);
        fs::create_dir_all(&quarantine.config.dir).unwrap();
        fs::write(quarantine.config.dir.join(".x.body.tmp"), b"half").unwrap();
        quarantine.keep(b"a", "bad", at(0)).unwrap();
        assert_eq!(names(&quarantine.config.dir).len(), 2);
    }
}
