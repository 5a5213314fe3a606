//! Writer schemas, by the id in front of every message.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use schema_registry_converter::async_impl::schema_registry::{
    SrSettings, get_all_versions, get_schema_by_id,
};
use schema_registry_converter::schema_registry_common::{RegisteredSchema, SchemaType};
use service::config::RegistryConfig;
use service::fault::chain;
use service::registry::{settings, status_of};

use crate::ConsumerError;
use crate::decode::WriterSchema;

/// How long a registry must say that it has no schema of an id.
const BELIEVED_AFTER: Duration = Duration::from_secs(5);

/// The schema registry.
///
/// That it has no schema of an id makes records dead letters, so it is believed only when the
/// registry says just that (404), again after some seconds, and knows the topic's own subject. One
/// that has lost its memory, is still loading it, or answers in any other way counts as away.
pub struct Registry {
    url: String,
    subject: String,
    settings: SrSettings,
    believed_after: Duration,
    /// What it gave for ids of a question that it has not answered in full.
    given: HashMap<u32, WriterSchema>,
    /// Since when it has said that it has none of an id.
    denied: HashMap<u32, Instant>,
}

impl Registry {
    /// Prepares to ask; nothing is sent yet.
    pub fn new(config: &RegistryConfig, topic: &str) -> Result<Registry, ConsumerError> {
        let settings =
            settings(config).map_err(|error| ConsumerError::Configuration(chain(&error)))?;
        Ok(Registry {
            url: config.url.clone(),
            subject: contract::names::value_subject(topic),
            settings,
            believed_after: BELIEVED_AFTER,
            given: HashMap::new(),
            denied: HashMap::new(),
        })
    }

    /// What the registry says of these ids, in their order. They are asked for together, so that
    /// many of which there is none take no longer than one.
    ///
    /// # Errors
    /// The registry does not say, or cannot be believed yet: ask again for the same ids. An id
    /// that a registry in its right mind does not know is an answer, not an error.
    pub async fn schemas(
        &mut self,
        ids: &[u32],
    ) -> Result<Vec<(u32, WriterSchema)>, ConsumerError> {
        let mut doubted = None;
        for id in ids {
            if self.given.contains_key(id) {
                continue;
            }
            match get_schema_by_id(*id, &self.settings).await {
                Ok(registered) => {
                    self.denied.remove(id);
                    self.given.insert(*id, writer_schema(*id, registered));
                }
                Err(error) if status_of(&error) == Some(404) => {
                    if doubted.is_none() {
                        self.check_subject(*id).await?;
                    }
                    let since = self.denied.entry(*id).or_insert_with(Instant::now);
                    doubted =
                        doubted.max(Some(self.believed_after.saturating_sub(since.elapsed())));
                }
                Err(error) => {
                    // What it said before may have been a part of the same trouble.
                    self.denied.clear();
                    return Err(self.away(format!("cannot get schema {id}: {}", chain(&error))));
                }
            }
        }
        if let Some(left) = doubted.filter(|left| !left.is_zero()) {
            let denied = self.denied.keys().collect::<Vec<_>>();
            return Err(self.away(format!(
                "it has no schema {denied:?}; if it still says so in {:.0} s, their records are dead letters",
                left.as_secs_f64().ceil()
            )));
        }
        let (mut given, denied) = (
            std::mem::take(&mut self.given),
            std::mem::take(&mut self.denied),
        );
        let answer = |id: &u32| match given.remove(id) {
            Some(schema) => (*id, schema),
            None => {
                let seconds = denied.get(id).map_or(0, |since| since.elapsed().as_secs());
                let reason =
                    format!("the registry has no schema {id}, and said so for {seconds} s");
                (*id, WriterSchema::None(reason))
            }
        };
        Ok(ids.iter().map(answer).collect())
    }

    /// Whether it knows the topic's own subject, as one that has not lost its schemas does.
    async fn check_subject(&mut self, id: u32) -> Result<(), ConsumerError> {
        let versions = get_all_versions(&self.settings, self.subject.clone()).await;
        if versions.is_ok_and(|versions| !versions.is_empty()) {
            return Ok(());
        }
        self.denied.clear();
        Err(self.away(format!(
            "it knows neither schema {id} nor the subject {}; waiting for the producer to register it",
            self.subject
        )))
    }

    fn away(&self, reason: String) -> ConsumerError {
        ConsumerError::Registry {
            url: self.url.clone(),
            reason,
        }
    }
}

fn writer_schema(id: u32, registered: RegisteredSchema) -> WriterSchema {
    match registered.schema_type {
        SchemaType::Avro if registered.references.is_empty() => {
            WriterSchema::Avro(registered.schema)
        }
        SchemaType::Avro => WriterSchema::None(format!("schema {id} refers to other schemas")),
        other => WriterSchema::None(format!("schema {id} is {other:?}, not Avro")),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::{Arc, Mutex};

    use super::*;
    use axum::Router;
    use axum::extract::{Request, State};
    use axum::http::StatusCode;
    use axum::response::{IntoResponse, Response};
    use tokio::net::TcpListener;

    const SCHEMA: &str = r#"{"schema":"\"string\""}"#;

    /// Answers that are given in turn to questions for schemas; the last one for ever.
    type Answers = Arc<Mutex<VecDeque<(u16, &'static str)>>>;

    async fn answer(State(answers): State<Answers>, request: Request) -> Response {
        if request.uri().path() == "/subjects/t-value/versions" {
            return "[1]".into_response();
        }
        assert!(request.uri().path().starts_with("/schemas/ids/"));
        let mut answers = answers.lock().unwrap();
        let (status, body) = match answers.len() {
            1 => answers[0],
            _ => answers.pop_front().unwrap(),
        };
        (StatusCode::from_u16(status).unwrap(), body).into_response()
    }

    async fn registry(answers: &[(u16, &'static str)], believed_after: Duration) -> Registry {
        let answers: Answers = Arc::new(Mutex::new(answers.iter().copied().collect()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        // As people write it, with a slash at the end.
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(answers);
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let config = RegistryConfig {
            url,
            ..RegistryConfig::default()
        };
        Registry {
            believed_after,
            ..Registry::new(&config, "t").unwrap()
        }
    }

    fn string(id: u32) -> (u32, WriterSchema) {
        (id, WriterSchema::Avro("\"string\"".to_owned()))
    }

    #[tokio::test]
    async fn only_an_answer_that_says_so_is_taken_for_no_schema() {
        for trouble in [(500, ""), (504, ""), (429, ""), (408, ""), (200, "{\"sche")] {
            let mut registry = registry(&[trouble, (200, SCHEMA)], Duration::ZERO).await;
            let error = registry.schemas(&[7]).await.unwrap_err().to_string();
            assert!(error.contains("schema 7"), "{trouble:?}: {error}");
            assert_eq!(registry.schemas(&[7]).await.unwrap(), [string(7)]);
        }
    }

    #[tokio::test]
    async fn a_registry_that_finds_the_schema_after_all_costs_no_record() {
        let mut registry = registry(&[(404, ""), (200, SCHEMA)], Duration::from_secs(3600)).await;
        let error = registry.schemas(&[7]).await.unwrap_err().to_string();
        assert!(error.contains("it has no schema [7]"), "{error}");
        assert_eq!(registry.schemas(&[7]).await.unwrap(), [string(7)]);
    }

    #[tokio::test]
    async fn what_is_denied_for_long_enough_is_believed() {
        let answers = [(200, SCHEMA), (404, "")];
        let mut registry = registry(&answers, Duration::from_millis(200)).await;
        assert!(registry.schemas(&[7, 8, 9]).await.is_err());
        let mut attempts = 1;
        let answered = loop {
            match registry.schemas(&[7, 8, 9]).await {
                Ok(answered) => break answered,
                Err(_) => attempts += 1,
            }
            assert!(attempts < 1_000);
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        assert!(attempts > 1, "believed at once");
        assert_eq!(answered[0], string(7));
        for (id, schema) in &answered[1..] {
            let WriterSchema::None(reason) = schema else {
                panic!("schema {id} is {schema:?}");
            };
            assert!(reason.contains(&format!("no schema {id}")), "{reason}");
        }
    }
}
