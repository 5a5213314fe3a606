//! What was changed in Metabase, as files.

use std::fs;
use std::path::PathBuf;

use dashboards::Error;
use dashboards::content::Library;
use dashboards::export::export;
use serde_json::json;
use tempfile::TempDir;

use crate::support::{Bench, boards_mut, cards, cards_mut, copy_content};

/// A folder of content, and what an export of these dashboards writes into it.
async fn exported(bench: &Bench, names: &[&str]) -> Result<(TempDir, Vec<PathBuf>), Error> {
    let folder = tempfile::tempdir().unwrap();
    copy_content(folder.path());
    let client = bench.client().await;
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let written = export(&client, &bench.library, &names, folder.path()).await?;
    let short = written
        .files
        .iter()
        .map(|path| path.strip_prefix(folder.path()).unwrap().to_owned());
    let short = short.collect();
    Ok((folder, short))
}

#[tokio::test]
async fn right_after_an_apply_there_is_nothing_to_write() {
    let bench = Bench::applied().await;
    let (_folder, written) = exported(&bench, &[]).await.unwrap();
    assert_eq!(written, Vec::<PathBuf>::new());
}

#[tokio::test]
async fn everything_can_be_written_and_read_again() {
    let mut bench = Bench::applied().await;
    let whole = std::mem::take(&mut bench.library);
    let (folder, written) = exported(&bench, &[]).await.unwrap();
    assert_eq!(
        written.len(),
        whole.questions.len() + whole.dashboards.len()
    );
    assert_eq!(Library::in_folder(folder.path()).unwrap(), whole);
}

#[tokio::test]
async fn what_a_person_changed_is_in_the_files_and_then_no_change_any_more() {
    let mut bench = Bench::applied().await;
    let regions = bench.library.dashboards["regions"].layout.title.clone();
    let question = bench.library.questions["regions/corridors"].clone();
    bench.double.edit(boards_mut, &regions, |board| {
        board["dashcards"][1]["visualization_settings"]["card.title"] = json!("Another title");
    });
    bench
        .double
        .edit(cards_mut, &question.header.title, |card| {
            let sql = format!("{}\n-- by hand", question.sql);
            card["dataset_query"]["stages"][0]["native"] = json!(sql);
            card["visualization_settings"]["table.row_index"] = json!(true);
        });
    let (folder, written) = exported(&bench, &[]).await.unwrap();
    let expected = ["regions/corridors.sql", "regions/dashboard.toml"].map(PathBuf::from);
    assert_eq!(written, expected);
    let text = fs::read_to_string(folder.path().join("regions/corridors.sql")).unwrap();
    assert!(
        text.contains("-- \"table.row_index\" = true") && text.ends_with("-- by hand\n"),
        "{text}"
    );
    bench.library = Library::in_folder(folder.path()).unwrap();
    // Metabase has it already: applying takes it over, and what a file says next is written again.
    let taken = bench.said(Default::default()).await;
    assert_eq!(taken.len(), 2, "{taken:?}");
    assert!(taken.iter().all(|line| line.starts_with("= ")), "{taken:?}");
    assert_eq!(bench.said(Default::default()).await, Vec::<String>::new());
    let question = bench
        .library
        .questions
        .get_mut("regions/corridors")
        .unwrap();
    question.header.title = "Corridors now".into();
    assert_eq!(
        bench.said(Default::default()).await,
        ["~ question regions/corridors: name, query"]
    );
}

#[tokio::test]
async fn what_was_changed_in_a_file_alone_stays_and_in_both_is_refused() {
    let mut bench = Bench::applied().await;
    let regions = bench.library.dashboards["regions"].layout.title.clone();
    bench.double.edit(boards_mut, &regions, |board| {
        board["dashcards"][1]["visualization_settings"]["card.title"] = json!("Another title");
    });
    let question = bench
        .library
        .questions
        .get_mut("regions/corridors")
        .unwrap();
    question.sql.push_str("\n-- not applied yet");
    let (_folder, written) = exported(&bench, &[]).await.unwrap();
    assert_eq!(written, [PathBuf::from("regions/dashboard.toml")]);
    let dashboard = bench.library.dashboards.get_mut("regions").unwrap();
    dashboard.layout.description = "Not applied yet.".into();
    let error = exported(&bench, &[]).await.unwrap_err().to_string();
    assert!(
        error.contains("regions/dashboard.toml: it was changed since it was applied"),
        "{error}"
    );
}

#[tokio::test]
async fn a_question_that_a_person_added_becomes_a_file() {
    let mut bench = Bench::applied().await;
    let regions = bench.library.dashboards["regions"].layout.title.clone();
    let source = bench.library.questions["regions/corridors"]
        .header
        .title
        .clone();
    let mut card = bench.double.find(cards, &source);
    let id = bench.double.lock().number();
    card["id"] = json!(id);
    card["name"] = json!("Busy corridors, top 10");
    card["description"] = json!(null);
    bench.double.lock().cards.insert(id, card);
    bench.double.edit(boards_mut, &regions, |board| {
        let below = json!({"id": 9999, "card_id": id, "row": 500, "col": 0, "size_x": 12, "size_y": 6,
            "parameter_mappings": [], "visualization_settings": {}, "series": []});
        board["dashcards"].as_array_mut().unwrap().push(below);
    });
    let (folder, written) = exported(&bench, &["regions"]).await.unwrap();
    let new = PathBuf::from("regions/busy_corridors_top_10.sql");
    assert!(written.contains(&new), "{written:?}");
    bench.library = Library::in_folder(folder.path()).unwrap();
    let layout = &bench.library.dashboards["regions"].layout;
    let last = layout.cards.last().unwrap();
    assert_eq!(last.question.as_deref(), Some("busy_corridors_top_10"));
    assert_eq!((last.at, last.size), ([0, 500], [12, 6]));
    // It is the same card that is kept by the file now.
    let said = bench.said(Default::default()).await;
    assert!(
        said.iter().all(|line| !line.starts_with(['+', '!'])),
        "{said:?}"
    );
    assert_eq!(bench.said(Default::default()).await, Vec::<String>::new());
    assert_eq!(bench.double.find(cards, "Busy corridors, top 10")["id"], id);
}

#[tokio::test]
async fn what_a_file_cannot_say_is_refused_and_nothing_is_written() {
    let bench = Bench::applied().await;
    let error = exported(&bench, &["airports"]).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("there is no dashboard \"airports\""),
        "{error}"
    );
    let regions = bench.library.dashboards["regions"].layout.title.clone();
    bench.double.edit(boards_mut, &regions, |board| {
        board["tabs"] = json!([{"id": 1, "name": "One"}]);
    });
    let error = exported(&bench, &[]).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("regions/dashboard.toml: the dashboard has tabs"),
        "{error}"
    );
    bench.double.edit(boards_mut, &regions, |board| {
        board["tabs"] = json!([]);
        board["dashcards"][0]["visualization_settings"] =
            json!({"virtual_card": {"display": "iframe"}});
        board["dashcards"][0]["card_id"] = json!(null);
    });
    let error = exported(&bench, &[]).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("a card is a iframe; a file has questions"),
        "{error}"
    );
}
