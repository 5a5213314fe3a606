//! All content: the questions, models and dashboards of a folder, checked against each other.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use include_dir::{Dir, include_dir};

use super::dashboard::{Card, Dashboard, FILE};
use super::error::{Mistake, Mistakes, near};
use super::question::{Question, named_columns};

static CONTENT: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/content");

/// Name of the folder of the models.
pub const MODELS: &str = "models";

/// The content, by id.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Library {
    /// Questions and models.
    pub questions: BTreeMap<String, Question>,
    /// Dashboards.
    pub dashboards: BTreeMap<String, Dashboard>,
}

impl Library {
    /// What the program carries with it.
    ///
    /// # Errors
    /// It has a mistake, which a test would have found.
    pub fn embedded() -> Result<Library, Mistakes> {
        let mut files = Vec::new();
        embedded_files(&CONTENT, &mut files);
        Library::read(files)
    }

    /// What lies in a folder.
    ///
    /// # Errors
    /// The folder cannot be read, or something in it has a mistake.
    pub fn in_folder(folder: &Path) -> Result<Library, Mistakes> {
        let mut files = Vec::new();
        folder_files(folder, folder, &mut files)?;
        if files.is_empty() {
            let reason = format!(
                "there are no questions and dashboards in it; they are FOLDER/NAME.sql and FOLDER/{FILE}"
            );
            return Err(Mistake::new(folder, reason).into());
        }
        Library::read(files)
    }

    /// Reads files, each with its place in the folder of all content.
    fn read(mut files: Vec<(PathBuf, String)>) -> Result<Library, Mistakes> {
        files.sort();
        let mut library = Library::default();
        let mut wrong = Vec::new();
        for (file, text) in files {
            if let Err(reason) = place(&file) {
                wrong.push(Mistake::new(&file, reason));
            } else if file.ends_with(FILE) {
                match Dashboard::parse(&file, &text) {
                    Ok(dashboard) => {
                        drop(library.dashboards.insert(dashboard.id.clone(), dashboard))
                    }
                    Err(mistakes) => wrong.extend(mistakes),
                }
            } else {
                match Question::parse(&file, &text) {
                    Ok(question) => drop(library.questions.insert(question.id.clone(), question)),
                    Err(mistakes) => wrong.extend(mistakes),
                }
            }
        }
        // What is missing because it could not be read is no further mistake.
        if wrong.is_empty() {
            wrong = library.mistakes();
        }
        Mistakes::none(wrong)?;
        Ok(library)
    }

    /// The question that a card shows.
    pub fn question_of(&self, dashboard: &Dashboard, card: &Card) -> Option<&Question> {
        self.questions.get(&dashboard.question_of(card)?)
    }

    /// The questions, each after those that it takes values from. Those of a circle, which has no such
    /// order, are left out.
    pub fn in_order(&self) -> Vec<&Question> {
        let mut done = BTreeSet::new();
        let mut ordered = Vec::new();
        loop {
            let before = ordered.len();
            for question in self.questions.values() {
                let sources = question.header.parameters.values();
                let mut sources = sources.filter_map(|parameter| Some(parameter.source()?.0));
                if !done.contains(question.id.as_str()) && sources.all(|id| done.contains(id)) {
                    done.insert(question.id.as_str());
                    ordered.push(question);
                }
            }
            if ordered.len() == before {
                return ordered;
            }
        }
    }

    /// Title of the collection of a folder.
    pub fn title_of(&self, folder: &str) -> &str {
        self.dashboards
            .get(folder)
            .map_or("Models", |dashboard| &dashboard.layout.title)
    }

    /// What does not fit together.
    fn mistakes(&self) -> Vec<Mistake> {
        let mut wrong = self.same_titles();
        for question in self.questions.values() {
            let folder = question.folder();
            let mut refuse = |reason: String| wrong.push(Mistake::new(&question.file, reason));
            if question.header.model != (folder == MODELS) {
                refuse(format!(
                    "what lies in {MODELS}/, and only that, has model = true"
                ));
            }
            if folder != MODELS && !self.dashboards.contains_key(folder) {
                refuse(format!("there is no {folder}/{FILE}"));
            }
            for (name, parameter) in &question.header.parameters {
                if let Some(reason) = self.source_mistake(name, parameter.source()) {
                    refuse(reason);
                }
            }
        }
        let ordered: BTreeSet<_> = self
            .in_order()
            .iter()
            .map(|question| &question.id)
            .collect();
        // Where a source does not exist at all, that is the mistake.
        if wrong.is_empty() {
            let circle = self
                .questions
                .values()
                .filter(|question| !ordered.contains(&question.id));
            wrong.extend(circle.map(|question| {
                let reason = "its values come from a question whose values come from this one";
                Mistake::new(&question.file, reason)
            }));
        }
        for dashboard in self.dashboards.values() {
            let reasons = self.mistakes_of(dashboard);
            wrong.extend(
                reasons
                    .into_iter()
                    .map(|r| Mistake::new(&dashboard.file, r)),
            );
        }
        wrong
    }

    /// Two of one title in one collection: nobody could tell them apart.
    fn same_titles(&self) -> Vec<Mistake> {
        let mut seen: BTreeMap<(&str, &str), &Path> = BTreeMap::new();
        let questions = self.questions.values().map(|question| {
            let folder = question.folder();
            (folder, question.header.title.as_str(), &question.file)
        });
        let dashboards = self
            .dashboards
            .values()
            .map(|dashboard| ("", dashboard.layout.title.as_str(), &dashboard.file));
        let mut wrong = Vec::new();
        for (folder, title, file) in questions.chain(dashboards) {
            if let Some(other) = seen.insert((folder, title), file) {
                wrong.push(Mistake::new(
                    file,
                    format!("the title {title:?} is that of {} too", other.display()),
                ));
            }
        }
        wrong
    }

    fn source_mistake(&self, name: &str, source: Option<(&str, &str)>) -> Option<String> {
        let (question, column) = source?;
        let Some(found) = self.questions.get(question) else {
            let near = near(question, self.questions.keys().map(String::as_str));
            return Some(format!(
                "the values of {name:?} are to come from {question:?}, which does not exist{near}"
            ));
        };
        let columns = &found.header.columns;
        (!columns.contains_key(column)).then(|| {
            let near = near(column, columns.keys().map(String::as_str));
            format!(
                "the values of {name:?} are to come from the column {column:?} of {question:?}, which has \
                 none of that name{near}"
            )
        })
    }

    fn mistakes_of(&self, dashboard: &Dashboard) -> Vec<String> {
        let mut wrong = Vec::new();
        let layout = &dashboard.layout;
        let shown: Vec<_> = layout
            .cards
            .iter()
            .filter_map(|card| Some((card, dashboard.question_of(card)?)))
            .collect();
        for (card, id) in &shown {
            let Some(question) = self.questions.get(id) else {
                let near = near(id, self.questions.keys().map(String::as_str));
                wrong.push(format!("there is no question {id:?} ({id}.sql){near}"));
                continue;
            };
            let columns = &question.header.columns;
            for (setting, column) in named_columns(&card.settings) {
                if !columns.contains_key(&column) {
                    wrong.push(format!(
                        "{}: the setting {setting:?} names the column {column:?}, which {id:?} does not have",
                        card.name()
                    ));
                }
            }
            wrong.extend(self.click_mistakes(dashboard, card, question));
        }
        for filter in &layout.filters {
            let used = shown
                .iter()
                .filter_map(|(_, id)| self.questions.get(id))
                .any(|question| question.header.parameters.contains_key(&filter.name));
            if !used {
                wrong.push(format!(
                    "the filter {:?} does nothing: no question on the dashboard has a parameter of that name",
                    filter.name
                ));
            }
            wrong.extend(self.source_mistake(&filter.name, filter.parameter.source()));
        }
        wrong
    }

    fn click_mistakes(
        &self,
        dashboard: &Dashboard,
        card: &Card,
        question: &Question,
    ) -> Vec<String> {
        let Some(click) = &card.click else {
            return Vec::new();
        };
        let id = click.dashboard.as_deref().unwrap_or(&dashboard.id);
        let Some(target) = self.dashboards.get(id) else {
            let near = near(id, self.dashboards.keys().map(String::as_str));
            return vec![format!(
                "a click on {} is to open the dashboard {id:?}, which does not exist{near}",
                card.name()
            )];
        };
        let mut wrong = Vec::new();
        for (filter, column) in &click.set {
            if !target.layout.filters.iter().any(|f| f.name == *filter) {
                wrong.push(format!(
                    "a click on {} is to set the filter {filter:?}, which {id:?} does not have",
                    card.name()
                ));
            }
            if !question.header.columns.contains_key(column) {
                wrong.push(format!(
                    "a click on {} is to take the column {column:?}, which it does not have",
                    card.name()
                ));
            }
        }
        if let Some(column) = &click.column
            && !question.header.columns.contains_key(column)
        {
            wrong.push(format!(
                "a click is to be on the column {column:?}, which {} does not have",
                card.name()
            ));
        }
        wrong
    }
}

/// Whether a file lies where content lies: one folder down, under a plain name.
fn place(file: &Path) -> Result<(), String> {
    let parts: Vec<_> = file.iter().map(|part| part.to_string_lossy()).collect();
    let plain = |name: &str| {
        !name.is_empty()
            && name
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_')
    };
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    match &parts[..] {
        [folder, name]
            if plain(folder) && plain(&stem) && (name == FILE || name.ends_with(".sql")) =>
        {
            Ok(())
        }
        _ => Err(format!(
            "content is FOLDER/NAME.sql and FOLDER/{FILE}; names have small letters, digits, - and _"
        )),
    }
}

fn embedded_files(dir: &Dir<'_>, files: &mut Vec<(PathBuf, String)>) {
    for file in dir.files() {
        let text = file.contents_utf8().unwrap_or_default();
        files.push((file.path().to_owned(), text.to_owned()));
    }
    for folder in dir.dirs() {
        embedded_files(folder, files);
    }
}

fn folder_files(
    root: &Path,
    folder: &Path,
    files: &mut Vec<(PathBuf, String)>,
) -> Result<(), Mistake> {
    let unreadable = |path: &Path| {
        let path = path.to_owned();
        move |error: std::io::Error| Mistake::new(&path, format!("cannot be read: {error}"))
    };
    for entry in fs::read_dir(folder).map_err(unreadable(folder))? {
        let path = entry.map_err(unreadable(folder))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with('.') {
            continue;
        }
        if path.is_dir() {
            folder_files(root, &path, files)?;
        } else {
            let text = fs::read_to_string(&path).map_err(unreadable(&path))?;
            let place = path.strip_prefix(root).unwrap_or(&path).to_owned();
            files.push((place, text));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
