//! Takes what persons have changed in Metabase back into the files.
//!
//! A file is only written when what it made was edited in Metabase, and would say something else then: an
//! export right after an apply writes nothing, and what was changed in a file alone stays. A question that
//! a person has put on one of our dashboards becomes a file beside the others, and is kept by it.

mod back;
mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};

use crate::Error;
use crate::content::question::folder_of;
use crate::content::{Dashboard, Library, Mistake, Mistakes, Question, dashboard};
use crate::metabase::Client;
use crate::metabase::kept::{self, Kept};
use crate::state::seen::{query, seen};
use crate::state::wanted::{self, Ids};
use crate::state::{Found, Key, Kind, Mark, digest};

/// What an export has done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exported {
    /// Files that were written.
    pub files: Vec<PathBuf>,
    /// Questions that were a person's and are kept by a file from now on.
    pub adopted: Vec<String>,
}

/// Writes the dashboards of these names, or all of them, with their questions into a folder of content.
///
/// # Errors
/// There is no dashboard of a name, something cannot be written as a file or was changed in its file as
/// well, or there is no answer.
pub async fn export(
    client: &Client,
    library: &Library,
    names: &[String],
    folder: &Path,
) -> Result<Exported, Error> {
    let kept = kept::all(client).await?.kept;
    let there: BTreeMap<&str, &Kept> = kept
        .iter()
        .filter(|(key, kept)| key.kind == Kind::Dashboard && !kept.archived())
        .map(|(key, kept)| (key.id.as_str(), kept))
        .collect();
    if let Some(name) = names.iter().find(|name| !there.contains_key(name.as_str())) {
        let all: Vec<_> = there.keys().copied().collect();
        return Err(Error::NoDashboard {
            name: name.clone(),
            known: all.join(", "),
        });
    }
    let asked = |folder: &str| names.is_empty() || names.iter().any(|name| name == folder);
    let mut writing = Writing {
        library,
        kept: &kept,
        names: Names::new(&kept, library),
        files: BTreeMap::new(),
        adopted: Vec::new(),
    };
    for (id, dashboard) in there.into_iter().filter(|(id, _)| asked(id)) {
        for card in shown(&dashboard.body) {
            if writing.names.question(card).is_none() {
                let body = kept::get(client, Kind::Question, card).await?;
                writing.adopt(card, body, id)?;
            }
        }
        writing.dashboard(id, dashboard)?;
    }
    for (key, kept) in &kept {
        let folder = folder_of(&key.id);
        if key.kind == Kind::Question && asked(folder) && !kept.archived() {
            writing.question(&key.id, kept)?;
        }
    }
    let Writing { files, adopted, .. } = writing;
    check(&files)?;
    let mut done = Exported::default();
    for (file, text) in files {
        let path = folder.join(&file);
        let parent = path.parent().unwrap_or(folder);
        fs::create_dir_all(parent).map_err(Error::file("make the folder", parent))?;
        fs::write(&path, text).map_err(Error::file("write", &path))?;
        done.files.push(path);
    }
    for (id, name, body) in adopted {
        let mark = Mark {
            key: Key::new(Kind::Question, &name),
            wanted: "exported".into(),
            found: Some(Found {
                digest: digest(&seen(Kind::Question, &body)),
                id,
            }),
        };
        let put = json!({"description": mark.below(&description(&body))});
        let path = format!("{}/{id}", kept::path(Kind::Question));
        client.put(&path, &put).await?;
        done.adopted.push(name);
    }
    Ok(done)
}

/// The files to be written.
struct Writing<'a> {
    library: &'a Library,
    kept: &'a BTreeMap<Key, Kept>,
    names: Names,
    files: BTreeMap<PathBuf, String>,
    /// Number, name and body of what is a person's.
    adopted: Vec<(i64, String, Json)>,
}

impl Writing<'_> {
    /// A question of a person's that stands on a dashboard.
    fn adopt(&mut self, card: i64, body: Json, folder: &str) -> Result<(), Error> {
        let title = body["name"].as_str().unwrap_or_default();
        let name = self.names.add(card, title, folder);
        let question = back::question(&name, &body, &self.names)?;
        let text = text::of_question(&question, &body);
        self.files.insert(question.file, text);
        self.adopted.push((card, name, body));
        Ok(())
    }

    fn question(&mut self, id: &str, kept: &Kept) -> Result<(), Error> {
        let before = self.library.questions.get(id);
        // What nobody has edited in Metabase may have been changed in its file.
        if before.is_some() && !kept.edited() {
            return Ok(());
        }
        let question = back::question(id, &kept.body, &self.names)?;
        if before == Some(&question) {
            return Ok(());
        }
        if let Some(before) = before {
            let body = &kept.body;
            let database = query(&body["dataset_query"])["database"].as_i64();
            let folder = folder_of(id);
            let collection = self.id(Kind::Collection, folder);
            let ids = self.ids();
            let wanted = wanted::question(
                before,
                database.unwrap_or_default(),
                collection.unwrap_or_default(),
                &ids,
            );
            self.refuse_both(kept, &wanted, &before.file)?;
        }
        let text = text::of_question(&question, &kept.body);
        self.files.insert(question.file, text);
        Ok(())
    }

    fn dashboard(&mut self, id: &str, kept: &Kept) -> Result<(), Error> {
        let before = self.library.dashboards.get(id);
        if before.is_some() && !kept.edited() {
            return Ok(());
        }
        let layout = back::layout(&kept.body, id, &self.names)?;
        if before.is_some_and(|before| before.layout == layout) {
            return Ok(());
        }
        if let Some(before) = before {
            let collection = self.id(Kind::Collection, id).unwrap_or_default();
            let ids = self.ids();
            let wanted = wanted::dashboard(before, self.library, collection, &ids, &Json::Null);
            self.refuse_both(kept, &wanted, &before.file)?;
        }
        let file = Path::new(id).join(dashboard::FILE);
        self.files.insert(file, text::of_layout(&layout));
        Ok(())
    }

    /// What was edited in Metabase, and in its file since that was applied: nobody knows which is to win.
    fn refuse_both(&self, kept: &Kept, wanted: &Json, file: &Path) -> Result<(), Error> {
        if kept.mark.wanted == digest(&seen(kept.mark.key.kind, wanted)) {
            return Ok(());
        }
        let reason = "it was changed since it was applied, and edited in Metabase too; put the change aside \
                      (git stash), export, and put it in again";
        Err(Mistakes::from(Mistake::new(file, reason)).into())
    }

    fn id(&self, kind: Kind, id: &str) -> Option<i64> {
        self.kept.get(&Key::new(kind, id)).map(|kept| kept.id)
    }

    fn ids(&self) -> Ids {
        let kept = self.kept.iter();
        kept.map(|(key, kept)| (key.clone(), kept.id)).collect()
    }
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
    Ok(Mistakes::none(wrong)?)
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
    pub(crate) fn new(kept: &BTreeMap<Key, Kept>, library: &Library) -> Names {
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

    /// A name for a person's question, in a folder.
    fn add(&mut self, card: i64, title: &str, folder: &str) -> String {
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

    /// Whether a body of Metabase's is what a file says, in whatever way it is written.
    pub(crate) fn same_question(&self, body: &Json, question: &Question) -> bool {
        let archived = body["archived"].as_bool().unwrap_or(false);
        let found = back::question(&question.id, body, self);
        !archived && found.is_ok_and(|found| found == *question)
    }

    /// The same of a dashboard.
    pub(crate) fn same_dashboard(&self, body: &Json, dashboard: &Dashboard) -> bool {
        let archived = body["archived"].as_bool().unwrap_or(false);
        let found = back::layout(body, &dashboard.id, self);
        !archived && found.is_ok_and(|found| found == dashboard.layout)
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
    Mark::split_of(body).0
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
