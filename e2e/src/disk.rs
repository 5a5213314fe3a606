//! A disk that is soon full: a file system of a few megabytes in a mount namespace of its own.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A small file system at a path that only the processes started on it see.
pub struct Disk {
    path: PathBuf,
    /// Holds the namespace; ends when its standard input does.
    keeper: Child,
}

impl Disk {
    /// Mounts it at `path`, which is created.
    pub fn mount(path: &Path, size: &str) -> Disk {
        fs::create_dir_all(path).expect("the mount point");
        let script = r#"mount -t tmpfs -o "size=$1" tmpfs "$2" && echo mounted && exec cat"#;
        let mut keeper = Command::new("unshare")
            .args(if is_root() {
                &[][..]
            } else {
                &["--user", "--map-root-user"]
            })
            .args(["--mount", "sh", "-c", script, "sh", size])
            .arg(path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare runs");
        let mut line = String::new();
        let output = keeper.stdout.take().expect("its output");
        let _ = BufReader::new(output).read_line(&mut line);
        assert_eq!(
            line, "mounted\n",
            "cannot mount a tmpfs in a namespace of its own"
        );
        Disk {
            path: path.to_owned(),
            keeper,
        }
    }

    /// A program that sees the file system.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.keeper.id().to_string(), "--mount"]);
        if !is_root() {
            command.args(["--user", "--preserve-credentials"]);
        }
        command.arg("--").arg(program);
        command
    }

    /// Gives it another size.
    pub fn resize(&self, size: &str) {
        let status = self
            .command("mount")
            .args(["-o", &format!("remount,size={size}")])
            .arg(&self.path)
            .status();
        assert!(status.expect("mount runs").success(), "cannot resize");
    }

    /// Where those outside find what is at `path` inside.
    pub fn from_outside(&self, path: &Path) -> PathBuf {
        let root = format!("/proc/{}/root", self.keeper.id());
        Path::new(&root).join(path.strip_prefix("/").expect("an absolute path"))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = self.keeper.kill();
        let _ = self.keeper.wait();
    }
}

/// Whether namespaces need no user namespace around them.
pub fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}
