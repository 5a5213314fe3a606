//! How the schema is registered, and what a registry may answer.
use crate::common::{Scripted, config};
use axum::http::StatusCode;
use producer::Registry;
use producer::registry::RegistryError;
use serde_json::json;
use service::fault::{Fault, Faulty};

async fn registry(server: &Scripted) -> Registry {
    Registry::new(&config(&[("registry.url", &server.url)]).registry).unwrap()
}

fn level(level: &str) -> String {
    json!({ "compatibilityLevel": level }).to_string()
}

fn error(status: u16, code: u32, message: &str) -> (StatusCode, String) {
    let body = json!({"error_code": code, "message": message}).to_string();
    (StatusCode::from_u16(status).unwrap(), body)
}

fn methods(server: &Scripted) -> Vec<String> {
    let asked = server.asked();
    asked
        .iter()
        .map(|a| format!("{} {}", a.method, a.path))
        .collect()
}

#[tokio::test]
async fn a_new_subject_gets_its_compatibility_before_its_schema() {
    let server = Scripted::start().await;
    server.then(error(404, 40408, "no config"));
    server.then(json!({"compatibility": "BACKWARD"}).to_string());
    server.then(json!({"id": 17}).to_string());
    let id = registry(&server)
        .await
        .register("t", "\"string\"")
        .await
        .unwrap();
    assert_eq!(id, 17);
    assert_eq!(
        methods(&server),
        [
            "GET /config/t-value",
            "PUT /config/t-value",
            "POST /subjects/t-value/versions"
        ]
    );
    assert_eq!(
        server.asked()[1].body,
        json!({"compatibility": "BACKWARD"}).to_string()
    );
}

#[tokio::test]
async fn a_registry_that_knows_no_subject_yet_is_set_afterwards() {
    let server = Scripted::start().await;
    server
        .then(error(404, 40401, "no subject"))
        .then(error(404, 40401, "no subject"));
    server.then(json!({"id": 3}).to_string());
    server.then(error(404, 40408, "no config"));
    server.then(json!({"compatibility": "BACKWARD"}).to_string());
    let id = registry(&server)
        .await
        .register("t", "\"string\"")
        .await
        .unwrap();
    assert_eq!((id, server.left()), (3, 0));
}

#[tokio::test]
async fn a_level_is_raised_but_never_lowered() {
    for (now, expected) in [
        ("NONE", 3),
        ("FORWARD", 3),
        ("BACKWARD", 2),
        ("FULL_TRANSITIVE", 2),
    ] {
        let server = Scripted::start().await;
        server.then(level(now));
        if expected == 3 {
            server.then(json!({"compatibility": "BACKWARD"}).to_string());
        }
        server.then(json!({"id": 1}).to_string());
        registry(&server)
            .await
            .register("t", "\"string\"")
            .await
            .unwrap();
        assert_eq!(methods(&server).len(), expected, "{now}");
    }
}

#[tokio::test]
async fn an_incompatible_schema_is_a_fault_of_configuration() {
    let server = Scripted::start().await;
    server.then(level("BACKWARD"));
    server.then(error(409, 409, "reader field is missing"));
    let error = registry(&server)
        .await
        .register("t", "\"string\"")
        .await
        .unwrap_err();
    assert!(
        matches!(error, RegistryError::Incompatible { .. }),
        "{error}"
    );
    assert_eq!(error.fault(), Fault::Configuration);
    assert!(!error.retryable());
    let text = error.to_string();
    assert!(
        text.contains("t-value") && text.contains("reader field is missing"),
        "{text}"
    );
}

#[tokio::test]
async fn what_passes_is_told_from_what_does_not() {
    let check = async |status: u16, posting: bool, again: bool, fault: Fault| {
        let server = Scripted::start().await;
        if posting {
            server.then(level("BACKWARD"));
        }
        server.then(error(status, u32::from(status), "no"));
        let error = registry(&server)
            .await
            .register("t", "\"string\"")
            .await
            .unwrap_err();
        assert_eq!(
            (error.retryable(), error.fault()),
            (again, fault),
            "{error}"
        );
    };
    for posting in [false, true] {
        check(500, posting, true, Fault::Dependency).await;
        check(503, posting, true, Fault::Dependency).await;
        check(401, posting, false, Fault::Configuration).await;
        check(422, posting, false, Fault::Dependency).await;
    }
}

#[tokio::test]
async fn nobody_there_may_come_back() {
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let url = format!("http://{port}");
    let registry = Registry::new(&config(&[("registry.url", &url)]).registry).unwrap();
    let error = registry.register("t", "\"string\"").await.unwrap_err();
    assert!(error.retryable(), "{error}");
    assert!(error.to_string().contains(&url), "{error}");
}

#[tokio::test]
async fn an_address_that_is_none_is_refused() {
    let error = Registry::new(&config(&[("registry.url", "nowhere")]).registry)
        .err()
        .unwrap();
    assert!(error.to_string().contains("registry.url"), "{error}");
    assert_eq!(error.fault(), Fault::Configuration);
}
