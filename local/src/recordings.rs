//! Recorded bodies of `/states/all`: found, read, and all of them checked before any is used.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use contract::Poll;
use flate2::read::MultiGzDecoder;
use producer::opensky;
use service::fault::{Fault, Faulty};

/// No body is larger; a global one with 100,000 aircraft has 15 MiB.
const LARGEST_BODY: u64 = 256 * 1024 * 1024;

/// Why recordings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// A path is not there or cannot be read.
    #[error("cannot read {path}: {source}; check the path and its permissions", path = path.display())]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Nothing that looks like a recording was found.
    #[error("no *.json or *.json.gz file in {}; name files or folders of recorded OpenSky bodies", .0.join(", "))]
    None(Vec<String>),
    /// A file is something else.
    #[error("{path} is not a recorded body of OpenSky's /states/all: {reason}; leave it out, or go on without such files by --skip-bad", path = path.display())]
    NotOpenSky {
        /// The file.
        path: PathBuf,
        /// The rule it breaks.
        reason: String,
    },
    /// Two files claim the same time and differ.
    #[error("{second} has the time {time} as {first} has, and other states; leave one out, or keep the first by --skip-bad", first = first.display(), second = second.display())]
    SameTime {
        /// The file that comes first.
        first: PathBuf,
        /// The other one.
        second: PathBuf,
        /// Their `time`, in seconds since the epoch.
        time: i64,
    },
}

impl Faulty for RecordingError {
    fn fault(&self) -> Fault {
        match self {
            RecordingError::Unreadable { .. } | RecordingError::None(_) => Fault::Configuration,
            RecordingError::NotOpenSky { .. } | RecordingError::SameTime { .. } => Fault::Input,
        }
    }
}

/// A recording that was read once and found good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recording {
    /// The file.
    pub path: PathBuf,
    /// The body's `time`, in seconds since the epoch.
    pub time: i64,
    /// Rows in the body.
    pub rows: u64,
    /// Different aircraft among them.
    pub aircraft: u64,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Scan {
    /// The recordings to use, in the order of their time, no time twice.
    pub recordings: Vec<Recording>,
    /// How many were left out because an equal one came before.
    pub repeated: u64,
    /// What was left out because it cannot be used.
    pub skipped: Vec<RecordingError>,
}

/// Finds and reads every recording under `paths`, and tells `progress` how many were read
/// of how many. Only their paths, times and sizes are kept in memory.
///
/// # Errors
/// The first file that cannot be used; with `skip_bad` such files are left out instead.
pub fn scan(
    paths: &[PathBuf],
    skip_bad: bool,
    mut progress: impl FnMut(usize, usize),
) -> Result<Scan, RecordingError> {
    let files = find(paths)?;
    let mut scan = Scan::default();
    for (done, path) in files.iter().enumerate() {
        progress(done, files.len());
        match check(path) {
            Ok(recording) => scan.recordings.push(recording),
            Err(error) if skip_bad => scan.skipped.push(error),
            Err(error) => return Err(error),
        }
    }
    // A stable sort: of equal times the one that was named first comes first.
    scan.recordings.sort_by_key(|recording| recording.time);
    scan.drop_repeated(skip_bad)?;
    Ok(scan)
}

/// Reads one body, unpacked when its name ends in `.gz`.
///
/// # Errors
/// When it cannot be read or is not a body.
pub fn read(path: &Path) -> Result<Poll, RecordingError> {
    let not_opensky = |reason: String| RecordingError::NotOpenSky {
        path: path.to_owned(),
        reason,
    };
    let bytes = read_bytes(path).map_err(|source| match source.raw_os_error() {
        Some(_) => unreadable(path)(source),
        // The file was read, and what unpacks it refused it.
        None => not_opensky(format!("it cannot be unpacked: {source}")),
    })?;
    if bytes.len() as u64 > LARGEST_BODY {
        return Err(not_opensky(format!(
            "it is larger than {LARGEST_BODY} bytes"
        )));
    }
    opensky::parse(&bytes).map_err(|error| not_opensky(error.to_string()))
}

impl Scan {
    fn drop_repeated(&mut self, skip_bad: bool) -> Result<(), RecordingError> {
        let mut kept: Vec<Recording> = Vec::with_capacity(self.recordings.len());
        for recording in std::mem::take(&mut self.recordings) {
            let Some(first) = kept.last().filter(|first| first.time == recording.time) else {
                kept.push(recording);
                continue;
            };
            if read(&first.path)? == read(&recording.path)? {
                self.repeated += 1;
                continue;
            }
            let error = RecordingError::SameTime {
                first: first.path.clone(),
                second: recording.path,
                time: recording.time,
            };
            if !skip_bad {
                return Err(error);
            }
            self.skipped.push(error);
        }
        self.recordings = kept;
        Ok(())
    }
}

fn check(path: &Path) -> Result<Recording, RecordingError> {
    let poll = read(path)?;
    let aircraft: HashSet<&str> = poll.states.iter().map(|s| s.icao24.as_str()).collect();
    Ok(Recording {
        path: path.to_owned(),
        time: poll.time,
        rows: poll.states.len() as u64,
        aircraft: aircraft.len() as u64,
    })
}

fn read_bytes(path: &Path) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let mut bytes = Vec::new();
    let most = LARGEST_BODY + 1;
    if has_ending(path, ".gz") {
        MultiGzDecoder::new(file)
            .take(most)
            .read_to_end(&mut bytes)?;
    } else {
        file.take(most).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

/// Every file that was named, and the recordings in every folder that was.
fn find(paths: &[PathBuf]) -> Result<Vec<PathBuf>, RecordingError> {
    let mut files = Vec::new();
    for path in paths {
        let metadata = fs::metadata(path).map_err(unreadable(path))?;
        if metadata.is_dir() {
            find_in(path, &mut files)?;
        } else {
            files.push(path.clone());
        }
    }
    if files.is_empty() {
        let named = paths.iter().map(|path| path.display().to_string());
        return Err(RecordingError::None(named.collect()));
    }
    Ok(files)
}

/// In the order of names, folders among files.
fn find_in(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), RecordingError> {
    let mut entries = fs::read_dir(folder)
        .and_then(|entries| {
            entries
                .map(|entry| entry.map(|entry| entry.path()))
                .collect::<io::Result<Vec<_>>>()
        })
        .map_err(unreadable(folder))?;
    entries.sort();
    for path in entries {
        let metadata = fs::metadata(&path).map_err(unreadable(&path))?;
        if metadata.is_dir() {
            find_in(&path, files)?;
        } else if has_ending(&path, ".json") || has_ending(&path, ".json.gz") {
            files.push(path);
        }
    }
    Ok(())
}

fn has_ending(path: &Path, ending: &str) -> bool {
    path.file_name()
        .and_then(|name| name.to_str())
        .is_some_and(|name| name.to_ascii_lowercase().ends_with(ending))
}

fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> RecordingError {
    let path = path.to_owned();
    move |source| RecordingError::Unreadable { path, source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write;

    fn body(time: i64, aircraft: &[&str]) -> String {
        let rows: Vec<String> = aircraft
            .iter()
            .map(|icao24| {
                format!(
                    r#"["{icao24}","A ","X",1,{time},1.0,2.0,3.0,false,4.0,5.0,6.0,null,7.0,null,false,0]"#
                )
            })
            .collect();
        format!(r#"{{"time":{time},"states":[{}]}}"#, rows.join(","))
    }

    fn folder(files: &[(&str, String)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            if name.ends_with(".gz") {
                let mut file = GzEncoder::new(File::create(path).unwrap(), Compression::fast());
                file.write_all(content.as_bytes()).unwrap();
                file.finish().unwrap();
            } else {
                fs::write(path, content).unwrap();
            }
        }
        folder
    }

    fn scan_all(folder: &tempfile::TempDir, skip_bad: bool) -> Result<Scan, RecordingError> {
        scan(&[folder.path().to_owned()], skip_bad, |_, _| {})
    }

    #[test]
    fn recordings_are_found_in_every_folder_and_ordered_by_time() {
        let folder = folder(&[
            ("b/late.json", body(30, &["aaaaaa"])),
            ("a.json.gz", body(20, &["aaaaaa", "bbbbbb", "aaaaaa"])),
            ("b/c/first.JSON", body(10, &[])),
            ("notes.txt", "not looked at".to_owned()),
        ]);
        let scan = scan_all(&folder, false).unwrap();
        let found: Vec<_> = scan
            .recordings
            .iter()
            .map(|r| (r.time, r.rows, r.aircraft))
            .collect();
        assert_eq!(found, [(10, 0, 0), (20, 3, 2), (30, 1, 1)]);
    }

    #[test]
    fn what_is_not_opensky_s_is_refused_by_name_or_left_out() {
        let legacy = r#"{"time":1,"states":[["a","b","c",1,2,3,4,5,false,6,7,8,null]]}"#;
        for bad in ["<html>", "{", r#"{"states":[]}"#, "", legacy] {
            let folder = folder(&[
                ("bad.json", bad.to_owned()),
                ("good.json", body(1, &["aaaaaa"])),
            ]);
            let error = scan_all(&folder, false).unwrap_err();
            assert!(error.to_string().contains("bad.json"), "{error}");
            assert!(error.to_string().contains("--skip-bad"), "{error}");
            let scan = scan_all(&folder, true).unwrap();
            assert_eq!((scan.recordings.len(), scan.skipped.len()), (1, 1));
        }
    }

    #[test]
    fn a_damaged_archive_is_refused_by_name_or_left_out() {
        let folder = folder(&[("a.json.gz", body(1, &["aaaaaa"]))]);
        let path = folder.path().join("a.json.gz");
        let bytes = fs::read(&path).unwrap();
        for damaged in [&bytes[..bytes.len() - 9], b"no archive"] {
            fs::write(&path, damaged).unwrap();
            let error = scan_all(&folder, false).unwrap_err();
            assert_eq!(error.fault(), Fault::Input);
            let said = error.to_string();
            assert!(
                said.contains("a.json.gz") && said.contains("--skip-bad"),
                "{said}"
            );
            assert_eq!(scan_all(&folder, true).unwrap().skipped.len(), 1);
        }
    }

    #[test]
    fn of_two_with_the_same_time_the_first_is_kept_if_they_are_equal() {
        let same = folder(&[
            ("a.json", body(5, &["aaaaaa"])),
            ("b.json.gz", body(5, &["aaaaaa"])),
        ]);
        let scan = scan_all(&same, false).unwrap();
        assert_eq!((scan.recordings.len(), scan.repeated), (1, 1));
        assert!(scan.recordings[0].path.ends_with("a.json"));

        let other = folder(&[
            ("a.json", body(5, &["aaaaaa"])),
            ("b.json", body(5, &["bbbbbb"])),
        ]);
        let error = scan_all(&other, false).unwrap_err();
        assert!(matches!(error, RecordingError::SameTime { time: 5, .. }));
        let scan = scan_all(&other, true).unwrap();
        assert_eq!((scan.recordings.len(), scan.skipped.len()), (1, 1));
    }

    #[test]
    fn nothing_to_read_is_said() {
        let empty = folder(&[]);
        let error = scan_all(&empty, true).unwrap_err();
        assert!(error.to_string().contains("no *.json"), "{error}");
        let error = scan(&[empty.path().join("away")], true, |_, _| {}).unwrap_err();
        assert!(error.to_string().contains("away"), "{error}");
    }
}
