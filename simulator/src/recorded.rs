//! Bodies recorded from OpenSky, to be served again in the order of their `time`. Only
//! their paths and times are kept in memory; the bytes are served as they were recorded.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::error::Error;

/// Recordings in the order of their `time`.
#[derive(Debug, Clone)]
pub struct Recordings {
    entries: Vec<Recording>,
}

/// One recorded body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recording {
    /// The body's `time`, seconds since 1970.
    pub time: i64,
    /// Where it is.
    pub path: PathBuf,
}

/// The least a body of `/states/all` has.
#[derive(Deserialize)]
struct Shape {
    time: i64,
    /// Required, though it may be null.
    #[serde(deserialize_with = "Option::deserialize")]
    #[allow(dead_code, reason = "read to check that it is there, and is rows")]
    states: Option<Vec<Vec<IgnoredAny>>>,
}

impl Recordings {
    /// Finds the recordings in files and folders (with what is below them) and checks
    /// that each is a body of `/api/states/all`.
    ///
    /// # Errors
    /// When a path cannot be read, a file is no such body, or a folder holds none.
    pub fn load(paths: &[PathBuf]) -> Result<Self, Error> {
        let mut entries = Vec::new();
        for path in paths {
            let mut files = Vec::new();
            find(path, &mut files)?;
            if files.is_empty() {
                return Err(Error::NoRecordings { path: path.clone() });
            }
            for path in files {
                let time = time_of(&path)?;
                entries.push(Recording { time, path });
            }
        }
        entries.sort_by(|a, b| (a.time, &a.path).cmp(&(b.time, &b.path)));
        Ok(Self { entries })
    }

    /// The recordings, the earliest first.
    pub fn entries(&self) -> &[Recording] {
        &self.entries
    }

    /// The `turn`-th recording, counted from 0; past the end, the last one again, as a
    /// server that has nothing newer would.
    pub fn in_turn(&self, turn: u64) -> Option<&Recording> {
        let turn = usize::try_from(turn).unwrap_or(usize::MAX);
        self.entries.get(turn).or(self.entries.last())
    }

    /// The last recording not after a time, seconds since 1970.
    pub fn at(&self, time: i64) -> Option<&Recording> {
        self.entries.iter().rfind(|entry| entry.time <= time)
    }
}

impl Recording {
    /// The recorded bytes, unpacked.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn body(&self) -> Result<Vec<u8>, Error> {
        read(&self.path)
    }

    /// The body with the rows for which `wanted` is true, by the row's number, address,
    /// latitude and longitude in degrees.
    ///
    /// # Errors
    /// When the file cannot be read, or no longer holds a body.
    pub fn rows(
        &self,
        wanted: impl Fn(usize, &str, Option<f64>, Option<f64>) -> bool,
    ) -> Result<Vec<u8>, Error> {
        let not_open_sky = |error: serde_json::Error| Error::NotOpenSky {
            path: self.path.clone(),
            reason: error.to_string(),
        };
        let mut body: Value = serde_json::from_slice(&self.body()?).map_err(not_open_sky)?;
        if let Some(rows) = body["states"].as_array_mut() {
            let mut number = 0..;
            rows.retain(|row| {
                let icao24 = row[0].as_str().unwrap_or_default();
                let (longitude, latitude) = (row[5].as_f64(), row[6].as_f64());
                number
                    .next()
                    .is_some_and(|number| wanted(number, icao24, latitude, longitude))
            });
        }
        serde_json::to_vec(&body).map_err(not_open_sky)
    }
}

fn find(path: &Path, files: &mut Vec<PathBuf>) -> Result<(), Error> {
    let unreadable = |source| Error::Unreadable {
        path: path.to_owned(),
        source,
    };
    if !std::fs::metadata(path).map_err(unreadable)?.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    for entry in std::fs::read_dir(path).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?.path();
        let name = entry.to_string_lossy();
        if entry.is_dir() || name.ends_with(".json") || name.ends_with(".json.gz") {
            find(&entry, files)?;
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let unreadable = |source| Error::Unreadable {
        path: path.to_owned(),
        source,
    };
    let mut file = BufReader::new(File::open(path).map_err(unreadable)?);
    let mut body = Vec::new();
    match path.extension() {
        Some(extension) if extension == "gz" => MultiGzDecoder::new(file).read_to_end(&mut body),
        _ => file.read_to_end(&mut body),
    }
    .map_err(unreadable)?;
    Ok(body)
}

fn time_of(path: &Path) -> Result<i64, Error> {
    serde_json::from_slice::<Shape>(&read(path)?)
        .map(|shape| shape.time)
        .map_err(|error| Error::NotOpenSky {
            path: path.to_owned(),
            reason: error.to_string(),
        })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            let mut file = File::create(path).unwrap();
            if name.ends_with(".gz") {
                let mut packed = flate2::write::GzEncoder::new(file, Default::default());
                packed.write_all(text.as_bytes()).unwrap();
                packed.finish().unwrap();
            } else {
                file.write_all(text.as_bytes()).unwrap();
            }
        }
        folder
    }

    fn load(folder: &tempfile::TempDir) -> Result<Recordings, Error> {
        Recordings::load(&[folder.path().to_owned()])
    }

    #[test]
    fn recordings_are_served_in_the_order_of_their_time() {
        let folder = folder(&[
            ("a.json.gz", r#"{"time":30,"states":[["abc123",null]]}"#),
            ("b.json", r#"{"time":10,"states":null}"#),
            ("deeper/c.json", r#"{"states":[],"time":20}"#),
            ("notes.txt", "not a recording"),
        ]);
        let recordings = load(&folder).unwrap();
        let times: Vec<i64> = (0..5)
            .map(|turn| recordings.in_turn(turn).unwrap().time)
            .collect();
        assert_eq!(times, [10, 20, 30, 30, 30]);
        let body = recordings.in_turn(2).unwrap().body().unwrap();
        assert_eq!(body, br#"{"time":30,"states":[["abc123",null]]}"#);
        assert_eq!(recordings.at(29).unwrap().time, 20);
        assert_eq!(recordings.at(9), None);
    }

    #[test]
    fn what_is_no_recording_is_refused_by_name() {
        for text in [
            "",
            "<html>",
            "[]",
            r#"{"time":1}"#,
            r#"{"time":"x","states":[]}"#,
            r#"{"time":1,"states":{}}"#,
            r#"{"time":1,"states":[["a"]"#,
        ] {
            let error = load(&folder(&[("x.json", text)])).unwrap_err();
            assert!(matches!(error, Error::NotOpenSky { .. }), "{text}: {error}");
            assert!(error.to_string().contains("x.json"), "{error}");
        }
        let error = load(&folder(&[])).unwrap_err();
        assert!(matches!(error, Error::NoRecordings { .. }));
        let error = Recordings::load(&["/no/such/folder".into()]).unwrap_err();
        assert!(matches!(error, Error::Unreadable { .. }));
    }
}
