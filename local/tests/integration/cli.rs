//! What people get wrong: one line that says what to do, an exit code, and no change on
//! disk.
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Output;
use std::time::Duration;

use assert_cmd::Command;
use service::data_folder::DataFolder;

/// The exit codes of usage and configuration, and of everything else.
const USAGE: i32 = 2;
const FAILURE: i32 = 1;
/// How long a command may take on a machine that is busy with other tests.
const DEADLINE: Duration = Duration::from_secs(300);

struct Case {
    folder: tempfile::TempDir,
}

impl Case {
    fn new() -> Case {
        Case {
            // DuckDB takes such a name for a column, unless it is told otherwise.
            folder: tempfile::Builder::new().prefix("key=").tempdir().unwrap(),
        }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn write(&self, name: &str, content: &str) -> &Case {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self
    }

    fn run(&self, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_contrail"))
            .args(args)
            .current_dir(self.path())
            .timeout(DEADLINE)
            .output()
            .unwrap()
    }

    /// Every name below the folder, with what files hold.
    fn content(&self) -> Vec<(String, Option<Vec<u8>>)> {
        let mut found = Vec::new();
        let mut folders = vec![self.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                found.push((path.display().to_string(), fs::read(&path).ok()));
                if path.is_dir() {
                    folders.push(path);
                }
            }
        }
        found.sort();
        found
    }

    /// Runs a command that must be refused.
    #[track_caller]
    fn check(&self, args: &[&str], code: i32, expected: &[&str]) {
        let before = self.content();
        let output = self.run(args);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {error}");
        assert_eq!(error.lines().count(), 1, "{args:?}: {error}");
        assert!(error.starts_with("error: "), "{args:?}: {error}");
        for text in expected {
            assert!(error.contains(text), "{args:?}: no {text:?} in {error}");
        }
        assert!(self.content() == before, "{args:?}: the disk has changed");
    }
}

#[test]
fn a_wrong_configuration_is_refused_by_name() {
    let case = Case::new();
    case.write("contrail.toml", "[consumer]\ncommit_agee = \"1s\"\n");
    for command in ["demo", "run"] {
        let set = |pair: &'static str| [command, "--set", pair];
        case.check(
            &set("consumer.commit_agee=1s"),
            USAGE,
            &["consumer.commit_agee", "consumer.commit_age\""],
        );
        case.check(
            &set("producer.interval=often"),
            USAGE,
            &["producer.interval", "often"],
        );
        case.check(
            &[command, "--config", "contrail.toml"],
            USAGE,
            &["consumer.commit_agee", "contrail.toml"],
        );
        case.check(&[command, "--config", "away.toml"], USAGE, &["away.toml"]);
        // What the services themselves would refuse, before there is a folder.
        for (pair, said) in [
            ("producer.interval=50ms", "producer.interval"),
            ("consumer.buffer_limit=1MiB", "consumer.buffer_limit"),
            ("transformer.schedule=often", "often"),
            ("notify.webhook=nowhere", "notify.webhook"),
            ("producer.topic=mine", "producer.topic"),
            (
                "consumer.dead_letters_topic=x",
                "consumer.dead_letters_topic",
            ),
        ] {
            case.check(&[command, "--data", "new", "--set", pair], USAGE, &[said]);
        }
    }
    case.write("one.json", r#"{"time":1,"states":[]}"#);
    case.check(
        &["replay", "one.json", "--set", "consumer.topic=mine"],
        USAGE,
        &["consumer.topic"],
    );
    case.check(
        &["demo", "--interval", "50ms", "--data", "new"],
        USAGE,
        &["producer.interval"],
    );
    case.check(
        &["demo", "--aircraft", "100001"],
        USAGE,
        &["simulator.aircraft", "100000"],
    );
}

#[test]
fn a_taken_port_is_refused_with_the_key_to_change() {
    let case = Case::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = format!("http.listen={}", taken.local_addr().unwrap());
    case.check(&["run", "--set", &listen], USAGE, &["http.listen"]);
}

#[test]
fn a_broken_environment_file_is_refused_without_its_secrets() {
    let case = Case::new();
    case.write(".env", "CONTRAIL__PRODUCER__OPENSKY__CLIENT_SECRET hush\n");
    case.check(&["run"], USAGE, &[".env", "NAME=value"]);
    let output = case.run(&["run"]);
    assert!(!String::from_utf8(output.stderr).unwrap().contains("hush"));
}

#[test]
fn the_example_of_an_environment_file_can_be_read_whole() {
    let case = Case::new();
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.env.example");
    let example = fs::read_to_string(example).unwrap();
    let chosen = |line: &str| match line.strip_prefix('#') {
        Some(rest) if !rest.starts_with(' ') => format!("{rest}\n"),
        _ => format!("{line}\n"),
    };
    let all: String = example.lines().map(chosen).collect();
    assert!(all.contains("\nIMAGE_LOAD="), "{all}");
    case.write(".env", &all);
    let output = case.run(&["run", "--print-config"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
}

#[test]
fn secrets_of_the_environment_file_are_used_and_masked() {
    let case = Case::new();
    case.write(
        ".env",
        "CONTRAIL__PRODUCER__OPENSKY__CLIENT_ID=me\n\
        CONTRAIL__PRODUCER__OPENSKY__CLIENT_SECRET=hush\n",
    );
    let output = case.run(&["run", "--print-config"]);
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success());
    assert!(printed.contains("client_id = \"me\""), "{printed}");
    assert!(printed.contains("client_secret = \"***\""), "{printed}");
}

#[test]
fn a_data_folder_of_somebody_else_is_refused() {
    let case = Case::new();
    case.write("mine/letter.txt", "dear …");
    case.write("later/contrail.json", r#"{"format":99,"created_by":"9.9"}"#);
    let held = DataFolder::open(&case.path().join("held"), "a test").unwrap();
    case.write("one.json", r#"{"time":1,"states":[]}"#);
    for start in [&["demo", "--data"], &["replay", "one.json", "--data"]] as [&[&str]; 2] {
        let with = |folder| [start, &[folder]].concat();
        case.check(&with("mine"), USAGE, &["not a Contrail data folder"]);
        case.check(&with("later"), USAGE, &["format 99"]);
        case.check(&with("x[1]"), USAGE, &["x[1]", "without them"]);
        case.check(
            &with("held"),
            USAGE,
            &["in use by a test", "stop that process"],
        );
    }
    drop(held);
}

#[test]
fn what_is_no_recording_is_refused_before_anything_is_touched() {
    let case = Case::new();
    let good = r#"{"time":1,"states":[]}"#;
    case.write("recorded/a.json", good);
    case.write("recorded/page.json", "<html>busy</html>");
    case.write(
        "legacy.json",
        r#"{"time":1,"states":[["a",0,0,0,0,0,0,0,0,0,0,0,0]]}"#,
    );
    case.write("empty/notes.txt", "nothing here");
    let replay = |path| ["replay", path, "--data", "data"];
    case.check(
        &replay("recorded"),
        FAILURE,
        &["page.json", "not a JSON object", "--skip-bad"],
    );
    case.check(
        &replay("legacy.json"),
        FAILURE,
        &["legacy.json", "13 fields"],
    );
    case.check(&replay("empty"), USAGE, &["no *.json"]);
    case.check(&replay("away"), USAGE, &["away", "check the path"]);
    assert!(!case.path().join("data").exists());
}

#[test]
fn looking_where_nothing_is_says_so() {
    let case = Case::new();
    let data = DataFolder::open(&case.path().join("new"), "a test").unwrap();
    drop(data);
    case.check(&["query", "select 1"], USAGE, &["no data yet", "--data"]);
    case.check(&["status"], USAGE, &["no data yet"]);
    let query = ["query", "select 1", "--data"];
    case.check(
        &[&query[..], &["away"]].concat(),
        USAGE,
        &["no Contrail data folder"],
    );
    let error = case.run(&[&query[..], &["new"]].concat());
    let error = String::from_utf8(error.stderr).unwrap();
    assert!(error.contains("nothing is published"), "{error}");
}

#[test]
fn what_cannot_be_written_to_standard_output_is_said() {
    let full = || fs::File::options().write(true).open("/dev/full").unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_contrail"));
    let output = command.arg("lineage").stdout(full()).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(FAILURE), "{error}");
    assert!(
        error.starts_with("error: cannot write to standard output: "),
        "{error}"
    );
}

#[test]
fn a_folder_that_cannot_be_read_is_not_an_empty_one() {
    let case = Case::new();
    let published = case.path().join("data/live/published");
    fs::create_dir_all(published.parent().unwrap()).unwrap();
    std::os::unix::fs::symlink(&published, &published).unwrap();
    case.check(
        &["query", "select 1"],
        FAILURE,
        &["data/live/published/CURRENT: "],
    );
}

#[test]
fn a_session_can_be_looked_at_and_asked() {
    let case = Case::new();
    let output = case.run(&[
        "demo",
        "--for",
        "20s",
        "--interval",
        "1s",
        "--aircraft",
        "50",
    ]);
    let said = String::from_utf8(output.stdout).unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}\n{log}");
    for text in ["data/demo", "/metrics", "query", "rows in the lake"] {
        assert!(said.contains(text), "no {text:?} in {said}");
    }
    let output = case.run(&[
        "query",
        "select count(*) > 0 as some from kpi_history",
        "--format",
        "json",
    ]);
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        "[{\"some\":true}]\n"
    );
    let output = case.run(&["status"]);
    let status = String::from_utf8(output.stdout).unwrap();
    for text in ["in use by    nobody", "generation", "polls", "newest poll"] {
        assert!(status.contains(text), "no {text:?} in {status}");
    }
    let said = |arguments: &[&str]| {
        let output = case.run(arguments);
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    let runs: serde_json::Value =
        serde_json::from_str(&said(&["runs", "--format", "json"])).unwrap();
    let newest = &runs[0];
    assert_eq!(newest["status"], "succeeded", "{newest}");
    let id = newest["run_id"].as_str().unwrap();
    let shown = said(&["runs", "show", id]);
    assert!(shown.contains(id) && shown.contains("succeeded"), "{shown}");
    case.check(&["query", "selec 1"], USAGE, &["query", "selec"]);
}

#[test]
fn lineage_is_shown_without_any_data_and_an_export_needs_some() {
    let case = Case::new();
    let shown = case.run(&["lineage", "kpi_latest"]);
    let text = String::from_utf8_lossy(&shown.stdout);
    assert!(
        shown.status.success() && text.contains("int_latest_states"),
        "{text}"
    );
    let refused = case.run(&["export", "--mart", "kpi_latest", "--format", "csv"]);
    let text = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(USAGE), "{text}");
    assert!(case.content().is_empty());
}
