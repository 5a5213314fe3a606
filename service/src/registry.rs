//! A client of the schema registry, as `[registry]` says, and what its errors mean.

use std::time::Duration;

use reqwest::Url;
use schema_registry_converter::async_impl::schema_registry::SrSettings;
use schema_registry_converter::error::SRCError;

use crate::config::RegistryConfig;
use crate::tls::{self, CaError};

/// Longest time for one answer of the registry.
pub const TIMEOUT: Duration = Duration::from_secs(10);

/// The section `[registry]` cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RegistrySettingsError {
    /// The address is none.
    #[error("registry.url = {url:?} is not an address: {reason}")]
    Address {
        /// The address as configured.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Whom to trust cannot be read.
    #[error("registry.ca_location is not usable")]
    Trust(#[from] CaError),
    /// There is no HTTP client to be had.
    #[error("cannot make a client for the schema registry: {0}")]
    Client(String),
}

/// What `schema_registry_converter` asks with. No request is made yet.
///
/// # Errors
/// The section cannot be used.
pub fn settings(config: &RegistryConfig) -> Result<SrSettings, RegistrySettingsError> {
    let url = config.address();
    if let Err(error) = Url::parse(url) {
        return Err(RegistrySettingsError::Address {
            url: url.to_owned(),
            reason: error.to_string(),
        });
    }
    let mut builder = SrSettings::new_builder(url.to_owned());
    builder.set_timeout(TIMEOUT);
    if !config.username.is_empty() {
        builder.set_basic_authorization(&config.username, Some(config.password.expose()));
    }
    let built = builder.build_with(tls::client(&config.ca_location)?);
    built.map_err(|error| RegistrySettingsError::Client(error.to_string()))
}

/// The HTTP status behind an error, which the client crate only puts into its text: "HTTP
/// request to schema registry failed with status 409 Conflict". None when there was no answer, or
/// one that could not be read.
pub fn status_of(error: &SRCError) -> Option<u16> {
    let (_, after) = error.error.rsplit_once("status ")?;
    after.split_whitespace().next()?.parse().ok()
}
