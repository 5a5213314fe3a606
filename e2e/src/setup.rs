//! What most tests begin with: a folder, a broker, a registry, and consumers between them.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::disk::Disk;
use crate::load::Load;
use crate::process::Process;
use crate::server::{Kafka, Registry};

/// Real servers, with their data in a temporary folder.
pub struct Setup {
    /// The broker.
    pub kafka: Kafka,
    /// The schema registry.
    pub registry: Registry,
    // Last, so that it goes after those who write to it have ended.
    folder: TempDir,
}

impl Default for Setup {
    fn default() -> Self {
        Setup::start()
    }
}

impl Setup {
    /// Starts the servers.
    pub fn start() -> Setup {
        let folder = tempfile::tempdir().expect("a temporary folder");
        Setup {
            kafka: Kafka::start(folder.path()),
            registry: Registry::start(folder.path()),
            folder,
        }
    }

    /// Where everything is kept.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where the consumers write.
    pub fn warehouse(&self) -> PathBuf {
        self.folder().join("warehouse")
    }

    /// A publisher of polls of so many aircraft, to a topic with so many partitions.
    pub async fn load(&self, partitions: i32, aircraft: usize) -> Load {
        let (brokers, url) = (self.kafka.brokers(), self.registry.url());
        Load::start(brokers, url, partitions, aircraft).await
    }

    /// A consumer of these servers.
    pub fn consumer<'a>(&self, name: &str) -> Starter<'a> {
        Starter::consumer(self.folder(), name)
            .set(&format!("kafka.brokers={}", self.kafka.brokers()))
            .set(&format!("registry.url={}", self.registry.url()))
    }
}

/// A consumer that is about to be started.
pub struct Starter<'a> {
    folder: PathBuf,
    name: String,
    settings: Vec<String>,
    crash_at: String,
    disk: Option<&'a Disk>,
}

impl<'a> Starter<'a> {
    /// One that writes to `folder/warehouse` and commits often. `name` is its log's.
    pub fn consumer(folder: &Path, name: &str) -> Starter<'a> {
        let warehouse = folder.join("warehouse");
        Starter {
            folder: folder.to_owned(),
            name: name.to_owned(),
            settings: vec![
                format!("lake.warehouse={}", warehouse.display()),
                "consumer.commit_age=300ms".to_owned(),
                "consumer.connect_timeout=30s".to_owned(),
            ],
            crash_at: String::new(),
            disk: None,
        }
    }

    /// With one more setting, `key=value`.
    pub fn set(mut self, setting: &str) -> Self {
        self.settings.push(setting.to_owned());
        self
    }

    /// One that is shut out of its group soon after it went silent.
    pub fn with_short_session(self) -> Self {
        self.set("kafka.properties.session.timeout.ms=6000")
            .set("kafka.properties.heartbeat.interval.ms=500")
    }

    /// One that crashes at this step.
    pub fn crashing_at(mut self, step: &str) -> Self {
        step.clone_into(&mut self.crash_at);
        self
    }

    /// On a disk of its own.
    pub fn on(mut self, disk: &'a Disk) -> Self {
        self.disk = Some(disk);
        self
    }

    /// Starts it.
    pub fn start(self) -> Process {
        let arguments = self
            .settings
            .iter()
            .flat_map(|setting| ["--set", setting.as_str()]);
        let environment = [("CONTRAIL_CRASH_AT", self.crash_at.as_str())];
        let name = &self.name;
        Process::start_on(
            self.disk,
            &self.folder,
            name,
            "consumer",
            arguments,
            &environment,
        )
    }
}
