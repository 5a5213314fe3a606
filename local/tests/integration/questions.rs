//! Metabase's questions, asked of a generation that was made from simulated polls: each has rows, under the
//! columns that its file names, and quickly.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use dashboards::content::tags::literal;
use dashboards::content::{Library, Parameter, ParameterKind, Question};
use duckdb::{AccessMode, Connection};

use crate::chain::replay;
use crate::support::{fleet_bodies, record};
use service::shutdown::Shutdown;

/// 2025-06-15 23:56 UTC: the polls are of two days.
const START: i64 = 1_750_031_760;
/// As large as a poll of the real sky.
const AIRCRAFT: usize = 10_000;
const POLLS: i64 = 12;

/// A question that takes longer would be felt when a dashboard opens.
const LIMIT: Duration = Duration::from_millis(200);
/// The machine may be busy with something else for a moment.
const TRIES: usize = 10;
/// Metabase takes no more of the rows of a question.
const ROWS: usize = 2_000;

/// What readers open, as they open it.
fn open(published: &Path) -> Connection {
    let read_only = duckdb::Config::default().access_mode(AccessMode::ReadOnly);
    let views = published.join("views.duckdb");
    let connection = Connection::open_with_flags(views, read_only.unwrap()).unwrap();
    let init = fs::read_to_string(published.join("init.sql")).unwrap();
    connection.execute_batch(&init).unwrap();
    connection.execute_batch("set timezone = 'UTC'").unwrap();
    connection
}

/// Columns, how many rows there are of those that Metabase takes, and the time.
fn ask(connection: &Connection, sql: &str) -> Result<(Vec<String>, usize, Duration), String> {
    let said = |error: duckdb::Error| error.to_string();
    let began = Instant::now();
    let mut statement = connection.prepare(sql).map_err(said)?;
    let mut rows = statement.query([]).map_err(said)?;
    let mut count = 0;
    while count < ROWS && rows.next().map_err(said)?.is_some() {
        count += 1;
    }
    let took = began.elapsed();
    drop(rows);
    Ok((statement.column_names(), count, took))
}

/// The same, as quickly as it goes.
fn best(connection: &Connection, sql: &str) -> Result<(Vec<String>, usize, Duration), String> {
    let mut best = ask(connection, sql)?;
    for _ in 1..TRIES {
        if best.2 <= LIMIT {
            break;
        }
        let again = ask(connection, sql)?;
        best.2 = best.2.min(again.2);
    }
    Ok(best)
}

/// Something that a person may choose: the first value of the list, or one that fits.
fn some_value(connection: &Connection, library: &Library, parameter: &Parameter) -> String {
    if let Some((source, column)) = parameter.source() {
        let sql = library.questions[source].by_default().unwrap();
        let first =
            format!("select {column}::varchar from ({sql}) where {column} is not null limit 1");
        let value: String = connection.query_row(&first, [], |row| row.get(0)).unwrap();
        return match parameter.kind {
            ParameterKind::Number => value,
            _ => literal(&value),
        };
    }
    match parameter.kind {
        ParameterKind::Number => "1".into(),
        ParameterKind::Text => literal("x"),
        ParameterKind::Date => literal("2025-06-15"),
    }
}

fn mistakes(connection: &Connection, library: &Library, question: &Question) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut refuse = |reason: String| wrong.push(format!("{}: {reason}", question.file.display()));
    match best(connection, &question.by_default().unwrap()) {
        Err(said) => refuse(said),
        Ok((mut columns, rows, took)) => {
            columns.sort();
            if !columns.iter().eq(question.header.columns.keys()) {
                refuse(format!("the columns are {columns:?}"));
            }
            if rows == 0 {
                refuse("no rows".into());
            }
            if took > LIMIT {
                refuse(format!("{took:?}, and at most {LIMIT:?} is meant"));
            }
        }
    }
    for (name, parameter) in &question.header.parameters {
        let value = some_value(connection, library, parameter);
        let chosen = |tag: &str| (tag == name).then(|| value.clone());
        let sql = question.with(chosen).unwrap();
        match best(connection, &sql) {
            Err(said) => refuse(format!("with {name} = {value}: {said}")),
            Ok((_, _, took)) if took > LIMIT => refuse(format!("with {name} = {value}: {took:?}")),
            Ok(_) => {}
        }
    }
    wrong
}

#[tokio::test(flavor = "multi_thread")]
async fn every_question_has_rows_under_its_columns_and_is_quick() {
    let folder = tempfile::tempdir().unwrap();
    let recordings = folder.path().join("recordings");
    let bodies = fleet_bodies(5, AIRCRAFT, START, POLLS);
    record(&recordings, &bodies);
    let data = folder.path().join("data");
    let summary = replay(&data, &[recordings], &Shutdown::new()).await;
    assert_eq!(summary.rows, AIRCRAFT as u64 * POLLS as u64);

    let connection = open(&data.join("published"));
    let library = Library::embedded().unwrap();
    let wrong: Vec<String> = library
        .questions
        .values()
        .flat_map(|question| mistakes(&connection, &library, question))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    // A question that asks for what is not there is found by this test.
    let mut other: BTreeMap<&str, &str> = BTreeMap::new();
    other.insert("from corridors", "from coridors");
    other.insert("select", "select 1 as more,");
    for (from, to) in other {
        let mut question = library.questions["regions/corridors"].clone();
        question.sql = question.sql.replacen(from, to, 1);
        assert_eq!(
            mistakes(&connection, &library, &question).len().min(1),
            1,
            "{to}"
        );
    }
}
