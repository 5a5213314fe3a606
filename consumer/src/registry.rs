//! Writer schemas, by the id in front of every message.

use std::time::Duration;

use schema_registry_converter::async_impl::schema_registry::{SrSettings, get_schema_by_id};
use schema_registry_converter::schema_registry_common::SchemaType;
use service::config::RegistryConfig;

use crate::ConsumerError;
use crate::decode::WriterSchema;

const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// The schema registry, asked once for each id.
pub struct Registry {
    url: String,
    settings: SrSettings,
}

impl Registry {
    /// Prepares to ask; nothing is sent yet.
    pub fn new(config: &RegistryConfig) -> Result<Registry, ConsumerError> {
        service::tls::install_provider();
        let mut builder = SrSettings::new_builder(config.url.clone());
        builder.set_timeout(REQUEST_TIMEOUT);
        if !config.username.is_empty() {
            builder.set_basic_authorization(&config.username, Some(config.password.expose()));
        }
        let settings = builder.build().map_err(|error| ConsumerError::Registry {
            url: config.url.clone(),
            reason: error.to_string(),
        })?;
        Ok(Registry {
            url: config.url.clone(),
            settings,
        })
    }

    /// What the registry says of an id.
    ///
    /// # Errors
    /// The registry cannot be reached or does not answer: try again. An id it does not know
    /// is an answer, not an error.
    pub async fn schema(&self, id: u32) -> Result<WriterSchema, ConsumerError> {
        match get_schema_by_id(id, &self.settings).await {
            Ok(registered) => Ok(match registered.schema_type {
                SchemaType::Avro if registered.references.is_empty() => {
                    WriterSchema::Avro(registered.schema)
                }
                SchemaType::Avro => {
                    WriterSchema::None(format!("schema {id} refers to other schemas"))
                }
                other => WriterSchema::None(format!("schema {id} is {other:?}, not Avro")),
            }),
            Err(error) if !error.retriable => Ok(WriterSchema::None(format!(
                "the registry has no schema {id}: {error}"
            ))),
            Err(error) => Err(ConsumerError::Registry {
                url: self.url.clone(),
                reason: error.to_string(),
            }),
        }
    }
}
