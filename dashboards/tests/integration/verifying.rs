//! What is said of questions that do not do what they should.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use dashboards::verify::{Report, verify};
use serde_json::json;

use crate::double::{Answer, Answers};
use crate::support::{Bench, answers};

/// A bench on which one question is answered otherwise.
async fn with(id: &str, other: impl Fn() -> Answer + Send + 'static) -> Bench {
    let bench = Bench::applied().await;
    let sql = bench.library.questions[id].sql.trim().to_owned();
    let rest: Answers = answers(&bench.library);
    bench.double.lock().answers = Box::new(move |asked| match asked.trim() == sql {
        true => other(),
        false => rest(asked),
    });
    bench
}

async fn report(bench: &Bench, limit: Duration) -> Report {
    let ids = bench.apply().await.unwrap().ids;
    let client = bench.client().await;
    verify(&client, &bench.library, &ids, limit).await
}

#[tokio::test]
async fn every_question_has_rows_and_all_get_fresher() {
    let bench = Bench::applied().await;
    let report = report(&bench, Duration::from_secs(60)).await;
    assert_eq!(report.wrong, Vec::<String>::new());
    assert_eq!(report.questions, bench.library.questions.len());
    let fresh = bench.library.questions.values();
    let fresh = fresh.filter(|question| question.header.columns.contains_key("as_of"));
    assert_eq!(report.advancing, fresh.count());
    assert!(report.advancing > 0);
    report.sound().unwrap();
}

#[tokio::test]
async fn a_question_that_fails_is_named_with_what_the_database_says() {
    let bench = with("live-sky/aircraft", || {
        Err("Binder Error: column \"icao\" not found; candidates: \"icao24\"".into())
    })
    .await;
    let report = report(&bench, Duration::ZERO).await;
    assert_eq!(report.wrong.len(), 1);
    assert!(
        report.wrong[0].starts_with("live-sky/aircraft.sql: it cannot be answered: Binder Error"),
        "{:?}",
        report.wrong
    );
    assert!(
        report
            .sound()
            .unwrap_err()
            .to_string()
            .contains("mend its SQL")
    );
}

#[tokio::test]
async fn a_question_without_rows_or_with_other_columns_is_named() {
    for (answer, said) in [
        (
            Ok((vec!["aircraft".to_owned()], Vec::new())),
            "it has no rows",
        ),
        (
            Ok((vec!["planes".to_owned()], vec![vec![json!(1)]])),
            "its columns are planes, and [columns] has",
        ),
    ] {
        let answer: Answer = answer;
        let mut answer = answer;
        let bench = Bench::applied().await;
        let columns = bench.library.questions["live-sky/aircraft"]
            .header
            .columns
            .keys();
        if let Ok((names, rows)) = &mut answer
            && rows.is_empty()
        {
            *names = columns.cloned().collect();
        }
        let bench = with("live-sky/aircraft", move || answer.clone()).await;
        let report = report(&bench, Duration::ZERO).await;
        assert_eq!(report.wrong.len(), 1);
        let wrong = &report.wrong[0];
        assert!(
            wrong.starts_with("live-sky/aircraft.sql: ") && wrong.contains(said),
            "{wrong}"
        );
    }
}

#[tokio::test]
async fn what_does_not_get_fresher_is_named() {
    let asked = Arc::new(AtomicBool::new(false));
    let seen = asked.clone();
    let bench = Bench::applied().await;
    let stale = bench
        .library
        .questions
        .values()
        .find(|question| question.header.columns.contains_key("as_of"))
        .unwrap();
    let (id, file) = (stale.id.clone(), stale.file.display().to_string());
    let columns: Vec<String> = stale.header.columns.keys().cloned().collect();
    let bench = with(&id, move || {
        seen.store(true, Ordering::Relaxed);
        let row = columns
            .iter()
            .map(|_| json!("2026-11-21T20:00:00Z"))
            .collect();
        Ok((columns.clone(), vec![row]))
    })
    .await;
    let report = report(&bench, Duration::from_secs(2)).await;
    assert!(asked.load(Ordering::Relaxed));
    assert_eq!(report.wrong.len(), 1, "{:?}", report.wrong);
    let said = format!("{file}: as_of stays at 2026-11-21T20:00:00Z for 2 s");
    assert!(report.wrong[0].starts_with(&said), "{:?}", report.wrong);
}
