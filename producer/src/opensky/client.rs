//! Asks OpenSky for a body, once.
//!
//! Whether and when to ask again is the caller's to decide, by what the error says. The one
//! exception is a 401, which is answered with a new token and a second request: a token may end
//! before its time.

use std::time::Duration;

use reqwest::{RequestBuilder, Response, StatusCode, Url, header};
use service::fault::{Fault, Faulty};

use super::auth::{Auth, Token};
use crate::config::OpenSkyConfig;

/// Credits left until the quota's reset.
const REMAINING: &str = "x-rate-limit-remaining";
/// Seconds until more credits are there; sent with a 429.
const RETRY_AFTER: &str = "x-rate-limit-retry-after-seconds";
/// The pause after a 429 that does not name one.
const DEFAULT_PAUSE: Duration = Duration::from_secs(60);
/// No quota takes longer to come back.
const LONGEST_PAUSE: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a connection may take; a part of the request's time.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

const STATES: &str = "OpenSky's /states/all";

/// A client of one OpenSky, or of something that answers like it.
#[derive(Debug)]
pub struct OpenSky {
    http: reqwest::Client,
    states_url: Url,
    auth: Option<Auth>,
    timeout: Duration,
    body_limit: usize,
}

/// What OpenSky answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The body, decompressed.
    pub body: Vec<u8>,
    /// Credits left until the quota's reset, when it says so.
    pub credits_left: Option<u64>,
}

/// Why there is no body.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The configured address is not one.
    #[error("producer.opensky.base_url = {address:?} is not an address: {reason}")]
    Address {
        /// The address.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No client could be made, or no request.
    #[error("cannot make a request to OpenSky")]
    Client(#[source] reqwest::Error),
    /// The token endpoint does not know the client or its secret.
    #[error(
        "OpenSky refused the credentials ({reason}); check producer.opensky.client_id and producer.opensky.client_secret"
    )]
    Credentials {
        /// What it said.
        reason: String,
    },
    /// Without credentials there is no answer.
    #[error(
        "OpenSky asks for credentials; set producer.opensky.client_id and producer.opensky.client_secret"
    )]
    Anonymous,
    /// A token, fetched just now, was not accepted.
    #[error("OpenSky answers 401 to an access token it has just given out")]
    TokenRefused,
    /// The credits are used up.
    #[error("OpenSky's credits are used up for {} s", retry_after.as_secs())]
    RateLimited {
        /// When to ask again.
        retry_after: Duration,
    },
    /// Another status than 200.
    #[error("{what} answered {status}")]
    Status {
        /// What was asked.
        what: &'static str,
        /// The answer.
        status: StatusCode,
    },
    /// No whole answer in time.
    #[error("{what} gave no whole answer within {} s", after.as_secs_f64())]
    TimedOut {
        /// What was asked.
        what: &'static str,
        /// How long it was waited for.
        after: Duration,
    },
    /// No connection, or one that broke off.
    #[error("cannot read from {what}")]
    Broken {
        /// What was asked.
        what: &'static str,
        /// What the HTTP client said, without the address.
        #[source]
        source: reqwest::Error,
    },
    /// A body beyond the configured limit.
    #[error("{STATES} sent more than {limit} bytes; see producer.opensky.body_limit")]
    TooLong {
        /// The limit in bytes.
        limit: usize,
    },
}

impl FetchError {
    /// What an error of the HTTP client means for a request for `what`.
    pub(super) fn request(what: &'static str, timeout: Duration, error: reqwest::Error) -> Self {
        // Addresses may carry what is nobody's business, and the message names `what`.
        let source = error.without_url();
        if source.is_timeout() {
            let after = timeout;
            return FetchError::TimedOut { what, after };
        }
        if source.is_builder() {
            return FetchError::Client(source);
        }
        FetchError::Broken { what, source }
    }
}

impl Faulty for FetchError {
    fn fault(&self) -> Fault {
        match self {
            FetchError::Address { .. }
            | FetchError::Client(_)
            | FetchError::Credentials { .. }
            | FetchError::Anonymous => Fault::Configuration,
            _ => Fault::Dependency,
        }
    }

    /// Whether it makes sense to ask again within the same poll.
    fn retryable(&self) -> bool {
        match self {
            FetchError::TimedOut { .. } | FetchError::Broken { .. } => true,
            FetchError::Status { status, .. } => status.is_server_error(),
            _ => false,
        }
    }
}

impl OpenSky {
    /// A client as configured. No request is made yet.
    ///
    /// # Errors
    /// The TLS certificates of the system cannot be read.
    pub fn new(config: &OpenSkyConfig) -> Result<OpenSky, FetchError> {
        service::tls::install_provider();
        let http = reqwest::Client::builder()
            .user_agent(concat!("contrail/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .build()
            .map_err(FetchError::Client)?;
        Ok(OpenSky {
            http,
            states_url: states_url(config)?,
            auth: Auth::new(config),
            timeout: config.timeout,
            body_limit: config.body_limit.as_usize(),
        })
    }

    /// All aircraft known now, in the configured box, as OpenSky sends them.
    ///
    /// # Errors
    /// See [`FetchError`]; [`Faulty::retryable`] says whether to ask again soon.
    pub async fn states(&self) -> Result<Answer, FetchError> {
        let mut response = self.ask().await?;
        let credits_left = number(&response, REMAINING);
        match response.status() {
            StatusCode::OK => {}
            StatusCode::TOO_MANY_REQUESTS => {
                return Err(FetchError::RateLimited {
                    retry_after: pause(&response),
                });
            }
            status => {
                return Err(FetchError::Status {
                    what: STATES,
                    status,
                });
            }
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|e| self.failed(e))? {
            if body.len() + chunk.len() > self.body_limit {
                return Err(FetchError::TooLong {
                    limit: self.body_limit,
                });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { body, credits_left })
    }

    /// One request, or two when the first one's token is not accepted.
    async fn ask(&self) -> Result<Response, FetchError> {
        let Some(auth) = &self.auth else {
            let response = self.send(self.request()).await?;
            return match response.status() {
                StatusCode::UNAUTHORIZED => Err(FetchError::Anonymous),
                _ => Ok(response),
            };
        };
        let mut refused: Option<Token> = None;
        loop {
            let token = auth.token(&self.http, refused.as_ref()).await?;
            let response = self
                .send(self.request().bearer_auth(token.expose()))
                .await?;
            if response.status() != StatusCode::UNAUTHORIZED {
                return Ok(response);
            }
            if refused.is_some() {
                return Err(FetchError::TokenRefused);
            }
            refused = Some(token);
        }
    }

    fn request(&self) -> RequestBuilder {
        self.http
            .get(self.states_url.clone())
            .header(header::ACCEPT, "application/json")
            .timeout(self.timeout)
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, FetchError> {
        request.send().await.map_err(|e| self.failed(e))
    }

    fn failed(&self, error: reqwest::Error) -> FetchError {
        FetchError::request(STATES, self.timeout, error)
    }
}

/// The address to ask, with all parameters.
fn states_url(config: &OpenSkyConfig) -> Result<Url, FetchError> {
    let base = config.base_url.trim_end_matches('/');
    let mut url =
        Url::parse(&format!("{base}/states/all")).map_err(|error| FetchError::Address {
            address: config.base_url.clone(),
            reason: error.to_string(),
        })?;
    for (name, degrees) in config.edges() {
        url.query_pairs_mut()
            .append_pair(name, &degrees.to_string());
    }
    if config.extended {
        url.query_pairs_mut().append_pair("extended", "1");
    }
    Ok(url)
}

/// The number in a header, if there is one.
fn number(response: &Response, name: &str) -> Option<u64> {
    response
        .headers()
        .get(name)?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()
}

/// How long a 429 asks to wait.
fn pause(response: &Response) -> Duration {
    number(response, RETRY_AFTER)
        .or_else(|| number(response, header::RETRY_AFTER.as_str()))
        .map_or(DEFAULT_PAUSE, Duration::from_secs)
        .clamp(Duration::from_secs(1), LONGEST_PAUSE)
}
