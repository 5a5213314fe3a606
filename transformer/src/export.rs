//! Writing a published mart to a file, for programs that want one.
//!
//! The file is written under another name beside it, synced and renamed: whoever sees it sees
//! all of it. Only a regular file is replaced. What a killed export has left, `.NAME.unfinished`, the
//! next one to the same file takes and replaces.

use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use duckdb::Connection;

use crate::Error;
use crate::publish::{folder_name, kept};
use crate::query::open;
use crate::schema::{identifier, quote};

/// How a mart is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// With a header; a null is empty, an empty text is `""`.
    Csv,
    /// Compressed with zstd.
    Parquet,
    /// One array of objects.
    Json,
}

/// What to write.
#[derive(Debug, Clone)]
pub struct Export {
    /// Name of the mart.
    pub mart: String,
    /// How it is written.
    pub format: Format,
    /// A generation that is still kept; the newest without it.
    pub generation: Option<u64>,
    /// An SQL expression that is true for the rows wanted; all without it.
    pub condition: Option<String>,
}

impl Export {
    /// Writes the mart to a file; the number of its rows.
    pub fn to_file(&self, published: &Path, file: &Path) -> Result<u64, Error> {
        let file = target(file)?;
        let conn = self.connection(published)?;
        let unfinished = beside(&file)?;
        let held = take(&unfinished, &file)?;
        let written = self.copy(&conn, &unfinished).and_then(|rows| {
            held.sync_all().map_err(Error::file("sync", &unfinished))?;
            fs::rename(&unfinished, &file).map_err(Error::file("rename", &unfinished))?;
            Ok(rows)
        });
        if written.is_err() {
            // The first error is the one to report.
            let _ = fs::remove_file(&unfinished);
        }
        written
    }

    /// Writes the mart to standard output.
    pub fn to_stdout(&self, published: &Path) -> Result<(), Error> {
        let conn = self.connection(published)?;
        let folder = std::env::temp_dir();
        let file = tempfile::NamedTempFile::new();
        let file = file.map_err(Error::file("create a file in", &folder))?;
        self.copy(&conn, file.path())?;
        let mut reader = File::open(file.path()).map_err(Error::file("read", file.path()))?;
        match std::io::copy(&mut reader, &mut std::io::stdout().lock()) {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => {
                Err(Error::file("write to", "standard output".as_ref())(error))
            }
            _ => Ok(()),
        }
    }

    /// The views at the generation wanted, which have the mart.
    fn connection(&self, published: &Path) -> Result<Connection, Error> {
        let (conn, folder) = open(published)?;
        let failed = |error: duckdb::Error| Error::Query(error.into());
        if let Some(number) = self.generation {
            choose(&conn, &folder, number)?;
        }
        let marts = || -> duckdb::Result<Vec<String>> {
            let sql =
                "select view_name from duckdb_views() where not internal and schema_name = 'main'";
            let mut statement = conn.prepare(sql)?;
            let names = statement.query_map([], |row| row.get(0))?;
            names.collect()
        };
        let marts = marts().map_err(failed)?;
        if !marts.contains(&self.mart) {
            return Err(Error::NoMart {
                name: self.mart.clone(),
                known: marts,
            });
        }
        Ok(conn)
    }

    fn copy(&self, conn: &Connection, to: &Path) -> Result<u64, Error> {
        let options = match self.format {
            Format::Csv => "format csv, header true",
            Format::Parquet => "format parquet, compression zstd",
            Format::Json => "format json, array true",
        };
        let condition = self.condition.as_ref();
        let condition = condition.map_or(String::new(), |sql| format!(" where (\n{sql}\n)"));
        let sql = format!(
            "copy (select * from {}{condition}) to {} ({options}, use_tmp_file false)",
            identifier(&self.mart),
            quote(&to.to_string_lossy()),
        );
        let rows: i64 = conn
            .query_row(&sql, [], |row| row.get(0))
            .map_err(|error| not_written(error, to))?;
        Ok(u64::try_from(rows).unwrap_or(0))
    }
}

/// Makes a connection read another generation.
fn choose(conn: &Connection, folder: &Path, number: u64) -> Result<(), Error> {
    let kept = kept(folder)?;
    if !kept.contains(&number) {
        return Err(Error::NoGeneration {
            wanted: number,
            kept,
        });
    }
    let name = folder_name(number);
    let sql = crate::publish::init_sql_of(folder, &quote(&name));
    conn.execute_batch(&sql)
        .map_err(|error| Error::Query(error.into()))
}

/// Whose fault it is that a mart was not written: the disk's, or the condition's.
fn not_written(error: duckdb::Error, to: &Path) -> Error {
    // DuckDB has no code that tells them apart.
    match error.to_string().starts_with("IO Error") {
        true => Error::Export {
            path: to.to_owned(),
            source: error.into(),
        },
        false => Error::Query(error.into()),
    }
}

/// The file that is to be written: a link stays, and what it leads to is replaced. What is there
/// and no regular file, such as a device or a pipe, a rename would do away with.
fn target(file: &Path) -> Result<PathBuf, Error> {
    match fs::metadata(file) {
        Ok(found) if found.is_file() => fs::canonicalize(file).map_err(Error::file("find", file)),
        Ok(_) => Err(Error::NoRegularFile(file.to_owned())),
        // Nothing is there, or a link that leads to nothing.
        Err(error) if error.kind() == ErrorKind::NotFound => match fs::symlink_metadata(file) {
            Ok(_) => Err(Error::NoRegularFile(file.to_owned())),
            Err(_) => Ok(file.to_owned()),
        },
        Err(error) => Err(Error::file("find", file)(error)),
    }
}

/// The name under which a file is written.
fn beside(file: &Path) -> Result<PathBuf, Error> {
    let file = std::path::absolute(file).map_err(Error::file("find", file))?;
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    Ok(file.with_file_name(format!(".{name}.unfinished")))
}

/// Opens the unfinished file for this process alone; let go when dropped, or when it ends.
fn take(unfinished: &Path, file: &Path) -> Result<File, Error> {
    let options = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(unfinished);
    let held = options.map_err(Error::file("create", unfinished))?;
    match held.try_lock() {
        Ok(()) => Ok(held),
        Err(TryLockError::WouldBlock) => Err(Error::ExportRunning(file.to_owned())),
        Err(TryLockError::Error(source)) => Err(Error::file("lock", unfinished)(source)),
    }
}

#[cfg(test)]
mod tests {
    use service::fault::{Fault, Faulty};

    use super::*;

    #[test]
    fn what_the_disk_refuses_is_no_fault_of_the_query() {
        let folder = tempfile::tempdir().unwrap();
        let conn = Connection::open_in_memory().unwrap();
        conn.execute_batch("create table polls as select 1 as a")
            .unwrap();
        let refused = |condition: &str, to: &str| {
            let export = Export {
                mart: "polls".to_owned(),
                format: Format::Csv,
                generation: None,
                condition: Some(condition.to_owned()),
            };
            export.copy(&conn, &folder.path().join(to)).unwrap_err()
        };
        assert_eq!(refused("a = 1", "away/file").fault(), Fault::Dependency);
        assert_eq!(refused("b = 1", "file").fault(), Fault::Configuration);
    }

    #[test]
    fn only_a_regular_file_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let link = |name: &str, to: &str| {
            std::os::unix::fs::symlink(path(to), path(name)).unwrap();
        };
        fs::write(path("file"), "x").unwrap();
        link("to_file", "file");
        link("to_nothing", "away");
        let real = fs::canonicalize(path("file")).unwrap();
        assert_eq!(target(&path("to_file")).unwrap(), real);
        assert_eq!(target(&path("new")).unwrap(), path("new"));
        let _listener = std::os::unix::net::UnixListener::bind(path("socket")).unwrap();
        for name in ["socket", "to_nothing", "."] {
            let error = target(&path(name)).unwrap_err().to_string();
            assert!(
                error.contains("no regular file") && error.contains("leave --out away"),
                "{error}"
            );
        }
    }
}
