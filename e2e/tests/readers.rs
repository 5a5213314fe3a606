//! The documented snippets, run as they stand, by the tools they are for. What each prints is
//! held against a count of the recorded bodies themselves.
#![cfg(test)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use e2e::recorded::Recorded;
use simulator::fleet::Fleet;

/// Noon of a day, and of the next.
const TIMES: [i64; 4] = [
    1_750_075_200,
    1_750_075_230,
    1_750_075_260,
    1_750_075_200 + 86_400,
];
const AIRCRAFT: usize = 777;

/// A fenced block of a document.
#[derive(Debug)]
struct Snippet {
    document: &'static str,
    /// The heading above it, and which block of that kind below the heading it is.
    heading: String,
    number: usize,
    language: String,
    text: String,
}

fn snippets(document: &'static str) -> Vec<Snippet> {
    let text = fs::read_to_string(e2e::root().join(document)).unwrap();
    let mut snippets: Vec<Snippet> = Vec::new();
    let mut heading = String::new();
    let mut open: Option<Snippet> = None;
    for line in text.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (Some(_), Some(_)) => snippets.extend(open.take()),
            (Some(snippet), None) => {
                snippet.text.push_str(line);
                snippet.text.push('\n');
            }
            (None, Some(language)) => {
                let before = snippets
                    .iter()
                    .filter(|s| s.heading == heading && s.language == language);
                open = Some(Snippet {
                    document,
                    heading: heading.clone(),
                    number: before.count(),
                    language: language.to_owned(),
                    text: String::new(),
                });
            }
            (None, None) => {
                if let Some(title) = line.strip_prefix("## ") {
                    heading = title.to_owned();
                }
            }
        }
    }
    assert!(open.is_none(), "{document} ends within a block");
    snippets
}

/// What the recorded bodies hold, by our own reader.
struct Truth {
    rows: usize,
    /// Countries with most aircraft, as (name, aircraft).
    busiest: Vec<(String, usize)>,
    fast: usize,
}

fn truth() -> Truth {
    let fleet = Fleet::new(7, AIRCRAFT);
    let polls =
        TIMES.map(|time| producer::opensky::states::parse(&fleet.body(time, true)).unwrap());
    let mut countries: BTreeMap<String, std::collections::BTreeSet<String>> = BTreeMap::new();
    let (mut rows, mut fast) = (0, 0);
    for state in polls.iter().flat_map(|poll| &poll.states) {
        rows += 1;
        fast += usize::from(state.velocity > Some(250.0) && state.on_ground == Some(false));
        let in_range = |value: Option<f64>, limit: f64| value.is_some_and(|v| v.abs() <= limit);
        if in_range(state.latitude, 90.0)
            && in_range(state.longitude, 180.0)
            && let Some(country) = &state.origin_country
        {
            let aircraft = countries.entry(country.to_string()).or_default();
            aircraft.insert(state.icao24.to_string());
        }
    }
    let mut busiest: Vec<(String, usize)> = countries
        .into_iter()
        .map(|(country, aircraft)| (country, aircraft.len()))
        .collect();
    busiest.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    Truth {
        rows,
        busiest,
        fast,
    }
}

fn tool(name: &str) -> PathBuf {
    e2e::root().join(".tools/readers/bin").join(name)
}

/// Runs a program with a text as its input, in the folder that holds `data/demo`.
fn run(folder: &Path, program: &Path, arguments: &[&str], input: &str) -> String {
    use std::io::Write;
    let mut child = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .env("COLUMNS", "200")
        .env("POLARS_FMT_MAX_COLS", "20")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| {
            panic!(
                "cannot run {}: {error}; run ./task setup:test once",
                program.display()
            )
        });
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "failed: {}\n{input}\n{}",
        program.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// The numbers and words that were printed.
fn words(printed: &str) -> Vec<&str> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
    printed
        .split(|c| !is_part(c))
        .filter(|w| !w.is_empty())
        .collect()
}

/// What a snippet must print: each of these as words in a row.
fn expected(snippet: &Snippet, truth: &Truth) -> Option<Vec<String>> {
    let rows = truth.rows.to_string();
    let (country, aircraft) = &truth.busiest[0];
    let busiest = format!("{country} {aircraft}");
    let found = match (&*snippet.heading, snippet.number) {
        ("DuckDB on the command line", 0) => vec![busiest, rows],
        ("DuckDB in Python", 0) => vec![country.clone(), rows],
        ("Polars", 0) => vec![busiest, rows],
        ("Polars", 1) => vec![country.clone(), rows],
        ("pandas", 0) => vec!["fetch_hour".to_owned(), rows],
        ("pyiceberg", 0) => vec![format!("{} of {rows}", truth.fast)],
        ("pyiceberg", 1) => vec![rows],
        ("DuckDB on the lake", 0) => vec![rows],
        ("Read it with your own tools", 0) => vec!["icao24".to_owned(), rows],
        ("Read it with your own tools", 1) => vec![country.clone()],
        _ => return None,
    };
    Some(found)
}

#[test]
fn every_documented_snippet_prints_what_our_own_count_gives() {
    let folder = tempfile::tempdir().unwrap();
    let mut recorded = Recorded::at(folder.path(), "data/demo", AIRCRAFT);
    recorded.replay(&TIMES);
    let truth = truth();
    assert!(
        truth.rows > 3_000 && truth.fast > 0,
        "a sky with fast aircraft in it"
    );
    let mut python = 0;
    for snippet in ["docs/readers.md", "README.md"]
        .into_iter()
        .flat_map(snippets)
    {
        let printed = match &*snippet.language {
            "python" => {
                python += 1;
                run(folder.path(), &tool("python"), &["-"], &snippet.text)
            }
            "sql" => {
                let views = ["-readonly", "data/demo/published/views.duckdb"];
                run(folder.path(), &tool("duckdb"), &views, &snippet.text)
            }
            _ => continue,
        };
        let Some(expected) = expected(&snippet, &truth) else {
            panic!("nothing says what this is to print: {snippet:?}");
        };
        let seen = words(&printed).join(" ");
        for text in expected {
            let text = words(&text).join(" ");
            let found = format!(" {seen} ").contains(&format!(" {text} "));
            assert!(
                found,
                "{} under {:?} does not print {text:?}:\n{printed}",
                snippet.document, snippet.heading
            );
        }
    }
    assert!(
        python >= 8,
        "the documents have {python} snippets of Python"
    );
}

/// `./task query -- "…"` and what follows it.
fn documented_queries() -> Vec<String> {
    let blocks = snippets("README.md").into_iter();
    let lines = blocks.flat_map(|snippet| {
        let lines = snippet.text.lines().map(str::to_owned);
        lines.collect::<Vec<_>>()
    });
    let query = |line: String| {
        let line = line.strip_prefix("$ ").unwrap_or(&line);
        let sql = line.strip_prefix("./task query -- \"")?;
        sql.strip_suffix('"').map(str::to_owned)
    };
    lines.filter_map(query).collect()
}

#[test]
fn every_documented_query_is_answered_alike_by_us_and_by_duckdb() {
    let folder = tempfile::tempdir().unwrap();
    let mut recorded = Recorded::at(folder.path(), "data/demo", AIRCRAFT);
    recorded.replay(&TIMES);
    let queries = documented_queries();
    assert!(queries.len() >= 4, "{queries:?}");
    for sql in queries {
        let ours = Command::new(e2e::process::program("contrail"))
            .args(["query", &sql, "--data", "data/demo", "--format", "csv"])
            .current_dir(folder.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&ours.stderr);
        assert!(ours.status.success(), "{sql}: {said}");
        let ours = String::from_utf8(ours.stdout).unwrap();
        let asked = format!(".read data/demo/published/init.sql\nset timezone = 'UTC';\n{sql};\n");
        let views = ["-readonly", "-csv", "data/demo/published/views.duckdb"];
        let theirs = run(folder.path(), &tool("duckdb"), &views, &asked);
        assert!(ours.lines().count() > 1, "{sql} has no answer");
        assert_eq!(in_order(&ours), in_order(&theirs), "{sql}");
    }
}

/// A CSV's lines, since not every query says in which order it wants them.
fn in_order(csv: &str) -> Vec<String> {
    let mut lines: Vec<String> = csv.lines().map(|line| line.trim_end().to_owned()).collect();
    lines.sort();
    lines
}
