//! What persons make and change is theirs.

use serde_json::{Value as Json, json};

use crate::support::{
    Bench, LOOK, OVERWRITE, boards, boards_mut, cards, cards_mut, collections_mut,
};

/// A question of ours, and its title.
fn some(bench: &Bench) -> (String, String) {
    let id = "live-sky/emergencies";
    (
        id.to_owned(),
        bench.library.questions[id].header.title.clone(),
    )
}

#[tokio::test]
async fn what_a_person_changed_stays_until_it_is_overwritten() {
    let bench = Bench::applied().await;
    let (id, title) = some(&bench);
    bench.double.edit(cards_mut, &title, |card| {
        card["display"] = json!("bar");
        card["visualization_settings"]["graph.metrics"] = json!(["velocity"]);
    });
    let said = bench.said(Default::default()).await;
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0].starts_with(&format!(
            "! question {id}: edited in Metabase (display, settings) and left as it is"
        )),
        "{said:?}"
    );
    assert_eq!(bench.double.writes(), Vec::<String>::new());
    assert_eq!(
        bench.said(OVERWRITE).await,
        [format!("~ question {id}: display, settings")]
    );
    let display = &bench.library.questions[&id].header.display;
    assert_eq!(bench.double.find(cards, &title)["display"], **display);
    assert!(bench.said(LOOK).await.is_empty());
}

#[tokio::test]
async fn what_a_person_threw_away_stays_there() {
    let bench = Bench::applied().await;
    let (id, title) = some(&bench);
    let card = bench.double.find(cards, &title);
    bench
        .double
        .edit(cards_mut, &title, |card| card["archived"] = json!(true));
    let said = bench.said(Default::default()).await;
    assert!(
        said[0].starts_with(&format!("! question {id}: somebody put it")),
        "{said:?}"
    );
    // Metabase shows nothing that lies in the trash, which is nobody's edit of the dashboard.
    assert_eq!(
        said[1..],
        ["= dashboard live-sky: the file says what was edited in Metabase"]
    );
    let shown = |bench: &Bench| {
        let title = &bench.library.dashboards["live-sky"].layout.title;
        let board = bench.double.find(boards, title);
        let cards = board["dashcards"].as_array().unwrap().clone();
        cards.iter().any(|shown| shown["card_id"] == card["id"])
    };
    assert_eq!(bench.said(LOOK).await.len(), 1);
    bench.apply_with(OVERWRITE).await.unwrap();
    assert!(shown(&bench));
    assert_eq!(bench.double.find(cards, &title)["archived"], false);
    assert!(bench.said(LOOK).await.is_empty());
}

#[tokio::test]
async fn what_a_person_made_is_never_touched() {
    let bench = Bench::applied().await;
    let (id, title) = some(&bench);
    let mut card = bench.double.find(cards, &title);
    let place = card["collection_id"].clone();
    let theirs: Vec<Json> = {
        let mut state = bench.double.lock();
        // One of their own in our collection, and a copy of ours, which has our line with our number.
        let mut own = card.clone();
        own["description"] = json!("Mine.");
        own["name"] = json!("My outliers");
        card["name"] = json!("Copy of outliers");
        [own, card]
            .into_iter()
            .map(|mut card| {
                let id = state.number();
                card["id"] = json!(id);
                state.cards.insert(id, card.clone());
                card
            })
            .collect()
    };
    let still = |bench: &Bench| {
        let state = bench.double.lock();
        for card in &theirs {
            assert_eq!(state.cards[&card["id"].as_i64().unwrap()], *card);
        }
    };
    bench.apply_with(OVERWRITE).await.unwrap();
    still(&bench);
    // Also when everything of ours goes; the collection stays, since theirs is in it.
    let mut without = bench;
    without.library.questions.retain(|other, _| *other == id);
    without.library.dashboards.clear();
    let said = without.said(Default::default()).await;
    still(&without);
    assert!(
        said.iter()
            .any(|line| line.starts_with("! collection live-sky: it has no files any more")),
        "{said:?}"
    );
    let state = without.double.lock();
    assert_eq!(
        state.collections[&place.as_i64().unwrap()]["archived"],
        false
    );
}

#[tokio::test]
async fn a_line_that_a_person_deletes_makes_it_theirs() {
    let bench = Bench::applied().await;
    let (id, title) = some(&bench);
    bench.double.edit(cards_mut, &title, |card| {
        card["description"] = json!("Mine now.");
        card["name"] = json!("My outliers");
    });
    let said = bench.said(Default::default()).await;
    assert!(
        said.contains(&format!("+ question {id}: {title}")),
        "{said:?}"
    );
    let theirs = bench.double.find(cards, "My outliers");
    let ours = bench.double.find(cards, &title);
    assert_ne!(theirs["id"], ours["id"]);
    assert_eq!(theirs["description"], "Mine now.");
}

#[tokio::test]
async fn a_list_of_values_that_a_person_threw_away_is_nobodys_edit() {
    let bench = Bench::applied().await;
    let source = bench
        .library
        .questions
        .values()
        .flat_map(|question| question.header.parameters.values());
    let source = source
        .filter_map(|parameter| Some(parameter.source()?.0))
        .next()
        .unwrap();
    let id = bench.double.find_by_mark(source);
    // As a person does it, through Metabase.
    let client = bench.client().await;
    let path = format!("api/card/{id}");
    client.put(&path, &json!({"archived": true})).await.unwrap();
    let said = bench.said(Default::default()).await;
    assert!(
        said[0].starts_with(&format!("! question {source}: somebody put it")),
        "{said:?}"
    );
    assert!(said.len() > 2);
    assert!(
        said[1..].iter().all(|line| line.starts_with("= ")),
        "{said:?}"
    );
    assert_eq!(bench.said(LOOK).await.len(), 1);
    bench.apply_with(OVERWRITE).await.unwrap();
    assert!(bench.said(LOOK).await.is_empty());
}

#[tokio::test]
async fn a_collection_that_a_person_threw_away_stays_there_with_all_that_is_new_in_it() {
    let mut bench = Bench::applied().await;
    let new = bench.library.questions.remove("regions/corridors").unwrap();
    for dashboard in bench.library.dashboards.values_mut() {
        dashboard
            .layout
            .cards
            .retain(|card| card.question.as_deref() != Some("corridors"));
    }
    bench.apply().await.unwrap();
    let client = bench.client().await;
    let title = &bench.library.dashboards["regions"].layout.title;
    let id = bench.double.find(|state| &state.collections, title)["id"].clone();
    let path = format!("api/collection/{id}");
    client.put(&path, &json!({"archived": true})).await.unwrap();
    bench.double.writes();
    bench.library.questions.insert(new.id.clone(), new);
    let said = bench.said(Default::default()).await;
    for key in [
        "collection regions",
        "question regions/corridors",
        "dashboard regions",
    ] {
        let line = format!("! {key}: somebody put it");
        assert!(
            said.iter().any(|said| said.starts_with(&line)),
            "{key}: {said:?}"
        );
    }
}

#[tokio::test]
async fn nothing_links_to_a_dashboard_that_a_person_threw_away() {
    let bench = Bench::applied().await;
    let title = bench.library.dashboards["regions"].layout.title.clone();
    bench
        .double
        .edit(boards_mut, &title, |board| board["archived"] = json!(true));
    let said = bench.said(Default::default()).await;
    assert_eq!(said.len(), 2, "{said:?}");
    assert_eq!(said[0], "~ dashboard live-sky: cards");
    assert!(
        said[1].starts_with("! dashboard regions: somebody put it"),
        "{said:?}"
    );
    let links_to_it = || {
        let id = bench.double.find(boards, &title)["id"].clone();
        let state = bench.double.lock();
        let cards = state.dashboards.values();
        let mut cards = cards.flat_map(|board| board["dashcards"].as_array().into_iter().flatten());
        cards.any(|card| {
            card["visualization_settings"]
                .to_string()
                .contains(&format!("\"targetId\":{id},"))
        })
    };
    assert!(!links_to_it());
    assert_eq!(bench.said(LOOK).await.len(), 1);
    bench.apply_with(OVERWRITE).await.unwrap();
    assert!(links_to_it());
    assert!(bench.said(LOOK).await.is_empty());
}

#[tokio::test]
async fn tabs_and_required_filters_are_edits_too() {
    let bench = Bench::applied().await;
    let title = bench.library.dashboards["regions"].layout.title.clone();
    bench.double.edit(boards_mut, &title, |board| {
        board["tabs"] = json!([{"id": 1, "name": "Now"}]);
        board["parameters"][0]["required"] = json!(true);
    });
    let said = bench.said(Default::default()).await;
    assert!(
        said[0].starts_with("! dashboard regions: edited in Metabase (filters, tabs)"),
        "{said:?}"
    );
    assert_eq!(bench.double.writes(), Vec::<String>::new());
}

#[tokio::test]
async fn dashboards_and_collections_are_theirs_as_much() {
    let bench = Bench::applied().await;
    let board = bench.library.dashboards["regions"].layout.title.clone();
    bench.double.edit(boards_mut, &board, |board| {
        board["dashcards"][0]["size_y"] = json!(2);
    });
    bench
        .double
        .edit(collections_mut, "Contrail", |collection| {
            collection["name"] = json!("Aviation");
        });
    let said = bench.said(Default::default()).await;
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].starts_with("! collection contrail: edited in Metabase (name)"));
    assert!(said[1].starts_with("! dashboard regions: edited in Metabase (cards)"));
    assert_eq!(bench.double.writes(), Vec::<String>::new());
}
