//! A lake made of recorded bodies by `contrail replay`, and a transformer of its own on it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use simulator::fleet::Fleet;

use crate::process::{Process, program};

const LIMIT: Duration = Duration::from_secs(120);

/// A folder with a lake in it, and the bodies it was made of.
pub struct Recorded {
    folder: PathBuf,
    data: PathBuf,
    fleet: Fleet,
    replays: usize,
}

impl Recorded {
    /// A lake below `folder` that is empty yet.
    pub fn new(folder: &Path, aircraft: usize) -> Recorded {
        Recorded::at(folder, "data", aircraft)
    }

    /// One whose data folder is `data` below `folder`.
    pub fn at(folder: &Path, data: &str, aircraft: usize) -> Recorded {
        Recorded {
            data: folder.join(data),
            folder: folder.to_owned(),
            fleet: Fleet::new(7, aircraft),
            replays: 0,
        }
    }

    /// The data folder of `contrail`.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Takes a poll of each of these times, in seconds since 1970, into the lake.
    pub fn replay(&mut self, times: &[i64]) {
        self.replays += 1;
        let bodies = self.folder.join(format!("bodies-{}", self.replays));
        fs::create_dir_all(&bodies).expect("a folder");
        for time in times {
            let file = bodies.join(format!("states-{time}.json"));
            fs::write(file, self.fleet.body(*time, true)).expect("a body");
        }
        let arguments = [
            "replay".as_ref(),
            bodies.as_os_str(),
            "--data".as_ref(),
            self.data.as_os_str(),
        ];
        let mut replay = Process::start(&self.folder, "replay", "contrail", arguments, &[]);
        let status = replay.wait(LIMIT);
        assert!(status.success(), "the replay failed:\n{}", replay.log());
    }

    fn settings(&self) -> [String; 3] {
        let at = |folder: &str| self.folder.join(folder).display().to_string();
        [
            format!("lake.warehouse={}", self.data.join("warehouse").display()),
            format!("transformer.analytics={}", at("analytics")),
            format!("transformer.published={}", at("published")),
        ]
    }

    /// Starts a transformer with folders of its own: its command, settings on top of that, and
    /// its environment.
    pub fn transformer(
        &self,
        command: &str,
        settings: &[String],
        environment: &[(&str, &str)],
    ) -> Process {
        let own = self.settings();
        let set = own.iter().chain(settings);
        let set = set.flat_map(|setting| ["--set", setting.as_str()]);
        let arguments = std::iter::once(command).chain(set);
        Process::start(
            &self.folder,
            "transformer",
            "transformer",
            arguments,
            environment,
        )
    }

    /// Asks the marts of that transformer, every value as text.
    pub fn query(&self, sql: &str) -> Option<Vec<serde_json::Map<String, serde_json::Value>>> {
        let own = self.settings();
        let set = own.iter().flat_map(|setting| ["--set", setting.as_str()]);
        let output = Command::new(program("transformer"))
            .args(["query", sql, "--format", "json"])
            .args(set)
            .current_dir(&self.folder)
            .output()
            .expect("the transformer runs");
        let rows = serde_json::from_slice(&output.stdout);
        output.status.success().then(|| rows.expect("JSON"))
    }
}
