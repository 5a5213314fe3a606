//! Takes what persons have changed in Metabase back into the files.
//!
//! A file is only written when it would say something else: an export right after an apply writes nothing.
//! A question that a person has put on one of our dashboards becomes a file beside the others.

mod back;
mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use crate::Error;
use crate::content::{Dashboard, Library, Question, dashboard};
use crate::metabase::Client;
use crate::metabase::kept::{self, Kept};
use crate::state::{Key, Kind, Mark};

/// Writes the dashboards of these names, or all of them, with their questions into a folder of content.
/// Gives the files that were written.
///
/// # Errors
/// There is no dashboard of a name, something cannot be written as a file, or there is no answer.
pub async fn export(
    client: &Client,
    library: &Library,
    names: &[String],
    folder: &Path,
) -> Result<Vec<PathBuf>, Error> {
    let kept = kept::all(client).await?;
    let known: BTreeMap<&str, &Kept> = kept
        .iter()
        .filter(|(key, kept)| key.kind == Kind::Dashboard && !kept.archived())
        .map(|(key, kept)| (key.id.as_str(), kept))
        .collect();
    if let Some(name) = names.iter().find(|name| !known.contains_key(name.as_str())) {
        let all: Vec<_> = known.keys().copied().collect();
        return Err(Error::NoDashboard {
            name: name.clone(),
            known: all.join(", "),
        });
    }
    let mut names_of = Names::new(&kept, library);
    let mut files: BTreeMap<PathBuf, String> = BTreeMap::new();
    for (id, dashboard) in known {
        if !names.is_empty() && !names.iter().any(|name| name == id) {
            continue;
        }
        for card in shown(&dashboard.body) {
            let body = kept::get(client, Kind::Question, card).await?;
            let name = names_of.of_card(card, &body, id);
            write_question(&names_of, library, &name, &body, &mut files)?;
        }
        let layout = back::layout(&dashboard.body, id, &names_of)?;
        let file = Path::new(id).join(dashboard::FILE);
        let before = library
            .dashboards
            .get(id)
            .map(|dashboard| &dashboard.layout);
        if before != Some(&layout) {
            files.insert(file, text::of_layout(&layout));
        }
    }
    // Questions that stand on no dashboard, such as models.
    for (key, kept) in &kept {
        let wanted = names.is_empty()
            || names
                .iter()
                .any(|name| key.id.starts_with(&format!("{name}/")));
        if key.kind == Kind::Question && wanted && !kept.archived() {
            write_question(&names_of, library, &key.id, &kept.body, &mut files)?;
        }
    }
    check(&files)?;
    let mut written = Vec::new();
    for (file, text) in files {
        let path = folder.join(&file);
        let parent = path.parent().unwrap_or(folder);
        fs::create_dir_all(parent).map_err(Error::file("make the folder", parent))?;
        fs::write(&path, text).map_err(Error::file("write", &path))?;
        written.push(path);
    }
    Ok(written)
}

fn write_question(
    names: &Names,
    library: &Library,
    id: &str,
    body: &Json,
    files: &mut BTreeMap<PathBuf, String>,
) -> Result<(), Error> {
    let question = back::question(id, body, names)?;
    if library.questions.get(id) != Some(&question) {
        files.insert(question.file.clone(), text::of_question(&question, body));
    }
    Ok(())
}

/// What is written can be read again. Nothing is written otherwise.
fn check(files: &BTreeMap<PathBuf, String>) -> Result<(), Error> {
    let mut wrong = Vec::new();
    for (file, text) in files {
        let read = match file.ends_with(dashboard::FILE) {
            true => Dashboard::parse(file, text).map(drop),
            false => Question::parse(file, text).map(drop),
        };
        wrong.extend(read.err().into_iter().flatten());
    }
    Ok(crate::content::Mistakes::none(wrong)?)
}

/// The cards that a dashboard shows.
fn shown(body: &Json) -> BTreeSet<i64> {
    let cards = body["dashcards"].as_array().into_iter().flatten();
    cards.filter_map(|card| card["card_id"].as_i64()).collect()
}

/// The names in the files of what has a number in Metabase.
pub(crate) struct Names {
    questions: BTreeMap<i64, String>,
    dashboards: BTreeMap<i64, String>,
    /// The name of each filter, by its dashboard and Metabase's id.
    filters: BTreeMap<(String, String), String>,
    taken: BTreeSet<String>,
}

impl Names {
    fn new(kept: &BTreeMap<Key, Kept>, library: &Library) -> Names {
        let of = |kind: Kind| {
            kept.iter()
                .filter(move |(key, _)| key.kind == kind)
                .map(|(key, kept)| (kept.id, key.id.clone()))
                .collect::<BTreeMap<_, _>>()
        };
        let questions = of(Kind::Question);
        let taken = questions.values().chain(library.questions.keys()).cloned();
        let mut filters = BTreeMap::new();
        for (key, kept) in kept.iter().filter(|(key, _)| key.kind == Kind::Dashboard) {
            for filter in kept.body["parameters"].as_array().into_iter().flatten() {
                if let (Some(id), Some(name)) = (filter["id"].as_str(), filter["slug"].as_str()) {
                    filters.insert((key.id.clone(), id.to_owned()), name.to_owned());
                }
            }
        }
        Names {
            taken: taken.collect(),
            filters,
            questions,
            dashboards: of(Kind::Dashboard),
        }
    }

    /// The question of a card; a new one, in the folder of the dashboard, where it is a person's.
    fn of_card(&mut self, card: i64, body: &Json, folder: &str) -> String {
        if let Some(name) = self.questions.get(&card) {
            return name.clone();
        }
        let title = body["name"].as_str().unwrap_or_default();
        let plain = format!("{folder}/{}", plain(title));
        let name = (1..)
            .map(|n| match n {
                1 => plain.clone(),
                n => format!("{plain}_{n}"),
            })
            .find(|name| !self.taken.contains(name))
            .unwrap_or(plain);
        self.taken.insert(name.clone());
        self.questions.insert(card, name.clone());
        name
    }

    pub(crate) fn question(&self, card: i64) -> Option<&str> {
        self.questions.get(&card).map(String::as_str)
    }

    pub(crate) fn filter(&self, dashboard: &str, id: &str) -> Option<String> {
        let key = (dashboard.to_owned(), id.to_owned());
        self.filters.get(&key).cloned()
    }

    pub(crate) fn dashboard(&self, id: i64) -> Option<&str> {
        self.dashboards.get(&id).map(String::as_str)
    }
}

/// A description without our line.
pub(crate) fn description(body: &Json) -> String {
    Mark::split(body["description"].as_str().unwrap_or_default()).0
}

/// A title as the name of a file.
fn plain(title: &str) -> String {
    let words: Vec<String> = title
        .to_lowercase()
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect();
    match words.is_empty() {
        true => "question".to_owned(),
        false => words.join("_"),
    }
}
