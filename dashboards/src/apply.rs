//! Brings Metabase to what the files say, or says what that would change.
//!
//! Everything is looked up by the line in its description ([`crate::state::mark`]). What has no such line
//! is a person's and is neither read nor written; what has one and was changed by a person meanwhile stays
//! as it is, unless that is to be overwritten. Each thing is written, read again, and only then marked as
//! finished: a run that was cut off is finished by the next one.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::{Value as Json, json};

use crate::Error;
use crate::config::MetabaseConfig;
use crate::content::error::near;
use crate::content::library::MODELS;
use crate::content::{Dashboard, Library, Mistake, Mistakes, Parameter, Question};
use crate::export::Names;
use crate::metabase::kept::{Inventory, Kept, REMOVED};
use crate::metabase::{Client, database, kept, models};
use crate::sql;
use crate::state::seen::{differences, seen};
use crate::state::settings::from_metabase;
use crate::state::wanted::{self, Ids};
use crate::state::{Found, Key, Kind, Mark, digest};

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

/// What was done to something, or would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It is new.
    Made,
    /// These parts of it are not what they were.
    Changed(Vec<String>),
    /// Writing it was not finished before.
    Finished,
    /// There is no file for it any more; it is in Metabase's trash now.
    Removed,
    /// A person has changed it, and it stays so.
    Edited(Vec<String>),
    /// A person has changed it, and its file says so by now.
    Taken,
    /// A person has thrown it, or the collection it is in, away, and it stays so.
    Trashed,
    /// There is no file for it any more, and it stays, since there are a person's things in it.
    Holds,
}

/// One line of what was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// To what.
    pub key: Key,
    /// Its title.
    pub title: String,
    /// What.
    pub change: Change,
}

impl Step {
    /// Whether anything is written for it.
    pub fn writes(&self) -> bool {
        !matches!(
            self.change,
            Change::Edited(_) | Change::Trashed | Change::Holds
        )
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Step { key, title, change } = self;
        match change {
            Change::Made => write!(f, "+ {key}: {title}"),
            Change::Changed(parts) => write!(f, "~ {key}: {}", parts.join(", ")),
            Change::Finished => write!(f, "~ {key}: an earlier run did not finish it"),
            Change::Removed => write!(f, "- {key}: {title}, to the trash"),
            Change::Edited(parts) => write!(
                f,
                "! {key}: edited in Metabase ({}) and left as it is; `export` takes that into the files, \
                 `apply --overwrite` takes it back",
                parts.join(", ")
            ),
            Change::Taken => write!(f, "= {key}: the file says what was edited in Metabase"),
            Change::Trashed => write!(
                f,
                "! {key}: somebody put it, or its collection, into Metabase's trash, where it stays; \
                 `apply --overwrite` brings it back"
            ),
            Change::Holds => write!(
                f,
                "! {key}: it has no files any more, and stays since there are things in it that were not \
                 made here"
            ),
        }
    }
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
            let key = Key::new(Kind::Database, &config_of.name);
            self.step(
                &key,
                &json!({"name": "the connection to the tables"}),
                change,
            );
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
            let folder = question.id.split('/').next().unwrap_or_default();
            let Some(collection) = self.collection(folder) else {
                self.leave(&key, &json!({"name": question.header.title}));
                continue;
            };
            let question = self.reachable_question(question);
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
            let standing = self.kept.get(&key).map(|kept| kept.id);
            let Some(collection) = self.collection(&dashboard.id) else {
                continue;
            };
            let id = match standing {
                Some(id) => id,
                None if self.options.look_only => self.placeholder(),
                None => {
                    let body = json!({
                        "name": dashboard.layout.title,
                        "description": unfinished(&key, "new").below(&dashboard.layout.description),
                        "collection_id": collection,
                    });
                    let answer = self.client.post("api/dashboard", &body).await?;
                    made.insert(key.clone());
                    number(&answer, "POST /api/dashboard")?
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
            let dashboard = self.reachable_dashboard(dashboard);
            let ids = &self.outcome.ids;
            let body = wanted::dashboard(&dashboard, library, collection, ids, &standing);
            if made.contains(&key) {
                let id = self.outcome.ids[&key];
                self.write(&key, id, &body).await?;
                self.step(&key, &body, Change::Made);
            } else {
                let same = |body: &Json, names: &Names| names.same_dashboard(body, &dashboard);
                self.ensure(key, body, same).await?;
            }
        }
        Ok(())
    }

    /// Puts away what has no file any more.
    async fn remove(&mut self) -> Result<(), Error> {
        let left = std::mem::take(&mut self.kept).into_values();
        let mut left: Vec<_> = left.chain(std::mem::take(&mut self.doubles)).collect();
        // What shows others goes before them, and what takes values from others too: Metabase changes what
        // is left behind. Collections are to be empty.
        let depth = |kept: &Kept| match kept.body["location"].as_str() {
            Some(location) => location.matches('/').count(),
            None => 0,
        };
        left.sort_by_key(|kept| match kept.mark.key.kind {
            Kind::Dashboard => (0, 0),
            Kind::Question if takes_values(&kept.body) => (1, 0),
            Kind::Question => (2, 0),
            Kind::Collection | Kind::Database => (3, usize::MAX - depth(kept)),
        });
        for kept in left {
            let key = kept.mark.key.clone();
            if kept.archived() {
                continue;
            }
            if kept.edited() && !self.options.overwrite {
                let parts = vec!["and without a file by now".to_owned()];
                self.step(&key, &kept.body, Change::Edited(parts));
                continue;
            }
            if key.kind == Kind::Collection && self.holds_others(&kept).await? {
                self.step(&key, &kept.body, Change::Holds);
                continue;
            }
            if !self.options.look_only {
                self.archive(&key, &kept).await?;
            }
            self.step(&key, &kept.body, Change::Removed);
        }
        Ok(())
    }

    /// Whether there is something in a collection, which is not ours any more by now.
    async fn holds_others(&self, kept: &Kept) -> Result<bool, Error> {
        let path = format!("api/collection/{}/items", kept.id);
        let items = self.client.get(&path).await?;
        let items = items["data"].as_array().map_or(&[][..], Vec::as_slice);
        Ok(items.iter().any(|item| {
            let description = item["description"].as_str().unwrap_or_default();
            // Without writing, ours are still in it.
            !self.options.look_only || Mark::split(description).1.is_none()
        }))
    }

    async fn archive(&self, key: &Key, kept: &Kept) -> Result<(), Error> {
        let path = format!("{}/{}", kept::path(key.kind), kept.id);
        let (description, _) = Mark::split(kept.body["description"].as_str().unwrap_or_default());
        let mark = unfinished(key, REMOVED);
        let body = json!({"archived": true, "description": mark.below(&description)});
        self.client.put(&path, &body).await?;
        self.finish(key, kept.id, mark).await
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
                false => self.make(&key, &body).await?,
            };
            self.step(&key, &body, Change::Made);
            self.outcome.ids.insert(key, id);
            return Ok(Some(id));
        };
        let edited = kept.edited();
        if edited && kept.archived() && !self.options.overwrite {
            self.step(&key, &body, Change::Trashed);
            self.outcome.ids.remove(&key);
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
                let mark = unfinished(&key, &digest(&then));
                self.finish(&key, kept.id, mark).await?;
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
            self.write(&key, kept.id, &body).await?;
        }
        let change = match differences(&now, &then) {
            parts if parts.is_empty() => Change::Finished,
            parts => Change::Changed(parts),
        };
        self.step(&key, &body, change);
        Ok(Some(kept.id))
    }

    /// Makes something new, but not a dashboard.
    async fn make(&self, key: &Key, body: &Json) -> Result<i64, Error> {
        let then = digest(&seen(key.kind, body));
        let mark = unfinished(key, &then);
        let mut body = body.clone();
        if let Some(map) = body.as_object_mut() {
            map.remove("archived");
        }
        marked(&mut body, &mark);
        let path = kept::path(key.kind);
        let made = self.client.post(path, &body).await.map_err(of(key))?;
        let id = number(&made, path)?;
        self.headings(id, &body).await.map_err(of(key))?;
        self.finish(key, id, mark).await?;
        Ok(id)
    }

    /// Changes something that is there.
    async fn write(&self, key: &Key, id: i64, body: &Json) -> Result<(), Error> {
        let mark = unfinished(key, &digest(&seen(key.kind, body)));
        let mut body = body.clone();
        marked(&mut body, &mark);
        if key.kind == Kind::Dashboard {
            body["tabs"] = json!([]);
        }
        let path = format!("{}/{id}", kept::path(key.kind));
        self.client.put(&path, &body).await.map_err(of(key))?;
        self.headings(id, &body).await.map_err(of(key))?;
        self.finish(key, id, mark).await
    }

    /// A model is asked further questions of, which have its headings.
    async fn headings(&self, id: i64, body: &Json) -> Result<(), Error> {
        if body["type"] != "model" {
            return Ok(());
        }
        let (_, headings) = from_metabase(&body["visualization_settings"]);
        models::put_headings(self.client, id, &headings).await
    }

    /// Notes what Metabase has after writing.
    async fn finish(&self, key: &Key, id: i64, mark: Mark) -> Result<(), Error> {
        let body = kept::get(self.client, key.kind, id).await?;
        let mark = Mark {
            found: Some(Found {
                digest: digest(&seen(key.kind, &body)),
                id,
            }),
            ..mark
        };
        let (description, _) = Mark::split(body["description"].as_str().unwrap_or_default());
        let mut put = json!({"description": mark.below(&description)});
        if key.kind == Kind::Collection {
            // Without it, Metabase takes it out of the trash.
            put["archived"] = body["archived"].clone();
        }
        let path = format!("{}/{id}", kept::path(key.kind));
        self.client.put(&path, &put).await.map_err(of(key))?;
        Ok(())
    }

    /// A question without the values of what somebody has thrown away: Metabase is without them too.
    fn reachable_question(&self, question: &Question) -> Question {
        let mut question = question.clone();
        for parameter in question.header.parameters.values_mut() {
            self.keep_reachable(parameter);
        }
        question
    }

    /// A dashboard without what somebody has thrown away.
    fn reachable_dashboard(&self, dashboard: &Dashboard) -> Dashboard {
        let mut whole = dashboard.clone();
        let there = |kind, id: &str| self.outcome.ids.contains_key(&Key::new(kind, id));
        whole.layout.cards.retain(|card| {
            let question = dashboard.question_of(card);
            question.is_none_or(|id| there(Kind::Question, &id))
        });
        for card in &mut whole.layout.cards {
            card.click.take_if(|click| {
                let target = click.dashboard.as_deref();
                target.is_some_and(|target| !there(Kind::Dashboard, target))
            });
        }
        for filter in &mut whole.layout.filters {
            self.keep_reachable(&mut filter.parameter);
        }
        whole
    }

    fn keep_reachable(&self, parameter: &mut Parameter) {
        let source = parameter
            .source()
            .map(|(id, _)| Key::new(Kind::Question, id));
        if source.is_some_and(|key| !self.outcome.ids.contains_key(&key)) {
            parameter.values = None;
        }
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

    fn placeholder(&mut self) -> i64 {
        self.next -= 1;
        self.next
    }

    fn step(&mut self, key: &Key, body: &Json, change: Change) {
        self.outcome.steps.push(Step {
            key: key.clone(),
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

fn unfinished(key: &Key, wanted: &str) -> Mark {
    Mark {
        key: key.clone(),
        wanted: wanted.to_owned(),
        found: None,
    }
}

/// Whether something has a list of values that comes from another question.
fn takes_values(body: &Json) -> bool {
    let parameters = body["parameters"].as_array().into_iter().flatten();
    let mut parameters = parameters.map(|parameter| &parameter["values_source_config"]["card_id"]);
    parameters.any(Json::is_i64)
}

fn marked(body: &mut Json, mark: &Mark) {
    let description = body["description"].as_str().unwrap_or_default();
    body["description"] = json!(mark.below(description));
}

fn number(body: &Json, request: &str) -> Result<i64, Error> {
    body["id"].as_i64().ok_or_else(|| Error::Answer {
        request: request.to_owned(),
        reason: "there is no \"id\" in it".into(),
    })
}

/// Says which file a refusal is about.
fn of(key: &Key) -> impl Fn(Error) -> Error {
    let key = key.to_string();
    move |error| match error {
        Error::Refused {
            request,
            status,
            said,
        } => Error::Refused {
            request: format!("{key}: {request}"),
            status,
            said,
        },
        other => other,
    }
}
