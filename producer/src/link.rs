//! The way into the topic: a publisher that is made anew when it breaks.
//!
//! A broken publisher leaves open whether its last poll was published. Its successor ends the
//! open transaction by connecting; then the topic itself says, and a poll that is there already
//! is not published again.

use contract::{Poll, avro, wire};
use service::config::KafkaConfig;
use service::retry::{RetryPolicy, retry};
use service::shutdown::Shutdown;
use tokio::sync::Mutex;

use crate::config::{Config, ProducerConfig};
use crate::error::ProducerError;
use crate::kafka::PublishError;
use crate::newest;
use crate::publish::{Published, Publisher, Stamp, blocking};
use crate::registry::Registry;

/// The way into the topic.
pub(crate) struct Link {
    kafka: KafkaConfig,
    config: ProducerConfig,
    registry: Registry,
    schema_id: u32,
    publisher: Mutex<Option<Publisher>>,
}

impl Link {
    /// Connects to Kafka, which must answer, and registers the schema, waiting for a registry
    /// that is away.
    pub(crate) async fn open(config: &Config, shutdown: &Shutdown) -> Result<Link, ProducerError> {
        let registry = Registry::new(&config.registry)?;
        let publisher = Publisher::connect(&config.kafka, &config.producer).await?;
        let schema_id = retry(
            &RetryPolicy::default(),
            "register the schema",
            service::fault::Faulty::retryable,
            shutdown,
            || registry.register(&config.producer.topic, avro::FLIGHT_STATE_SCHEMA),
        )
        .await?;
        tracing::info!(schema_id, "the schema is registered");
        Ok(Link {
            kafka: config.kafka.clone(),
            config: config.producer.clone(),
            registry,
            schema_id,
            publisher: Mutex::new(Some(publisher)),
        })
    }

    /// Id of the contract's schema.
    pub(crate) fn schema_id(&self) -> u32 {
        self.schema_id
    }

    /// Publishes `poll`, unless it turns out that a publisher that broke has done so.
    pub(crate) async fn publish(
        &self,
        poll: &Poll,
        stamp: Stamp,
    ) -> Result<Published, PublishError> {
        let mut slot = self.publisher.lock().await;
        let publisher = match &*slot {
            Some(publisher) => publisher.clone(),
            None => {
                let publisher = Publisher::connect(&self.kafka, &self.config).await?;
                let newest = self.newest_time().await?;
                *slot = Some(publisher.clone());
                if newest.is_some_and(|newest| newest >= poll.time) {
                    tracing::info!(time = poll.time, "the poll had been published after all");
                    return Ok(Published {
                        rows: poll.states.len() as u64,
                        ..Published::default()
                    });
                }
                publisher
            }
        };
        let result = publisher.publish(poll, stamp).await;
        if let Err(PublishError::Broken { .. } | PublishError::Thread { .. }) = &result {
            *slot = None;
        }
        result
    }

    /// Time of the newest poll in the topic, in seconds since the epoch; none when it has none
    /// that can be read.
    pub(crate) async fn newest_time(&self) -> Result<Option<i64>, PublishError> {
        let (kafka, config) = (self.kafka.clone(), self.config.clone());
        let records =
            blocking(move |cancelled| newest::records(&kafka, &config, cancelled)).await?;
        let mut newest = None;
        for record in records {
            match time_of(&record, self.schema_id, &self.registry).await? {
                Some(time) => newest = newest.max(Some(time)),
                None => tracing::warn!(
                    topic = self.config.topic,
                    "the newest record of a partition is not a state vector, passing over it"
                ),
            }
        }
        Ok(newest)
    }
}

/// The `snapshot_time` of a record, in seconds since the epoch; none when it can be told that it
/// has none. `contract_id` is the id of the contract's schema.
///
/// # Errors
/// The registry does not say what the record was written with. What is in the topic would be
/// published again by whoever took that for a record without a time.
async fn time_of(
    record: &[u8],
    contract_id: u32,
    registry: &Registry,
) -> Result<Option<i64>, PublishError> {
    let Ok((id, body)) = wire::parse(record) else {
        return Ok(None);
    };
    if id == contract_id {
        return Ok(newest::snapshot_time(avro::FLIGHT_STATE_SCHEMA, body));
    }
    let schema = registry.schema(id).await;
    let schema = schema.map_err(|error| PublishError::Schema {
        id,
        reason: error.to_string(),
    })?;
    Ok(schema.and_then(|schema| newest::snapshot_time(&schema, body)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::http::StatusCode;
    use axum::response::{IntoResponse, Response};
    use contract::{FlightState, Source};
    use service::config::RegistryConfig;
    use service::fault::Faulty;
    use tokio::net::TcpListener;

    const TIME: i64 = 1_745_700_530;

    /// A registry that gives everybody the same answer.
    async fn registry<A>(answer: A) -> Registry
    where
        A: IntoResponse + Clone + Send + Sync + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let answer = move || {
            let response: Response = answer.clone().into_response();
            async move { response }
        };
        let router = Router::new().fallback(answer);
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let config = RegistryConfig {
            url,
            ..RegistryConfig::default()
        };
        Registry::new(&config).unwrap()
    }

    fn record(id: u32) -> Vec<u8> {
        let (mut record, state) = (Vec::new(), FlightState::default());
        avro::encode(&mut record, id, &state, TIME * 1_000_000, 0, Source::Live);
        record
    }

    #[tokio::test]
    async fn only_what_cannot_be_decoded_is_passed_over() {
        let schema = serde_json::json!({ "schema": avro::FLIGHT_STATE_SCHEMA }).to_string();
        let knows = registry(schema).await;
        assert_eq!(time_of(&record(1), 1, &knows).await.unwrap(), Some(TIME));
        assert_eq!(time_of(&record(2), 1, &knows).await.unwrap(), Some(TIME));
        assert_eq!(time_of(b"{}", 1, &knows).await.unwrap(), None);
        assert_eq!(time_of(&record(2)[..9], 1, &knows).await.unwrap(), None);
        let knows_not = registry(StatusCode::NOT_FOUND).await;
        assert_eq!(time_of(&record(2), 1, &knows_not).await.unwrap(), None);
        assert_eq!(
            time_of(&record(1), 1, &knows_not).await.unwrap(),
            Some(TIME)
        );
    }

    #[tokio::test]
    async fn a_registry_that_does_not_say_is_asked_again() {
        for answer in [408, 429, 500, 502, 503, 504] {
            let answer = StatusCode::from_u16(answer).unwrap();
            let error = time_of(&record(2), 1, &registry(answer).await).await;
            let error = error.unwrap_err();
            assert!(error.retryable(), "{error}");
        }
        let error = time_of(&record(2), 1, &registry("<html>").await).await;
        assert!(error.unwrap_err().retryable());
    }
}
