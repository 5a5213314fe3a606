//! Writer schemas, by the id in front of every message.

use std::time::Duration;

use schema_registry_converter::async_impl::schema_registry::{
    SrSettings, get_all_versions, get_schema_by_id,
};
use schema_registry_converter::schema_registry_common::SchemaType;
use service::config::RegistryConfig;

use crate::ConsumerError;
use crate::decode::WriterSchema;

const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// The schema registry, asked once for each id.
///
/// That it has no schema of an id is believed only while it knows the topic's own subject. A
/// registry that has lost its memory must not turn good records into dead letters: until the
/// producer has registered again, it counts as away.
pub struct Registry {
    url: String,
    subject: String,
    settings: SrSettings,
}

impl Registry {
    /// Prepares to ask; nothing is sent yet.
    pub fn new(config: &RegistryConfig, topic: &str) -> Result<Registry, ConsumerError> {
        let unusable = |reason: String| {
            let reason = format!("registry.url = {:?}: {reason}", config.url);
            ConsumerError::Configuration(reason)
        };
        let client = service::tls::client(&config.ca_location).map_err(|error| {
            ConsumerError::Configuration(format!("registry.ca_location: {}", with_source(&error)))
        })?;
        let mut builder = SrSettings::new_builder(config.url.clone());
        builder.set_timeout(REQUEST_TIMEOUT);
        if !config.username.is_empty() {
            builder.set_basic_authorization(&config.username, Some(config.password.expose()));
        }
        let settings = builder.build_with(client);
        let settings = settings.map_err(|error| unusable(error.to_string()))?;
        Ok(Registry {
            url: config.url.clone(),
            subject: contract::names::value_subject(topic),
            settings,
        })
    }

    /// What the registry says of an id.
    ///
    /// # Errors
    /// The registry cannot be reached, does not answer, or has lost its schemas: try again. An
    /// id that a registry in its right mind does not know is an answer, not an error.
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
            Err(error) if error.retriable => Err(self.away(error.to_string())),
            Err(error) => {
                let versions = get_all_versions(&self.settings, self.subject.clone()).await;
                if !versions.is_ok_and(|versions| !versions.is_empty()) {
                    return Err(self.away(format!(
                        "it knows neither schema {id} nor the subject {}; waiting for the producer to register it",
                        self.subject
                    )));
                }
                Ok(WriterSchema::None(format!(
                    "the registry has no schema {id}: {error}"
                )))
            }
        }
    }

    fn away(&self, reason: String) -> ConsumerError {
        ConsumerError::Registry {
            url: self.url.clone(),
            reason,
        }
    }
}

/// An error and what is behind it.
fn with_source(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
