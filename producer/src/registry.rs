//! The schema registry: registers the contract's schema before the first record is written.
//!
//! The subject is set to BACKWARD compatibility first, so that the registry refuses a schema
//! that readers of older records could not use. The id is kept by the caller: once it is known,
//! the registry may be away.

use std::error::Error as _;

use contract::names;
use reqwest::{Method, RequestBuilder, StatusCode};
use schema_registry_converter::async_impl::schema_registry::{
    SrSettings, get_schema_by_id, post_schema,
};
use schema_registry_converter::error::SRCError;
use schema_registry_converter::schema_registry_common::{RawError, SchemaType, SuppliedSchema};
use serde::Deserialize;
use service::config::RegistryConfig;
use service::fault::{Fault, Faulty, causes};
use service::registry::{self, RegistrySettingsError, TIMEOUT, status_of};

const BACKWARD: &str = "BACKWARD";
/// Levels under which whatever BACKWARD refuses is refused too.
const STRICT_ENOUGH: [&str; 4] = [BACKWARD, "BACKWARD_TRANSITIVE", "FULL", "FULL_TRANSITIVE"];
const CONTENT_TYPE: &str = "application/vnd.schemaregistry.v1+json";

/// Why the registry did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// No client can be made of the configuration.
    #[error(transparent)]
    Settings(#[from] RegistrySettingsError),
    /// No answer, or one that says to come back.
    #[error("cannot reach the schema registry at {url}: {reason}; check registry.url")]
    Away {
        /// The address as configured.
        url: String,
        /// What happened.
        reason: String,
    },
    /// The registry does not know the user, or does not allow this.
    #[error(
        "the schema registry at {url} refused the login ({status}); check registry.username and registry.password"
    )]
    Login {
        /// The address as configured.
        url: String,
        /// The answer.
        status: u16,
    },
    /// Readers of older records could not use the schema.
    #[error(
        "the schema registry refused the schema of {subject} because it is not BACKWARD compatible: {reason}; publish to another topic (producer.topic), or remove the subject if nobody reads it"
    )]
    Incompatible {
        /// The subject.
        subject: String,
        /// What the registry said.
        reason: String,
    },
    /// Any other answer that is not a success.
    #[error("the schema registry at {url} answered {status}: {reason}")]
    Answer {
        /// The address as configured.
        url: String,
        /// The status.
        status: u16,
        /// What it said.
        reason: String,
    },
}

impl Faulty for RegistryError {
    fn fault(&self) -> Fault {
        match self {
            RegistryError::Away { .. } | RegistryError::Answer { .. } => Fault::Dependency,
            _ => Fault::Configuration,
        }
    }

    fn retryable(&self) -> bool {
        matches!(self, RegistryError::Away { .. })
    }
}

/// A client of the registry.
pub struct Registry {
    config: RegistryConfig,
    settings: SrSettings,
    /// For the calls that `schema_registry_converter` does not have.
    http: reqwest::Client,
}

/// The registry's answer about the compatibility of a subject.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Compatibility {
    compatibility_level: String,
}

impl Registry {
    /// A client as configured. No request is made yet.
    ///
    /// # Errors
    /// The address is not one.
    pub fn new(config: &RegistryConfig) -> Result<Registry, RegistryError> {
        let settings = registry::settings(config)?;
        let http = service::tls::client(&config.ca_location)
            .map_err(RegistrySettingsError::from)?
            .timeout(TIMEOUT)
            .build()
            .map_err(|error| RegistrySettingsError::Client(error.to_string()))?;
        Ok(Registry {
            config: config.clone(),
            settings,
            http,
        })
    }

    /// Registers `schema` for the values of `topic`, under BACKWARD compatibility, and gives its
    /// id. A schema that is registered already keeps its id.
    ///
    /// # Errors
    /// See [`RegistryError`]; [`Faulty::retryable`] tells a registry that is away from one that
    /// refuses.
    pub async fn register(&self, topic: &str, schema: &str) -> Result<u32, RegistryError> {
        let subject = names::value_subject(topic);
        // Some registries have no settings for a subject before its first schema.
        let set = self.require_backward(&subject).await?;
        let supplied = SuppliedSchema::new(None, SchemaType::Avro, schema.to_owned());
        let registered = post_schema(&self.settings, subject.clone(), supplied)
            .await
            .map_err(|error| self.refused(&subject, &error))?;
        if !set && !self.require_backward(&subject).await? {
            return Err(RegistryError::Answer {
                url: self.config.url.clone(),
                status: StatusCode::NOT_FOUND.as_u16(),
                reason: format!("the compatibility of {subject} cannot be set"),
            });
        }
        Ok(registered.id)
    }

    /// The schema with the id `id`; none when the registry says that it has none.
    ///
    /// # Errors
    /// It does not say: it does not answer, or otherwise than a registry does.
    pub async fn schema(&self, id: u32) -> Result<Option<String>, RegistryError> {
        match get_schema_by_id(id, &self.settings).await {
            Ok(registered) => Ok(Some(registered.schema)),
            Err(error) if status_of(&error) == Some(404) => Ok(None),
            Err(error) => Err(self.refused("a schema id", &error)),
        }
    }

    /// Sets the subject's compatibility unless it is strict enough; false when the registry does
    /// not know the subject.
    async fn require_backward(&self, subject: &str) -> Result<bool, RegistryError> {
        let path = format!("config/{subject}");
        let now = self.send(self.request(Method::GET, &path)).await?;
        if now.status().is_success() {
            let now: Compatibility = now.json().await.map_err(|error| self.away(error))?;
            if STRICT_ENOUGH.contains(&now.compatibility_level.as_str()) {
                return Ok(true);
            }
            let was = now.compatibility_level;
            tracing::info!(subject, was, "setting the compatibility to BACKWARD");
        } else if now.status() != StatusCode::NOT_FOUND {
            return Err(self.answer(now).await);
        }
        let body = serde_json::json!({ "compatibility": BACKWARD }).to_string();
        let request = self.request(Method::PUT, &path).body(body);
        let set = self.send(request).await?;
        match set.status() {
            status if status.is_success() => Ok(true),
            StatusCode::NOT_FOUND => Ok(false),
            _ => Err(self.answer(set).await),
        }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self
            .http
            .request(method, format!("{}/{path}", self.config.address()))
            .header("content-type", CONTENT_TYPE)
            .header("accept", CONTENT_TYPE);
        if self.config.username.is_empty() {
            return request;
        }
        request.basic_auth(&self.config.username, Some(self.config.password.expose()))
    }

    async fn send(&self, request: RequestBuilder) -> Result<reqwest::Response, RegistryError> {
        request.send().await.map_err(|error| self.away(error))
    }

    fn away(&self, error: reqwest::Error) -> RegistryError {
        let error = error.without_url();
        // The reason is at the bottom: "connection refused".
        let reason = causes(&error).last().map(ToString::to_string);
        RegistryError::Away {
            url: self.config.url.clone(),
            reason: reason.unwrap_or_default(),
        }
    }

    async fn answer(&self, response: reqwest::Response) -> RegistryError {
        let status = response.status().as_u16();
        let said = response.json::<RawError>().await;
        self.classify(
            status,
            said.map_or_else(|_| String::new(), |raw| raw.message),
        )
    }

    /// What an error of the client crate means.
    fn refused(&self, subject: &str, error: &SRCError) -> RegistryError {
        let raw = error.source().and_then(|s| s.downcast_ref::<RawError>());
        let message = raw.map_or_else(
            || error.cause.clone().unwrap_or_else(|| error.error.clone()),
            |raw| raw.message.clone(),
        );
        match status_of(error) {
            Some(409) => RegistryError::Incompatible {
                subject: subject.to_owned(),
                reason: message,
            },
            Some(status) => self.classify(status, message),
            None if error.retriable => RegistryError::Away {
                url: self.config.url.clone(),
                reason: message,
            },
            None => self.classify(StatusCode::OK.as_u16(), message),
        }
    }

    fn classify(&self, status: u16, reason: String) -> RegistryError {
        let url = self.config.url.clone();
        match status {
            401 | 403 => RegistryError::Login { url, status },
            408 | 429 | 500.. => RegistryError::Away {
                url,
                reason: format!("it answered {status} {reason}"),
            },
            _ => RegistryError::Answer {
                url,
                status,
                reason,
            },
        }
    }
}
