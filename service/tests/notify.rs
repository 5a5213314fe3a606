//! Notifications on their way to a real HTTP server.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a helper that fails is a test that fails"
)]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use serde_json::Value;
use service::config::NotifyConfig;
use service::fault::{Fault, Faulty};
use service::notify::{Level, Notification, Notifier};

const PATIENCE: Duration = Duration::from_secs(120);

/// A server that refuses the first requests and keeps the others.
#[derive(Clone, Default)]
struct Receiver {
    refuse: Arc<AtomicUsize>,
    asked: Arc<AtomicUsize>,
    bodies: Arc<Mutex<Vec<Value>>>,
}

impl Receiver {
    async fn start(refuse: usize, with: StatusCode) -> (Receiver, NotifyConfig) {
        let receiver = Receiver::default();
        receiver.refuse.store(refuse, Ordering::SeqCst);
        let take = move |State(receiver): State<Receiver>, Json(body): Json<Value>| async move {
            let asked = receiver.asked.fetch_add(1, Ordering::SeqCst);
            if asked < receiver.refuse.load(Ordering::SeqCst) {
                return with;
            }
            receiver.bodies.lock().unwrap().push(body);
            StatusCode::NO_CONTENT
        };
        let router = Router::new()
            .route("/hook/secret", post(take))
            .with_state(receiver.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook/secret", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let config = NotifyConfig {
            webhook: url.as_str().into(),
            ..NotifyConfig::default()
        };
        (receiver, config)
    }

    fn bodies(&self) -> Vec<Value> {
        self.bodies.lock().unwrap().clone()
    }
}

fn blocked() -> Notification {
    Notification::new(
        Level::Error,
        "country_stats is not published",
        "an audit failed",
    )
    .field("audit", "unique(origin_country)")
    .field("value", 3)
}

#[tokio::test]
async fn a_notification_arrives_as_slack_discord_and_people_read_it() {
    let (receiver, config) = Receiver::start(0, StatusCode::OK).await;
    let notifier = Notifier::start(&config).unwrap();
    notifier.send(blocked());
    notifier.finish(PATIENCE).await;
    let bodies = receiver.bodies();
    let [body] = &bodies[..] else {
        panic!("{bodies:?}");
    };
    assert_eq!(body["title"], "country_stats is not published");
    assert_eq!(body["level"], "error");
    assert_eq!(body["fields"]["value"], "3");
    for key in ["text", "content"] {
        let text = body[key].as_str().unwrap();
        assert!(text.contains("audit: unique(origin_country)"), "{text}");
    }
}

#[tokio::test]
async fn a_receiver_that_is_away_for_a_while_gets_it_later_and_once() {
    let (receiver, config) = Receiver::start(2, StatusCode::BAD_GATEWAY).await;
    let notifier = Notifier::start(&config).unwrap();
    notifier.send(blocked());
    // This thread has not given the sending task a turn yet: `send` cannot have waited for it.
    assert_eq!(receiver.asked.load(Ordering::SeqCst), 0);
    notifier.finish(PATIENCE).await;
    assert_eq!(receiver.bodies().len(), 1);
    assert_eq!(receiver.asked.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn what_a_receiver_refuses_is_not_sent_again() {
    let (receiver, config) = Receiver::start(1, StatusCode::FORBIDDEN).await;
    let notifier = Notifier::start(&config).unwrap();
    notifier.send(blocked());
    notifier.send(blocked());
    notifier.finish(PATIENCE).await;
    let bodies = receiver.bodies();
    assert_eq!(bodies.len(), 1);
    assert_eq!(bodies[0]["left_out"], 1);
    assert_eq!(receiver.asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn more_than_the_hour_allows_are_held_back() {
    let (receiver, mut config) = Receiver::start(0, StatusCode::OK).await;
    config.per_hour = 3;
    let notifier = Notifier::start(&config).unwrap();
    for _ in 0..5 {
        notifier.send(blocked());
    }
    notifier.finish(PATIENCE).await;
    assert_eq!(receiver.bodies().len(), 3);
}

#[tokio::test]
async fn nobody_there_costs_the_caller_nothing() {
    let config = NotifyConfig {
        // Port 9 of this machine: nobody listens.
        webhook: "http://127.0.0.1:9/".into(),
        ..NotifyConfig::default()
    };
    let notifier = Notifier::start(&config).unwrap();
    let began = Instant::now();
    for _ in 0..1000 {
        notifier.send(blocked());
    }
    notifier.finish(Duration::from_millis(100)).await;
    assert!(began.elapsed() < Duration::from_secs(5));
    Notifier::log_only().finish(PATIENCE).await;
}

#[tokio::test]
async fn an_address_that_is_none_is_refused_without_being_shown() {
    for webhook in ["hooks.example.org/SECRET", "ftp://x/SECRET", "http://"] {
        let config = NotifyConfig {
            webhook: webhook.into(),
            ..NotifyConfig::default()
        };
        let error = Notifier::start(&config).unwrap_err();
        assert_eq!(error.fault(), Fault::Configuration);
        let text = error.to_string();
        assert!(
            text.contains("notify.webhook") && !text.contains("SECRET"),
            "{text}"
        );
    }
}
