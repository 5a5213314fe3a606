//! Why the producer ended.

use service::fault::{Fault, Faulty};

use crate::kafka::PublishError;
use crate::opensky::FetchError;
use crate::registry::RegistryError;

/// Why the producer ended.
#[derive(Debug, thiserror::Error)]
pub enum ProducerError {
    /// The configuration contradicts itself.
    #[error("{0}")]
    Configuration(String),
    /// OpenSky cannot be asked.
    #[error(transparent)]
    OpenSky(#[from] FetchError),
    /// Kafka does not take the polls.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The registry does not take the schema.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

impl Faulty for ProducerError {
    fn fault(&self) -> Fault {
        match self {
            ProducerError::Configuration(_) => Fault::Configuration,
            ProducerError::OpenSky(error) => error.fault(),
            ProducerError::Publish(error) => error.fault(),
            ProducerError::Registry(error) => error.fault(),
        }
    }

    fn retryable(&self) -> bool {
        match self {
            ProducerError::Configuration(_) => false,
            ProducerError::OpenSky(error) => error.retryable(),
            ProducerError::Publish(error) => error.retryable(),
            ProducerError::Registry(error) => error.retryable(),
        }
    }
}
