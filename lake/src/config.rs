//! The `[lake]` section of the configuration.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::LakeError;

/// Defaults of the `[lake]` section.
pub const DEFAULTS: &str = include_str!("../default.toml");

/// Where the Iceberg tables are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LakeConfig {
    /// Folder of the tables' data and metadata files. Created when it does not exist.
    pub warehouse: String,
    /// URI of the SQL catalog, such as `sqlite:///data/warehouse/catalog.db`. Empty: a
    /// SQLite file `catalog.db` inside the warehouse.
    pub catalog_uri: String,
    /// Name under which the SQL catalog keeps its tables. Every reader must use the same.
    pub catalog_name: String,
}

impl LakeConfig {
    /// A lake in a local folder, with its catalog beside the data.
    pub fn in_folder(warehouse: &Path) -> Self {
        LakeConfig {
            warehouse: warehouse.display().to_string(),
            catalog_uri: String::new(),
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
        std::path::absolute(plain).map_err(|source| LakeError::Folder {
            folder: PathBuf::from(plain),
            source,
        })
    }

    /// The SQLite file of the catalog.
    pub(crate) fn catalog_path(&self) -> Result<PathBuf, LakeError> {
        if self.catalog_uri.is_empty() {
            return Ok(self.warehouse_path()?.join("catalog.db"));
        }
        match self.catalog_uri.strip_prefix("sqlite://") {
            Some(path) if !path.is_empty() => Ok(PathBuf::from(path)),
            _ => Err(LakeError::CatalogUri(self.catalog_uri.clone())),
        }
    }
}
