//! The marts as JSON over HTTP, asked as any client would.

use chrono::{DateTime, Utc};
use serde_json::Value;
use service::health::Health;
use service::shutdown::Shutdown;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use transformer::{Status, Transformer, api};

use crate::support::{Bench, row};

const NOON: i64 = 1_758_924_000;

/// An endpoint over published marts.
struct Endpoint {
    bench: Bench,
    transformer: Transformer,
    status: watch::Sender<Status>,
    server: service::http::Server,
    shutdown: Shutdown,
}

struct Answer {
    code: u16,
    head: String,
    body: Value,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let mut found = lines.filter(|(key, _)| key.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value)
    }

    fn error(&self) -> &str {
        self.body["error"].as_str().unwrap()
    }
}

impl Endpoint {
    async fn start() -> Endpoint {
        let bench = Bench::new().await;
        let transformer = Transformer::open(&bench.config).await.unwrap();
        let (status, receiver) = watch::channel(Status::default());
        let routes = api::router(bench.published().to_owned(), receiver);
        let shutdown = Shutdown::new();
        let server =
            service::http::serve("127.0.0.1:0", Health::new(), routes, shutdown.clone()).await;
        Endpoint {
            bench,
            transformer,
            status,
            server: server.unwrap(),
            shutdown,
        }
    }

    /// One more poll of so many aircraft, counted and published.
    async fn publish(&mut self, time: i64, aircraft: usize) {
        let rows = (0..aircraft).map(|n| {
            let mut row = row(&format!("{:06x}", 4096 + n), time);
            row.velocity = (n % 3 > 0).then_some((n % 3) as f64 * 100.0);
            row
        });
        self.bench.append(&rows.collect::<Vec<_>>()).await;
        self.transformer.catch_up().await.unwrap();
        self.status.send_replace(self.transformer.status());
    }

    async fn get(&self, path: &str) -> Answer {
        self.get_unless(path, "").await
    }

    /// A GET with an `If-None-Match`, unless it is empty.
    async fn get_unless(&self, path: &str, tag: &str) -> Answer {
        let mut stream = TcpStream::connect(self.server.addr).await.unwrap();
        let known = match tag {
            "" => String::new(),
            tag => format!("If-None-Match: {tag}\r\n"),
        };
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{known}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        Answer {
            code: head.split(' ').nth(1).unwrap().parse().unwrap(),
            head: head.to_owned(),
            body: serde_json::from_str(body).unwrap_or(Value::Null),
        }
    }
}

fn column<'a>(answer: &'a Answer, name: &str) -> Vec<&'a Value> {
    let rows = answer.body["rows"].as_array().unwrap();
    rows.iter().map(|row| &row[name]).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn before_the_first_publication_it_says_so() {
    let endpoint = Endpoint::start().await;
    let status = endpoint.get("/api/status").await;
    assert_eq!(status.code, 200);
    assert_eq!(status.body["generation"], 0);
    assert_eq!(status.body["marts"], Value::Array(vec![]));
    for path in ["/api/marts", "/api/marts/kpi_latest"] {
        let answer = endpoint.get(path).await;
        assert_eq!(answer.code, 503, "{path}");
        assert_eq!(answer.error(), "nothing is published yet");
        assert!(answer.header("retry-after").is_some());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_tells_how_far_all_are() {
    let mut endpoint = Endpoint::start().await;
    endpoint.publish(NOON, 10).await;
    endpoint.publish(NOON + 30, 20).await;
    let status = endpoint.get("/api/status").await;
    assert_eq!(status.code, 200);
    assert_eq!(status.header("cache-control"), Some("no-store"));
    let body = &status.body;
    assert_eq!((&body["rows"], &body["polls"]), (&30.into(), &2.into()));
    let live = endpoint.transformer.status();
    assert_eq!(body["generation"], live.generation);
    assert_eq!(body["watermark"], live.watermark.unwrap().to_string());
    assert_eq!(body["rebuilding"], false);
    let time = DateTime::from_timestamp(NOON + 30, 0).unwrap();
    let told: DateTime<Utc> = body["as_of"].as_str().unwrap().parse().unwrap();
    assert_eq!(told, time);
    let age = (Utc::now() - time).num_seconds() as f64;
    assert!((body["age_seconds"].as_f64().unwrap() - age).abs() < 60.0);
    let marts = body["marts"].as_array().unwrap();
    let stats = marts.iter().find(|mart| mart["name"] == "aircraft_stats");
    assert_eq!(stats.unwrap()["rows"], 20);
    assert_eq!(stats.unwrap()["as_of"], body["as_of"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_mart_and_column_is_explained() {
    let mut endpoint = Endpoint::start().await;
    endpoint.publish(NOON, 10).await;
    let answer = endpoint.get("/api/marts").await;
    let marts = answer.body["marts"].as_array().unwrap();
    let views = endpoint
        .bench
        .query("select count(*) from duckdb_views() where not internal and schema_name = 'main'");
    assert_eq!(Some(marts.len().to_string()), views[0][0]);
    for mart in marts {
        let name = mart["name"].as_str().unwrap();
        assert_ne!(mart["description"], "", "{name}");
        assert!(mart["updated"].as_str().unwrap().ends_with('Z'), "{name}");
        for column in mart["columns"].as_array().unwrap() {
            assert_ne!(column["meaning"], "", "{name}: {column}");
            assert_ne!(column["type"], "", "{name}: {column}");
        }
        // Each can be asked for, too.
        let rows = endpoint.get(&format!("/api/marts/{name}")).await;
        assert_eq!(rows.code, 200, "{name}: {}", rows.body);
        if let Some(count) = mart["rows"].as_u64() {
            let got = rows.body["rows"].as_array().unwrap().len();
            assert_eq!(got as u64, count.min(100), "{name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_in_any_order_hold_every_row_once() {
    let mut endpoint = Endpoint::start().await;
    endpoint.publish(NOON, 250).await;
    let first = endpoint.get("/api/marts/current_positions").await;
    assert_eq!(column(&first, "icao24").len(), 100);
    assert_eq!(first.body["next_offset"], 100);
    let time = &first.body["rows"][0]["snapshot_time"];
    let told: DateTime<Utc> = time.as_str().unwrap().parse().unwrap();
    assert_eq!(told.timestamp(), NOON);
    assert!(
        first.body["rows"][0]["velocity"].is_number()
            || first.body["rows"][0]["velocity"].is_null()
    );

    for order in ["", "&order=-velocity", "&order=velocity,-icao24"] {
        let mut seen = Vec::new();
        let mut next = Some(0);
        while let Some(offset) = next {
            let path = format!("/api/marts/current_positions?limit=40&offset={offset}{order}");
            let page = endpoint.get(&path).await;
            let rows = page.body["rows"].as_array().unwrap();
            seen.extend(rows.iter().map(|row| row["icao24"].to_string()));
            next = page.body["next_offset"].as_u64();
        }
        assert_eq!(seen.len(), 250, "{order}");
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 250, "{order}: some row came twice");
    }
    // Nulls come last in either direction.
    let fastest = endpoint
        .get("/api/marts/current_positions?limit=250&order=-velocity")
        .await;
    let velocities = column(&fastest, "velocity");
    assert_eq!(velocities[0].as_f64(), Some(200.0));
    assert!(velocities[249].is_null());
    assert!(fastest.body["next_offset"].is_null());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_known_already_is_not_sent_again() {
    let mut endpoint = Endpoint::start().await;
    endpoint.publish(NOON, 10).await;
    for path in ["/api/marts", "/api/marts/country_stats?limit=5"] {
        let tag = endpoint.get(path).await.header("etag").unwrap().to_owned();
        let again = endpoint.get_unless(path, &tag).await;
        assert_eq!((again.code, &again.body), (304, &Value::Null), "{path}");
        assert_eq!(again.header("etag"), Some(tag.as_str()));
        let either = format!("\"other\", W/{tag}");
        assert_eq!(endpoint.get_unless(path, &either).await.code, 304);
        endpoint.publish(Utc::now().timestamp(), 10).await;
        let fresh = endpoint.get_unless(path, &tag).await;
        assert_eq!(fresh.code, 200, "{path}");
        assert_ne!(fresh.header("etag"), Some(tag.as_str()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_request_is_said() {
    let mut endpoint = Endpoint::start().await;
    endpoint.publish(NOON, 10).await;
    for (path, code, said) in [
        ("/api/marts/country_stat", 404, "country_stats"),
        ("/api/marts/duckdb_settings", 404, "there are"),
        ("/api/marts/kpi_latest%22;drop", 404, "there are"),
        ("/api/mart", 404, "/api/marts/NAME"),
        ("/api", 404, "/api/status"),
        ("/api/marts/kpi_latest?limit=10001", 400, "from 1 to 10000"),
        ("/api/marts/kpi_latest?offset=x", 400, "from 0 to"),
        ("/api/marts/kpi_latest?order=nothing", 400, "snapshot_time"),
        (
            "/api/marts/kpi_latest?page=2",
            400,
            "limit, offset and order",
        ),
        ("/api/status?verbose", 400, "there are none"),
    ] {
        let answer = endpoint.get(path).await;
        assert_eq!(answer.code, code, "{path}: {}", answer.body);
        assert!(answer.error().contains(said), "{path}: {}", answer.body);
        assert_eq!(answer.header("content-type"), Some("application/json"));
    }
    // No other site's script may read the answers.
    let allowed = endpoint.get("/api/status").await;
    assert_eq!(allowed.header("access-control-allow-origin"), None);
    endpoint.shutdown.trigger();
    endpoint.server.join().await;
}
