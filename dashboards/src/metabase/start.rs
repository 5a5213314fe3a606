//! From an address to a client that may do everything: waiting, setting up, logging in.

use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use serde_json::{Value as Json, json};
use service::config::Secret;
use tokio::time::sleep;

use super::OLDEST_MAJOR;
use super::client::{Answer, Client, Login, said};
use crate::Error;
use crate::config::{Engine, MetabaseConfig};

/// Time from one look at a Metabase that is starting to the next.
const PAUSE: Duration = Duration::from_millis(500);

/// A client that is logged in. A Metabase without users is set up first, if `may_set_up`.
///
/// # Errors
/// Metabase is not there, too old or not set up, or it knows none of the credentials.
pub async fn login(config: &MetabaseConfig, may_set_up: bool) -> Result<Client, Error> {
    let client = Client::new(&config.url, config.request_timeout)?;
    ready(&client, config.start_timeout).await?;
    let properties = client.get("api/session/properties").await?;
    check_version(&client, &properties)?;
    check_engine(config, &properties)?;
    let has_users = properties["has-user-setup"].as_bool().unwrap_or(true);
    if !config.api_key.is_empty() {
        return Ok(client.with(Login::ApiKey(config.api_key.clone())));
    }
    if config.username.is_empty() || config.password.is_empty() {
        return Err(match has_users {
            true => Error::NoCredentials,
            false => Error::NotSetUp(client.url().to_owned()),
        });
    }
    if !has_users && may_set_up {
        if let Some(session) = set_up(&client, config, &properties).await? {
            return Ok(client.with(Login::Session(session)));
        }
    } else if !has_users {
        return Err(Error::NotSetUp(client.url().to_owned()));
    }
    let session = log_in(&client, config).await?;
    Ok(client.with(Login::Session(session)))
}

/// Waits until Metabase says that it is well.
async fn ready(client: &Client, limit: Duration) -> Result<(), Error> {
    let deadline = Instant::now() + limit;
    let mut told = false;
    loop {
        let last = match client.ask(Method::GET, "api/health", None).await {
            Ok(Answer { status, .. }) if status == StatusCode::OK => return Ok(()),
            Ok(Answer { status, body }) => {
                let state = body["status"].as_str().map(str::to_owned);
                let state = state.unwrap_or_else(|| format!("answers {status}"));
                match body["progress"].as_f64() {
                    Some(progress) => format!("{state}, {:.0} %", progress * 100.0),
                    None => state,
                }
            }
            Err(error) => service::fault::chain(&error),
        };
        if Instant::now() >= deadline {
            return Err(Error::NotReady {
                url: client.url().to_owned(),
                seconds: limit.as_secs(),
                last,
            });
        }
        if !told {
            tracing::info!(url = client.url(), state = last, "waiting for Metabase");
            told = true;
        }
        sleep(PAUSE).await;
    }
}

/// Refuses what is older than the requests are made for. `v0.63.4` is the open-source edition, `v1.63.4`
/// the other one.
fn check_version(client: &Client, properties: &Json) -> Result<(), Error> {
    let tag = properties["version"]["tag"].as_str().unwrap_or("");
    let mut numbers = tag.trim_start_matches('v').split('.');
    let major = numbers.nth(1).and_then(|major| {
        let digits: String = major.chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<u32>().ok()
    });
    match major {
        Some(major) if major < OLDEST_MAJOR => Err(Error::TooOld {
            url: client.url().to_owned(),
            found: tag.to_owned(),
        }),
        Some(_) => Ok(()),
        // A build of nobody's: its owner knows.
        None => {
            tracing::warn!(version = tag, "a version of Metabase that is none");
            Ok(())
        }
    }
}

fn check_engine(config: &MetabaseConfig, properties: &Json) -> Result<(), Error> {
    let engine = config.database.engine;
    match properties["engines"].as_object() {
        Some(engines) if !engines.contains_key(engine.as_str()) => Err(Error::Setting {
            key: "database.engine",
            reason: match engine {
                Engine::Duckdb => {
                    "this Metabase has no DuckDB driver; run the image contrail/metabase, put \
                                   the driver into its plugin folder, or use postgres"
                        .into()
                }
                Engine::Postgres => "this Metabase cannot read PostgreSQL".into(),
            },
        }),
        _ => Ok(()),
    }
}

/// Makes the first user. None when somebody else was faster.
async fn set_up(
    client: &Client,
    config: &MetabaseConfig,
    properties: &Json,
) -> Result<Option<Secret>, Error> {
    let token = properties["setup-token"].as_str().unwrap_or_default();
    let body = json!({
        "token": token,
        "user": {
            "email": config.username,
            "password": config.password.expose(),
            "first_name": "Contrail",
            "last_name": "Administrator",
            "site_name": config.site_name,
        },
        "prefs": {"site_name": config.site_name, "allow_tracking": false},
    });
    let Answer { status, body } = client.ask(Method::POST, "api/setup", Some(&body)).await?;
    if status.is_success() {
        tracing::info!(user = config.username, "Metabase is set up");
        return session_of("POST /api/setup", &body).map(Some);
    }
    let about = |key: &str| body["errors"].get(key).is_some();
    match status {
        StatusCode::FORBIDDEN => Ok(None),
        StatusCode::BAD_REQUEST if about("token") => Ok(None),
        _ if about("user") || about("password") || about("email") => Err(Error::Credentials {
            url: client.url().to_owned(),
            what: "the administrator to be",
            said: said(&body),
            settings: "metabase.username (an e-mail address) and metabase.password (at least 6 characters, a \
                       digit among them, and none of the common ones)",
        }),
        status => Err(Error::Refused {
            request: "POST /api/setup".into(),
            status: status.as_u16(),
            said: said(&body),
        }),
    }
}

async fn log_in(client: &Client, config: &MetabaseConfig) -> Result<Secret, Error> {
    let body = json!({"username": config.username, "password": config.password.expose()});
    let Answer { status, body } = client.ask(Method::POST, "api/session", Some(&body)).await?;
    match status {
        status if status.is_success() => session_of("POST /api/session", &body),
        StatusCode::UNAUTHORIZED | StatusCode::BAD_REQUEST => Err(Error::Credentials {
            url: client.url().to_owned(),
            what: "the login",
            said: said(&body),
            settings: "metabase.username and metabase.password",
        }),
        status => Err(Error::Refused {
            request: "POST /api/session".into(),
            status: status.as_u16(),
            said: said(&body),
        }),
    }
}

fn session_of(request: &str, body: &Json) -> Result<Secret, Error> {
    let id = body["id"].as_str().ok_or_else(|| Error::Answer {
        request: request.to_owned(),
        reason: "there is no \"id\" of a session in it".into(),
    })?;
    Ok(Secret::new(id))
}
