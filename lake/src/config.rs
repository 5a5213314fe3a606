//! The `[lake]` section of the configuration.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use service::config::Secret;

use crate::LakeError;
use crate::database::Database;

/// Defaults of the `[lake]` section.
pub const DEFAULTS: &str = include_str!("../default.toml");

/// Where the Iceberg tables are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LakeConfig {
    /// Folder of the tables' data and metadata files. Created when it does not exist.
    pub warehouse: String,
    /// URI of the SQL catalog: `postgresql://user:password@host:5432/database`, for services on
    /// several machines, or `sqlite:///data/warehouse/catalog.db`. Empty: a SQLite file
    /// `catalog.db` inside the warehouse. TLS to PostgreSQL is not supported.
    pub catalog_uri: Secret,
    /// Name under which the SQL catalog keeps its tables. Every reader must use the same.
    pub catalog_name: String,
}

impl LakeConfig {
    /// A lake in a local folder, with its catalog beside the data.
    pub fn in_folder(warehouse: &Path) -> Self {
        LakeConfig {
            warehouse: warehouse.display().to_string(),
            catalog_uri: Secret::default(),
            catalog_name: "contrail".to_owned(),
        }
    }

    /// The warehouse as an absolute path of the local file system.
    pub(crate) fn warehouse_path(&self) -> Result<PathBuf, LakeError> {
        let plain = self
            .warehouse
            .strip_prefix("file://")
            .unwrap_or(&self.warehouse);
        if plain.is_empty() || plain.contains("://") {
            return Err(LakeError::Warehouse(self.warehouse.clone()));
        }
        let path = std::path::absolute(plain).map_err(|source| LakeError::Folder {
            folder: PathBuf::from(plain),
            source,
        })?;
        match service::data_folder::is_pattern(&path) {
            true => Err(LakeError::Pattern(path)),
            false => Ok(path),
        }
    }

    /// The database of the catalog.
    pub(crate) fn database(&self) -> Result<Database, LakeError> {
        if self.catalog_uri.is_empty() {
            return Ok(Database::Sqlite(self.warehouse_path()?.join("catalog.db")));
        }
        Database::parse(&self.catalog_uri)
    }

    /// Checks what types cannot say.
    ///
    /// # Errors
    /// The warehouse is not a local folder, or the catalog's database is not supported.
    pub fn validate(&self) -> Result<(), LakeError> {
        self.warehouse_path()?;
        self.database().map(drop)
    }
}
