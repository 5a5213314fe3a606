//! `refresh`: one more poll of 10,000 rows, counted and published, over a day and over a
//! month of history.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use transformer::Transformer;

use crate::history::{History, Span};
use crate::input::{AIRCRAFT, INTERVAL, NOON};
use crate::process::own_cpu;
use crate::report::{Aim, Figure};
use crate::sample::Sample;
use crate::{Scale, progress};

const STAGE: &str = "refresh";
const DAYS: [i64; 2] = [1, 30];
/// Polls before the clock runs.
const WARM_UP: usize = 2;
/// Refreshes after which every mart is published, the large ones too.
const FULL: usize = 5;

/// One history with its transformer, and how long each poll took.
struct Subject {
    history: History,
    transformer: Transformer,
    next: i64,
    rows: u64,
    counted: Vec<Duration>,
    total: Vec<Duration>,
    /// What follows when readers have the generation.
    tidied: Vec<Duration>,
    /// CPU time of the polls in `total`.
    cpu: Duration,
    full: Vec<Duration>,
}

/// Measures both; they take turns, so that what else the machine does concerns both.
///
/// # Errors
/// When a poll is not counted.
pub async fn measure(folder: &Path, scale: Scale) -> anyhow::Result<Vec<Figure>> {
    let folder = folder.join(STAGE);
    let step = scale.pick(900, 3_600);
    let mut subjects = Vec::new();
    for days in DAYS {
        subjects.push(Subject::open(&folder, Span { days, step }).await?);
    }
    progress("one poll after the other");
    for number in 0..WARM_UP + scale.pick(20, 10) {
        for subject in &mut subjects {
            subject.poll(number >= WARM_UP, false).await?;
        }
    }
    for _ in 0..FULL {
        for subject in &mut subjects {
            subject.poll(true, true).await?;
        }
    }
    let ratio = |times: fn(&Subject) -> &Vec<Duration>| {
        let medians: Vec<f64> = subjects
            .iter()
            .map(|s| Sample::milliseconds(times(s)).median())
            .collect();
        medians
            .iter()
            .rev()
            .copied()
            .reduce(|long, short| long / short)
            .unwrap_or(f64::NAN)
    };
    let of_a_day = ratio(|subject| &subject.total);
    let of_a_day_full = ratio(|subject| &subject.full);
    let mut figures = Vec::new();
    for (subject, days) in subjects.into_iter().zip(DAYS) {
        figures.extend(subject.figures(days)?);
    }
    figures.push(
        Figure::new(STAGE, "30 days of history over 1 day, p50", of_a_day, "×")
            .aim(Aim::AtMost(1.5)),
    );
    figures.push(Figure::new(
        STAGE,
        "the same with every mart",
        of_a_day_full,
        "×",
    ));
    Ok(figures)
}

impl Subject {
    async fn open(folder: &Path, span: Span) -> anyhow::Result<Subject> {
        let history = History::make(folder, span).await?;
        let mut transformer = Transformer::open(&history.config).await?;
        progress(&format!("counting {} days", span.days));
        transformer.catch_up().await?;
        let status = transformer.status();
        let newest = status.as_of.map_or(NOON, |time| time.timestamp());
        Ok(Subject {
            history,
            transformer,
            next: newest.max(NOON) + INTERVAL,
            rows: status.rows,
            counted: Vec::new(),
            total: Vec::new(),
            tidied: Vec::new(),
            cpu: Duration::ZERO,
            full: Vec::new(),
        })
    }

    /// One poll more: as the service does it when it finds the new snapshot.
    async fn poll(&mut self, is_measured: bool, full: bool) -> anyhow::Result<()> {
        self.history.append(self.next).await?;
        self.next += INTERVAL;
        let (began, cpu) = (Instant::now(), own_cpu());
        let refreshed = self.transformer.refresh().await?;
        let counted = began.elapsed();
        let refreshed = refreshed.context("the new poll was not seen")?;
        let published = self.transformer.publish(full).await?;
        let (returned, cpu) = (began.elapsed(), own_cpu().saturating_sub(cpu));
        let total = counted + published.duration;
        if refreshed.rows != AIRCRAFT as u64 || refreshed.repeated != 0 {
            bail!("{AIRCRAFT} new rows were to be counted: {refreshed:?}");
        }
        if is_measured && full {
            self.full.push(total);
        } else if is_measured {
            self.counted.push(counted);
            self.total.push(total);
            self.tidied.push(returned.saturating_sub(total));
            self.cpu += cpu;
        }
        Ok(())
    }

    fn figures(self, days: i64) -> anyhow::Result<Vec<Figure>> {
        drop(self.transformer);
        let state = state(&self.history)?;
        let (total, counted) = (
            Sample::milliseconds(&self.total),
            Sample::milliseconds(&self.counted),
        );
        let cpu = self.cpu.as_secs_f64() * 1e3 / total.len() as f64;
        let tidied = self.tidied.iter().sum::<Duration>().as_secs_f64() * 1e3 / total.len() as f64;
        let days = match days {
            1 => "1 day".to_owned(),
            days => format!("{days} days"),
        };
        Ok(vec![
            Figure::median(
                STAGE,
                format!("{days}: poll to published, p50"),
                &total,
                "ms",
            )
            .aim(Aim::AtMost(500.0))
            .note(format!(
                "{} polls; counting {:.0} ms of it; {tidied:.0} ms more on average to tidy up; CPU time {cpu:.0} ms; {} rows of history; state: {state}",
                total.len(),
                counted.median(),
                self.rows
            )),
            Figure::new(
                STAGE,
                format!("{days}: the longest of them"),
                total.max(),
                "ms",
            )
            .aim(Aim::AtMost(500.0)),
            Figure::median(
                STAGE,
                format!("{days}: with every mart, the large ones too"),
                &Sample::milliseconds(&self.full),
                "ms",
            )
            .aim(Aim::AtMost(500.0)),
        ])
    }
}

/// How large the tables of the private state are that grow with the days.
fn state(history: &History) -> anyhow::Result<String> {
    let path = history.analytics.join("contrail.duckdb");
    let settings = duckdb::Config::default().access_mode(duckdb::AccessMode::ReadOnly)?;
    let database = duckdb::Connection::open_with_flags(&path, settings)
        .with_context(|| format!("cannot open {}", path.display()))?;
    let sql = "select coalesce(string_agg(table_name || ' ' || estimated_size, ', ' order by table_name), '')
        from duckdb_tables() where not internal and not temporary and estimated_size > 10000";
    Ok(database.query_row(sql, [], |row| row.get(0))?)
}
