//! Where model files, seeds and cases come from: this program, and a folder beside it.
//!
//! A folder has the same shape as `models/` of the source: `staging`, `intermediate`, `marts`
//! and `audits` with `*.sql`, `seeds` with `*.csv` and `tests` with `*.toml`. A file of a name that there is
//! already takes its place.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use include_dir::{Dir, include_dir};

use super::model::Layer;
use crate::Error;

static FILES: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/models");

/// The text of a model, before it is parsed.
#[derive(Debug, Clone)]
pub struct ModelFile {
    /// Name of the file without `.sql`.
    pub name: String,
    /// The folder it lies in.
    pub layer: Layer,
    /// Where it is, for people.
    pub origin: String,
    /// The whole text.
    pub text: String,
}

/// Model files, seeds, cases and audits.
#[derive(Debug, Clone, Default)]
pub struct Files {
    models: BTreeMap<String, ModelFile>,
    seeds: BTreeMap<String, String>,
    cases: BTreeMap<String, String>,
    audits: BTreeMap<String, String>,
}

impl Files {
    /// No files at all.
    pub fn none() -> Files {
        Files::default()
    }

    /// Those this program was built with.
    pub fn embedded() -> Files {
        let mut files = Files::none();
        for folder in FOLDERS {
            let found = FILES.get_dir(folder).into_iter().flat_map(Dir::files);
            for file in found {
                let origin = format!("transformer/models/{}", file.path().display());
                let text = file.contents_utf8().unwrap_or_default();
                files.add(folder, file.path(), origin, text.to_owned());
            }
        }
        files
    }

    /// Adds the files of a folder. One that lies where none belongs is refused: it would be
    /// waited for in vain.
    pub fn add_folder(&mut self, root: &Path) -> Result<(), Error> {
        for path in entries(root)? {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name == "README.md" {
                continue;
            }
            let Some(folder) = FOLDERS.into_iter().find(|folder| *folder == name) else {
                return Err(Error::Config {
                    key: "models",
                    reason: format!(
                        "{} is not one of the folders {}",
                        path.display(),
                        FOLDERS.join(", ")
                    ),
                });
            };
            for file in entries(&path)? {
                let text = fs::read_to_string(&file).map_err(Error::file("read", &file))?;
                let origin = file.display().to_string();
                if !self.add(folder, &file, origin, text) {
                    return Err(Error::Config {
                        key: "models",
                        reason: format!(
                            "{} is not a file *.{}",
                            file.display(),
                            extension_of(folder)
                        ),
                    });
                }
            }
        }
        Ok(())
    }

    /// Adds a file of one of the folders; whether it belongs there.
    fn add(&mut self, folder: &str, path: &Path, origin: String, text: String) -> bool {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let name = name.into_owned();
        if path
            .extension()
            .is_none_or(|found| found != extension_of(folder))
        {
            return false;
        }
        match folder {
            "seeds" => {
                self.seeds.insert(name, text);
            }
            "tests" => {
                self.cases.insert(name, text);
            }
            "audits" => {
                self.audits.insert(name, text);
            }
            folder => {
                for layer in Layer::ALL
                    .into_iter()
                    .filter(|layer| layer.folder() == folder)
                {
                    self.set_model(ModelFile {
                        name: name.clone(),
                        layer,
                        origin: origin.clone(),
                        text: text.clone(),
                    });
                }
            }
        }
        true
    }

    /// The models' files, by layer and name.
    pub fn models(&self) -> impl Iterator<Item = &ModelFile> {
        let mut files: Vec<_> = self.models.values().collect();
        files.sort_by_key(|file| file.layer);
        files.into_iter()
    }

    /// Names and texts of the seeds, CSV with a header.
    pub fn seeds(&self) -> impl Iterator<Item = (&str, &str)> {
        let seeds = self.seeds.iter();
        seeds.map(|(name, text)| (name.as_str(), text.as_str()))
    }

    /// The text of a seed; empty when there is none of that name.
    pub fn seed(&self, name: &str) -> &str {
        self.seeds.get(name).map_or("", String::as_str)
    }

    /// The audits that are files of their own, as name and text.
    pub fn audits(&self) -> impl Iterator<Item = (&str, &str)> {
        let audits = self.audits.iter();
        audits.map(|(name, text)| (name.as_str(), text.as_str()))
    }

    /// Puts a model in place of the one of its name.
    pub fn set_model(&mut self, file: ModelFile) {
        self.models.insert(file.name.clone(), file);
    }

    /// Puts a seed in place of the one of that name.
    pub fn set_seed(&mut self, name: &str, text: &str) {
        self.seeds.insert(name.to_owned(), text.to_owned());
    }

    /// The given/expect cases, as model and text.
    pub fn cases(&self) -> impl Iterator<Item = (&str, &str)> {
        let cases = self.cases.iter();
        cases.map(|(model, text)| (model.as_str(), text.as_str()))
    }
}

const FOLDERS: [&str; 6] = [
    "staging",
    "intermediate",
    "marts",
    "seeds",
    "tests",
    "audits",
];

fn extension_of(folder: &str) -> &'static str {
    match folder {
        "seeds" => "csv",
        "tests" => "toml",
        _ => "sql",
    }
}

/// The entries of a folder by name, without hidden ones.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let read = || -> std::io::Result<Vec<PathBuf>> {
        let entries = fs::read_dir(folder)?;
        let mut paths = Vec::new();
        for entry in entries {
            let entry = entry?;
            if !entry.file_name().to_string_lossy().starts_with('.') {
                paths.push(entry.path());
            }
        }
        paths.sort();
        Ok(paths)
    };
    read().map_err(Error::file("read the folder of models", folder))
}
