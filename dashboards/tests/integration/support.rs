//! What the tests begin with: a stand-in, marts' names, and content.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use dashboards::apply::{Options, Outcome, apply};
use dashboards::config::{Config, MetabaseConfig};
use dashboards::content::Library;
use dashboards::metabase::{Client, start};
use dashboards::{DEFAULTS, Error, sql};
use serde_json::{Value as Json, json};
use service::config::{Loader, Secret};
use tempfile::TempDir;

use crate::double::{Answer, Answers, Double, Metabase};

pub const INIT_SQL: &str = "set variable gen = 'gen-1';\n";

/// A stand-in and a program that is configured for it.
pub struct Bench {
    pub double: Double,
    pub config: MetabaseConfig,
    pub library: Library,
    _published: TempDir,
}

impl Bench {
    /// With the content that the program carries.
    pub async fn new() -> Bench {
        Bench::with(Library::embedded().unwrap()).await
    }

    pub async fn with(library: Library) -> Bench {
        let published = tempfile::tempdir().unwrap();
        fs::write(published.path().join("views.duckdb"), "a database").unwrap();
        fs::write(published.path().join("init.sql"), INIT_SQL).unwrap();
        let double = Double::start(tables(&library), answers(&library)).await;
        let config: Config = Loader::new()
            .environment(Vec::<(String, String)>::new())
            .defaults(DEFAULTS)
            .load()
            .unwrap();
        let mut config = config.metabase;
        config.url = double.url.clone();
        config.username = "admin@example.org".into();
        config.password = Secret::new("contrail-2026");
        config.start_timeout = Duration::from_secs(60);
        config.database.published = published.path().to_owned();
        Bench {
            double,
            config,
            library,
            _published: published,
        }
    }

    /// A stand-in that has everything already.
    pub async fn applied() -> Bench {
        let bench = Bench::new().await;
        bench.apply().await.unwrap();
        bench.double.writes();
        bench
    }

    pub async fn client(&self) -> Client {
        start::login(&self.config, true).await.unwrap()
    }

    pub async fn apply(&self) -> Result<Outcome, Error> {
        self.apply_with(Options::default()).await
    }

    pub async fn apply_with(&self, options: Options) -> Result<Outcome, Error> {
        let client = start::login(&self.config, true).await?;
        apply(&client, &self.config, &self.library, options).await
    }

    /// What an apply says, line by line.
    pub async fn said(&self, options: Options) -> Vec<String> {
        let outcome = self.apply_with(options).await.unwrap();
        outcome.steps.iter().map(ToString::to_string).collect()
    }
}

pub const LOOK: Options = Options {
    look_only: true,
    overwrite: false,
};

pub const OVERWRITE: Options = Options {
    look_only: false,
    overwrite: true,
};

pub fn cards(state: &Metabase) -> &BTreeMap<i64, Json> {
    &state.cards
}

pub fn cards_mut(state: &mut Metabase) -> &mut BTreeMap<i64, Json> {
    &mut state.cards
}

pub fn boards(state: &Metabase) -> &BTreeMap<i64, Json> {
    &state.dashboards
}

pub fn boards_mut(state: &mut Metabase) -> &mut BTreeMap<i64, Json> {
    &mut state.dashboards
}

pub fn collections_mut(state: &mut Metabase) -> &mut BTreeMap<i64, Json> {
    &mut state.collections
}

/// The tables that the content asks for.
pub fn tables(library: &Library) -> BTreeMap<String, Vec<String>> {
    let names: BTreeSet<String> = sql::tables_of(library).into_values().flatten().collect();
    names
        .into_iter()
        .map(|name| (name, vec!["id".into()]))
        .collect()
}

/// One row for each question, whose `as_of` is newer each time.
pub fn answers(library: &Library) -> Answers {
    let known: BTreeMap<String, Vec<String>> = library
        .questions
        .values()
        .map(|question| {
            let columns = question.header.columns.keys().cloned().collect();
            (question.sql.trim().to_owned(), columns)
        })
        .collect();
    let clock = AtomicU64::new(0);
    Box::new(move |sql: &str| -> Answer {
        let columns = known
            .get(sql.trim())
            .ok_or("Catalog Error: no such table")?;
        let second = clock.fetch_add(1, Ordering::Relaxed);
        let row = columns
            .iter()
            .map(|column| match column.as_str() {
                "as_of" => json!(format!("2026-11-21T20:00:00.{second:06}Z")),
                _ => json!(1),
            })
            .collect();
        Ok((columns.clone(), vec![row]))
    })
}

/// Content in a folder, as a person has it who works on it.
pub fn copy_content(to: &Path) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("content");
    for folder in fs::read_dir(from).unwrap() {
        let folder = folder.unwrap().path();
        let into = to.join(folder.file_name().unwrap());
        fs::create_dir_all(&into).unwrap();
        for file in fs::read_dir(&folder).unwrap() {
            let file = file.unwrap().path();
            fs::copy(&file, into.join(file.file_name().unwrap())).unwrap();
        }
    }
}
