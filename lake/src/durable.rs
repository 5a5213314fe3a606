//! Local files that are on the disk before a catalog may name them.
//!
//! Iceberg's own local storage syncs what it streams (data files, manifests), but writes a
//! table's `metadata.json` without a sync, and never syncs a folder. After a power failure a
//! catalog, which syncs itself, could then name a file that is empty or not there. This storage
//! is the same, except that a file is written under another name, synced, renamed, and its folder
//! synced too.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use iceberg::io::{
    FileMetadata, FileRead, FileWrite, InputFile, LocalFsStorage, OutputFile, Storage,
    StorageConfig, StorageFactory,
};
use iceberg::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

/// Makes [`DurableStorage`].
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct DurableStorageFactory;

#[typetag::serde]
impl StorageFactory for DurableStorageFactory {
    fn build(&self, _config: &StorageConfig) -> Result<Arc<dyn Storage>> {
        Ok(Arc::new(DurableStorage::default()))
    }
}

/// Iceberg's local storage, but what is written stays written.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct DurableStorage {
    inner: LocalFsStorage,
}

#[async_trait]
#[typetag::serde]
impl Storage for DurableStorage {
    async fn write(&self, path: &str, bytes: Bytes) -> Result<()> {
        let path = local(path);
        write_durably(&path, &bytes).map_err(failed("write", &path))
    }

    async fn writer(&self, path: &str) -> Result<Box<dyn FileWrite>> {
        let inner = self.inner.writer(path).await?;
        let path = local(path);
        Ok(Box::new(DurableWrite { inner, path }))
    }

    async fn exists(&self, path: &str) -> Result<bool> {
        self.inner.exists(path).await
    }

    async fn metadata(&self, path: &str) -> Result<FileMetadata> {
        self.inner.metadata(path).await
    }

    async fn read(&self, path: &str) -> Result<Bytes> {
        self.inner.read(path).await
    }

    async fn reader(&self, path: &str) -> Result<Box<dyn FileRead>> {
        self.inner.reader(path).await
    }

    async fn delete(&self, path: &str) -> Result<()> {
        self.inner.delete(path).await
    }

    async fn delete_prefix(&self, path: &str) -> Result<()> {
        self.inner.delete_prefix(path).await
    }

    async fn delete_stream(&self, paths: BoxStream<'static, String>) -> Result<()> {
        self.inner.delete_stream(paths).await
    }

    fn new_input(&self, path: &str) -> Result<InputFile> {
        Ok(InputFile::new(Arc::new(self.clone()), path.to_owned()))
    }

    fn new_output(&self, path: &str) -> Result<OutputFile> {
        Ok(OutputFile::new(Arc::new(self.clone()), path.to_owned()))
    }
}

/// A streamed file, synced by Iceberg; its folder is synced here.
struct DurableWrite {
    inner: Box<dyn FileWrite>,
    path: PathBuf,
}

#[async_trait]
impl FileWrite for DurableWrite {
    async fn write(&mut self, bytes: Bytes) -> Result<()> {
        self.inner.write(bytes).await
    }

    async fn close(&mut self) -> Result<()> {
        self.inner.close().await?;
        sync_folders(&self.path).map_err(failed("sync the folder of", &self.path))
    }
}

fn write_durably(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".unfinished");
    let unfinished = path.with_file_name(name);
    let written = (|| {
        let mut file = File::create(&unfinished)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&unfinished, path)?;
        sync_folders(path)
    })();
    if written.is_err() {
        // A full disk gets its room back; the error to report is the first.
        let _ = fs::remove_file(&unfinished);
    }
    written
}

/// Syncs a file's folder and the three above it, as many as a table may make for one file
/// (`table/data/day`): a folder that is new is an entry of the one above.
fn sync_folders(path: &Path) -> std::io::Result<()> {
    let above = path.ancestors().skip(1).take(4);
    for folder in above.filter(|folder| !folder.as_os_str().is_empty()) {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

/// `file:///a/b`, `file:/a/b` or `/a/b` as a path.
fn local(location: &str) -> PathBuf {
    let plain = location.strip_prefix("file:").unwrap_or(location);
    PathBuf::from(format!("/{}", plain.trim_start_matches('/')))
}

fn failed(action: &str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let message = format!("cannot {action} {}", path.display());
    move |source| Error::new(ErrorKind::Unexpected, message).with_source(source)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_written_is_whole_or_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metadata/1.metadata.json");
        let location = format!("file://{}", path.display());
        let storage = DurableStorage::default();
        storage.write(&location, "old".into()).await.unwrap();
        storage.write(&location, "new".into()).await.unwrap();
        assert_eq!(storage.read(&location).await.unwrap(), "new");
        let mut writer = storage.writer(&location).await.unwrap();
        writer.write("streamed".into()).await.unwrap();
        writer.close().await.unwrap();
        assert_eq!(storage.read(&location).await.unwrap(), "streamed");
        let names = fs::read_dir(path.parent().unwrap()).unwrap().count();
        assert_eq!(names, 1, "nothing unfinished is left");
    }

    #[tokio::test]
    async fn a_failed_write_leaves_the_old_file_and_says_which() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("1.metadata.json");
        let location = path.display().to_string();
        let storage = DurableStorage::default();
        storage.write(&location, "old".into()).await.unwrap();
        // A folder in the way of the unfinished file: writing fails for everybody, root too.
        fs::create_dir(folder.path().join("1.metadata.json.unfinished")).unwrap();
        let error = storage.write(&location, "new".into()).await.unwrap_err();
        assert!(error.to_string().contains(&location), "{error}");
        assert_eq!(storage.read(&location).await.unwrap(), "old");
    }

    #[test]
    fn locations_are_local_paths() {
        for location in ["file:///a/b", "file:/a/b", "file://a/b", "/a/b"] {
            assert_eq!(local(location), Path::new("/a/b"), "{location}");
        }
    }
}
