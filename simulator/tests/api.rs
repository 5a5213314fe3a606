//! The server as a client of OpenSky sees it.
#![cfg(test)]

use std::time::{Duration, Instant};

use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};
use simulator::{AuthConfig, Config, CreditsConfig, Fault, FaultConfig, Mode, Simulator, start};

const TIME: i64 = 1_750_000_000;
const DAY: i64 = 86_400;

fn config() -> Config {
    Config {
        aircraft: 300,
        ..Config::default()
    }
}

async fn started(config: Config) -> Simulator {
    let simulator = start(config).await.unwrap();
    simulator.set_time(TIME);
    simulator
}

/// A client that unpacks nothing by itself.
fn client() -> Client {
    // Fails when another test of this process was first, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().no_gzip().build().unwrap()
}

async fn get(simulator: &Simulator, path: &str) -> Response {
    let url = format!("{}/api{path}", simulator.base_url());
    client().get(url).send().await.unwrap()
}

async fn states(simulator: &Simulator, query: &str) -> Value {
    let answer = get(simulator, &format!("/states/all{query}")).await;
    assert_eq!(answer.status(), StatusCode::OK);
    answer.json().await.unwrap()
}

fn header<'a>(answer: &'a Response, name: &str) -> Option<&'a str> {
    answer.headers().get(name)?.to_str().ok()
}

fn len(body: &Value) -> usize {
    body["states"].as_array().unwrap().len()
}

#[tokio::test]
async fn states_are_those_of_the_fleet() {
    let simulator = started(config()).await;
    let answer = get(&simulator, "/states/all?extended=1").await;
    assert_eq!(header(&answer, "content-type"), Some("application/json"));
    let expected = simulator.fleet().unwrap().body(TIME, true);
    assert_eq!(answer.bytes().await.unwrap(), expected);
    simulator.advance(30);
    let body = states(&simulator, "").await;
    assert_eq!(body["time"], TIME + 30);
    assert_eq!(body["states"][0].as_array().unwrap().len(), 17);
    assert_eq!(states(&simulator, "?time=1000").await["time"], 1_000);
    assert_eq!((simulator.requests(), simulator.served()), (3, 3));
}

#[tokio::test]
async fn boxes_and_addresses_choose_rows() {
    let simulator = started(config()).await;
    let all = states(&simulator, "").await;
    let european = |row: &Value| {
        let within = |value: &Value, low, high| {
            value
                .as_f64()
                .is_some_and(|degrees| (low..=high).contains(&degrees))
        };
        within(&row[6], 40.0, 60.0) && within(&row[5], -10.0, 25.0)
    };
    let expected: Vec<&Value> = all["states"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|row| european(row))
        .collect();
    assert!(!expected.is_empty());
    let boxed = states(&simulator, "?lamin=40&lamax=60&lomin=-10&lomax=25").await;
    assert_eq!(boxed["states"], json!(expected));

    let (first, second) = (&all["states"][3][0], &all["states"][7][0]);
    let query = format!(
        "?icao24={}&icao24={}",
        first.as_str().unwrap().to_uppercase(),
        second.as_str().unwrap()
    );
    let chosen = states(&simulator, &query).await;
    assert_eq!(
        chosen["states"],
        json!([all["states"][3], all["states"][7]])
    );

    let nowhere = states(&simulator, "?lamin=-90&lamax=-89&lomin=0&lomax=1").await;
    assert_eq!(nowhere["states"], Value::Null);
    let wrong = get(&simulator, "/states/all?lamin=x").await;
    assert_eq!(wrong.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn credits_run_out_and_come_back_at_midnight() {
    let simulator = started(Config {
        credits: CreditsConfig {
            daily: 0,
            anonymous_daily: 10,
        },
        ..config()
    })
    .await;
    simulator.set_time(TIME - TIME % DAY + DAY - 100);
    let cases = [
        ("/states/all", "6"),
        ("/states/all?lamin=0&lamax=5&lomin=0&lomax=5", "5"),
        ("/states/all?lamin=0&lamax=10&lomin=0&lomax=10", "3"),
        ("/states/all?lamin=0&lamax=20&lomin=0&lomax=20", "0"),
    ];
    for (path, remaining) in cases {
        let answer = get(&simulator, path).await;
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(header(&answer, "X-Rate-Limit-Remaining"), Some(remaining));
    }
    let refused = get(&simulator, "/states/all").await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    let wait = header(&refused, "X-Rate-Limit-Retry-After-Seconds");
    assert_eq!(wait, Some("100"));
    simulator.advance(100);
    let answer = get(&simulator, "/states/all").await;
    assert_eq!(header(&answer, "X-Rate-Limit-Remaining"), Some("6"));
}

async fn token(simulator: &Simulator, id: &str, secret: &str) -> Response {
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", id),
        ("client_secret", secret),
    ];
    let request = client().post(simulator.token_url()).form(&form);
    request.send().await.unwrap()
}

#[tokio::test]
async fn tokens_are_granted_used_and_expire() {
    let simulator = started(Config {
        auth: AuthConfig {
            required: true,
            client_id: "me".into(),
            client_secret: "secret".into(),
            ..AuthConfig::default()
        },
        ..config()
    })
    .await;
    let ask = async |token: &str| {
        let url = format!("{}/api/states/all", simulator.base_url());
        let request = client().get(url).bearer_auth(token);
        request.send().await.unwrap()
    };
    let anonymous = get(&simulator, "/states/all").await;
    assert_eq!(anonymous.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(ask("made-up").await.status(), StatusCode::UNAUTHORIZED);
    let refused = token(&simulator, "me", "wrong").await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(
        refused.json::<Value>().await.unwrap()["error"],
        "invalid_client"
    );

    let granted: Value = token(&simulator, "me", "secret")
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(granted["expires_in"], 1_800);
    assert_eq!(granted["token_type"], "Bearer");
    let access = granted["access_token"].as_str().unwrap();
    let answer = ask(access).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(header(&answer, "X-Rate-Limit-Remaining"), Some("3996"));
    simulator.expire_tokens();
    assert_eq!(ask(access).await.status(), StatusCode::UNAUTHORIZED);

    simulator.inject(Fault::Token503, 1);
    let failed = token(&simulator, "me", "secret").await;
    assert_eq!(failed.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(
        token(&simulator, "me", "secret").await.status(),
        StatusCode::OK
    );
}

#[tokio::test]
async fn each_fault_fails_once_in_its_way() {
    let simulator = started(Config {
        faults: FaultConfig {
            slow_for: Duration::from_millis(300),
            timeout_after: Duration::from_millis(300),
            retry_after: Duration::from_secs(7),
            ..FaultConfig::default()
        },
        ..config()
    })
    .await;
    let whole = simulator.fleet().unwrap().body(TIME, false);
    for fault in Fault::ALL {
        let served = simulator.served();
        simulator.inject(fault, 1);
        let asked = Instant::now();
        let answer = get(&simulator, "/states/all").await;
        let took = asked.elapsed();
        let status = answer.status().as_u16();
        let retry_after = header(&answer, "X-Rate-Limit-Retry-After-Seconds").map(str::to_owned);
        let body = answer.bytes().await;
        let rows = || {
            let body: Value = serde_json::from_slice(body.as_ref().unwrap()).unwrap();
            body["states"].as_array().map(Vec::len)
        };
        let expected = match fault {
            Fault::Status500 => status == 500 && !body.as_ref().unwrap().is_empty(),
            Fault::Status503 => status == 503,
            Fault::Slow => status == 200 && took.as_millis() >= 300 && rows() == Some(300),
            Fault::Truncated => {
                status == 200 && body.as_ref().unwrap()[..] == whole[..whole.len() / 2]
            }
            Fault::BrokenOff => status == 200 && body.is_err(),
            Fault::NonJson => status == 200 && body.as_ref().unwrap().starts_with(b"<!DOCTYPE"),
            Fault::Timeout => status == 504 && took.as_millis() >= 300,
            Fault::Unauthorized => status == 401,
            Fault::RateLimited => status == 429 && retry_after.as_deref() == Some("7"),
            Fault::Empty => status == 200 && rows().is_none(),
            Fault::Collapse => status == 200 && rows() == Some(30),
            // Waits for a request for a token.
            Fault::Token503 => status == 200 && rows() == Some(300),
        };
        assert!(expected, "{fault:?}: {status} in {took:?}, {body:?}");
        let given = matches!(
            fault,
            Fault::Slow | Fault::Empty | Fault::Collapse | Fault::Token503
        );
        assert_eq!(simulator.served() - served, u64::from(given), "{fault:?}");
        simulator.clear_faults();
        assert_eq!(len(&states(&simulator, "").await), 300, "after {fault:?}");
    }
}

#[tokio::test]
async fn faults_and_time_can_be_set_from_outside() {
    let simulator = started(config()).await;
    let control = async |path: &str, body: Value| {
        let url = format!("{}/_control/{path}", simulator.base_url());
        let request = client().post(url).json(&body);
        request.send().await.unwrap().status()
    };
    let fault = json!({ "fault": "status_503", "times": 2 });
    assert_eq!(control("fault", fault).await, StatusCode::NO_CONTENT);
    for expected in [503, 503, 200] {
        assert_eq!(get(&simulator, "/states/all").await.status(), expected);
    }
    let unknown = json!({ "fault": "gremlins", "times": 1 });
    assert!(control("fault", unknown).await.is_client_error());
    assert!(
        control("time", json!({ "time": -5 }))
            .await
            .is_client_error()
    );
    assert_eq!(
        control("time", json!({ "time": 99 })).await,
        StatusCode::NO_CONTENT
    );
    assert_eq!(states(&simulator, "").await["time"], 99);
}

#[tokio::test]
async fn a_running_clock_steps_back_now_and_then() {
    let simulator = start(Config {
        aircraft: 1,
        speed: 10_000.0,
        credits: CreditsConfig {
            daily: 0,
            anonymous_daily: 0,
        },
        ..config()
    })
    .await
    .unwrap();
    let mut times = Vec::new();
    for _ in 0..200 {
        times.push(states(&simulator, "").await["time"].as_i64().unwrap());
    }
    let steps: Vec<i64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let back = steps.iter().filter(|step| **step < 0).count();
    assert!((1..20).contains(&back), "{back} steps back");
    assert!(steps.iter().all(|step| *step >= -5), "{steps:?}");
    assert!(times[199] > times[0]);
}

#[tokio::test]
async fn bodies_are_compressed_for_who_accepts_it() {
    let simulator = started(Config {
        gzip: true,
        ..config()
    })
    .await;
    let url = format!("{}/api/states/all", simulator.base_url());
    let ask = async |client: Client| client.get(&url).send().await.unwrap();
    let plain = ask(client()).await;
    assert_eq!(header(&plain, "content-encoding"), None);
    let packed = client().get(&url);
    let packed = packed.header("accept-encoding", "gzip, deflate").send();
    let packed = packed.await.unwrap();
    assert_eq!(header(&packed, "content-encoding"), Some("gzip"));
    let unpacked = ask(Client::new()).await.bytes().await.unwrap();
    assert_eq!(unpacked, plain.bytes().await.unwrap());
    assert!(packed.bytes().await.unwrap().len() < unpacked.len() / 2);
}

#[tokio::test]
async fn flights_are_listed_by_airport_and_none_is_a_404() {
    let simulator = started(Config {
        aircraft: 3_000,
        ..config()
    })
    .await;
    let midnight = TIME - TIME % DAY;
    let path = |kind: &str, begin: i64, end: i64| {
        format!("/flights/{kind}?airport=KATL&begin={begin}&end={end}")
    };
    for (kind, field, time) in [
        ("arrival", "estArrivalAirport", "lastSeen"),
        ("departure", "estDepartureAirport", "firstSeen"),
    ] {
        let answer = get(&simulator, &path(kind, midnight - DAY, midnight - 1)).await;
        assert_eq!(answer.status(), StatusCode::OK);
        let flights: Vec<Value> = answer.json().await.unwrap();
        assert!(flights.len() > 10, "{}", flights.len());
        for flight in flights {
            assert_eq!(flight.as_object().unwrap().len(), 12);
            assert_eq!(flight[field], "KATL");
            let seen = flight[time].as_i64().unwrap();
            assert!((midnight - DAY..midnight).contains(&seen));
        }
        let today = get(&simulator, &path(kind, midnight, midnight + 3_600)).await;
        assert_eq!(today.status(), StatusCode::NOT_FOUND);
        assert!(today.bytes().await.unwrap().is_empty());
        let long = get(&simulator, &path(kind, midnight - 3 * DAY, midnight)).await;
        assert_eq!(long.status(), StatusCode::BAD_REQUEST);
    }
}

#[tokio::test]
async fn recordings_are_served_as_they_were_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let bodies = [
        r#"{"time":20, "states":[["aaaaaa",null,"",1,1,8.5,50]]}"#,
        r#"{"time":10, "states":[["bbbbbb",null,"",1,1,null,null],["cccccc",null,"",1,1,1,1.0]]}"#,
    ];
    for (number, body) in bodies.iter().enumerate() {
        std::fs::write(folder.path().join(format!("{number}.json")), body).unwrap();
    }
    let simulator = start(Config {
        mode: Mode::Recorded,
        recordings: folder.path().to_owned(),
        ..Config::default()
    })
    .await
    .unwrap();
    assert!(simulator.fleet().is_none());
    let text = async |query: &str| {
        let answer = get(&simulator, &format!("/states/all{query}")).await;
        answer.text().await.unwrap()
    };
    let boxed = text("?time=15&lamin=0&lamax=2&lomin=0&lomax=2").await;
    let boxed: Value = serde_json::from_str(&boxed).unwrap();
    assert_eq!(boxed["states"], json!([["cccccc", null, "", 1, 1, 1, 1.0]]));
    assert_eq!(text("").await, bodies[1]);
    simulator.inject(Fault::Truncated, 1);
    assert_eq!(text("").await, bodies[0][..bodies[0].len() / 2]);
    assert_eq!(text("").await, bodies[0]);
    assert_eq!(text("").await, bodies[0], "the last one is repeated");
}

#[tokio::test]
async fn it_ends_at_once_even_while_a_caller_waits() {
    let simulator = started(config()).await;
    simulator.inject(Fault::Timeout, 1);
    let url = format!("{}/api/states/all", simulator.base_url());
    let waiting = tokio::spawn(client().get(&url).send());
    let deadline = Instant::now() + Duration::from_secs(10);
    while simulator.requests() == 0 {
        assert!(Instant::now() < deadline, "the request never came");
        tokio::task::yield_now().await;
    }
    let ended = tokio::time::timeout(Duration::from_secs(10), simulator.shutdown()).await;
    assert!(ended.is_ok(), "it waited for the fault's minute");
    assert_eq!(
        waiting.await.unwrap().unwrap().status(),
        StatusCode::GATEWAY_TIMEOUT
    );
    assert!(client().get(&url).send().await.is_err());
}

#[tokio::test]
async fn a_port_in_use_is_said_so() {
    let first = started(config()).await;
    let second = start(Config {
        listen: first.addr().to_string(),
        ..config()
    })
    .await;
    let message = second.unwrap_err().to_string();
    assert!(message.contains(&first.addr().to_string()), "{message}");
    assert!(message.contains("simulator.listen"), "{message}");
}
