//! The open catalog.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use iceberg::table::Table;
use iceberg::{Catalog, CatalogBuilder, Error, ErrorKind, NamespaceIdent, TableIdent};
use iceberg_catalog_sql::SqlCatalogBuilder;

use crate::database::Database;
use crate::durable::DurableStorageFactory;
use crate::tables::TableDefinition;
use crate::{LakeConfig, LakeError, error};

/// An open catalog with the project's namespace.
#[derive(Debug, Clone)]
pub struct Lake {
    catalog: Arc<dyn Catalog>,
    warehouse: PathBuf,
}

impl Lake {
    /// Opens the catalog; makes warehouse folder and catalog when they do not exist.
    ///
    /// Must be called within a Tokio runtime, which Iceberg keeps for its own tasks.
    pub async fn open(config: &LakeConfig) -> Result<Lake, LakeError> {
        let warehouse = config.warehouse_path()?;
        let database = config.database()?;
        let beside = match &database {
            Database::Sqlite(path) => path.parent(),
            Database::Postgres { .. } => None,
        };
        for folder in [Some(warehouse.as_path()), beside].into_iter().flatten() {
            fs::create_dir_all(folder).map_err(|source| LakeError::Folder {
                folder: folder.to_owned(),
                source,
            })?;
        }
        let mut races = 0;
        let catalog = loop {
            let opened = SqlCatalogBuilder::default()
                .uri(database.driver_uri())
                .warehouse_location(format!("file://{}", warehouse.display()))
                .sql_bind_style(database.bind_style())
                // One process asks seldom, and SQLite has one writer: two connections do.
                .prop("pool.max-connections", "2")
                .with_storage_factory(Arc::new(DurableStorageFactory))
                .load(&config.catalog_name, HashMap::new())
                .await;
            match opened {
                Ok(catalog) => break catalog,
                // `create table if not exists` fails in PostgreSQL when another process makes
                // it at the same moment; then it is there. There are two tables to make.
                Err(error) if races < 4 && error::is_made_already(&error) => races += 1,
                Err(error) => {
                    let action = format!("cannot open the catalog {database}");
                    return Err(LakeError::catalog(action)(error));
                }
            }
        };
        Ok(Lake {
            catalog: Arc::new(catalog),
            warehouse,
        })
    }

    /// The catalog itself, for commits.
    pub fn catalog(&self) -> Arc<dyn Catalog> {
        Arc::clone(&self.catalog)
    }

    /// The warehouse folder.
    pub fn warehouse(&self) -> &std::path::Path {
        &self.warehouse
    }

    /// The full name of a table of the project's namespace.
    pub fn identifier(table: &str) -> TableIdent {
        TableIdent::new(namespace(), table.to_owned())
    }

    /// The table as it is now, or `None` when nothing was ever written.
    pub async fn load(&self, table: &str) -> Result<Option<Table>, LakeError> {
        let identifier = Self::identifier(table);
        match self.catalog.load_table(&identifier).await {
            Ok(table) => Ok(Some(table)),
            Err(error) if error.kind() == ErrorKind::TableNotFound => Ok(None),
            // The SQL catalog tells a missing table from a failing one only when asked.
            Err(error) => match self.catalog.table_exists(&identifier).await {
                Ok(false) => Ok(None),
                _ => Err(LakeError::catalog(format!(
                    "cannot load table {identifier}"
                ))(error)),
            },
        }
    }

    /// The table, created when it does not exist. Safe when several processes do it at once.
    pub async fn load_or_create(&self, definition: &TableDefinition) -> Result<Table, LakeError> {
        if let Some(table) = self.load(definition.name).await? {
            return Ok(table);
        }
        let identifier = Self::identifier(definition.name);
        let action = || format!("cannot create table {identifier}");
        // A failure here may be another process that was first: what counts is the table.
        let namespace_made = self
            .catalog
            .create_namespace(&namespace(), HashMap::new())
            .await;
        if let Err(error) = namespace_made
            && !matches!(self.catalog.namespace_exists(&namespace()).await, Ok(true))
        {
            return Err(LakeError::catalog(action())(error));
        }
        let creation = definition
            .creation()
            .map_err(LakeError::catalog(action()))?;
        match self.catalog.create_table(&namespace(), creation).await {
            // The answer is not taken as proof: the SQL catalog ignores a commit that failed.
            Ok(_) => self.load(definition.name).await?.ok_or_else(|| {
                let lost = Error::new(ErrorKind::Unexpected, "the database did not keep it");
                LakeError::catalog(action())(lost)
            }),
            Err(error) => match self.load(definition.name).await? {
                Some(table) => Ok(table),
                None => Err(LakeError::catalog(action())(error)),
            },
        }
    }
}

fn namespace() -> NamespaceIdent {
    NamespaceIdent::new(contract::names::NAMESPACE.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::FLIGHT_STATES;

    #[tokio::test]
    async fn a_table_is_made_once_and_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let config = LakeConfig::in_folder(folder.path());
        let lake = Lake::open(&config).await.unwrap();
        assert!(lake.load(FLIGHT_STATES.name).await.unwrap().is_none());
        let made = lake.load_or_create(&FLIGHT_STATES).await.unwrap();
        let again = Lake::open(&config).await.unwrap();
        let found = again.load_or_create(&FLIGHT_STATES).await.unwrap();
        assert_eq!(made.metadata().uuid(), found.metadata().uuid());
        assert_eq!(
            found.metadata().current_schema().as_struct().fields().len(),
            21
        );
        assert_eq!(
            found.metadata().default_partition_spec().fields()[0].name,
            "snapshot_time_day"
        );
        assert_eq!(found.metadata().default_sort_order().fields.len(), 2);
    }

    #[tokio::test]
    async fn several_may_make_it_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let config = LakeConfig::in_folder(folder.path());
        let tasks = (0..4).map(|_| {
            let config = config.clone();
            tokio::spawn(async move {
                let lake = Lake::open(&config).await.unwrap();
                lake.load_or_create(&FLIGHT_STATES)
                    .await
                    .unwrap()
                    .metadata()
                    .uuid()
            })
        });
        let mut uuids = Vec::new();
        for task in tasks.collect::<Vec<_>>() {
            uuids.push(task.await.unwrap());
        }
        uuids.dedup();
        assert_eq!(uuids.len(), 1);
    }

    #[tokio::test]
    async fn what_is_not_a_local_folder_is_refused() {
        for warehouse in ["", "s3://bucket/warehouse"] {
            let config = LakeConfig {
                warehouse: warehouse.to_owned(),
                ..LakeConfig::in_folder(std::path::Path::new("x"))
            };
            let error = Lake::open(&config).await.unwrap_err();
            assert!(error.to_string().contains("not a local folder"), "{error}");
        }
    }

    #[tokio::test]
    async fn what_readers_take_for_a_pattern_is_refused() {
        let config = LakeConfig::in_folder(std::path::Path::new("/data/x[1]"));
        let error = Lake::open(&config).await.unwrap_err();
        assert!(error.to_string().contains("/data/x[1]"), "{error}");
        assert!(!std::path::Path::new("/data/x[1]").exists());
    }
}
