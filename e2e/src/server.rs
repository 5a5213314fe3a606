//! Real servers, each in a folder of its own, ended with the test.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

/// A server started by one of the scripts in `servers/`.
pub struct Server {
    script: PathBuf,
    folder: PathBuf,
    values: HashMap<String, String>,
    /// The server ends when the other end of this pipe is closed.
    tie: Option<ChildStdin>,
}

impl Server {
    fn start(script: &str, folder: &Path, arguments: &[&str]) -> Server {
        let mut server = Server {
            script: crate::root().join("e2e/servers").join(script),
            folder: folder.join(script),
            values: HashMap::new(),
            tie: None,
        };
        server.launch(arguments);
        server
    }

    fn launch(&mut self, arguments: &[&str]) {
        let mut child: Child = Command::new(&self.script)
            .arg("start")
            .arg(&self.folder)
            .arg("--tied")
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot run {}: {error}", self.script.display()));
        self.tie = child.stdin.take();
        let output = child.wait_with_output().expect("the script's output");
        assert!(
            output.status.success(),
            "{} did not start; run ./task setup:test once",
            self.script.display()
        );
        let text = String::from_utf8(output.stdout).expect("text");
        let pairs = text.lines().filter_map(|line| line.split_once('='));
        self.values = pairs
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
    }

    fn value(&self, name: &str) -> &str {
        self.values
            .get(name)
            .unwrap_or_else(|| panic!("the server did not print {name}"))
    }

    fn call(&self, verb: &str) {
        let status = Command::new(&self.script)
            .arg(verb)
            .arg(&self.folder)
            .status();
        assert!(status.expect("the script runs").success(), "{verb} failed");
    }

    /// Ends it as a power failure would.
    pub fn kill(&mut self) {
        self.call("kill");
        self.tie = None;
    }

    /// Starts it again on the same data and port.
    pub fn restart(&mut self) {
        self.launch(&[]);
    }
}

/// One Apache Kafka broker.
pub struct Kafka(Server);

impl Kafka {
    /// Starts a broker with its data below `folder`.
    pub fn start(folder: &Path) -> Kafka {
        Kafka(Server::start("kafka", folder, &[]))
    }

    /// A broker that also listens for one user with a password.
    pub fn with_user(folder: &Path, user: &str, password: &str) -> Kafka {
        Kafka(Server::start(
            "kafka",
            folder,
            &["--sasl", &format!("{user}:{password}")],
        ))
    }

    /// A broker that also listens for one user over TLS, by SCRAM.
    pub fn with_tls(folder: &Path, user: &str, password: &str) -> Kafka {
        Kafka(Server::start(
            "kafka",
            folder,
            &["--tls", &format!("{user}:{password}")],
        ))
    }

    /// Address of the listener for TLS.
    pub fn brokers_over_tls(&self) -> &str {
        self.0.value("tls_bootstrap")
    }

    /// File of the certificate that the broker's is from.
    pub fn ca(&self) -> &str {
        self.0.value("ca")
    }

    /// Address of the listener without log-in.
    pub fn brokers(&self) -> &str {
        self.0.value("bootstrap")
    }

    /// Address of the listener with log-in.
    pub fn brokers_with_login(&self) -> &str {
        self.0.value("sasl_bootstrap")
    }

    /// The process, for kills and restarts.
    pub fn server(&mut self) -> &mut Server {
        &mut self.0
    }
}

/// One schema registry that speaks Confluent's API.
pub struct Registry(Server);

impl Registry {
    /// Starts a registry with its log below `folder`.
    pub fn start(folder: &Path) -> Registry {
        Registry(Server::start("registry", folder, &[]))
    }

    /// A registry that speaks HTTPS only.
    pub fn with_tls(folder: &Path) -> Registry {
        Registry(Server::start("registry", folder, &["--tls"]))
    }

    /// File of the certificate that the registry's is from.
    pub fn ca(&self) -> &str {
        self.0.value("ca")
    }

    /// Its address.
    pub fn url(&self) -> &str {
        self.0.value("url")
    }

    /// The process, for kills and restarts.
    pub fn server(&mut self) -> &mut Server {
        &mut self.0
    }
}

/// One PostgreSQL.
pub struct Postgres(Server);

impl Postgres {
    /// Starts a server with its data below `folder`.
    pub fn start(folder: &Path) -> Postgres {
        Postgres(Server::start("postgres", folder, &[]))
    }

    /// Address of a database, with the superuser's name and password.
    pub fn url(&self) -> &str {
        self.0.value("url")
    }

    /// Has it say nothing, while its connections stay.
    pub fn suspend(&self) {
        self.0.call("suspend");
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.0.call("resume");
    }

    /// The process, for kills and restarts.
    pub fn server(&mut self) -> &mut Server {
        &mut self.0
    }
}
