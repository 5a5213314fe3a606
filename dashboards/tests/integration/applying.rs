//! From nothing to everything, and from there to what the files say next.

use dashboards::apply::{Change, Subject};
use dashboards::content::{Library, Question};
use dashboards::state::Kind;
use serde_json::{Value as Json, json};

use crate::double::Double;
use crate::support::{Bench, INIT_SQL, LOOK, boards, cards, copy_content};

#[tokio::test]
async fn a_new_metabase_is_set_up_and_has_everything() {
    let bench = Bench::new().await;
    // It is still starting, and then it takes a while to read the names of the tables.
    bench.double.lock().starting = 2;
    bench.double.lock().syncing = 3;
    let outcome = bench.apply().await.unwrap();
    let library = &bench.library;
    let made = |kind: Kind| {
        let steps = outcome.steps.iter();
        steps
            .filter(|step| {
                let of_kind = matches!(&step.subject, Subject::Kept(key) if key.kind == kind);
                of_kind && step.change == Change::Made
            })
            .count()
    };
    assert_eq!(made(Kind::Question), library.questions.len());
    assert_eq!(made(Kind::Dashboard), library.dashboards.len());
    let first = outcome.steps[0].to_string();
    assert_eq!(first, "+ database Contrail: the connection to the tables");
    // One for each folder, and the one around them.
    assert_eq!(made(Kind::Collection), library.dashboards.len() + 2);
    let state = bench.double.lock();
    assert_eq!(state.user.as_ref().unwrap().0, "admin@example.org");
    let database = state.databases.values().next().unwrap();
    assert_eq!(database["details"]["init_sql"], INIT_SQL);
    assert_eq!(database["details"]["read_only"], true);
    assert_eq!(database["details"]["memory_limit"], "512MiB");
    for dashboard in state.dashboards.values() {
        let title = dashboard["name"].as_str().unwrap();
        assert!(
            !dashboard["dashcards"].as_array().unwrap().is_empty(),
            "{title}"
        );
        let place = &state.collections[&dashboard["collection_id"].as_i64().unwrap()];
        assert_eq!(place["name"], title);
    }
}

#[tokio::test]
async fn questions_that_are_built_on_a_model_have_its_headings() {
    let bench = Bench::applied().await;
    let state = bench.double.lock();
    let models = state.cards.values().filter(|card| card["type"] == "model");
    let mut looked_at = 0;
    for card in models {
        let title = &card["name"];
        let of_file =
            |question: &&Question| question.header.model && *title == *question.header.title;
        let model = bench.library.questions.values().find(of_file).unwrap();
        for column in card["result_metadata"].as_array().unwrap() {
            let name = column["name"].as_str().unwrap();
            assert_eq!(column["display_name"], *model.header.columns[name]);
            looked_at += 1;
        }
    }
    assert!(looked_at > 50);
}

#[tokio::test]
async fn twice_changes_nothing() {
    let bench = Bench::applied().await;
    assert_eq!(bench.said(LOOK).await, Vec::<String>::new());
    assert!(bench.apply().await.unwrap().steps.is_empty());
    assert_eq!(bench.double.writes(), Vec::<String>::new());
}

#[tokio::test]
async fn looking_writes_nothing() {
    let bench = Bench::new().await;
    bench.client().await;
    bench.double.writes();
    let said = bench.said(LOOK).await;
    let all = bench.library.questions.len() + 2 * bench.library.dashboards.len() + 3;
    assert_eq!(said.len(), all);
    assert_eq!(bench.double.writes(), Vec::<String>::new());
}

/// The content with something changed in a file.
fn changed(file: &str, from: &str, to: &str) -> Library {
    let folder = tempfile::tempdir().unwrap();
    copy_content(folder.path());
    let path = folder.path().join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{text}");
    std::fs::write(&path, text.replacen(from, to, 1)).unwrap();
    Library::in_folder(folder.path()).unwrap()
}

fn ids_on(double: &Double, title: &str) -> Vec<i64> {
    let dashboard = double.find(boards, title);
    let cards = dashboard["dashcards"].as_array().unwrap().iter();
    cards.map(|card| card["id"].as_i64().unwrap()).collect()
}

#[tokio::test]
async fn only_what_a_file_changes_is_written_and_keeps_its_number() {
    let mut bench = Bench::applied().await;
    let title = bench.library.dashboards["live-sky"].layout.title.clone();
    let before = (
        bench.double.find(boards, &title)["id"].clone(),
        ids_on(&bench.double, &title),
    );
    bench.library = changed("live-sky/dashboard.toml", &title, "The sky now");
    let said = bench.said(LOOK).await;
    assert_eq!(
        said,
        ["~ collection live-sky: name", "~ dashboard live-sky: name"]
    );
    assert_eq!(bench.said(Default::default()).await, said);
    let after = bench.double.find(boards, "The sky now");
    assert_eq!(
        (after["id"].clone(), ids_on(&bench.double, "The sky now")),
        before
    );
    assert!(bench.apply().await.unwrap().steps.is_empty());
}

#[tokio::test]
async fn what_has_no_file_any_more_goes_to_the_trash_and_comes_back() {
    let mut bench = Bench::applied().await;
    let whole = bench.library.clone();
    let gone = bench.library.dashboards.remove("regions").unwrap();
    let lost: Vec<String> = whole
        .questions
        .keys()
        .filter(|id| id.starts_with("regions/"))
        .cloned()
        .collect();
    bench
        .library
        .questions
        .retain(|id, _| !id.starts_with("regions/"));
    // Nothing else may name what is gone.
    for dashboard in bench.library.dashboards.values_mut() {
        let cards = &mut dashboard.layout.cards;
        cards.retain(|card| {
            !card
                .question
                .as_deref()
                .unwrap_or_default()
                .starts_with("regions/")
        });
        for card in cards {
            card.click
                .take_if(|click| click.dashboard.as_deref() == Some("regions"));
        }
        for filter in &mut dashboard.layout.filters {
            filter
                .parameter
                .values
                .take_if(|values| values.starts_with("regions/"));
        }
    }
    for question in bench.library.questions.values_mut() {
        for parameter in question.header.parameters.values_mut() {
            parameter
                .values
                .take_if(|values| values.starts_with("regions/"));
        }
    }
    let said = bench.said(Default::default()).await;
    for id in &lost {
        let line = format!("- question {id}: ");
        assert!(said.iter().any(|said| said.starts_with(&line)), "{said:?}");
    }
    assert!(said.contains(&format!(
        "- dashboard regions: {}, to the trash",
        gone.layout.title
    )));
    assert!(
        said.iter()
            .any(|line| line.starts_with("- collection regions: "))
    );
    assert_eq!(
        bench.double.find(boards, &gone.layout.title)["archived"],
        true
    );
    assert!(bench.apply().await.unwrap().steps.is_empty());
    bench.library = whole;
    bench.apply().await.unwrap();
    let back = bench.double.find(boards, &gone.layout.title);
    assert_eq!(back["archived"], false);
    for card in back["dashcards"].as_array().unwrap() {
        if let Some(id) = card["card_id"].as_i64() {
            assert_eq!(bench.double.lock().cards[&id]["archived"], false);
        }
    }
    assert!(bench.apply().await.unwrap().steps.is_empty());
}

#[tokio::test]
async fn a_run_that_was_cut_off_is_finished_by_the_next() {
    // Every place where it can be cut off, of a smaller content.
    let mut small = Library::embedded().unwrap();
    small.dashboards.retain(|id, _| id == "regions");
    small.questions.retain(|id, _| id.starts_with("regions/"));
    small.questions.retain(|_, question| {
        let sources = question.header.parameters.values();
        sources
            .filter_map(|p| p.source())
            .all(|(from, _)| from.starts_with("regions/"))
    });
    let known: Vec<String> = small.questions.keys().cloned().collect();
    for dashboard in small.dashboards.values_mut() {
        let id = dashboard.id.clone();
        let names = |question: &Option<String>| match question {
            Some(name) if name.contains('/') => known.contains(name),
            Some(name) => known.contains(&format!("{id}/{name}")),
            None => true,
        };
        dashboard.layout.cards.retain(|card| names(&card.question));
        for card in &mut dashboard.layout.cards {
            card.click.take_if(|click| click.dashboard.is_some());
        }
        for filter in &mut dashboard.layout.filters {
            filter
                .parameter
                .values
                .take_if(|values| !values.starts_with("regions/"));
        }
    }
    let whole = Bench::with(small.clone()).await;
    whole.apply().await.unwrap();
    let writes = whole.double.writes().len();
    assert!(writes > 20);
    for dies_after in 1..writes {
        let bench = Bench::with(small.clone()).await;
        bench.double.lock().dies_after = Some(dies_after);
        bench.apply().await.unwrap_err();
        bench.double.lock().dies_after = None;
        let said = bench.said(Default::default()).await;
        assert!(
            !said.iter().any(|line| line.starts_with('!')),
            "{dies_after}: {said:?}"
        );
        let counts = |bench: &Bench| {
            let state = bench.double.lock();
            (
                state.databases.len(),
                state.collections.len(),
                state.cards.len(),
                state.dashboards.len(),
            )
        };
        assert_eq!(counts(&bench), counts(&whole), "{dies_after}");
        assert_eq!(bench.said(LOOK).await, Vec::<String>::new(), "{dies_after}");
    }
}

#[tokio::test]
async fn what_metabase_writes_in_another_way_is_no_change_of_anybodys() {
    let bench = Bench::applied().await;
    // The stand-in has added something to every tag that was not sent, and that a person could have set.
    let question = &bench.library.questions["regions/corridors"];
    let card = bench.double.find(cards, &question.header.title);
    let tag = &card["dataset_query"]["stages"][0]["template-tags"][0];
    assert_eq!(tag["widget-type"], "none");
    assert_eq!(bench.said(LOOK).await, Vec::<String>::new());
}

#[tokio::test]
async fn two_runs_at_once_leave_nothing_twice() {
    let bench = Bench::new().await;
    bench.client().await;
    let (one, other) = tokio::join!(bench.apply(), bench.apply());
    one.unwrap();
    other.unwrap();
    bench.apply().await.unwrap();
    assert_eq!(bench.said(LOOK).await, Vec::<String>::new());
    let state = bench.double.lock();
    let live = |things: &std::collections::BTreeMap<i64, Json>| {
        things
            .values()
            .filter(|thing| thing["archived"] == false)
            .count()
    };
    assert_eq!(live(&state.cards), bench.library.questions.len());
    assert_eq!(live(&state.dashboards), bench.library.dashboards.len());
    assert_eq!(live(&state.collections), bench.library.dashboards.len() + 2);
}

#[tokio::test]
async fn a_mart_that_is_new_is_found_by_reading_the_names_again() {
    let bench = Bench::applied().await;
    {
        let mut state = bench.double.lock();
        let table = state.tables.remove("corridors").unwrap();
        state.unread.insert("corridors".into(), table);
    }
    assert!(bench.apply().await.unwrap().steps.is_empty());
}

#[tokio::test]
async fn a_request_that_fails_once_is_made_again() {
    let bench = Bench::applied().await;
    let client = bench.client().await;
    bench.double.lock().stumbles = 2;
    let outcome = dashboards::apply::apply(&client, &bench.config, &bench.library, LOOK).await;
    assert!(outcome.unwrap().steps.is_empty());
    assert_eq!(bench.double.lock().stumbles, 0);
}

#[tokio::test]
async fn a_connection_follows_the_settings() {
    let mut bench = Bench::applied().await;
    bench.config.database.memory_limit = service::config::ByteSize::mib(256);
    let said = ["~ database Contrail: connection"];
    assert_eq!(bench.said(LOOK).await, said);
    assert_eq!(bench.said(Default::default()).await, said);
    let id = *bench.double.lock().databases.keys().next().unwrap();
    assert_eq!(bench.double.writes(), [format!("PUT database/{id}")]);
    let details = bench.double.lock().databases[&id]["details"].clone();
    assert_eq!(details["memory_limit"], "256MiB");
}

#[tokio::test]
async fn a_machine_without_the_published_files_can_apply_once_there_is_a_connection() {
    let bench = Bench::applied().await;
    std::fs::remove_file(bench.config.database.published.join("init.sql")).unwrap();
    assert!(bench.apply().await.unwrap().steps.is_empty());
    let state = bench.double.lock();
    let database = state.databases.values().next().unwrap();
    assert_eq!(database["details"]["init_sql"], INIT_SQL);
}

#[tokio::test]
async fn postgresql_can_be_shown_instead() {
    let mut bench = Bench::new().await;
    bench.config.database.engine = dashboards::config::Engine::Postgres;
    bench.config.database.postgres.username = "reader".into();
    bench.config.database.postgres.password = service::config::Secret::new("secret");
    bench.apply().await.unwrap();
    let details = bench.double.lock().databases.values().next().unwrap()["details"].clone();
    assert_eq!(details["schema-filters-patterns"], "contrail");
    assert_eq!(details["password"], "secret");
    // What an administrator has set beside it stays.
    for database in bench.double.lock().databases.values_mut() {
        database["is_on_demand"] = json!(true);
    }
    assert!(bench.apply().await.unwrap().steps.is_empty());
    let state = bench.double.lock();
    assert_eq!(
        state.databases.values().next().unwrap()["is_on_demand"],
        true
    );
}

#[tokio::test]
async fn an_api_key_is_enough_once_metabase_is_set_up() {
    let mut bench = Bench::applied().await;
    bench.config.api_key = service::config::Secret::new("mb_key");
    bench.config.password = service::config::Secret::default();
    assert!(bench.apply().await.unwrap().steps.is_empty());
}
