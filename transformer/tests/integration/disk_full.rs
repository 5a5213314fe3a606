//! A disk that is full, for real: the program runs on a small file system of its own.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::{Bench, poll, wait};
use transformer::publish::Generation;
use transformer::runs::{RunStatus, listing};

const DEADLINE: Duration = Duration::from_secs(300);

/// A process with a file system of its own, which nobody else sees but through `/proc`.
struct Confined {
    process: Child,
    mount: PathBuf,
}

impl Confined {
    /// Starts `transformer` with a memory file system of so many MiB at `mount`.
    fn start(mount: &Path, size: u32, arguments: &[String]) -> Confined {
        // Whoever may mount does so in a namespace of its own; others need one of users as well.
        let is_root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
        let mut command = Command::new("unshare");
        if !is_root {
            command.args(["--user", "--map-root-user"]);
        }
        let script = format!(
            "mount -t tmpfs -o size={size}m none '{}' && exec \"$@\"",
            mount.display()
        );
        command.args(["--mount", "sh", "-c", &script, "sh"]);
        command
            .arg(env!("CARGO_BIN_EXE_transformer"))
            .args(arguments);
        let process = command.stdin(Stdio::null()).spawn().unwrap();
        Confined {
            process,
            mount: mount.to_owned(),
        }
    }

    /// A path below the mount as it is seen from here.
    fn seen(&self, path: &Path) -> PathBuf {
        assert!(path.starts_with(&self.mount));
        let root = PathBuf::from(format!("/proc/{}/root", self.process.id()));
        root.join(path.strip_prefix("/").unwrap())
    }

    /// Fills the file system to the last byte.
    fn fill(&self) {
        let mut file = std::fs::File::create(self.seen(&self.ballast())).unwrap();
        let mut chunk = vec![1; 1 << 16];
        loop {
            match file.write(&chunk) {
                Ok(_) => {}
                Err(_) if chunk.len() > 1 => chunk.truncate(chunk.len() / 2),
                Err(_) => return,
            }
        }
    }

    fn make_room(&self) {
        std::fs::remove_file(self.seen(&self.ballast())).unwrap();
    }

    fn ballast(&self) -> PathBuf {
        self.mount.join("ballast")
    }
}

impl Drop for Confined {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A server that keeps what is posted to it.
fn receiver() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let posted = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&posted);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut text = Vec::new();
            let mut buffer = [0; 4096];
            // The body is one JSON object, and nothing follows it.
            while !text.ends_with(b"}") {
                match stream.read(&mut buffer) {
                    Ok(read) if read > 0 => text.extend_from_slice(&buffer[..read]),
                    _ => break,
                }
            }
            kept.lock().unwrap().push(String::from_utf8(text).unwrap());
            let _ = stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        }
    });
    (url, posted)
}

fn readiness(port: u16) -> Option<String> {
    get(port, "/readyz")
}

/// How often something has failed.
fn failures(port: u16) -> Option<u64> {
    let text = get(port, "/metrics")?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("contrail_transformer_failures_total "))?;
    line.trim().parse().ok()
}

/// Status and body of an answer; none while nobody listens.
fn get(port: u16, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream
        .write_all(
            format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes(),
        )
        .ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    Some(text)
}

/// Generation and rows that readers see in a folder.
fn published(folder: &Path) -> Option<(u64, i64)> {
    let generation = Generation::current(folder).ok()??;
    let files = folder.join(format!(
        "gen-{}/kpi_history/*.parquet",
        generation.generation
    ));
    let sql = format!(
        "select coalesce(sum(aircraft_total), 0)::bigint from read_parquet('{}')",
        files.display()
    );
    let conn = duckdb::Connection::open_in_memory().unwrap();
    let rows = conn.query_row(&sql, [], |row| row.get(0)).ok()?;
    Some((generation.generation, rows))
}

#[tokio::test]
async fn a_full_disk_keeps_the_old_generation_says_so_and_goes_on_when_there_is_room() {
    let mut bench = Bench::new().await;
    bench.append(&poll(0)).await;
    let mount = bench.folder.path().join("small");
    std::fs::create_dir(&mount).unwrap();
    bench.config.transformer.analytics = mount.join("analytics");
    bench.config.transformer.published = mount.join("published");
    bench.config.transformer.logs = mount.join("logs");
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    bench.config.http.listen = format!("127.0.0.1:{port}");
    let config = bench.folder.path().join("contrail.toml");
    std::fs::write(&config, service::config::print(&bench.config)).unwrap();
    let (webhook, posted) = receiver();
    let arguments = [
        "--config".to_owned(),
        config.display().to_string(),
        "--set".to_owned(),
        format!("notify.webhook={webhook}"),
    ];
    let confined = Confined::start(&mount, 64, &arguments);
    let marts = confined.seen(&bench.config.transformer.published);
    let logs = confined.seen(&bench.config.transformer.logs);
    wait(DEADLINE, "the first generation", || {
        published(&marts).filter(|(_, rows)| *rows == 20)
    });
    let ready = |port| readiness(port).filter(|text| text.starts_with("HTTP/1.1 200"));
    wait(DEADLINE, "readiness", || ready(port));
    let (before, _) = published(&marts).unwrap();

    confined.fill();
    bench.append(&poll(1)).await;
    let said = wait(DEADLINE, "the word that the disk is full", || {
        readiness(port).filter(|text| text.contains("the disk is full"))
    });
    assert!(said.starts_with("HTTP/1.1 503"), "{said}");
    let told = |about: &str| {
        // The rows are old, which an audit tells of as well.
        let posted = posted.lock().unwrap();
        let about = posted.iter().filter(|text| text.contains(about));
        about.cloned().collect::<Vec<String>>()
    };
    let first = wait(DEADLINE, "a notification", || {
        told("not refreshed").first().cloned()
    });
    assert!(
        first.contains("the disk is full") && first.contains("make room"),
        "{first}"
    );
    wait(DEADLINE, "further tries", || {
        failures(port).filter(|count| *count >= 4)
    });
    assert_eq!(published(&marts), Some((before, 20)));

    confined.make_room();
    let (after, _) = wait(DEADLINE, "what was counted meanwhile", || {
        published(&marts).filter(|(_, rows)| *rows == 40)
    });
    assert!(after > before);
    wait(DEADLINE, "readiness again", || ready(port));
    wait(DEADLINE, "the word that it is over", || {
        told("refreshed again").first().map(drop)
    });
    assert_eq!(told("not refreshed").len(), 1, "it is told once");
    let known = wait(DEADLINE, "the end of the run", || {
        let known = listing::list(&logs, 1000, None).unwrap();
        (known[0].status == RunStatus::Succeeded).then_some(known)
    });
    let failed: Vec<_> = known
        .iter()
        .filter(|run| run.status == RunStatus::Failed)
        .collect();
    assert!(!failed.is_empty(), "{known:?}");
    let full = |error: &Option<String>| error.as_ref().is_some_and(|e| e.contains("No space left"));
    assert!(failed.iter().all(|run| full(&run.error)), "{failed:?}");
    let left = std::fs::read_dir(&marts).unwrap().flatten();
    let left = left.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let left: Vec<_> = left
        .filter(|name| name.starts_with(".unfinished"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}
