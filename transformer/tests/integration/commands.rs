//! The commands that read: export, lineage, docs, and the runner of cases.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use crate::support::{Bench, row};
use transformer::Transformer;

/// The program `transformer` on the folders of a bench.
struct Program {
    config: PathBuf,
}

impl Program {
    fn new(bench: &Bench) -> Program {
        let config = bench.folder.path().join("contrail.toml");
        fs::write(&config, service::config::print(&bench.config)).unwrap();
        Program { config }
    }

    fn output(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_transformer"));
        command.args(arguments).arg("--config").arg(&self.config);
        command.output().unwrap()
    }

    /// What it prints, and what it says beside, when it ends well.
    fn text(&self, arguments: &[&str]) -> (String, String) {
        let output = self.output(arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{arguments:?}: {said}");
        (String::from_utf8(output.stdout).unwrap(), said)
    }

    /// What it says when it is refused.
    fn refusal(&self, arguments: &[&str]) -> String {
        let output = self.output(arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        said
    }
}

/// Two generations: of one poll, then of two.
async fn published() -> (Bench, Program) {
    let bench = Bench::new().await;
    let mut transformer = Transformer::open(&bench.config).await.unwrap();
    let mut nameless = row("cccccc", 60);
    nameless.callsign = None;
    nameless.origin_country = Some("Türkiye, \"TR\"".to_owned());
    bench.append(&[row("aaaaaa", 0), row("bbbbbb", 0)]).await;
    transformer.catch_up().await.unwrap();
    bench.append(&[row("aaaaaa", 60), nameless]).await;
    transformer.catch_up().await.unwrap();
    drop(transformer);
    let program = Program::new(&bench);
    (bench, program)
}

#[tokio::test]
async fn a_mart_is_exported_in_every_format_and_whole() {
    let (bench, program) = published().await;
    let file = |name: &str| bench.folder.path().join(name).display().to_string();

    // To standard output.
    let positions = ["export", "--mart", "current_positions"];
    let only = ["--where", "callsign is null"];
    let (csv, _) = program.text(&[&positions[..], &["--format", "csv"], &only].concat());
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines.len(), 2, "{csv}");
    assert!(
        lines[0].starts_with("icao24,callsign,origin_country,"),
        "{csv}"
    );
    assert!(
        lines[1].starts_with("cccccc,,\"Türkiye, \"\"TR\"\"\","),
        "{csv}"
    );
    let (json, _) = program.text(&[&positions[..], &["--format", "json"]].concat());
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json.as_array().unwrap().len(), 2);
    assert_eq!(json[1]["callsign"], serde_json::Value::Null);

    // To a file, of the newest generation and of the first.
    let out = file("history.parquet");
    let history = ["export", "--mart", "kpi_history", "--format", "parquet"];
    let (_, said) = program.text(&[&history[..], &["--out", &out]].concat());
    assert!(
        said.starts_with("2 rows of kpi_history written to"),
        "{said}"
    );
    let count = format!("select count(*) from '{out}'");
    assert_eq!(bench.query(&count), [[Some("2".to_owned())]]);
    program.text(&[&history[..], &["--out", &out, "--generation", "1"]].concat());
    assert_eq!(bench.query(&count), [[Some("1".to_owned())]]);

    // What goes wrong leaves the file that was there, and nothing beside it.
    let wrong = [&history[..], &["--out", &out, "--where", "no such column"]].concat();
    program.refusal(&wrong);
    assert_eq!(bench.query(&count), [[Some("1".to_owned())]]);
    assert!(
        !bench
            .folder
            .path()
            .join(".history.parquet.unfinished")
            .exists()
    );

    // A link stays, and what is no file is not replaced.
    let link = file("link");
    std::os::unix::fs::symlink(&out, &link).unwrap();
    program.text(&[&history[..], &["--out", &link]].concat());
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(bench.query(&count), [[Some("2".to_owned())]]);
    let pipe = file("pipe");
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    let said = program.refusal(&[&history[..], &["--out", &pipe]].concat());
    assert!(said.contains("no regular file"), "{said}");
    assert!(!fs::metadata(&pipe).unwrap().is_file());

    // What a killed export has left is no hindrance; one that is running is.
    let left = bench.folder.path().join(".history.parquet.unfinished");
    fs::write(&left, "half of it").unwrap();
    let held = fs::File::open(&left).unwrap();
    held.try_lock().unwrap();
    let again = [&history[..], &["--out", &out]].concat();
    let said = program.refusal(&again);
    assert!(said.contains("another export is writing"), "{said}");
    drop(held);
    program.text(&again);
    assert_eq!(bench.query(&count), [[Some("2".to_owned())]]);
    assert!(!left.exists());
}

#[tokio::test]
async fn what_cannot_be_exported_is_refused_with_what_there_is() {
    let (_bench, program) = published().await;
    let export = |more: &[&str]| program.refusal(&[&["export", "--format", "csv"], more].concat());
    let said = export(&["--mart", "kpi_histori"]);
    assert!(said.contains("did you mean kpi_history?"), "{said}");
    let said = export(&["--mart", "kpi_history", "--generation", "7"]);
    assert!(
        said.contains("generation 7 is not there: those kept are 1, 2"),
        "{said}"
    );
    let empty = Bench::new().await;
    let said =
        Program::new(&empty).refusal(&["export", "--mart", "kpi_history", "--format", "csv"]);
    assert!(said.contains("nothing is published"), "{said}");
}

#[tokio::test]
async fn lineage_is_shown_for_all_or_around_a_model() {
    let bench = Bench::new().await;
    let program = Program::new(&bench);
    let (all, _) = program.text(&["lineage"]);
    assert!(
        all.contains("  aircraft_stats") && all.contains("  kpi_latest"),
        "{all}"
    );
    let (around, _) = program.text(&["lineage", "kpi_latest"]);
    assert!(
        around.contains("int_latest_states") && !around.contains("aircraft_stats"),
        "{around}"
    );
    let (below, _) = program.text(&["lineage", "int_latest_states+", "--format", "mermaid"]);
    assert!(
        below.contains("int_latest_states --> current_positions"),
        "{below}"
    );
    assert!(!below.contains("flight_states"), "{below}");
    let (json, _) = program.text(&["lineage", "+kpi_latest", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert!(json["edges"].as_array().unwrap().len() > 1);
    let said = program.refusal(&["lineage", "kpi_lates"]);
    assert!(said.contains("did you mean kpi_latest?"), "{said}");
    let said = program.refusal(&["lineage", "something_else"]);
    assert!(
        said.contains("there are ") && said.contains("current_positions"),
        "{said}"
    );
}

#[tokio::test]
async fn the_status_says_nothing_that_only_the_service_knows() {
    let (_bench, program) = published().await;
    let (text, _) = program.text(&["status"]);
    let status: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(status["polls"], 2, "{text}");
    let names: Vec<&String> = status.as_object().unwrap().keys().collect();
    assert_eq!(
        names,
        ["as_of", "generation", "polls", "rows", "watermark"],
        "{text}"
    );
}

#[tokio::test]
async fn cases_are_run_one_by_one_and_a_wrong_one_is_shown() {
    let mut bench = Bench::new().await;
    let program = Program::new(&bench);
    let ranked = ["test", "kpi_latest", "--case", "countries are ranked"];
    let (text, _) = program.text(&ranked);
    assert!(
        text.starts_with("kpi_latest: countries are ranked by rows … ok"),
        "{text}"
    );
    assert!(text.ends_with("\nok: 1 passed, 0 failed\n"), "{text}");
    let said = program.refusal(&["test", "kpi_latest", "--case", "no such"]);
    assert!(said.contains("no case is so called"), "{said}");

    let models = bench.folder.path().join("models");
    fs::create_dir_all(models.join("tests")).unwrap();
    let case = "[[case]]\nname = \"wrong\"\ngiven = [\"\"\"\nicao24, snapshot_time\n\
        aaaaaa, 2025-09-26T10:00:00Z\n\"\"\"]\nexpect = \"\"\"\naircraft_total\n2\n\"\"\"\n";
    fs::write(models.join("tests/kpi_latest.toml"), case).unwrap();
    bench.config.transformer.models = Some(models);
    let output = Program::new(&bench).output(&["test", "kpi_latest"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        text.contains("    aircraft_total\n  - 2\n  + 1\n"),
        "{text}"
    );
    assert!(text.ends_with("\nFAILED: 0 passed, 1 failed\n"), "{text}");
}

#[tokio::test]
async fn a_refresh_takes_the_marts_that_a_selector_reaches() {
    let (bench, program) = published().await;
    let (text, _) = program.text(&["refresh", "--select", "int_latest_states+"]);
    assert!(text.starts_with("generation 3 is published"), "{text}");
    assert!(
        text.contains("current_positions") && text.contains("kpi_latest"),
        "{text}"
    );
    assert!(!text.contains("aircraft_stats"), "{text}");
    let said = program.refusal(&["refresh", "--select", "kpi_lates"]);
    assert!(said.contains("did you mean kpi_latest?"), "{said}");
    drop(bench);
}

#[tokio::test]
async fn the_dictionary_has_the_models_of_a_folder_too() {
    let mut bench = Bench::new().await;
    let models = bench.folder.path().join("models");
    fs::create_dir_all(models.join("marts")).unwrap();
    let model = "-- description: How many polls.\n-- grain: one row\n-- kind: full\n\
        -- refresh: full\n-- columns:\n--   polls: polls counted\n\n-- @select\n\
        select count(*) as polls from polls\n";
    fs::write(models.join("marts/poll_count.sql"), model).unwrap();
    bench.config.transformer.models = Some(models);
    let out = bench.folder.path().join("tables.md");
    Program::new(&bench).text(&["docs", "--out", &out.display().to_string()]);
    let text = fs::read_to_string(out).unwrap();
    assert!(
        text.contains("## poll_count\n\nHow many polls.\n"),
        "{text}"
    );
    assert!(
        text.contains("| `polls` | bigint | polls counted |"),
        "{text}"
    );
}
