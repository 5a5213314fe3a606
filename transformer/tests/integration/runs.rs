//! Runs as people see them: rows, logs, the commands, and what a kill leaves.

use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use crate::support::{Bench, poll, wait};
use transformer::runs::{Kind, Run, RunStatus, listing};
use transformer::{Mode, Transformer};

const DEADLINE: Duration = Duration::from_secs(300);

/// The program `transformer` on the folders of a bench.
struct Program {
    config: PathBuf,
}

impl Program {
    fn new(bench: &Bench) -> Program {
        let config = bench.folder.path().join("contrail.toml");
        std::fs::write(&config, service::config::print(&bench.config)).unwrap();
        Program { config }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_transformer"));
        command.args(arguments).arg("--config").arg(&self.config);
        command
    }

    fn output(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// What it prints, which must end well.
    fn text(&self, arguments: &[&str]) -> String {
        let output = self.output(arguments);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {error}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// What it says when it is refused, with exit code 2.
    fn refusal(&self, arguments: &[&str]) -> String {
        let output = self.output(arguments);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {error}");
        error
    }

    fn start(&self, arguments: &[&str]) -> Running {
        let mut command = self.command(arguments);
        command.stderr(Stdio::null());
        Running(command.spawn().unwrap())
    }
}

/// A process that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn runs(bench: &Bench) -> Vec<Run> {
    listing::list(&bench.config.transformer.logs, 100, None).unwrap()
}

#[tokio::test]
async fn a_run_has_a_row_in_the_generation_that_it_published() {
    let bench = Bench::new().await;
    let mut transformer = Transformer::open(&bench.config).await.unwrap();
    transformer.set_kind(Kind::Backfill).await.unwrap();
    bench.append(&poll(0)).await;
    transformer.catch_up().await.unwrap();
    let known = runs(&bench);
    let [run] = &known[..] else {
        panic!("{known:?}");
    };
    assert_eq!(
        (run.kind, run.status),
        (Kind::Backfill, RunStatus::Succeeded)
    );
    assert_eq!((run.polls, run.rows_in, run.generation), (1, 20, Some(1)));
    assert!(run.rows_out > 20 && run.snapshot_id.is_some() && run.error.is_none());
    let sql = "select run_id, kind, status, polls, rows_in, rows_out, generation, error
        from pipeline_runs join kpi_history using (run_id)";
    let seen = |n: u64| Some(n.to_string());
    let text = |s: &str| Some(s.to_owned());
    let expected = vec![
        text(&run.run_id),
        text("backfill"),
        text("succeeded"),
        seen(1),
        seen(20),
        seen(run.rows_out),
        seen(1),
        None,
    ];
    assert_eq!(bench.query(sql), [expected]);

    // An idle look is no run.
    assert!(transformer.refresh().await.unwrap().is_none());
    assert_eq!(runs(&bench).len(), 1);

    // Another life, and one after the mart was made anew, know the former ones.
    drop(transformer);
    for number in 1..3 {
        bench.append(&poll(number)).await;
        let mut transformer = Transformer::open(&bench.config).await.unwrap();
        if number == 2 {
            transformer
                .rebuild(transformer::Days::default())
                .await
                .unwrap();
        }
        transformer.catch_up().await.unwrap();
        let count = "select count(*), count(distinct run_id) from pipeline_runs";
        let expected = (number + 1).to_string();
        assert_eq!(bench.query(count), [[text(&expected), text(&expected)]]);
    }
}

#[tokio::test]
async fn what_was_counted_and_left_to_a_later_run_is_no_failure() {
    let bench = Bench::new().await;
    bench.append(&poll(0)).await;
    let mut transformer = Transformer::open(&bench.config).await.unwrap();
    transformer.refresh().await.unwrap().unwrap();
    assert_eq!(runs(&bench)[0].status, RunStatus::Running);
    drop(transformer);
    let known = runs(&bench);
    assert_eq!(known.len(), 1);
    assert_eq!(
        (known[0].status, known[0].generation),
        (RunStatus::Succeeded, None)
    );
}

#[tokio::test]
async fn the_commands_list_runs_and_show_one_with_its_log() {
    let bench = Bench::new().await;
    bench.append(&poll(0)).await;
    let program = Program::new(&bench);
    let logs = bench.config.transformer.logs.display().to_string();
    assert_eq!(
        program.text(&["runs"]),
        format!("no run is noted in {logs}\n")
    );
    program.text(&["once"]);
    assert!(program.text(&["runs"]).contains("run_id"));
    let listed = program.text(&["runs", "--last", "5", "--format", "json"]);
    let listed: Vec<Run> = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed, runs(&bench));
    assert_eq!(listed[0].kind, Kind::Once);
    let id = &listed[0].run_id;
    assert!(
        program
            .text(&["runs", "--status", "succeeded"])
            .contains(id)
    );
    assert!(!program.text(&["runs", "--status", "failed"]).contains(id));
    let shown = program.text(&["runs", "show", &id[..id.len() - 2]]);
    for part in [
        "rows in     20",
        "generation  1",
        "DEBUG transformer::",
        "succeeded: 20 rows",
    ] {
        assert!(shown.contains(part), "{part} is not in\n{shown}");
    }
    assert!(
        program
            .refusal(&["runs", "show", "ffff"])
            .contains("transformer runs")
    );
}

#[tokio::test]
async fn without_a_folder_for_records_marts_are_published_and_it_is_said_once() {
    let mut bench = Bench::new().await;
    let logs = bench.folder.path().join("a_file");
    std::fs::write(&logs, "where the folder should be").unwrap();
    bench.config.transformer.logs = logs.clone();
    bench.append(&poll(0)).await;
    let program = Program::new(&bench);
    let output = program.output(&["once"]);
    // Where the program logs to is no matter here.
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8(said).unwrap();
    assert!(output.status.success(), "{said}");
    for text in ["runs have no log file", "runs have no record"] {
        assert_eq!(said.matches(text).count(), 1, "{text}: {said}");
    }
    assert!(said.contains(&logs.display().to_string()), "{said}");
    let output = program.output(&["runs"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(&logs.display().to_string()), "{said}");
}

#[tokio::test]
async fn a_killed_run_is_found_as_interrupted_and_counted_again() {
    for (step, expected) in [
        ("transformer.run.begun", RunStatus::Interrupted),
        ("transformer.commit.before", RunStatus::Interrupted),
        ("transformer.current.after", RunStatus::Interrupted),
        ("transformer.run.noted", RunStatus::Succeeded),
    ] {
        let bench = Bench::new().await;
        bench.append(&poll(0)).await;
        let program = Program::new(&bench);
        let mut killed = program.command(&["once"]);
        let killed = killed.env("CONTRAIL_CRASH_AT", step).output().unwrap();
        assert!(!killed.status.success(), "{step}");
        // The process is gone and its run is not: that is known when the next one starts.
        let before = runs(&bench);
        assert_eq!(before.len(), 1, "{step}");
        let unknown = match expected {
            RunStatus::Interrupted => RunStatus::Running,
            ended => ended,
        };
        assert_eq!(before[0].status, unknown, "{step}");
        program.text(&["once"]);
        let after = runs(&bench);
        let found = after.iter().filter(|run| run.run_id == before[0].run_id);
        let found: Vec<_> = found.map(|run| run.status).collect();
        assert_eq!(found, [expected], "{step}");
        let counted = bench.query("select sum(aircraft_total)::bigint from kpi_history");
        assert_eq!(counted[0][0].as_deref(), Some("20"), "{step}");
        let published = bench.query("select count(*) - count(distinct run_id) from pipeline_runs");
        assert_eq!(published[0][0].as_deref(), Some("0"), "{step}");
    }
}

#[tokio::test]
async fn a_second_one_is_refused_by_name_of_the_holder_until_it_is_killed() {
    let bench = Bench::new().await;
    bench.append(&poll(0)).await;
    let program = Program::new(&bench);
    let service = program.start(&["run"]);
    wait(DEADLINE, "the first generation", || {
        runs(&bench)
            .iter()
            .find(|run| run.status == RunStatus::Succeeded)
            .map(drop)
    });
    let holder = format!("transformer run (process {} on ", service.0.id());
    for command in [
        vec!["once"],
        vec!["rebuild"],
        vec!["backfill"],
        vec!["refresh", "--select", "country_stats"],
    ] {
        let refusal = program.refusal(&command);
        assert!(
            refusal.contains(&holder) && refusal.contains(", since "),
            "{refusal}"
        );
    }
    // Listing runs needs no lock.
    assert!(program.text(&["runs"]).contains("continuous"));
    drop(service);
    let text = program.text(&["rebuild"]);
    assert!(text.contains("is published"), "{text}");
    assert_eq!(runs(&bench)[0].kind, Kind::Rebuild);
    assert_eq!(runs(&bench)[0].rows_in, 20);
}

#[tokio::test]
async fn a_refresh_writes_the_selected_marts_and_no_others() {
    let bench = Bench::new().await;
    bench.append(&poll(0)).await;
    let program = Program::new(&bench);
    program.text(&["once"]);
    let refusal = program.refusal(&["refresh", "--select", "country_stat"]);
    assert!(refusal.contains("country_stat"), "{refusal}");
    program.text(&["refresh", "--select", "country_stats,kpi_latest"]);
    let sql = "select mart, generation from mart_status order by mart";
    for row in bench.query(sql) {
        let mart = row[0].as_deref().unwrap();
        let written = [
            "country_stats",
            "kpi_latest",
            "pipeline_runs",
            "audit_results",
        ];
        let expected = if written.contains(&mart) { "2" } else { "1" };
        assert_eq!(row[1].as_deref(), Some(expected), "{mart}");
    }
    bench.append(&poll(1)).await;
    program.text(&["refresh", "--select", "country_stats"]);
    let counted = "select sum(total_observations)::bigint from country_stats";
    assert_eq!(bench.query(counted)[0][0].as_deref(), Some("40"));
    let waiting = "select sum(total_flights)::bigint from hourly_activity";
    assert_eq!(bench.query(waiting)[0][0].as_deref(), Some("20"));
    program.text(&["once"]);
    assert_eq!(bench.query(waiting)[0][0].as_deref(), Some("40"));
}

#[tokio::test]
async fn a_schedule_runs_by_the_clock_also_when_there_is_nothing_new() {
    let mut bench = Bench::new().await;
    bench.config.transformer.mode = Mode::Cron;
    bench.config.transformer.schedule = "* * * * * *".to_owned();
    bench.append(&poll(0)).await;
    let program = Program::new(&bench);
    let service = program.start(&[]);
    let known = wait(DEADLINE, "two runs of the schedule", || {
        let ended = |run: &Run| run.status == RunStatus::Succeeded;
        Some(runs(&bench)).filter(|runs| runs.iter().filter(|run| ended(run)).count() >= 2)
    });
    assert!(known.iter().all(|run| run.kind == Kind::Cron));
    drop(service);
    let counted = bench.query("select sum(aircraft_total)::bigint from kpi_history");
    assert_eq!(counted[0][0].as_deref(), Some("20"));

    // A time that was missed while it was down: at once with catch_up, else at its time.
    bench.config.transformer.schedule = "0 0 1 1 *".to_owned();
    let before = runs(&bench).len();
    // The last run is made to be of another year.
    let journal = bench.config.transformer.logs.join("journal");
    for entry in std::fs::read_dir(&journal).unwrap().flatten() {
        std::fs::remove_file(entry.path()).unwrap();
    }
    assert!(before >= 2);
    let mut old = known[0].clone();
    old.started = "2024-12-31T00:00:00Z".parse().unwrap();
    let line = serde_json::to_string(&old).unwrap() + "\n";
    std::fs::write(journal.join("runs-2024-12-31.jsonl"), line).unwrap();
    bench.config.transformer.keep_runs = Duration::from_secs(100 * 365 * 86_400);
    let program = Program::new(&bench);
    let _service = program.start(&[]);
    wait(DEADLINE, "the run that was missed", || {
        runs(&bench)
            .iter()
            .find(|run| run.run_id > old.run_id)
            .map(drop)
    });
}

#[tokio::test]
async fn a_wrong_schedule_is_refused_with_key_rule_and_example() {
    let mut bench = Bench::new().await;
    bench.config.transformer.schedule = "0 25 * * *".to_owned();
    let refusal = Program::new(&bench).refusal(&["run"]);
    for part in ["transformer.schedule", "minute, hour, day", "\"0 2 * * *\""] {
        assert!(refusal.contains(part), "{refusal}");
    }
    bench.config.transformer.schedule = "0 2 * * *".to_owned();
    bench.config.transformer.time_zone = "Berlin".to_owned();
    let refusal = Program::new(&bench).refusal(&["run"]);
    assert!(refusal.contains("transformer.time_zone"), "{refusal}");
}
