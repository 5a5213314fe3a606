//! Telling a person, by a webhook, what a log line alone would not.
//!
//! [`Notifier::send`] never waits and never fails: whoever has something to say goes on with its
//! work. A task of its own posts what was said, tries again while the receiver is away, and keeps
//! to a number of notifications an hour. What is said is logged too, whether or not there is a
//! webhook.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::sync::{mpsc, oneshot};

use crate::config::NotifyConfig;
use crate::fault::{Fault, Faulty, chain};
use crate::retry::{RetryPolicy, retry};
use crate::shutdown::Shutdown;
use crate::tls;

/// Notifications that may wait for the receiver; beyond, they are only logged.
const WAITING: usize = 64;
/// The time over which notifications are counted.
const HOUR: Duration = Duration::from_secs(3600);
/// The longest text that Discord takes.
const LONGEST_CONTENT: usize = 2000;

/// Why notifications cannot be sent at all.
#[derive(Debug, thiserror::Error)]
pub enum NotifyError {
    /// The address is none. It may hold a secret, so it is not shown.
    #[error("notify.webhook is not an address; write one such as \"https://hooks.example.org/x\"")]
    Webhook,
    /// No HTTP client can be made.
    #[error("cannot make the HTTP client for notifications")]
    Client(#[source] reqwest::Error),
}

impl Faulty for NotifyError {
    fn fault(&self) -> Fault {
        match self {
            NotifyError::Webhook => Fault::Configuration,
            NotifyError::Client(_) => Fault::Internal,
        }
    }
}

/// How much a notification matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Something is well again.
    Info,
    /// Something should be looked at.
    Warning,
    /// Something does not work.
    Error,
}

/// What is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Notification {
    /// How much it matters.
    pub level: Level,
    /// What it is about, in a few words.
    pub title: String,
    /// What has happened, and what can be done.
    pub text: String,
    /// Its values by name.
    pub fields: BTreeMap<String, String>,
}

impl Notification {
    /// One without fields.
    pub fn new(level: Level, title: impl Into<String>, text: impl Into<String>) -> Notification {
        Notification {
            level,
            title: title.into(),
            text: text.into(),
            fields: BTreeMap::new(),
        }
    }

    /// With one more field.
    pub fn field(mut self, name: &str, value: impl ToString) -> Notification {
        self.fields.insert(name.to_owned(), value.to_string());
        self
    }

    fn log(&self) {
        let Notification {
            title,
            text,
            fields,
            ..
        } = self;
        match self.level {
            Level::Info => tracing::info!(title, text, ?fields, "notification"),
            Level::Warning => tracing::warn!(title, text, ?fields, "notification"),
            Level::Error => tracing::error!(title, text, ?fields, "notification"),
        }
    }
}

/// Sends notifications. Clones share one queue.
#[derive(Debug, Clone)]
pub struct Notifier {
    queue: Option<mpsc::Sender<Message>>,
}

#[derive(Debug)]
enum Message {
    Send(Notification),
    /// Everything that was queued before is done.
    Done(oneshot::Sender<()>),
}

impl Notifier {
    /// One that only logs.
    pub fn log_only() -> Notifier {
        Notifier { queue: None }
    }

    /// Starts the task that sends. Call it inside a Tokio runtime.
    ///
    /// # Errors
    /// The webhook is no address.
    pub fn start(config: &NotifyConfig) -> Result<Notifier, NotifyError> {
        let Some(url) = address(config)? else {
            return Ok(Notifier::log_only());
        };
        tls::install_provider();
        let client = reqwest::Client::builder().timeout(config.timeout).build();
        let sender = Sender {
            client: client.map_err(NotifyError::Client)?,
            url,
            sent: VecDeque::new(),
            per_hour: config.per_hour as usize,
            left_out: 0,
        };
        let (queue, messages) = mpsc::channel(WAITING);
        tokio::spawn(sender.run(messages));
        Ok(Notifier { queue: Some(queue) })
    }

    /// Logs a notification and queues it to be sent. Never waits, never fails.
    pub fn send(&self, notification: Notification) {
        notification.log();
        if let Some(queue) = &self.queue
            && queue.try_send(Message::Send(notification)).is_err()
        {
            tracing::warn!("too many notifications wait to be sent: this one is only logged");
        }
    }

    /// Waits until what was queued is sent, or given up, but no longer than `patience`.
    pub async fn finish(&self, patience: Duration) {
        let Some(queue) = &self.queue else { return };
        let (done, finished) = oneshot::channel();
        let wait = async {
            if queue.send(Message::Done(done)).await.is_ok() {
                // An error means that the task is gone, and nothing is left to wait for.
                let _ = finished.await;
            }
        };
        if tokio::time::timeout(patience, wait).await.is_err() {
            tracing::warn!("ending with notifications that could not be sent");
        }
    }
}

/// Looks whether [`Notifier::start`] can use the section.
///
/// # Errors
/// The webhook is no address.
pub fn check(config: &NotifyConfig) -> Result<(), NotifyError> {
    address(config).map(drop)
}

/// Where to post; none without a webhook.
fn address(config: &NotifyConfig) -> Result<Option<reqwest::Url>, NotifyError> {
    if config.webhook.is_empty() {
        return Ok(None);
    }
    let url = reqwest::Url::parse(config.webhook.expose()).ok();
    let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    url.map(Some).ok_or(NotifyError::Webhook)
}

/// The body of a post: `text` is what Slack and Mattermost show, `content` what Discord does.
#[derive(Serialize)]
struct Body<'a> {
    title: &'a str,
    text: String,
    content: String,
    level: Level,
    fields: &'a BTreeMap<String, String>,
    left_out: u64,
}

impl<'a> Body<'a> {
    fn new(notification: &'a Notification, left_out: u64) -> Body<'a> {
        let Notification { title, text, .. } = notification;
        let mut whole = format!("{title}\n{text}");
        for (name, value) in &notification.fields {
            whole.push_str(&format!("\n{name}: {value}"));
        }
        if left_out > 0 {
            whole.push_str(&format!(
                "\n({left_out} notifications before it were not sent)"
            ));
        }
        Body {
            title,
            content: whole.chars().take(LONGEST_CONTENT).collect(),
            text: whole,
            level: notification.level,
            fields: &notification.fields,
            left_out,
        }
    }
}

struct Sender {
    client: reqwest::Client,
    url: reqwest::Url,
    /// When the notifications of the last hour were sent.
    sent: VecDeque<Instant>,
    per_hour: usize,
    left_out: u64,
}

/// A post that did not succeed.
#[derive(Debug, thiserror::Error)]
enum PostError {
    /// The receiver did not take it.
    #[error("the receiver answered {0}")]
    Status(reqwest::StatusCode),
    /// It could not be reached.
    #[error("{0}")]
    Http(String),
}

impl PostError {
    fn of(error: reqwest::Error) -> PostError {
        // The address may hold a secret.
        PostError::Http(chain(&error.without_url()))
    }

    fn retryable(&self) -> bool {
        match self {
            PostError::Status(status) => status.is_server_error() || status.as_u16() == 429,
            PostError::Http(_) => true,
        }
    }
}

impl Sender {
    async fn run(mut self, mut messages: mpsc::Receiver<Message>) {
        while let Some(message) = messages.recv().await {
            match message {
                Message::Send(notification) => self.send(&notification).await,
                // Whoever asked may have gone.
                Message::Done(done) => drop(done.send(())),
            }
        }
    }

    async fn send(&mut self, notification: &Notification) {
        while self.sent.front().is_some_and(|sent| sent.elapsed() >= HOUR) {
            self.sent.pop_front();
        }
        if self.sent.len() >= self.per_hour {
            self.left_out += 1;
            tracing::debug!(left_out = self.left_out, "notifications are held back");
            return;
        }
        self.sent.push_back(Instant::now());
        let body = Body::new(notification, self.left_out);
        let policy = RetryPolicy {
            first: Duration::from_millis(500),
            max: Duration::from_secs(30),
            attempts: Some(6),
        };
        let post = || self.post(&body);
        let shutdown = Shutdown::new();
        let posted = retry(&policy, "notify", PostError::retryable, &shutdown, post).await;
        match posted {
            Ok(()) => self.left_out = 0,
            Err(error) => {
                self.left_out += 1;
                tracing::warn!(%error, title = notification.title, "a notification was not sent");
            }
        }
    }

    async fn post(&self, body: &Body<'_>) -> Result<(), PostError> {
        let request = self.client.post(self.url.clone()).json(body);
        let response = request.send().await.map_err(PostError::of)?;
        match response.status() {
            status if status.is_success() => Ok(()),
            status => Err(PostError::Status(status)),
        }
    }
}
