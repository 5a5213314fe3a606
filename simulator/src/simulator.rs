//! The running simulator and what a test can do to it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::auth::Tokens;
use crate::clock::Clock;
use crate::config::{Config, Mode};
use crate::credits::Credits;
use crate::draws::{About, Draws};
use crate::error::Error;
use crate::fault::{Fault, Faults};
use crate::fleet::Fleet;
use crate::recorded::Recordings;
use crate::server;

/// Where tokens are granted, as on OpenSky's authentication server.
pub const TOKEN_PATH: &str = "/auth/realms/opensky-network/protocol/openid-connect/token";

/// One answer in so many carries a `time` a few seconds before the last one's.
const STEPS_BACK: f64 = 0.02;

/// A running simulator; it ends when it is dropped.
#[derive(Debug)]
pub struct Simulator {
    addr: SocketAddr,
    shared: Arc<Shared>,
    ending: CancellationToken,
    server: Option<JoinHandle<()>>,
}

/// Starts a simulator and returns once it answers. Must be called in a tokio runtime.
///
/// # Errors
/// When the configuration makes no sense, a recording cannot be used, or the address
/// cannot be listened on.
pub async fn start(config: Config) -> Result<Simulator, Error> {
    let listen = config.check()?;
    // A large fleet takes a while to draw, and recordings to read.
    let (config, source) = tokio::task::spawn_blocking(move || {
        let source = match config.mode {
            Mode::Fleet => {
                Source::Fleet(Fleet::new(config.seed, config.aircraft).with_quirks(config.quirks))
            }
            Mode::Recorded => {
                Source::Recorded(Recordings::load(std::slice::from_ref(&config.recordings))?)
            }
        };
        Ok((config, source))
    })
    .await
    .map_err(|error| Error::Internal(error.to_string()))??;
    let unable = |source| Error::Listen {
        address: listen.to_string(),
        source,
    };
    let listener = TcpListener::bind(listen).await.map_err(unable)?;
    let addr = listener.local_addr().map_err(unable)?;
    let ending = CancellationToken::new();
    let shared = Arc::new(Shared::new(config, source, ending.clone()));
    let router = server::router(shared.clone());
    let ended = ending.clone().cancelled_owned();
    let server = tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router)
            .with_graceful_shutdown(ended)
            .await
        {
            tracing::error!(%error, "the simulator's server ended");
        }
    });
    Ok(Simulator {
        addr,
        shared,
        ending,
        server: Some(server),
    })
}

impl Simulator {
    /// The address it listens on.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Its base URL, without a slash at the end; the API is below `/api`.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// The URL where tokens are granted.
    pub fn token_url(&self) -> String {
        format!("{}{TOKEN_PATH}", self.base_url())
    }

    /// The next `times` requests fail so, after the faults injected before. Requests to
    /// the API and requests for tokens are counted apart.
    pub fn inject(&self, fault: Fault, times: u32) {
        locked(&self.shared.faults).inject(fault, times);
    }

    /// Forgets the injected faults that have not happened yet.
    pub fn clear_faults(&self) {
        locked(&self.shared.faults).clear();
    }

    /// How many requests for states and flights have come, failed ones included.
    pub fn requests(&self) -> u64 {
        self.shared.requests.load(Ordering::Relaxed)
    }

    /// How many bodies of states were given whole.
    pub fn served(&self) -> u64 {
        self.shared.served.load(Ordering::Relaxed)
    }

    /// The simulator's time, seconds since 1970.
    pub fn time(&self) -> i64 {
        locked(&self.shared.clock).now()
    }

    /// Holds the clock at a time, seconds since 1970: bodies carry exactly it.
    pub fn set_time(&self, time: i64) {
        locked(&self.shared.clock).hold(Some(time));
    }

    /// Holds the clock so many seconds after the time it shows.
    pub fn advance(&self, seconds: i64) {
        let mut clock = locked(&self.shared.clock);
        let now = clock.now();
        clock.hold(Some(now + seconds));
    }

    /// Lets a held clock run again.
    pub fn run_clock(&self) {
        locked(&self.shared.clock).hold(None);
    }

    /// Makes every token invalid, as if half an hour had passed.
    pub fn expire_tokens(&self) {
        locked(&self.shared.tokens).expire_all();
    }

    /// The fleet it serves, unless it serves recordings.
    pub fn fleet(&self) -> Option<&Fleet> {
        match &self.shared.source {
            Source::Fleet(fleet) => Some(fleet),
            Source::Recorded(_) => None,
        }
    }

    /// Answers what was asked, then ends.
    pub async fn shutdown(mut self) {
        self.ending.cancel();
        if let Some(server) = self.server.take()
            && let Err(error) = server.await
        {
            tracing::error!(%error, "the simulator's server failed");
        }
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.ending.cancel();
    }
}

/// Where states come from.
#[derive(Debug)]
pub(crate) enum Source {
    Fleet(Fleet),
    Recorded(Recordings),
}

/// What the handlers share. Each lock is held for one short decision, never across an await.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) source: Source,
    pub(crate) clock: Mutex<Clock>,
    pub(crate) tokens: Mutex<Tokens>,
    pub(crate) credits: Mutex<Credits>,
    pub(crate) faults: Mutex<Faults>,
    pub(crate) requests: AtomicU64,
    pub(crate) token_requests: AtomicU64,
    pub(crate) served: AtomicU64,
    /// Number of the recording to be served next.
    pub(crate) turn: AtomicU64,
    last_time: Mutex<Option<i64>>,
    pub(crate) ending: CancellationToken,
}

impl Shared {
    fn new(config: Config, source: Source, ending: CancellationToken) -> Self {
        Self {
            clock: Mutex::new(Clock::new(config.start_time, config.speed)),
            tokens: Mutex::new(Tokens::new(config.auth.clone(), config.seed)),
            credits: Mutex::new(Credits::new(
                config.credits.anonymous_daily,
                config.credits.daily,
            )),
            faults: Mutex::new(Faults::new(&config.faults, config.seed)),
            requests: AtomicU64::new(0),
            token_requests: AtomicU64::new(0),
            served: AtomicU64::new(0),
            turn: AtomicU64::new(0),
            last_time: Mutex::new(None),
            ending,
            config,
            source,
        }
    }

    /// The `time` of the answer to a request that names none. With quirks a running clock
    /// now and then steps back behind the last answer, as when another of OpenSky's
    /// servers answers.
    pub(crate) fn time_of_answer(&self, request: u64) -> i64 {
        let clock = *locked(&self.clock);
        let mut last = locked(&self.last_time);
        let mut draws = Draws::of(self.config.seed, About::Clock, [request, 0, 0]);
        let steps_back = self.config.quirks && !clock.is_held() && draws.chance(STEPS_BACK);
        let time = match *last {
            Some(last) if steps_back => last - 1 - draws.below(5) as i64,
            _ => clock.now(),
        };
        *last = Some(time);
        time
    }
}

/// Locks, going on when a thread panicked with the lock: what it guards is valid after
/// every statement.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
