//! Requests to Metabase's API, and what its refusals mean.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::Value as Json;
use service::config::Secret;
use service::retry::{RetryPolicy, retry};
use service::shutdown::Shutdown;
use url::Url;

use crate::Error;

/// How Metabase knows who asks.
#[derive(Debug, Clone)]
pub enum Login {
    /// Nobody yet.
    None,
    /// The token of a session.
    Session(Secret),
    /// An API key.
    ApiKey(Secret),
}

/// A client of one Metabase.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    url: Url,
    login: Login,
}

/// An answer: its status, and its body where that is JSON.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The body; null when there is none, a string when it is no JSON.
    pub body: Json,
}

impl Client {
    /// A client without a login.
    ///
    /// # Errors
    /// The address is none.
    pub fn new(address: &str, timeout: Duration) -> Result<Client, Error> {
        let wrong = |reason: String| Error::Setting {
            key: "url",
            reason: format!(
                "{address:?} is not an address ({reason}); give one such as http://127.0.0.1:3000"
            ),
        };
        let mut url = Url::parse(address).map_err(|error| wrong(error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(wrong("it does not begin with http:// or https://".into()));
        }
        if !url.path().ends_with('/') {
            url.set_path(&format!("{}/", url.path()));
        }
        service::tls::install_provider();
        let http = reqwest::Client::builder()
            .timeout(timeout)
            .connect_timeout(timeout.min(Duration::from_secs(10)))
            .build()
            .map_err(Error::Client)?;
        Ok(Client {
            http,
            url,
            login: Login::None,
        })
    }

    /// The same client, logged in.
    pub fn with(self, login: Login) -> Client {
        Client { login, ..self }
    }

    /// Metabase's address.
    pub fn url(&self) -> &str {
        self.url.as_str().trim_end_matches('/')
    }

    /// One request, whatever is answered.
    ///
    /// # Errors
    /// There is no whole answer.
    pub async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Json>,
    ) -> Result<Answer, Error> {
        let request = named(&method, path);
        let url = self.url.join(path).map_err(|error| Error::Answer {
            request: request.clone(),
            reason: error.to_string(),
        })?;
        let mut call = self.http.request(method, url);
        call = match &self.login {
            Login::None => call,
            Login::Session(token) => call.header("X-Metabase-Session", token.expose()),
            Login::ApiKey(key) => call.header("x-api-key", key.expose()),
        };
        if let Some(body) = body {
            call = call.json(body);
        }
        let unreachable = |source: reqwest::Error| Error::Unreachable {
            request: request.clone(),
            url: self.url().to_owned(),
            source: source.without_url(),
        };
        let response = call.send().await.map_err(unreachable)?;
        let status = response.status();
        let text = response.text().await.map_err(unreachable)?;
        let body = match text.is_empty() {
            true => Json::Null,
            false => serde_json::from_str(&text).unwrap_or(Json::String(text)),
        };
        Ok(Answer { status, body })
    }

    /// One request, whose answer is to be a success. What may be asked twice is tried again for a moment.
    ///
    /// # Errors
    /// There is no whole answer, or Metabase refuses; what it says is in the error.
    pub async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Json>,
    ) -> Result<Json, Error> {
        let policy = RetryPolicy {
            first: Duration::from_millis(250),
            max: Duration::from_secs(5),
            attempts: Some(if method == Method::POST { 1 } else { 4 }),
        };
        let request = named(&method, path);
        let again = |error: &Error| match error {
            Error::Unreachable { .. } => true,
            Error::Refused { status, .. } => [502, 503, 504].contains(status),
            _ => false,
        };
        retry(&policy, &request, again, &Shutdown::new(), || {
            self.once(method.clone(), path, body)
        })
        .await
    }

    async fn once(&self, method: Method, path: &str, body: Option<&Json>) -> Result<Json, Error> {
        let request = named(&method, path);
        let Answer { status, body } = self.ask(method, path, body).await?;
        if status.is_success() {
            return Ok(body);
        }
        let said = said(&body);
        Err(match status {
            StatusCode::UNAUTHORIZED => Error::Credentials {
                url: self.url().to_owned(),
                what: match self.login {
                    Login::ApiKey(_) => "the API key",
                    _ => "the login",
                },
                said,
                settings: match self.login {
                    Login::ApiKey(_) => "metabase.api_key",
                    _ => "metabase.username and metabase.password",
                },
            },
            StatusCode::FORBIDDEN => Error::Forbidden { request, said },
            status => Error::Refused {
                request,
                status: status.as_u16(),
                said,
            },
        })
    }

    /// What is at a path.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn get(&self, path: &str) -> Result<Json, Error> {
        self.call(Method::GET, path, None).await
    }

    /// Makes something.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn post(&self, path: &str, body: &Json) -> Result<Json, Error> {
        self.call(Method::POST, path, Some(body)).await
    }

    /// Changes something.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn put(&self, path: &str, body: &Json) -> Result<Json, Error> {
        self.call(Method::PUT, path, Some(body)).await
    }
}

/// How messages call a request. What stands behind `?` is left out.
fn named(method: &Method, path: &str) -> String {
    format!("{method} /{}", path.split('?').next().unwrap_or(path))
}

/// The number of what a body is about.
///
/// # Errors
/// There is none in it.
pub fn id_of(request: &str, body: &Json) -> Result<i64, Error> {
    body["id"].as_i64().ok_or_else(|| Error::Answer {
        request: request.to_owned(),
        reason: "there is no \"id\" in it".into(),
    })
}

/// What a body says went wrong.
pub fn said(body: &Json) -> String {
    let texts = |key: &str| {
        let errors = body.get(key)?.as_object()?;
        let all: Vec<_> = errors
            .iter()
            .map(|(field, reason)| format!("{field}: {}", plain(reason)))
            .collect();
        (!all.is_empty()).then(|| all.join("; "))
    };
    let text = |key: &str| Some(plain(body.get(key)?)).filter(|t| !t.is_empty());
    // Beside "errors" there are "specific-errors", which repeat what was sent: passwords too.
    let said = texts("errors")
        .or_else(|| text("message"))
        .or_else(|| text("error"))
        .unwrap_or_else(|| plain(body));
    match said.char_indices().nth(600) {
        Some((end, _)) => format!("{}…", &said[..end]),
        None => said,
    }
}

fn plain(value: &Json) -> String {
    match value {
        Json::String(text) => text.trim().to_owned(),
        Json::Null => String::new(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_address_is_checked_before_anything_is_asked() {
        let limit = Duration::from_secs(1);
        for wrong in ["", "metabase:3000", "ftp://x/"] {
            let error = Client::new(wrong, limit).unwrap_err().to_string();
            assert!(error.starts_with("metabase.url: "), "{error}");
        }
        let client = Client::new("http://host:1/metabase", limit).unwrap();
        assert_eq!(client.url(), "http://host:1/metabase");
    }

    #[test]
    fn what_metabase_says_is_found() {
        for (body, expected) in [
            (
                json!({"errors": {"name": "must be given"}}),
                "name: must be given",
            ),
            (
                json!({"specific-errors": {"row": ["should be an int, received: 5"]}, "errors": {"row": "int"}}),
                "row: int",
            ),
            (json!({"message": "Nope"}), "Nope"),
            (json!("Not found."), "Not found."),
            (json!({"errors": {}, "message": "Later"}), "Later"),
            (Json::Null, ""),
        ] {
            assert_eq!(said(&body), expected);
        }
        let long = said(&json!("ü".repeat(700)));
        assert_eq!(long.chars().count(), 601);
    }
}
