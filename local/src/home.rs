//! The data folder, what of the services lives in it, and what lives beside it in memory.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lake::LakeConfig;
use service::config::{HttpConfig, KafkaConfig, RegistryConfig};
use service::data_folder::DataFolder;
use transformer::Mode;

use crate::broker::Broker;
use crate::config::{Command, Config};
use crate::error::Error;
use crate::registry::Registry;

/// As many as a deployment has by default.
const PARTITIONS: i32 = 3;
const REGISTRY_FILE: &str = "registry.json";
const ENDPOINT_FILE: &str = "endpoint";

/// A data folder that this process holds, with the configuration it is used by.
pub struct Home {
    folder: DataFolder,
    config: Config,
}

/// The servers that the services meet at, for as long as the process lives.
pub struct Servers {
    broker: Arc<Broker>,
    registry: Registry,
}

/// A file in the data folder that says where the process can be asked; gone with it.
pub struct Endpoint {
    path: PathBuf,
}

impl Home {
    /// Takes the data folder for this process.
    ///
    /// # Errors
    /// When it cannot be used; then nothing on disk has changed.
    pub fn open(data: &Path, command: Command, config: Config) -> Result<Home, Error> {
        let holder = format!("contrail {}", command.as_str());
        Ok(Home {
            folder: DataFolder::open(data, &holder)?,
            config,
        })
    }

    /// The data folder.
    pub fn folder(&self) -> &DataFolder {
        &self.folder
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Where the lake is.
    pub fn lake(&self) -> LakeConfig {
        LakeConfig::in_folder(&self.folder.warehouse())
    }

    /// The transformer's configuration.
    pub fn transformer(&self, mode: Mode) -> transformer::Config {
        let mut section = self.config.transformer.clone();
        section.mode = mode;
        section.analytics = self.folder.analytics();
        section.published = self.folder.published();
        section.logs = run_logs(&self.folder);
        transformer::Config {
            lake: self.lake(),
            transformer: section,
            http: HttpConfig::default(),
            log: self.config.log.clone(),
            notify: self.config.notify.clone(),
        }
    }

    /// The producer's configuration.
    pub fn producer(&self, servers: &Servers) -> producer::Config {
        let mut section = self.config.producer.clone();
        section.quarantine.dir = self.folder.quarantine();
        producer::Config {
            kafka: servers.kafka(),
            registry: servers.registry(),
            http: HttpConfig::default(),
            log: self.config.log.clone(),
            producer: section,
        }
    }

    /// The consumer's configuration.
    pub fn consumer(&self, servers: &Servers) -> consumer::Config {
        consumer::Config {
            kafka: servers.kafka(),
            registry: servers.registry(),
            http: HttpConfig::default(),
            log: self.config.log.clone(),
            lake: self.lake(),
            consumer: self.config.consumer.clone(),
        }
    }

    /// Says in the folder that the process can be asked at `url`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn announce(&self, url: &str) -> Result<Endpoint, Error> {
        let path = endpoint_file(&self.folder);
        fs::write(&path, url).map_err(|source| Error::File {
            path: path.clone(),
            source,
        })?;
        Ok(Endpoint { path })
    }
}

/// Where the process that holds `folder` can be asked, if it said so. What a process that
/// was killed has left is only as good as its lock: look whether somebody holds the folder.
pub fn endpoint(folder: &DataFolder) -> Option<String> {
    fs::read_to_string(endpoint_file(folder)).ok()
}

/// Where the logs of the marts' refreshes are.
pub fn run_logs(folder: &DataFolder) -> PathBuf {
    folder.logs().join("runs")
}

fn endpoint_file(folder: &DataFolder) -> PathBuf {
    folder.root().join(ENDPOINT_FILE)
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        // What is left is not believed by anybody.
        let _ = fs::remove_file(&self.path);
    }
}

impl Servers {
    /// Starts broker and registry, each on a free port of this machine.
    ///
    /// # Errors
    /// When one of them cannot be started.
    pub async fn start(folder: &DataFolder) -> Result<Servers, Error> {
        Ok(Servers {
            broker: Arc::new(Broker::start(PARTITIONS).map_err(Error::Broker)?),
            registry: Registry::start(&folder.root().join(REGISTRY_FILE)).await?,
        })
    }

    /// The broker.
    pub fn broker(&self) -> &Arc<Broker> {
        &self.broker
    }

    /// The services' section for the broker.
    pub fn kafka(&self) -> KafkaConfig {
        KafkaConfig {
            brokers: self.broker.bootstrap(),
            partitions: PARTITIONS,
            ..KafkaConfig::default()
        }
    }

    /// The services' section for the registry.
    pub fn registry(&self) -> RegistryConfig {
        RegistryConfig {
            url: self.registry.url(),
            ..RegistryConfig::default()
        }
    }
}
