//! What can end the consumer.

use std::time::Duration;

use lake::LakeError;
use service::fault::{Fault, Faulty};

/// An error the consumer cannot go on from.
#[derive(Debug, thiserror::Error)]
pub enum ConsumerError {
    /// The configuration contradicts itself.
    #[error("{0}")]
    Configuration(String),
    /// Kafka cannot be reached, or refuses.
    #[error("{action}: {reason}")]
    Kafka {
        /// What was being done.
        action: String,
        /// What Kafka, or the client, said.
        reason: String,
        /// Whether the configuration is to be corrected.
        fault: Fault,
    },
    /// The topic is not the one whose positions the table holds.
    #[error(
        "topic {topic} was made again: the table holds positions of topic id {stored}, Kafka has {actual}; if that was intended set consumer.accept_recreated_topic = true to read the new one from its beginning"
    )]
    TopicRecreated {
        /// Name of the topic.
        topic: String,
        /// The id in the table.
        stored: String,
        /// The id Kafka gives.
        actual: String,
    },
    /// Records between the table's position and the topic's beginning are gone.
    #[error(
        "partition {partition} of {topic} starts at offset {earliest}, the table at {stored}: {} records are gone from Kafka and not in the table; set consumer.accept_lost_records = true to go on without them", earliest - stored
    )]
    RecordsLost {
        /// Name of the topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// Where the table stands.
        stored: i64,
        /// The first offset Kafka still has.
        earliest: i64,
    },
    /// A position in the table is not a number.
    #[error("table property {key} = {value:?} is not an offset; the table was changed by hand")]
    Position {
        /// The property.
        key: String,
        /// Its value.
        value: String,
    },
    /// A new field cannot become a column.
    #[error(
        "the topic's schema has new fields that the table cannot have ({columns}); register it with fields of other types, or keep the producer that uses it from the topic"
    )]
    Column {
        /// The fields, by name.
        columns: String,
        /// What Iceberg said.
        source: Box<iceberg::Error>,
    },
    /// The lake failed.
    #[error(transparent)]
    Lake(#[from] LakeError),
    /// Iceberg failed in a way that trying again does not mend.
    #[error("{action}")]
    Iceberg {
        /// What was being done.
        action: String,
        /// What Iceberg said.
        source: Box<iceberg::Error>,
    },
    /// The catalog said nothing.
    #[error("no answer within {} s", .0.as_secs())]
    NoAnswer(
        /// For so long.
        Duration,
    ),
    /// Arrow failed on rows that were already checked.
    #[error("{action}")]
    Arrow {
        /// What was being done.
        action: String,
        /// What Arrow said.
        source: arrow::error::ArrowError,
    },
    /// The schema registry refuses.
    #[error("schema registry {url}: {reason}")]
    Registry {
        /// Where it is.
        url: String,
        /// What it said.
        reason: String,
    },
    /// A thread of the consumer ended unexpectedly.
    #[error("the consumer's {0} thread ended unexpectedly")]
    Thread(&'static str),
    /// A fail-point of a test.
    #[error("a test asked for a failure at {0}")]
    Injected(&'static str),
}

impl ConsumerError {
    pub(crate) fn iceberg(action: impl Into<String>) -> impl FnOnce(iceberg::Error) -> Self {
        let action = action.into();
        move |source| ConsumerError::Iceberg {
            action,
            source: Box::new(source),
        }
    }

    pub(crate) fn arrow(
        action: impl Into<String>,
    ) -> impl FnOnce(arrow::error::ArrowError) -> Self {
        let action = action.into();
        move |source| ConsumerError::Arrow { action, source }
    }
}

impl Faulty for ConsumerError {
    fn fault(&self) -> Fault {
        match self {
            ConsumerError::Configuration(_)
            | ConsumerError::TopicRecreated { .. }
            | ConsumerError::RecordsLost { .. } => Fault::Configuration,
            ConsumerError::Kafka { fault, .. } => *fault,
            ConsumerError::Lake(error) => error.fault(),
            ConsumerError::Iceberg { .. }
            | ConsumerError::NoAnswer(_)
            | ConsumerError::Registry { .. } => Fault::Dependency,
            ConsumerError::Position { .. } | ConsumerError::Column { .. } => Fault::Input,
            ConsumerError::Arrow { .. } | ConsumerError::Thread(_) | ConsumerError::Injected(_) => {
                Fault::Internal
            }
        }
    }

    fn retryable(&self) -> bool {
        match self {
            ConsumerError::Kafka { fault, .. } => *fault == Fault::Dependency,
            ConsumerError::Lake(error) => error.retryable(),
            ConsumerError::Iceberg { .. }
            | ConsumerError::NoAnswer(_)
            | ConsumerError::Registry { .. } => true,
            _ => false,
        }
    }

    fn remedy(&self) -> Option<String> {
        match self {
            ConsumerError::Lake(error) => error.remedy(),
            _ => None,
        }
    }
}
