//! The endpoint as Kubernetes and Prometheus see it.

#![cfg(test)]

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use reqwest::StatusCode;
use service::health::Health;
use service::http::{Server, serve};
use service::ready;
use service::shutdown::Shutdown;

async fn start(health: &Health, extra: Router, shutdown: &Shutdown) -> Server {
    serve("127.0.0.1:0", health.clone(), extra, shutdown.clone())
        .await
        .unwrap()
}

fn client() -> reqwest::Client {
    // The client wants a provider even where it is never used. A second call changes nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
}

async fn fetch(server: &Server, path: &str) -> (StatusCode, String) {
    let url = format!("http://{}{path}", server.addr);
    let response = client().get(url).send().await.unwrap();
    (response.status(), response.text().await.unwrap())
}

/// What `--ready` says of the server, without its address.
async fn asked(server: &Server) -> String {
    let listen = server.addr.to_string();
    let asked = listen.clone();
    let answer = tokio::task::spawn_blocking(move || ready::ask(&asked))
        .await
        .unwrap();
    match answer {
        Ok(()) => "ready".into(),
        Err(error) => error.to_string().replace(&format!("{listen} "), ""),
    }
}

#[tokio::test]
async fn health_is_as_the_components_say() {
    let (health, shutdown) = (Health::new(), Shutdown::new());
    let server = start(&health, Router::new(), &shutdown).await;
    let codes = async || {
        let (alive, _) = fetch(&server, "/healthz").await;
        let (ready, body) = fetch(&server, "/readyz").await;
        (alive.as_u16(), ready.as_u16(), body)
    };
    assert_eq!(
        codes().await,
        (
            200,
            503,
            r#"{"alive":true,"ready":false,"components":{}}"#.into()
        )
    );
    let kafka = health.component("kafka");
    kafka.not_ready("broker is away");
    assert_eq!(
        codes().await,
        (
            200,
            503,
            r#"{"alive":true,"ready":false,"components":{"kafka":{"state":"not_ready","reason":"broker is away"}}}"#.into()
        )
    );
    assert_eq!(
        asked(&server).await,
        "answers \"HTTP/1.0 503 Service Unavailable\""
    );
    kafka.ready();
    assert_eq!(asked(&server).await, "ready");
    assert_eq!(
        codes().await,
        (
            200,
            200,
            r#"{"alive":true,"ready":true,"components":{"kafka":{"state":"ready"}}}"#.into()
        )
    );
    kafka.failed("fenced");
    let (alive, ready, _) = codes().await;
    assert_eq!((alive, ready), (503, 503));
}

#[tokio::test]
async fn metrics_and_further_routes_are_served() {
    let (health, shutdown) = (Health::new(), Shutdown::new());
    let extra = Router::new().route("/hello", get(|| async { "hello" }));
    let server = start(&health, extra, &shutdown).await;
    metrics::counter!("contrail_rows_total", "table" => "flight_states").increment(5);
    let (code, text) = fetch(&server, "/metrics").await;
    assert_eq!(code, StatusCode::OK);
    for line in [
        "contrail_rows_total{table=\"flight_states\"} 5",
        "# TYPE process_resident_memory_bytes gauge",
        "# TYPE process_open_fds gauge",
    ] {
        assert!(text.lines().any(|l| l == line), "{line}\n{text}");
    }
    assert_eq!(fetch(&server, "/hello").await.1, "hello");
    assert_eq!(fetch(&server, "/").await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_shutdown_ends_the_server_even_under_an_endless_request() {
    let (health, shutdown) = (Health::new(), Shutdown::new());
    let extra = Router::new().route("/forever", get(std::future::pending::<String>));
    let server = start(&health, extra, &shutdown).await;
    let addr = server.addr;
    let endless = tokio::spawn(client().get(format!("http://{addr}/forever")).send());
    // The server has taken the first connection when it answers on a second.
    fetch(&server, "/healthz").await;
    shutdown.trigger();
    tokio::time::timeout(Duration::from_secs(10), server.join())
        .await
        .unwrap();
    endless.abort();
    assert!(tokio::net::TcpStream::connect(addr).await.is_err());
}

#[tokio::test]
async fn no_address_means_no_server() {
    let server = serve("", Health::new(), Router::new(), Shutdown::new())
        .await
        .unwrap();
    assert!(!server.is_listening());
    server.join().await;
}

#[tokio::test]
async fn a_taken_address_is_refused_with_the_remedy() {
    let (health, shutdown) = (Health::new(), Shutdown::new());
    let server = start(&health, Router::new(), &shutdown).await;
    let taken = server.addr.to_string();
    let error = serve(&taken, health, Router::new(), shutdown)
        .await
        .unwrap_err();
    let text = error.to_string();
    assert!(
        text.starts_with(&format!("cannot listen on {taken}; set http.listen")),
        "{text}"
    );
}
