//! How the client deals with everything OpenSky does over HTTP.
use std::time::{Duration, Instant};

use crate::common::{Scripted, body, config};
use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use producer::config::OpenSkyConfig;
use producer::opensky::{FetchError, OpenSky};
use serde_json::json;
use service::fault::{Fault, Faulty};

async fn opensky(server: &Scripted, pairs: &[(&str, &str)]) -> OpenSkyConfig {
    let (base, token) = (
        format!("{}/api/", server.url),
        format!("{}/token", server.url),
    );
    let mut all = vec![
        ("producer.opensky.base_url", base.as_str()),
        ("producer.opensky.token_url", token.as_str()),
        ("producer.opensky.timeout", "2s"),
    ];
    all.extend_from_slice(pairs);
    config(&all).producer.opensky
}

const CREDENTIALS: [(&str, &str); 2] = [
    ("producer.opensky.client_id", "me"),
    ("producer.opensky.client_secret", "hunter2"),
];

fn token(value: &str) -> String {
    json!({"access_token": value, "expires_in": 1800, "token_type": "Bearer"}).to_string()
}

#[tokio::test]
async fn an_anonymous_request_names_the_box() {
    let server = Scripted::start().await;
    server.then(([("x-rate-limit-remaining", "396")], body(7, 2)));
    let pairs = [("producer.opensky.bounding_box", "45.8,5.9,47.8,10.5")];
    let client = OpenSky::new(&opensky(&server, &pairs).await).unwrap();
    let answer = client.states().await.unwrap();
    assert_eq!(answer.body, body(7, 2).as_bytes());
    assert_eq!(answer.credits_left, Some(396));
    let asked = server.asked();
    assert_eq!(
        asked[0].path,
        "/api/states/all?lamin=45.8&lomin=5.9&lamax=47.8&lomax=10.5&extended=1"
    );
    assert_eq!(asked[0].authorization, None);
}

#[tokio::test]
async fn a_token_is_fetched_once_and_again_after_a_401() {
    let server = Scripted::start().await;
    server.then(token("one")).then("a").then("b");
    server
        .then(StatusCode::UNAUTHORIZED)
        .then(token("two"))
        .then("c");
    let client = OpenSky::new(&opensky(&server, &CREDENTIALS).await).unwrap();
    for expected in ["a", "b", "c"] {
        assert_eq!(client.states().await.unwrap().body, expected.as_bytes());
    }
    let asked = server.asked();
    let seen: Vec<_> = asked
        .iter()
        .map(|asked| (asked.path.as_str(), asked.authorization.as_deref()))
        .collect();
    let states = "/api/states/all?extended=1";
    assert_eq!(
        seen,
        [
            ("/token", None),
            (states, Some("Bearer one")),
            (states, Some("Bearer one")),
            (states, Some("Bearer one")),
            ("/token", None),
            (states, Some("Bearer two")),
        ]
    );
    assert_eq!(
        asked[0].body,
        "grant_type=client_credentials&client_id=me&client_secret=hunter2"
    );
}

#[tokio::test]
async fn a_token_at_the_end_of_its_life_is_replaced() {
    let server = Scripted::start().await;
    let short = json!({"access_token": "short", "expires_in": 0}).to_string();
    server.then(short).then("a").then(token("long")).then("b");
    let client = OpenSky::new(&opensky(&server, &CREDENTIALS).await).unwrap();
    client.states().await.unwrap();
    client.states().await.unwrap();
    assert_eq!(
        server.asked()[3].authorization.as_deref(),
        Some("Bearer long")
    );
}

#[tokio::test]
async fn a_token_for_ever_is_a_token() {
    let server = Scripted::start().await;
    let endless = json!({"access_token": "endless", "expires_in": u64::MAX}).to_string();
    server.then(endless).then("a").then("b");
    let client = OpenSky::new(&opensky(&server, &CREDENTIALS).await).unwrap();
    client.states().await.unwrap();
    assert_eq!(client.states().await.unwrap().body, b"b");
}

#[tokio::test]
async fn a_token_that_is_refused_twice_is_an_error() {
    let server = Scripted::start().await;
    server.then(token("one")).then(StatusCode::UNAUTHORIZED);
    server.then(token("two")).then(StatusCode::UNAUTHORIZED);
    let client = OpenSky::new(&opensky(&server, &CREDENTIALS).await).unwrap();
    let error = client.states().await.unwrap_err();
    assert!(matches!(error, FetchError::TokenRefused), "{error}");
    assert_eq!(server.left(), 0);
}

#[tokio::test]
async fn wrong_credentials_name_the_keys_and_no_secret() {
    let server = Scripted::start().await;
    let refused = json!({
        "error": "unauthorized_client",
        "error_description": "Invalid client or Invalid client credentials"
    });
    server.then((StatusCode::UNAUTHORIZED, refused.to_string()));
    let client = OpenSky::new(&opensky(&server, &CREDENTIALS).await).unwrap();
    let error = client.states().await.unwrap_err();
    assert_eq!(error.fault(), Fault::Configuration);
    assert!(!error.retryable());
    let text = error.to_string();
    for part in [
        "producer.opensky.client_id",
        "producer.opensky.client_secret",
        "Invalid client or",
    ] {
        assert!(text.contains(part), "{text}");
    }
    assert!(!format!("{error:?} {error} {client:?}").contains("hunter2"));
}

#[tokio::test]
async fn without_credentials_a_401_asks_for_them() {
    let server = Scripted::start().await;
    server.then(StatusCode::UNAUTHORIZED);
    let client = OpenSky::new(&opensky(&server, &[]).await).unwrap();
    let error = client.states().await.unwrap_err();
    assert!(matches!(error, FetchError::Anonymous), "{error}");
}

#[tokio::test]
async fn a_429_says_how_long_to_wait() {
    let server = Scripted::start().await;
    let limited = |name: &'static str, value: &'static str| {
        (StatusCode::TOO_MANY_REQUESTS, [(name, value)], "")
    };
    server.then(limited("X-Rate-Limit-Retry-After-Seconds", "1234"));
    server.then(limited("Retry-After", "7"));
    server.then(limited("X-Rate-Limit-Retry-After-Seconds", "soon"));
    let client = OpenSky::new(&opensky(&server, &[]).await).unwrap();
    for expected in [1234, 7, 60] {
        match client.states().await {
            Err(FetchError::RateLimited { retry_after }) => {
                assert_eq!(retry_after, Duration::from_secs(expected));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn statuses_say_whether_to_ask_again() {
    let server = Scripted::start().await;
    let client = OpenSky::new(&opensky(&server, &[]).await).unwrap();
    for (status, again) in [
        (500, true),
        (502, true),
        (503, true),
        (404, false),
        (400, false),
    ] {
        server.then(StatusCode::from_u16(status).unwrap());
        let error = client.states().await.unwrap_err();
        assert_eq!(error.retryable(), again, "{error}");
        assert!(error.to_string().contains(&status.to_string()), "{error}");
    }
}

#[tokio::test]
async fn a_token_endpoint_that_is_down_is_not_a_wrong_password() {
    let server = Scripted::start().await;
    server.then(StatusCode::SERVICE_UNAVAILABLE);
    let client = OpenSky::new(&opensky(&server, &CREDENTIALS).await).unwrap();
    let error = client.states().await.unwrap_err();
    assert!(error.retryable(), "{error}");
    assert_eq!(error.fault(), Fault::Dependency);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_asked_for_again() {
    let server = Scripted::start().await;
    let broken = futures::stream::iter([
        Ok(Bytes::from_static(b"{\"time\": 7, \"sta")),
        Err(std::io::Error::other("gone")),
    ]);
    server.then(Body::from_stream(broken));
    let client = OpenSky::new(&opensky(&server, &[]).await).unwrap();
    let error = client.states().await.unwrap_err();
    assert!(matches!(error, FetchError::Broken { .. }), "{error:?}");
    assert!(error.retryable());
}

#[tokio::test]
async fn a_body_that_never_ends_is_given_up() {
    let server = Scripted::start().await;
    server.then(Body::from_stream(futures::stream::pending::<
        Result<Bytes, std::io::Error>,
    >()));
    let client = OpenSky::new(&opensky(&server, &[("producer.opensky.timeout", "200ms")]).await);
    let started = Instant::now();
    let error = client.unwrap().states().await.unwrap_err();
    assert!(matches!(error, FetchError::TimedOut { .. }), "{error:?}");
    assert!(error.retryable());
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn a_body_without_bounds_is_not_read() {
    let server = Scripted::start().await;
    let endless =
        futures::stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from_static(&[b' '; 4096])));
    server.then(Body::from_stream(endless));
    let pairs = [("producer.opensky.body_limit", "1MiB")];
    let client = OpenSky::new(&opensky(&server, &pairs).await).unwrap();
    let error = client.states().await.unwrap_err();
    assert!(
        matches!(error, FetchError::TooLong { limit: 1_048_576 }),
        "{error:?}"
    );
}

#[tokio::test]
async fn nobody_there_is_said_without_the_address() {
    let server = Scripted::start().await;
    let mut config = opensky(&server, &[]).await;
    // The port is free again once its listener is gone.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    config.base_url = format!("http://user:hunter2@{port}");
    let error = OpenSky::new(&config).unwrap().states().await.unwrap_err();
    assert!(error.retryable());
    assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
}
