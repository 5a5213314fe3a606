//! An in-process schema registry that speaks the Confluent API.
//!
//! It covers what producers and consumers ask for: registering and looking up Avro schemas,
//! versions, ids, and compatibility, which is really checked. What it does not have:
//! references, deletion, modes, and schema types other than Avro.
//!
//! Ids and versions are kept in one file, so that they are the same after a restart.

mod compatibility;
mod error;
mod routes;
mod store;

use std::io;
use std::net::SocketAddr;
use std::path::Path;

use service::shutdown::Shutdown;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub use compatibility::Level;
pub use error::StoreError;
use store::Store;

/// Why the registry did not start.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// What it had stored cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No port could be had.
    #[error("cannot open a port of 127.0.0.1 for the schema registry")]
    Listen(#[source] io::Error),
}

/// A running registry.
pub struct Registry {
    address: SocketAddr,
    shutdown: Shutdown,
    task: JoinHandle<()>,
}

impl Registry {
    /// Starts a registry on a free port of 127.0.0.1 with what `file` holds; a file that
    /// does not exist holds nothing, and is written with the first schema.
    ///
    /// # Errors
    /// When `file` cannot be read or is no registry's, or no port can be had.
    pub async fn start(file: &Path) -> Result<Registry, RegistryError> {
        let store = Store::open(file)?;
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .map_err(RegistryError::Listen)?;
        let address = listener.local_addr().map_err(RegistryError::Listen)?;
        let shutdown = Shutdown::new();
        let ended = shutdown.clone();
        let task = tokio::spawn(async move {
            let server = axum::serve(listener, routes::router(store))
                .with_graceful_shutdown(async move { ended.wait().await });
            if let Err(error) = server.await {
                tracing::error!(%error, "the schema registry ended");
            }
        });
        Ok(Registry {
            address,
            shutdown,
            task,
        })
    }

    /// Where it listens, as `registry.url` wants it.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// Connections that are idle are not waited for: nothing is stored outside a request.
impl Drop for Registry {
    fn drop(&mut self) {
        self.shutdown.trigger();
        self.task.abort();
    }
}
