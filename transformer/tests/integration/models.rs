//! The given/expect cases beside the models, and models from a folder.

use std::fs;

use crate::support::{Bench, row};
use transformer::cases;
use transformer::models::Models;
use transformer::{Error, Transformer};

#[tokio::test]
async fn every_case_of_every_model_holds() {
    let models = Models::embedded().unwrap();
    let mut failed = String::new();
    for case in cases::all(&models).unwrap() {
        let outcome = case.run(None).await.unwrap();
        if !outcome.holds() {
            let difference = outcome.difference();
            failed.push_str(&format!("{}: {}\n{difference}", case.mart, case.name));
        }
    }
    assert!(failed.is_empty(), "{failed}");
}

#[test]
fn every_mart_made_by_sql_has_a_case() {
    let models = Models::embedded().unwrap();
    let cases = cases::all(&models).unwrap();
    // What audits find depends on the audits of all marts: audits.rs has its own.
    let made = models.marts().filter(|mart| mart.name != "audit_results");
    for mart in made.chain(models.views()) {
        let has_case = cases.iter().any(|case| case.mart == mart.name);
        assert!(has_case, "{} has no case", mart.name);
    }
}

const MODEL: &str = "\
-- description: Polls by calendar day.
-- grain: day
-- kind: full
-- refresh: full
-- columns:
--   day: date of the polls, UTC
--   polls: how many there were
--   busiest: the most rows of one poll

-- @select
with history as (
    select * from polls
)
select
    utc_date(snapshot_time) as day,
    count(*) as polls,
    max(aircraft_total) as busiest,
from history
group by day
order by day
";

const CASES: &str = "\
[[case]]
name = \"two polls of one day\"
given = [\"\"\"
icao24, snapshot_time
aaaaaa, 2025-09-26T10:00:00Z
aaaaaa, 2025-09-26T10:00:30Z
bbbbbb, 2025-09-26T10:00:30Z
\"\"\"]
expect = \"\"\"
day, polls, busiest
2025-09-26, 2, 2
\"\"\"
";

/// Adding a model is adding a file, and its cases.
#[tokio::test]
async fn a_file_in_a_folder_is_a_mart() {
    let folder = tempfile::tempdir().unwrap();
    for part in ["marts", "tests", "seeds"] {
        fs::create_dir(folder.path().join(part)).unwrap();
    }
    fs::write(folder.path().join("marts/poll_days.sql"), MODEL).unwrap();
    fs::write(folder.path().join("tests/poll_days.toml"), CASES).unwrap();
    let countries = "origin_country,iso_a2,region\nGermany,XX,Other\n";
    fs::write(folder.path().join("seeds/countries.csv"), countries).unwrap();

    let models = Models::load(Some(folder.path())).unwrap();
    let all = cases::all(&models).unwrap();
    let case = all.iter().find(|case| case.mart == "poll_days").unwrap();
    let outcome = case.run(Some(folder.path())).await.unwrap();
    assert!(outcome.holds(), "{}", outcome.difference());

    // The transformer publishes it beside its own, with its description.
    let mut bench = Bench::new().await;
    bench.append(&[row("aaaaaa", 0), row("bbbbbb", 0)]).await;
    let mut before = Transformer::open(&bench.config).await.unwrap();
    before.catch_up().await.unwrap();
    drop(before);
    bench.config.transformer.models = Some(folder.path().to_owned());
    let mut transformer = Transformer::open(&bench.config).await.unwrap();
    transformer.catch_up().await.unwrap();
    let text = |value: &str| Some(value.to_owned());
    assert_eq!(
        bench.query("select polls, busiest from poll_days"),
        [[text("1"), text("2")]]
    );
    // Its seed has taken the place of the program's.
    assert_eq!(
        bench.query("select iso_a2, region from country_stats"),
        [[text("XX"), text("Other")]]
    );
    let comments = "select comment from duckdb_views() where view_name = 'poll_days'
        union all
        select comment from duckdb_columns()
        where table_name = 'poll_days' and column_name = 'busiest'
        order by comment";
    assert_eq!(
        bench.query(comments),
        [
            [text("Polls by calendar day. One row: day.")],
            [text("the most rows of one poll")]
        ]
    );
}

/// Written ahead it would have its own table as it was before the batch.
#[tokio::test]
async fn a_mart_of_the_newest_poll_with_a_table_of_its_own_has_both_of_the_same_batch() {
    const WATCHED: &str = "\
-- description: The newest poll beside all polls there were.
-- grain: one row
-- kind: incremental
-- refresh: incremental
-- columns:
--   polls: polls that were counted
--   aircraft: aircraft of the newest one

-- @state
create table if not exists watched (snapshot_time timestamptz not null);

-- @merge
insert into watched select getvariable('last_poll');

-- @select
with watched as (
    select count(*) as polls from watched
),
states as (
    select * from int_latest_states
)
select max(watched.polls) as polls, count(*) as aircraft
from states, watched
";
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("marts")).unwrap();
    fs::write(folder.path().join("marts/watching.sql"), WATCHED).unwrap();
    let mut bench = Bench::new().await;
    bench.config.transformer.models = Some(folder.path().to_owned());
    let mut transformer = Transformer::open(&bench.config).await.unwrap();
    for poll in 1..4 {
        let rows: Vec<_> = (0..poll)
            .map(|n| row(&format!("aaaaa{n}"), poll * 60))
            .collect();
        bench.append(&rows).await;
        transformer.catch_up().await.unwrap();
        let number = Some(poll.to_string());
        assert_eq!(
            bench.query("select polls, aircraft from watching"),
            [[number.clone(), number]]
        );
    }
}

#[tokio::test]
async fn a_case_that_does_not_hold_shows_the_difference() {
    let folder = tempfile::tempdir().unwrap();
    for part in ["marts", "tests"] {
        fs::create_dir(folder.path().join(part)).unwrap();
    }
    fs::write(folder.path().join("marts/poll_days.sql"), MODEL).unwrap();
    let wrong = CASES.replace("2025-09-26, 2, 2", "2025-09-26, 3, 2");
    fs::write(folder.path().join("tests/poll_days.toml"), wrong).unwrap();
    let models = Models::load(Some(folder.path())).unwrap();
    let all = cases::all(&models).unwrap();
    let case = all.iter().find(|case| case.mart == "poll_days").unwrap();
    let outcome = case.run(Some(folder.path())).await.unwrap();
    assert_eq!(outcome.missing, ["2025-09-26, 3, 2"]);
    assert_eq!(outcome.unexpected, ["2025-09-26, 2, 2"]);
}

/// What a folder may not hold is refused before anything on the disk is touched.
#[tokio::test]
async fn what_cannot_be_a_model_is_refused_by_name() {
    let unknown = MODEL.replace("from polls", "from polss");
    let unread = MODEL.replace("group by day", "group day by");
    let flights = include_str!("../../models/marts/flights.sql");
    let flights = flights.replace(
        "    flights.is_open,\n",
        "    flights.is_open,\n    1 as more,\n",
    );
    let flights = flights.replace("-- audits:\n", "--   more: one more\n-- audits:\n");
    let undescribed = MODEL.replace("--   busiest: the most rows of one poll\n", "");
    let cases = [
        (
            "marts/poll_days.sql",
            unknown.as_str(),
            "did you mean polls?",
        ),
        ("marts/poll_days.sql", unread.as_str(), "line 19"),
        (
            "marts/flights.sql",
            flights.as_str(),
            "a mart of another name",
        ),
        ("marts/poll_days.txt", MODEL, "is not a file *.sql"),
        ("mart/poll_days.sql", MODEL, "is not one of the folders"),
    ];
    for (file, text, reason) in cases {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(file);
        fs::create_dir(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        let mut bench = Bench::new().await;
        bench.config.transformer.models = Some(folder.path().to_owned());
        let error = Transformer::open(&bench.config).await.unwrap_err();
        assert!(error.to_string().contains(reason), "{file}: {error}");
    }
    // What only the published columns show is refused when they are there.
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("marts")).unwrap();
    fs::write(folder.path().join("marts/poll_days.sql"), undescribed).unwrap();
    let mut bench = Bench::new().await;
    bench.config.transformer.models = Some(folder.path().to_owned());
    let mut transformer = Transformer::open(&bench.config).await.unwrap();
    let error = transformer.catch_up().await.unwrap_err();
    assert!(
        matches!(&error, Error::Model { model, .. } if model == "poll_days"),
        "{error}"
    );
    assert!(error.to_string().contains("busiest"), "{error}");
}
