//! Producer, consumer and transformer side by side, and their end in order.
//!
//! The end is the point of this module. Each service ends well by itself, but only in the
//! order of the data is nothing left on the way: no more polls; then the consumer until it
//! has committed what was published; then the transformer until the marts show it.
//!
//! A process that is killed has no such end: the polls that were in the embedded broker and
//! not in the lake are lost, those of about the last `consumer.commit_age`. What is in the
//! lake stays, and the next start counts what the marts do not show yet.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::Utc;
use service::health::Health;
use service::shutdown::Shutdown;
use tokio::sync::watch;
use transformer::{Mode, Transformer};

use crate::display::{Display, LOG_EVERY};
use crate::error::Error;
use crate::figures::{Figures, Milestones};
use crate::home::{Home, Servers};
use crate::marts;
use crate::part::{DRAIN, Part};
use crate::trim;

/// How often the status line is written.
const LOOK: Duration = Duration::from_millis(250);

/// What a session did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Where it ended.
    pub figures: Figures,
    /// Records that could not be decoded.
    pub dead_letters: u64,
    /// How long it took, the end included.
    pub duration: Duration,
}

/// Where the services say how far they are.
#[derive(Clone)]
struct Watched {
    produced: watch::Receiver<producer::Progress>,
    consumed: watch::Receiver<consumer::Progress>,
    marts: watch::Receiver<transformer::Status>,
}

/// Runs the pipeline until `shutdown`, or for as long as `limit` says, and ends it in order.
///
/// # Errors
/// When a service cannot be started or cannot go on; the others are ended in order first.
pub async fn run(
    home: &Home,
    servers: &Servers,
    health: &Health,
    shutdown: &Shutdown,
    limit: Option<Duration>,
    display: &Display,
) -> Result<Summary, Error> {
    let started = Instant::now();
    // The broker is new and knows of no poll, but the lake may hold them up to just now.
    let before = count(home).await?;
    let published_until = before.as_of.map(|time| time.timestamp());

    let (produced_by, produced) = watch::channel(producer::Progress::default());
    let (consumed_by, consumed) = watch::channel(consumer::Progress::default());
    let (marts_by, marts) = watch::channel(before);
    let trimmer = tokio::spawn(trim::follow(Arc::clone(servers.broker()), consumed.clone()));
    let mut consumer = Part::start("consumer", |ending| {
        consumer::run(
            home.consumer(servers),
            health.clone(),
            ending,
            Some(consumed_by),
        )
    });
    let mut transformer = Part::start("transformer", |ending| {
        let config = home.transformer(Mode::Continuous);
        transformer::run(config, health.clone(), ending, Some(marts_by))
    });
    let mut producer = Part::start("producer", |ending| {
        producer::run_after(
            home.producer(servers),
            health.clone(),
            ending,
            Some(produced_by),
            published_until,
        )
    });
    let watched = Watched {
        produced,
        consumed,
        marts,
    };

    let time_is_up = async {
        match limit {
            Some(limit) => tokio::time::sleep(limit).await,
            None => std::future::pending().await,
        }
    };
    let shown = tokio::spawn(watched.clone().show(display.clone(), started));
    tokio::select! {
        () = shutdown.wait() => {}
        () = time_is_up => {}
        () = producer.ended() => {}
        () = consumer.ended() => {}
        () = transformer.ended() => {}
    }
    tracing::info!("ending, once what is on its way has arrived");

    let produced = producer.end().await;
    let drained = if consumer.has_ended() {
        Ok(())
    } else {
        watched.drained(&mut consumer).await
    };
    let consumed = consumer.end().await;
    let transformed = transformer.end().await;
    trimmer.abort();
    shown.abort();
    // Whatever happened, what was committed is shown; but the first error is the one to tell.
    let marts = show(home).await;
    let produced = produced?;
    let consumed = consumed?;
    drained?;
    transformed?;
    Ok(Summary {
        figures: Figures::of(&produced, &consumed, &marts?),
        dead_letters: consumed.dead_letters,
        duration: started.elapsed(),
    })
}

/// The marts as they are, with what a crash may have left in the lake.
async fn count(home: &Home) -> Result<transformer::Status, Error> {
    let mut transformer = Transformer::open(&home.transformer(Mode::Continuous)).await?;
    marts::count(&mut transformer).await?;
    Ok(transformer.status())
}

/// The marts with everything the lake has, as readers see it.
async fn show(home: &Home) -> Result<transformer::Status, Error> {
    let mut transformer = Transformer::open(&home.transformer(Mode::Once)).await?;
    marts::show(&mut transformer, &home.folder().published()).await?;
    Ok(transformer.status())
}

impl Watched {
    fn figures(&self) -> Figures {
        Figures::of(
            &self.produced.borrow(),
            &self.consumed.borrow(),
            &self.marts.borrow(),
        )
    }

    /// Shows how far things are, for ever.
    async fn show(self, display: Display, started: Instant) {
        let line = display.line();
        let before = self.figures();
        let mut milestones = Milestones::default();
        let mut said = Instant::now();
        let mut look = tokio::time::interval(LOOK);
        loop {
            look.tick().await;
            let figures = self.figures();
            line.set_message(figures.line(Utc::now()));
            for reached in milestones.reached(&before, &figures) {
                let seconds = started.elapsed().as_secs_f32();
                tracing::info!("{reached} {seconds:.1} s after the start");
            }
            if !display.is_terminal() && said.elapsed() >= LOG_EVERY {
                said = Instant::now();
                tracing::info!(
                    polls = figures.polls,
                    rows_in_lake = figures.committed,
                    rows_in_marts = figures.in_marts,
                    generation = figures.generation,
                    newest_poll_age_seconds = figures.age(Utc::now()).map(|age| age.as_secs()),
                    "under way"
                );
            }
        }
    }

    /// Waits until the consumer has committed all that was published.
    async fn drained(&self, consumer: &mut Part<consumer::Summary>) -> Result<(), Error> {
        let offsets = self.produced.borrow().offsets.clone();
        let mut consumed = self.consumed.clone();
        tokio::select! {
            _ = consumed.wait_for(|progress| trim::is_committed(&offsets, progress)) => Ok(()),
            // Its own error says more.
            () = consumer.ended() => Ok(()),
            () = tokio::time::sleep(DRAIN) => Err(Error::NotDrained {
                seconds: DRAIN.as_secs(),
            }),
        }
    }
}
