//! A broker that is not there, or that refuses the login: one clear error, in bounded time.
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use crate::common::config;
use producer::{PublishError, Publisher};
use service::fault::{Fault, Faulty};

async fn fail(pairs: &[(&str, &str)]) -> PublishError {
    let config = config(pairs);
    let started = Instant::now();
    let result = Publisher::connect(&config.kafka, &config.producer).await;
    assert!(started.elapsed() < Duration::from_secs(20));
    match result {
        Ok(_) => panic!("it connected"),
        Err(error) => error,
    }
}

#[tokio::test]
async fn nobody_there() {
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let brokers = free.to_string();
    let error = fail(&[
        ("kafka.brokers", &brokers),
        ("producer.connect_timeout", "1s"),
    ])
    .await;
    let text = error.to_string();
    let start = format!("cannot reach Kafka at {brokers} within 1 s: ");
    assert!(text.starts_with(&start), "{text}");
    assert!(text.contains("Connection refused"), "{text}");
    assert!(text.contains("kafka.brokers"), "{text}");
    assert_eq!(error.fault(), Fault::Dependency);
}

#[tokio::test]
async fn a_server_that_is_no_broker() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let brokers = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            drop(stream);
        }
    });
    let error = fail(&[
        ("kafka.brokers", &brokers),
        ("producer.connect_timeout", "1s"),
    ])
    .await;
    assert!(matches!(error, PublishError::Unreachable { .. }), "{error}");
}

#[tokio::test]
async fn a_setting_that_does_not_exist() {
    let error = fail(&[("kafka.properties.no.such.thing", "hunter2")]).await;
    assert_eq!(error.fault(), Fault::Configuration);
    let text = error.to_string();
    assert!(text.contains("no.such.thing"), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
}

#[tokio::test]
async fn a_wrong_password() {
    let brokers = refusing_broker();
    let error = fail(&[
        ("kafka.brokers", &brokers),
        ("kafka.security_protocol", "sasl_plaintext"),
        ("kafka.sasl_username", "producer"),
        ("kafka.sasl_password", "hunter2"),
    ])
    .await;
    assert!(matches!(error, PublishError::Login { .. }), "{error:?}");
    assert_eq!(error.fault(), Fault::Configuration);
    let text = error.to_string();
    assert!(text.contains("kafka.sasl_password"), "{text}");
    assert!(text.contains(REFUSAL), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
}

const REFUSAL: &str = "Authentication failed: Invalid username or password";

/// A broker that speaks as much of the protocol as it takes to refuse a login.
fn refusing_broker() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // It ends when the client hangs up.
            let _ = refuse(stream);
        }
    });
    address
}

fn refuse(mut stream: TcpStream) -> std::io::Result<()> {
    loop {
        let mut length = [0; 4];
        stream.read_exact(&mut length)?;
        let mut request = vec![0; u32::from_be_bytes(length) as usize];
        stream.read_exact(&mut request)?;
        let number = |at: usize| i16::from_be_bytes([request[at], request[at + 1]]);
        let (api, version) = (number(0), number(2));
        let mut answer = request[4..8].to_vec();
        match api {
            // ApiVersions: an error for a version it does not know, and the list in version 0.
            18 => {
                let error: i16 = if version > 0 { 35 } else { 0 };
                answer.extend(error.to_be_bytes());
                let known: [(i16, i16, i16); 5] =
                    [(0, 0, 8), (3, 0, 8), (17, 0, 1), (18, 0, 0), (36, 0, 0)];
                answer.extend((known.len() as i32).to_be_bytes());
                for (api, from, to) in known {
                    answer.extend([api, from, to].map(i16::to_be_bytes).concat());
                }
            }
            // SaslHandshake: no error, one mechanism.
            17 => {
                answer.extend([0, 0, 0, 0, 0, 1, 0, 5]);
                answer.extend(b"PLAIN");
            }
            // SaslAuthenticate: SASL_AUTHENTICATION_FAILED, the text, no bytes.
            36 => {
                answer.extend(58_i16.to_be_bytes());
                answer.extend((REFUSAL.len() as i16).to_be_bytes());
                answer.extend(REFUSAL.as_bytes());
                answer.extend(0_i32.to_be_bytes());
            }
            _ => return Ok(()),
        }
        stream.write_all(&(answer.len() as u32).to_be_bytes())?;
        stream.write_all(&answer)?;
    }
}
