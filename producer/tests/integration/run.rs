//! The whole producer: scripted answers in, records out.
use std::path::Path;

use crate::common::{DEADLINE, Scripted, body, config, until};
use axum::http::StatusCode;
use producer::{Config, ProducerError, Progress};
use serde_json::json;
use service::health::Health;
use service::shutdown::Shutdown;
use tokio::sync::watch;
use tokio::task::JoinHandle;

struct Running {
    progress: watch::Receiver<Progress>,
    health: Health,
    shutdown: Shutdown,
    task: JoinHandle<Result<Progress, ProducerError>>,
}

impl Running {
    fn start(config: Config) -> Running {
        let (sender, progress) = watch::channel(Progress::default());
        let (health, shutdown) = (Health::new(), Shutdown::new());
        let task = tokio::spawn(producer::run(
            config,
            health.clone(),
            shutdown.clone(),
            Some(sender),
        ));
        Running {
            progress,
            health,
            shutdown,
            task,
        }
    }

    /// Waits until the progress is as `reached` wants it.
    async fn until(&mut self, what: &str, reached: impl Fn(&Progress) -> bool) -> Progress {
        let wait = self.progress.wait_for(|progress| reached(progress));
        match tokio::time::timeout(DEADLINE, wait).await {
            Ok(Ok(progress)) => progress.clone(),
            Ok(Err(_)) => panic!("the producer ended before {what}"),
            Err(_) => panic!("{what} did not happen in time"),
        }
    }

    async fn stop(self) -> Progress {
        self.shutdown.trigger();
        self.task.await.unwrap().unwrap()
    }
}

/// A registry that takes the schema as 1, as often as it is asked.
async fn registry() -> Scripted {
    let registry = Scripted::start().await;
    for _ in 0..4 {
        registry.then(json!({"compatibilityLevel": "BACKWARD"}).to_string());
        registry.then(json!({"id": 1}).to_string());
    }
    registry
}

async fn set_up(dir: &Path, pairs: &[(&str, &str)]) -> (Scripted, Scripted, Config) {
    let (opensky, registry) = (Scripted::start().await, registry().await);
    let brokers = noida::kafka::spawn("127.0.0.1:0").unwrap().to_string();
    let quarantine = dir.join("quarantine").display().to_string();
    let token_url = format!("{}/token", opensky.url);
    let mut all = vec![
        ("kafka.brokers", brokers.as_str()),
        ("registry.url", &registry.url),
        ("producer.opensky.base_url", &opensky.url),
        ("producer.opensky.token_url", &token_url),
        ("producer.quarantine.dir", &quarantine),
        // A fetch may take nine tenths of it, on a busy machine too: failed ones are counted.
        ("producer.interval", "2s"),
    ];
    all.extend_from_slice(pairs);
    let config = config(&all);
    (opensky, registry, config)
}

#[tokio::test]
async fn polls_are_published_and_what_is_not_newer_is_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let (opensky, _registry, config) = set_up(dir.path(), &[]).await;
    opensky
        .then(body(100, 30))
        .then(body(100, 30))
        .then(body(97, 30));
    opensky
        .then(body(110, 20))
        .then(r#"{"time":120,"states":null}"#)
        .then(body(130, 5));
    let mut running = Running::start(config);
    let progress = running
        .until("the last poll", |p| p.last_time == Some(130))
        .await;
    assert_eq!(
        (progress.polls, progress.rows, progress.dropped),
        (4, 55, 2)
    );
    assert_eq!((progress.failed, &progress.last_error), (0, &None));
    assert!(!progress.offsets.is_empty());
    assert!(running.health.status().ready);
    running.stop().await;
}

#[tokio::test]
async fn what_was_published_is_known_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (opensky, registry, config) = set_up(dir.path(), &[]).await;
    opensky.then(body(100, 30)).then(body(200, 1));
    let mut running = Running::start(config.clone());
    running
        .until("the second poll", |p| p.last_time == Some(200))
        .await;
    running.stop().await;

    // Seen again, and older ones: not published. Registered under another id: read all the same.
    opensky
        .then(body(200, 1))
        .then(body(150, 9))
        .then(body(300, 2));
    let mut running = Running::start(config.clone());
    let progress = running
        .until("the third poll", |p| p.last_time == Some(300))
        .await;
    assert_eq!((progress.polls, progress.rows, progress.dropped), (1, 2, 2));
    running.stop().await;

    let other = Scripted::start().await;
    other.then(json!({"compatibilityLevel": "FULL"}).to_string());
    other.then(json!({"id": 2}).to_string());
    for _ in 0..3 {
        let schema = contract::avro::FLIGHT_STATE_SCHEMA;
        other.then(json!({ "schema": schema }).to_string());
    }
    opensky.then(body(300, 4)).then(body(400, 4));
    let mut config = config;
    config.registry.url = other.url.clone();
    let mut running = Running::start(config);
    let progress = running
        .until("the fourth poll", |p| p.last_time == Some(400))
        .await;
    assert_eq!((progress.polls, progress.dropped), (1, 1));
    running.stop().await;
    drop(registry);
}

#[tokio::test]
async fn a_caller_may_know_more_than_the_topic() {
    let dir = tempfile::tempdir().unwrap();
    let (opensky, _registry, config) = set_up(dir.path(), &[]).await;
    opensky.then(body(100, 3)).then(body(101, 3));
    let (sender, mut progress) = watch::channel(Progress::default());
    let shutdown = Shutdown::new();
    let task = tokio::spawn(producer::run_after(
        config,
        Health::new(),
        shutdown.clone(),
        Some(sender),
        Some(100),
    ));
    progress
        .wait_for(|p| p.last_time == Some(101))
        .await
        .unwrap();
    shutdown.trigger();
    let summary = task.await.unwrap().unwrap();
    assert_eq!((summary.polls, summary.dropped), (1, 1));
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_kept_and_the_next_poll_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let (opensky, _registry, config) = set_up(dir.path(), &[]).await;
    let cut = body(110, 20)[..500].to_owned();
    let mut one_bad = body(115, 3);
    one_bad = one_bad.replacen("230.1", "\"fast\"", 1);
    opensky
        .then(body(100, 3))
        .then("<html>busy</html>")
        .then(cut.clone())
        .then(one_bad);
    opensky.then(body(120, 4));
    let mut running = Running::start(config);
    let progress = running
        .until("the poll after", |p| p.last_time == Some(120))
        .await;
    assert_eq!((progress.polls, progress.rows, progress.failed), (2, 7, 3));
    assert!(
        progress
            .last_error
            .unwrap()
            .contains("row 0, field 9 (velocity)")
    );
    running.stop().await;

    let mut bodies = Vec::new();
    let mut errors = String::new();
    for entry in std::fs::read_dir(dir.path().join("quarantine")).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        match path.extension().unwrap().to_str().unwrap() {
            "body" => bodies.push(text),
            _ => errors.push_str(&text),
        }
    }
    bodies.sort();
    assert_eq!(bodies.len(), 3);
    assert!(bodies.contains(&cut) && bodies.contains(&"<html>busy</html>".to_owned()));
    assert!(errors.contains("cut off after 500 bytes"), "{errors}");
    assert!(errors.contains("not a JSON object"), "{errors}");
}

#[tokio::test]
async fn a_poll_of_a_time_to_come_is_kept_from_the_topic() {
    let dir = tempfile::tempdir().unwrap();
    let (opensky, _registry, config) = set_up(dir.path(), &[]).await;
    let now = chrono::Utc::now().timestamp();
    // Milliseconds, a clock that is a day ahead, and one that is seconds ahead.
    opensky
        .then(body(now * 1000, 3))
        .then(body(now + 86_400, 3));
    opensky.then(body(now + 5, 3)).then(body(now + 15, 3));
    let mut running = Running::start(config);
    let progress = running
        .until("the poll of now", |p| p.last_time == Some(now + 15))
        .await;
    assert_eq!((progress.polls, progress.failed), (2, 2));
    running.stop().await;
    let kept = std::fs::read_dir(dir.path().join("quarantine")).unwrap();
    assert_eq!(kept.count(), 4, "two bodies with their errors");
}

#[tokio::test]
async fn polls_that_stay_the_same_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let (opensky, _registry, config) = set_up(dir.path(), &[("producer.interval", "150ms")]).await;
    for _ in 0..100 {
        opensky.then(body(100, 3));
    }
    let mut running = Running::start(config);
    running.until("the first", |p| p.polls == 1).await;
    let progress = running.until("many more", |p| p.dropped >= 20).await;
    assert!(progress.last_error.unwrap().contains("not newer than 100"));
    assert!(!running.health.status().ready);
    running.stop().await;
}

#[tokio::test]
async fn a_failing_opensky_is_asked_again() {
    let dir = tempfile::tempdir().unwrap();
    let (opensky, _registry, config) = set_up(dir.path(), &[("producer.interval", "20s")]).await;
    opensky
        .then(StatusCode::BAD_GATEWAY)
        .then(StatusCode::SERVICE_UNAVAILABLE);
    opensky.then(body(100, 3));
    let mut running = Running::start(config);
    // Within the first poll: the second one would come too late for the test.
    let progress = running.until("the poll", |p| p.polls == 1).await;
    assert_eq!(progress.failed, 0);
    running.stop().await;
}

#[tokio::test]
async fn a_rate_limit_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let (opensky, _registry, config) = set_up(dir.path(), &[("producer.interval", "1s")]).await;
    let limit = [("X-Rate-Limit-Retry-After-Seconds", "5")];
    opensky.then((StatusCode::TOO_MANY_REQUESTS, limit, ""));
    opensky.then(body(100, 3));
    let began = tokio::time::Instant::now();
    let mut running = Running::start(config);
    running.until("the limit", |p| p.failed == 1).await;
    assert!(!running.health.status().ready);
    assert_eq!(opensky.asked().len(), 1);
    running.until("the poll", |p| p.polls == 1).await;
    let took = began.elapsed();
    assert!(took.as_secs() >= 5, "asked again after {took:?}");
    running.stop().await;
}

#[tokio::test]
async fn wrong_credentials_end_it() {
    let dir = tempfile::tempdir().unwrap();
    let pairs = [
        ("producer.opensky.client_id", "me"),
        ("producer.opensky.client_secret", "hunter2"),
    ];
    let (opensky, _registry, config) = set_up(dir.path(), &pairs).await;
    opensky.then((
        StatusCode::UNAUTHORIZED,
        json!({"error": "invalid_client"}).to_string(),
    ));
    let running = Running::start(config);
    let error = running.task.await.unwrap().unwrap_err();
    assert!(
        error.to_string().contains("producer.opensky.client_id"),
        "{error}"
    );
    assert!(!running.health.status().ready);
}

#[tokio::test]
async fn the_registry_is_waited_for_and_then_not_needed() {
    let dir = tempfile::tempdir().unwrap();
    let (opensky, _registry, mut config) = set_up(dir.path(), &[]).await;
    let registry = Scripted::start().await;
    registry
        .then(StatusCode::SERVICE_UNAVAILABLE)
        .then(StatusCode::SERVICE_UNAVAILABLE);
    registry.then(json!({"compatibilityLevel": "BACKWARD"}).to_string());
    registry.then(json!({"id": 1}).to_string());
    config.registry.url = registry.url.clone();
    opensky.then(body(100, 3)).then(body(101, 3));
    let mut running = Running::start(config);
    // The script has ended: from here on the registry answers with errors only.
    running.until("both polls", |p| p.polls == 2).await;
    assert_eq!(registry.asked().len(), 4);
    running.stop().await;
}

#[tokio::test]
async fn it_ends_while_it_waits_for_the_registry() {
    let dir = tempfile::tempdir().unwrap();
    let (_opensky, _registry, mut config) = set_up(dir.path(), &[]).await;
    let registry = Scripted::start().await;
    config.registry.url = registry.url.clone();
    let running = Running::start(config);
    until("a request to the registry", async || {
        (registry.asked().len() > 1).then_some(())
    })
    .await;
    assert!(!running.health.status().ready);
    assert_eq!(running.stop().await, Progress::default());
}

#[tokio::test]
async fn an_incompatible_schema_ends_it() {
    let dir = tempfile::tempdir().unwrap();
    let (_opensky, _registry, mut config) = set_up(dir.path(), &[]).await;
    let registry = Scripted::start().await;
    registry.then(json!({"compatibilityLevel": "BACKWARD"}).to_string());
    let refused = json!({"error_code": 409, "message": "incompatible"}).to_string();
    registry.then((StatusCode::CONFLICT, refused));
    config.registry.url = registry.url.clone();
    let error = Running::start(config).task.await.unwrap().unwrap_err();
    assert!(matches!(error, ProducerError::Registry(_)), "{error}");
}
