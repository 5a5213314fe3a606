//! Brings Metabase to what the files say, or says what that would change.
//!
//! Everything is looked up by the line in its description ([`crate::state::mark`]). What has no such line
//! is a person's and is neither read nor written; what has one and was changed by a person meanwhile stays
//! as it is, unless that is to be overwritten. Each thing is written, read again, and only then marked as
//! finished: a run that was cut off is finished by the next one.
//!
//! - [`change`]: what was done, one line each.
//! - `write`: one thing is written; `remove`: what has no file any more; `reachable`: what is left of a file
//!   when somebody has thrown away what it needs.

pub mod change;
mod reachable;
mod remove;
mod write;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value as Json, json};

use crate::Error;
use crate::config::MetabaseConfig;
use crate::content::error::near;
use crate::content::library::MODELS;
use crate::content::{Library, Mistake, Mistakes};
use crate::export::Names;
use crate::metabase::client::id_of;
use crate::metabase::kept::{self, Inventory, Kept};
use crate::metabase::{Client, database};
use crate::sql;
use crate::state::seen::{differences, seen};
use crate::state::wanted::{self, Ids};
use crate::state::{Key, Kind, Mark, digest};

pub use change::{Change, Step, Subject};
use write::Writer;

/// Id of the collection that the others are in.
pub const ROOT: &str = "contrail";

/// How far a run may go.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Only say what would change.
    pub look_only: bool,
    /// Take back what persons have changed.
    pub overwrite: bool,
}

/// What a run has done.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// What was done, in order; nothing for what is as it should be.
    pub steps: Vec<Step>,
    /// The numbers of everything.
    pub ids: Ids,
}

/// Does it.
///
/// # Errors
/// Metabase refuses something, the content names tables that are not there, or there is no answer.
pub async fn apply(
    client: &Client,
    config: &MetabaseConfig,
    library: &Library,
    options: Options,
) -> Result<Outcome, Error> {
    let Inventory { kept, doubles } = kept::all(client).await?;
    let mut work = Work {
        client,
        options,
        names: Names::new(&kept, library),
        kept,
        doubles,
        outcome: Outcome {
            steps: Vec::new(),
            ids: Ids::new(),
        },
        next: -1,
    };
    let database = work.database(config, library).await?;
    work.collections(config, library).await?;
    work.questions(library, database).await?;
    work.dashboards(library).await?;
    work.remove().await?;
    Ok(work.outcome)
}

struct Work<'a> {
    client: &'a Client,
    options: Options,
    /// What is in Metabase and was not looked at yet.
    kept: BTreeMap<Key, Kept>,
    /// What was made twice.
    doubles: Vec<Kept>,
    /// How files call what is in Metabase.
    names: Names,
    outcome: Outcome,
    /// Stands for the number of what is not made, since it is only looked.
    next: i64,
}

impl Work<'_> {
    async fn database(&mut self, config: &MetabaseConfig, library: &Library) -> Result<i64, Error> {
        let config_of = &config.database;
        let found = database::find(self.client, config_of).await?;
        let needed = sql::tables_of(library);
        let change = match &found {
            None => Some(Change::Made),
            Some(found) if found.differs() => Some(Change::Changed(vec!["connection".into()])),
            Some(_) => None,
        };
        if let Some(change) = change {
            self.outcome.steps.push(Step {
                subject: Subject::Database(config_of.name.clone()),
                title: "the connection to the tables".into(),
                change,
            });
        }
        let id = match (&found, self.options.look_only) {
            (None, true) => return Ok(self.placeholder()),
            (Some(found), true) => found.id,
            (found, false) => database::put(self.client, config_of, found.as_ref()).await?,
        };
        let names: BTreeSet<String> = needed.values().flatten().cloned().collect();
        let limit = config.sync_timeout;
        let tables = database::tables(self.client, config_of, id, &names, limit).await?;
        let mut wrong = Vec::new();
        for (file, names) in needed {
            for name in names.difference(&tables) {
                let near = near(name, tables.iter().map(String::as_str));
                wrong.push(Mistake::new(
                    &file,
                    format!(
                        "it asks for {name:?}, which the database {:?} does not have{near}; nothing was \
                         written",
                        config_of.name
                    ),
                ));
            }
        }
        Mistakes::none(wrong)?;
        Ok(id)
    }

    async fn collections(
        &mut self,
        config: &MetabaseConfig,
        library: &Library,
    ) -> Result<(), Error> {
        let described =
            "What Contrail knows of the sky. What is in here follows files of the project.";
        let root = Key::new(Kind::Collection, ROOT);
        let body = wanted::collection(&config.collection, described, None);
        let root = self.ensure(root, body, |_, _| false).await?;
        for folder in folders(library) {
            let description = match library.dashboards.get(&folder) {
                Some(dashboard) => dashboard.layout.description.as_str(),
                None => "Tables with headings and units, to ask questions of one's own.",
            };
            let key = Key::new(Kind::Collection, &folder);
            let body = wanted::collection(library.title_of(&folder), description, root);
            match root {
                Some(_) => drop(self.ensure(key, body, |_, _| false).await?),
                None => self.leave(&key, &body),
            }
        }
        Ok(())
    }

    async fn questions(&mut self, library: &Library, database: i64) -> Result<(), Error> {
        for question in library.in_order() {
            let key = Key::new(Kind::Question, &question.id);
            let folder = question.folder();
            let Some(collection) = self.collection(folder) else {
                self.leave(&key, &json!({"name": question.header.title}));
                continue;
            };
            let question = reachable::question(question, &self.outcome.ids);
            let body = wanted::question(&question, database, collection, &self.outcome.ids);
            let same = |body: &Json, names: &Names| names.same_question(body, &question);
            self.ensure(key, body, same).await?;
        }
        Ok(())
    }

    async fn dashboards(&mut self, library: &Library) -> Result<(), Error> {
        // All of them are there before the first has a link to another.
        let mut made = BTreeSet::new();
        for dashboard in library.dashboards.values() {
            let key = Key::new(Kind::Dashboard, &dashboard.id);
            let standing = self.kept.get(&key);
            if standing.is_some_and(|kept| self.is_thrown_away(kept)) {
                continue;
            }
            let standing = standing.map(|kept| kept.id);
            let Some(collection) = self.collection(&dashboard.id) else {
                continue;
            };
            let id = match standing {
                Some(id) => id,
                None if self.options.look_only => self.placeholder(),
                None => {
                    let body = json!({
                        "name": dashboard.layout.title,
                        "description": Mark::unfinished(&key, "new").below(&dashboard.layout.description),
                        "collection_id": collection,
                    });
                    let answer = self.client.post("api/dashboard", &body).await?;
                    made.insert(key.clone());
                    id_of("POST /api/dashboard", &answer)?
                }
            };
            self.outcome.ids.insert(key, id);
        }
        for dashboard in library.dashboards.values() {
            let key = Key::new(Kind::Dashboard, &dashboard.id);
            let Some(collection) = self.collection(&dashboard.id) else {
                self.leave(&key, &json!({"name": dashboard.layout.title}));
                continue;
            };
            let standing = match self.kept.get(&key) {
                Some(kept) => kept.body["dashcards"].clone(),
                None => Json::Null,
            };
            let dashboard = reachable::dashboard(dashboard, &self.outcome.ids);
            let ids = &self.outcome.ids;
            let body = wanted::dashboard(&dashboard, library, collection, ids, &standing);
            if made.contains(&key) {
                let id = self.outcome.ids[&key];
                self.writer().write(&key, id, &body).await?;
                self.step(&key, &body, Change::Made);
            } else {
                let same = |body: &Json, names: &Names| names.same_dashboard(body, &dashboard);
                self.ensure(key, body, same).await?;
            }
        }
        Ok(())
    }

    /// Has something as it is to be. `same` says whether a body of Metabase's is what the file says, in
    /// whatever way it is written. Gives its number, or none where a person has thrown it away.
    async fn ensure(
        &mut self,
        key: Key,
        body: Json,
        same: impl Fn(&Json, &Names) -> bool,
    ) -> Result<Option<i64>, Error> {
        let Some(kept) = self.kept.remove(&key) else {
            let id = match self.options.look_only {
                true => self.placeholder(),
                false => self.writer().make(&key, &body).await?,
            };
            self.step(&key, &body, Change::Made);
            self.outcome.ids.insert(key, id);
            return Ok(Some(id));
        };
        let edited = kept.edited();
        if self.is_thrown_away(&kept) {
            self.step(&key, &body, Change::Trashed);
            return Ok(None);
        }
        self.outcome.ids.insert(key.clone(), kept.id);
        let (now, then) = (seen(key.kind, &kept.body), seen(key.kind, &body));
        if edited && !self.options.overwrite {
            let parts = differences(&now, &then);
            if !parts.is_empty() && !same(&kept.body, &self.names) {
                self.step(&key, &body, Change::Edited(parts));
                return Ok(Some(kept.id));
            }
            if !self.options.look_only {
                let mark = Mark::unfinished(&key, &digest(&then));
                self.writer().finish(&key, kept.id, mark).await?;
            }
            self.step(&key, &body, Change::Taken);
            return Ok(Some(kept.id));
        }
        if kept.mark.found.is_some() && !edited && kept.mark.wanted == digest(&then) {
            return Ok(Some(kept.id));
        }
        if !self.options.look_only {
            if key.kind == Kind::Collection && kept.archived() {
                // Otherwise it would come back to where it was, whatever else is said.
                let path = format!("{}/{}", kept::path(key.kind), kept.id);
                self.client.put(&path, &json!({"archived": false})).await?;
            }
            self.writer().write(&key, kept.id, &body).await?;
        }
        let change = match differences(&now, &then) {
            parts if parts.is_empty() => Change::Finished,
            parts => Change::Changed(parts),
        };
        self.step(&key, &body, change);
        Ok(Some(kept.id))
    }

    /// Whether a person has put something into the trash, and it is to stay there.
    fn is_thrown_away(&self, kept: &Kept) -> bool {
        kept.archived() && kept.edited() && !self.options.overwrite
    }

    /// The collection of a folder, unless somebody threw it away.
    fn collection(&self, folder: &str) -> Option<i64> {
        let key = Key::new(Kind::Collection, folder);
        self.outcome.ids.get(&key).copied()
    }

    /// Leaves something where it is, which is in the trash, or unmade.
    fn leave(&mut self, key: &Key, body: &Json) {
        self.kept.remove(key);
        self.step(key, body, Change::Trashed);
    }

    fn writer(&self) -> Writer<'_> {
        Writer(self.client)
    }

    fn placeholder(&mut self) -> i64 {
        self.next -= 1;
        self.next
    }

    fn step(&mut self, key: &Key, body: &Json, change: Change) {
        self.outcome.steps.push(Step {
            subject: Subject::Kept(key.clone()),
            title: body["name"].as_str().unwrap_or_default().to_owned(),
            change,
        });
    }
}

/// The folders of the content, each of which is a collection.
fn folders(library: &Library) -> BTreeSet<String> {
    let models = library
        .questions
        .keys()
        .any(|id| id.starts_with(&format!("{MODELS}/")));
    let own = library.dashboards.keys().cloned();
    own.chain(models.then(|| MODELS.to_owned())).collect()
}
