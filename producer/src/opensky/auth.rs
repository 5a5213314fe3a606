//! The OAuth2 client credentials flow, the only way in that OpenSky has.
//!
//! A token lives 30 minutes. It is kept until shortly before its end, and given up early when
//! the API answers 401 to it.

use std::fmt;
use std::time::Duration;

use reqwest::StatusCode;
use serde::Deserialize;
use service::config::Secret;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::client::FetchError;
use crate::config::OpenSkyConfig;

/// A token is not used in the last part of its life, which a request may take.
const MARGIN: Duration = Duration::from_secs(60);
/// Life of a token whose answer does not say, and the longest that is believed, in seconds.
const LIFETIME: u64 = 1_800;
const LONGEST_LIFETIME: u64 = 86_400;

/// Access tokens, fetched when they are needed.
#[derive(Debug)]
pub struct Auth {
    token_url: String,
    client_id: String,
    client_secret: Secret,
    timeout: Duration,
    current: Mutex<Option<Token>>,
}

/// An access token. It is a secret, and shows as one.
#[derive(Clone)]
pub struct Token {
    value: Secret,
    usable_until: Instant,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(***)")
    }
}

impl Token {
    /// The token itself, for the header that carries it.
    pub fn expose(&self) -> &str {
        self.value.expose()
    }
}

/// What the token endpoint answers.
#[derive(Deserialize)]
struct Granted {
    access_token: Secret,
    expires_in: Option<u64>,
}

/// What it answers when it refuses.
#[derive(Deserialize, Default)]
struct Refused {
    #[serde(default)]
    error: String,
    #[serde(default)]
    error_description: String,
}

impl Auth {
    /// The flow for the configured client; none when it asks anonymously.
    pub fn new(config: &OpenSkyConfig) -> Option<Auth> {
        (!config.is_anonymous()).then(|| Auth {
            token_url: config.token_url.clone(),
            client_id: config.client_id.clone(),
            client_secret: config.client_secret.clone(),
            timeout: config.timeout,
            current: Mutex::new(None),
        })
    }

    /// The token to use now. `refused` is one that the API did not take, and is not given again.
    ///
    /// # Errors
    /// The credentials are wrong, or the token endpoint does not answer as it should.
    pub async fn token(
        &self,
        http: &reqwest::Client,
        refused: Option<&Token>,
    ) -> Result<Token, FetchError> {
        let mut current = self.current.lock().await;
        if let Some(token) = &*current
            && Instant::now() < token.usable_until
            && refused.is_none_or(|refused| refused.expose() != token.expose())
        {
            return Ok(token.clone());
        }
        // What is there is of no use whatever comes next.
        *current = None;
        let token = self.fetch(http).await?;
        *current = Some(token.clone());
        Ok(token)
    }

    async fn fetch(&self, http: &reqwest::Client) -> Result<Token, FetchError> {
        metrics::counter!("contrail_producer_token_requests_total").increment(1);
        let failed = |error| FetchError::request("the token endpoint", self.timeout, error);
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", self.client_id.as_str()),
            ("client_secret", self.client_secret.expose()),
        ];
        let asked = Instant::now();
        let response = http
            .post(&self.token_url)
            .timeout(self.timeout)
            .form(&form)
            .send()
            .await
            .map_err(failed)?;
        let status = response.status();
        if matches!(
            status,
            StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN
        ) {
            let refused: Refused = response.json().await.unwrap_or_default();
            return Err(FetchError::Credentials {
                reason: reason(status, &refused),
            });
        }
        if !status.is_success() {
            return Err(FetchError::Status {
                what: "the token endpoint",
                status,
            });
        }
        let granted: Granted = response.json().await.map_err(failed)?;
        let lifetime = granted.expires_in.unwrap_or(LIFETIME);
        let lifetime = Duration::from_secs(lifetime.min(LONGEST_LIFETIME));
        Ok(Token {
            value: granted.access_token,
            usable_until: asked + lifetime.saturating_sub(MARGIN.min(lifetime / 4)),
        })
    }
}

fn reason(status: StatusCode, refused: &Refused) -> String {
    let said = [&refused.error_description, &refused.error]
        .into_iter()
        .find(|text| !text.is_empty());
    match said {
        Some(said) => format!("{}, {said}", status.as_u16()),
        None => status.as_u16().to_string(),
    }
}
