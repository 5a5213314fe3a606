//! Whether what was applied does what it should: each question returns rows under the columns that its
//! file names, and whatever says how fresh it is gets fresher.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};
use tokio::time::sleep;

use crate::Error;
use crate::content::{Library, Question};
use crate::metabase::Client;
use crate::state::wanted::Ids;
use crate::state::{Key, Kind};

/// The column that says how fresh rows are.
pub const AS_OF: &str = "as_of";

/// Time from one look at the freshness to the next.
const PAUSE: Duration = Duration::from_secs(1);

/// What was found.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Questions that were asked.
    pub questions: usize,
    /// Questions with an `as_of` that has been seen to advance.
    pub advancing: usize,
    /// What is wrong, one line each.
    pub wrong: Vec<String>,
}

impl Report {
    /// What is wrong as an error.
    ///
    /// # Errors
    /// Something is.
    pub fn sound(&self) -> Result<(), Error> {
        match self.wrong.is_empty() {
            true => Ok(()),
            false => Err(Error::Unsound(self.wrong.join("\n"))),
        }
    }
}

/// Asks every question that is in Metabase.
pub async fn verify(client: &Client, library: &Library, ids: &Ids, limit: Duration) -> Report {
    let mut report = Report::default();
    let mut fresh = BTreeMap::new();
    for question in library.questions.values() {
        let Some(id) = ids.get(&Key::new(Kind::Question, &question.id)) else {
            continue;
        };
        report.questions += 1;
        let checked = match ask(client, *id).await {
            Ok(answer) => check(question, &answer),
            Err(error) => Err(service::fault::chain(&error)),
        };
        match checked {
            Err(reason) => {
                let file = question.file.display();
                report.wrong.push(format!("{file}: {reason}"));
            }
            Ok(Some(as_of)) => drop(fresh.insert(question.file.clone(), (*id, as_of))),
            Ok(None) => {}
        }
    }
    if limit.is_zero() {
        return report;
    }
    let deadline = Instant::now() + limit;
    while !fresh.is_empty() {
        for (file, (id, first)) in fresh.clone() {
            let now = ask(client, id).await.ok();
            if now
                .and_then(|answer| as_of(&answer))
                .is_some_and(|now| now > first)
            {
                report.advancing += 1;
                fresh.remove(&file);
            }
        }
        if Instant::now() >= deadline {
            break;
        }
        sleep(PAUSE).await;
    }
    for (file, (_, first)) in fresh {
        report.wrong.push(format!(
            "{}: {AS_OF} stays at {first} for {} s; look whether the producer polls and the transformer \
             publishes, or raise metabase.fresh_timeout",
            file.display(),
            limit.as_secs()
        ));
    }
    report
}

async fn ask(client: &Client, id: i64) -> Result<Json, Error> {
    let path = format!("api/card/{id}/query");
    client.post(&path, &json!({"parameters": []})).await
}

/// How fresh the rows are, where they say so.
fn check(question: &Question, answer: &Json) -> Result<Option<String>, String> {
    if answer["status"] != "completed" {
        let said = crate::metabase::client::said(answer);
        return Err(format!(
            "it cannot be answered: {said}; mend its SQL, and apply again"
        ));
    }
    let wanted: Vec<&str> = question.header.columns.keys().map(String::as_str).collect();
    let mut found = columns(answer);
    found.sort_unstable();
    if found != wanted {
        return Err(format!(
            "its columns are {}, and [columns] has {}; make them the same, and apply again",
            found.join(", "),
            wanted.join(", ")
        ));
    }
    if rows(answer).is_empty() {
        return Err(
            "it has no rows; look at the mart, with `contrail query` or `transformer query`".into(),
        );
    }
    Ok(as_of(answer))
}

fn rows(answer: &Json) -> &[Json] {
    answer["data"]["rows"].as_array().map_or(&[], Vec::as_slice)
}

fn columns(answer: &Json) -> Vec<&str> {
    let columns = answer["data"]["cols"].as_array();
    let columns = columns.into_iter().flatten();
    columns
        .filter_map(|column| column["name"].as_str())
        .collect()
}

/// The newest `as_of`. Times are ISO 8601 in one time zone, so that their texts have their order.
fn as_of(answer: &Json) -> Option<String> {
    let at = columns(answer).iter().position(|name| *name == AS_OF)?;
    let times = rows(answer).iter().filter_map(|row| row[at].as_str());
    times.max().map(str::to_owned)
}
