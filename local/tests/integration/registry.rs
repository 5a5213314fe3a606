//! The in-process schema registry, asked by a client that is not ours, and in plain HTTP
//! where that client has no call.
use local::registry::Registry;
use reqwest::{Client, Method};
use schema_registry_converter::async_impl::schema_registry::{
    SrSettings, get_all_subjects, get_all_versions, get_schema_by_id, get_schema_by_subject,
    post_schema,
};
use schema_registry_converter::schema_registry_common::{
    SchemaType, SubjectNameStrategy, SuppliedSchema,
};
use serde_json::{Value, json};

const SUBJECT: &str = "flight-states-value";
const PLAIN: &str = r#"{"type":"record","name":"A","fields":[{"name":"a","type":"long"}]}"#;
const WITH_DEFAULT: &str = r#"{"type":"record","name":"A","fields":[{"name":"a","type":"long"},{"name":"b","type":["null","string"],"default":null}]}"#;
const WITHOUT_DEFAULT: &str = r#"{"type":"record","name":"A","fields":[{"name":"a","type":"long"},{"name":"b","type":"string"}]}"#;

struct Fixture {
    folder: tempfile::TempDir,
    registry: Registry,
    http: Client,
    settings: SrSettings,
}

impl Fixture {
    async fn start() -> Fixture {
        service::tls::install_provider();
        let folder = tempfile::tempdir().unwrap();
        let registry = Registry::start(&folder.path().join("registry.json"))
            .await
            .unwrap();
        Fixture {
            settings: SrSettings::new(registry.url()),
            http: Client::new(),
            registry,
            folder,
        }
    }

    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let mut request = self
            .http
            .request(method, format!("{}{path}", self.registry.url()));
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    #[track_caller]
    fn check(answer: (u16, Value), status: u16, code: u64) {
        assert_eq!(answer.0, status, "{}", answer.1);
        assert_eq!(answer.1["error_code"], code, "{}", answer.1);
        assert!(answer.1["message"].is_string());
    }
}

fn supplied(schema: &str) -> SuppliedSchema {
    SuppliedSchema::new(None, SchemaType::Avro, schema.to_owned())
}

fn body(schema: &str) -> Option<Value> {
    Some(json!({ "schema": schema }))
}

#[tokio::test]
async fn a_client_registers_and_reads_back() {
    let fixture = Fixture::start().await;
    let settings = &fixture.settings;
    let schema = contract::avro::FLIGHT_STATE_SCHEMA;
    let posted = post_schema(settings, SUBJECT.to_owned(), supplied(schema))
        .await
        .unwrap();
    let again = post_schema(settings, SUBJECT.to_owned(), supplied(schema))
        .await
        .unwrap();
    assert_eq!(posted.id, again.id);

    let id = posted.id;
    let by_id = get_schema_by_id(id, settings).await.unwrap();
    assert_eq!(by_id.schema, schema);
    let strategy = SubjectNameStrategy::TopicNameStrategy("flight-states".to_owned(), false);
    let newest = get_schema_by_subject(settings, &strategy).await.unwrap();
    assert_eq!(newest.id, id);
    assert_eq!(get_all_subjects(settings).await.unwrap(), [SUBJECT]);
    assert_eq!(
        get_all_versions(settings, SUBJECT.to_owned())
            .await
            .unwrap(),
        [1]
    );
}

#[tokio::test]
async fn an_incompatible_version_is_refused() {
    let fixture = Fixture::start().await;
    let versions = format!("/subjects/{SUBJECT}/versions");
    let register = |schema| fixture.ask(Method::POST, &versions, body(schema));
    assert_eq!(register(PLAIN).await, (200, json!({ "id": 1 })));
    Fixture::check(register(WITHOUT_DEFAULT).await, 409, 409);
    Fixture::check(register("{").await, 422, 42201);
    Fixture::check(register(r#"{"type":"nothing"}"#).await, 422, 42201);

    let question = format!("/compatibility/subjects/{SUBJECT}/versions/latest");
    let compatible = |schema| fixture.ask(Method::POST, &question, body(schema));
    assert_eq!(compatible(WITHOUT_DEFAULT).await.1["is_compatible"], false);
    assert_eq!(compatible(WITH_DEFAULT).await.1["is_compatible"], true);
    assert_eq!(register(WITH_DEFAULT).await, (200, json!({ "id": 2 })));
    let (_, listed) = fixture.ask(Method::GET, &versions, None).await;
    assert_eq!(listed, json!([1, 2]), "what was refused left nothing");
}

#[tokio::test]
async fn levels_are_kept_for_all_and_for_one_subject() {
    let fixture = Fixture::start().await;
    let level = |value: &str| Some(json!({ "compatibility": value }));
    let own = format!("/config/{SUBJECT}");
    assert_eq!(
        fixture.ask(Method::GET, "/config", None).await,
        (200, json!({ "compatibilityLevel": "BACKWARD" }))
    );
    Fixture::check(fixture.ask(Method::GET, &own, None).await, 404, 40408);
    assert_eq!(
        fixture.ask(Method::PUT, &own, level("NONE")).await,
        (200, json!({ "compatibility": "NONE" }))
    );
    Fixture::check(
        fixture.ask(Method::PUT, "/config", level("SIDEWAYS")).await,
        422,
        42203,
    );
    let versions = format!("/subjects/{SUBJECT}/versions");
    for schema in [PLAIN, WITHOUT_DEFAULT] {
        let (status, _) = fixture.ask(Method::POST, &versions, body(schema)).await;
        assert_eq!(status, 200, "level NONE lets everything pass");
    }
}

#[tokio::test]
async fn what_is_not_there_has_the_code_that_clients_know() {
    let fixture = Fixture::start().await;
    let get = |path| fixture.ask(Method::GET, path, None);
    Fixture::check(get("/subjects/none/versions").await, 404, 40401);
    Fixture::check(get("/schemas/ids/7").await, 404, 40403);
    let posted = fixture
        .ask(Method::POST, "/subjects/none", body(PLAIN))
        .await;
    Fixture::check(posted, 404, 40401);

    let (status, _) = fixture
        .ask(Method::POST, "/subjects/s/versions", body(PLAIN))
        .await;
    assert_eq!(status, 200);
    Fixture::check(get("/subjects/s/versions/2").await, 404, 40402);
    Fixture::check(get("/subjects/s/versions/newest").await, 422, 42202);
    let other = fixture
        .ask(Method::POST, "/subjects/s", body(WITH_DEFAULT))
        .await;
    Fixture::check(other, 404, 40403);
    let (status, found) = fixture.ask(Method::POST, "/subjects/s", body(PLAIN)).await;
    assert_eq!(status, 200);
    assert_eq!(
        found,
        json!({ "subject": "s", "id": 1, "version": 1, "schema": PLAIN })
    );
}

#[tokio::test]
async fn ids_survive_a_restart() {
    let fixture = Fixture::start().await;
    let posted = post_schema(&fixture.settings, SUBJECT.to_owned(), supplied(PLAIN))
        .await
        .unwrap();
    let file = fixture.folder.path().join("registry.json");
    drop(fixture.registry);
    let second = Registry::start(&file).await.unwrap();
    let settings = SrSettings::new(second.url());
    let by_id = get_schema_by_id(posted.id, &settings).await.unwrap();
    assert_eq!(by_id.schema, PLAIN);
}
