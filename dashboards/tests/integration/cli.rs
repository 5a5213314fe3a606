//! The program, as people call it.

use std::process::{Command, Output};

use dashboards::DEFAULTS;
use tokio::task::spawn_blocking;

use crate::support::{Bench, copy_content};

fn program(arguments: &[&str], bench: Option<&Bench>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_metabase-dashboards"));
    command.args(arguments).env_clear();
    if let Some(bench) = bench {
        let password = bench.config.password.expose();
        command
            .env("CONTRAIL__METABASE__URL", &bench.config.url)
            .env("CONTRAIL__METABASE__USERNAME", &bench.config.username)
            .env("CONTRAIL__METABASE__PASSWORD", password)
            .env(
                "CONTRAIL__METABASE__DATABASE__PUBLISHED",
                &bench.config.database.published,
            );
    }
    command
}

async fn run(mut command: Command) -> (Option<i32>, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn apply_diff_and_export_say_what_they_do() {
    let bench = Bench::new().await;
    let (code, _, error) = run(program(&["diff"], Some(&bench))).await;
    assert_eq!(code, Some(2));
    assert!(error.contains("is not set up yet"), "{error}");
    let (code, said, error) = run(program(&["apply"], Some(&bench))).await;
    assert_eq!(code, Some(0), "{error}");
    assert!(
        said.contains("\n+ dashboard live-sky: Live sky\n"),
        "{said}"
    );
    let last = said.lines().last().unwrap();
    assert!(
        last.contains("questions have rows") && last.ends_with("have become fresher"),
        "{said}"
    );
    let (code, said, _) = run(program(&["apply", "--unchecked"], Some(&bench))).await;
    assert_eq!((code, said.as_str()), (Some(0), "nothing changed\n"));
    let (code, said, _) = run(program(&["diff"], Some(&bench))).await;
    assert_eq!(
        (code, said.as_str()),
        (Some(0), "nothing would be changed\n")
    );
    let folder = tempfile::tempdir().unwrap();
    copy_content(folder.path());
    let to = folder.path().display().to_string();
    let (code, said, _) = run(program(&["export", "--to", &to], Some(&bench))).await;
    assert_eq!(
        (code, said.as_str()),
        (Some(0), "the files say what Metabase has\n")
    );
    let (code, _, error) = run(program(&["export"], Some(&bench))).await;
    assert_eq!(code, Some(2));
    assert!(error.contains("metabase.content: it is empty"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_checked_without_a_metabase() {
    let (code, said, _) = run(program(&["check"], None)).await;
    assert_eq!(code, Some(0));
    assert!(said.ends_with("dashboards, no mistake\n"), "{said}");
    let folder = tempfile::tempdir().unwrap();
    copy_content(folder.path());
    let file = folder.path().join("regions/corridors.sql");
    std::fs::write(&file, "-- titel = 1\nselect 1").unwrap();
    let content = format!("metabase.content={}", folder.path().display());
    let (code, _, error) = run(program(&["check", "--set", &content], None)).await;
    assert_eq!(code, Some(2));
    assert!(
        error.contains("regions/corridors.sql:1: unknown field `titel`"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_configuration_is_shown_without_its_secrets() {
    let bench = Bench::new().await;
    let (code, said, _) = run(program(&["check", "--print-config"], Some(&bench))).await;
    assert_eq!(code, Some(0));
    assert!(
        !said.contains("contrail-2026") && said.contains("password = \"***\""),
        "{said}"
    );
    for key in DEFAULTS.lines().filter_map(|line| line.split_once(" = ")) {
        assert!(said.contains(key.0), "{}", key.0);
    }
}
