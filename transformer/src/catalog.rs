//! The lake's catalog, which may take its time, but not forever: a PostgreSQL behind a connection
//! that was cut off in silence never answers.

use std::time::Duration;

use iceberg::table::Table;
use lake::{Lake, LakeConfig, LakeError};

use crate::Error;

/// How long it may take to answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(if cfg!(test) { 2 } else { 60 });

/// The catalog, for reading.
#[derive(Debug)]
pub(crate) struct Catalog {
    config: LakeConfig,
    /// `None` after it has not answered: its connections may wait for what never comes, so the
    /// next call makes new ones.
    lake: Option<Lake>,
}

impl Catalog {
    /// Opens it.
    pub async fn open(config: &LakeConfig) -> Result<Catalog, Error> {
        Ok(Catalog {
            config: config.clone(),
            lake: Some(answered(Lake::open(config)).await?),
        })
    }

    /// The table as it is now, or `None` when nothing was ever written.
    pub async fn load(&mut self, table: &str) -> Result<Option<Table>, Error> {
        let lake = match self.lake.take() {
            Some(lake) => lake,
            None => answered(Lake::open(&self.config)).await?,
        };
        let loaded = answered(lake.load(table)).await;
        if !matches!(loaded, Err(Error::NoAnswer(_))) {
            self.lake = Some(lake);
        }
        loaded
    }
}

async fn answered<T>(answer: impl Future<Output = Result<T, LakeError>>) -> Result<T, Error> {
    match tokio::time::timeout(ANSWER_LIMIT, answer).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(Error::NoAnswer(ANSWER_LIMIT)),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use service::config::Secret;
    use service::fault::Faulty;

    use super::*;

    #[tokio::test]
    async fn a_catalog_that_says_nothing_is_left() {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = silent.local_addr().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let config = LakeConfig {
            catalog_uri: Secret::new(format!("postgresql://me:secret@{address}/lake")),
            ..LakeConfig::in_folder(folder.path())
        };
        let error = Catalog::open(&config).await.unwrap_err();
        assert!(matches!(error, Error::NoAnswer(_)), "{error}");
        assert!(error.retryable());
    }
}
