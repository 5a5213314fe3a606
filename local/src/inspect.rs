//! What is in a data folder: `query` and `status`.

use std::fmt::{self, Write as _};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};
use contract::names::FLIGHT_STATES_TABLE;
use indicatif::HumanCount;
use lake::{Lake, LakeConfig};
use service::data_folder::{DataFolder, Holder};

use crate::error::Error;
use crate::figures::Seconds;
use crate::home;

/// Iceberg's name for the number of rows a snapshot has.
const TOTAL_RECORDS: &str = "total-records";
/// How long the process that holds the folder may take to say whether it is ready.
const PATIENCE: Duration = Duration::from_secs(2);

/// How a result is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Columns for people.
    Table,
    /// With a header.
    Csv,
    /// An array of objects.
    Json,
}

/// The data folder that is meant: the named one, else of those that `candidates` name the
/// one where something was published last.
///
/// # Errors
/// When none is named and none is there, or one cannot be looked into.
pub fn choose(named: Option<PathBuf>, candidates: &[&str]) -> Result<PathBuf, Error> {
    if let Some(named) = named {
        return Ok(named);
    }
    let mut published = Vec::new();
    for candidate in candidates {
        let path = PathBuf::from(candidate);
        let current = path.join("published").join("CURRENT");
        match fs::metadata(&current).and_then(|metadata| metadata.modified()) {
            Ok(modified) => published.push((modified, path)),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(source) => {
                return Err(Error::Transformer(transformer::Error::File {
                    action: "read",
                    path: current,
                    source,
                }));
            }
        }
    }
    let newest = published.into_iter().max();
    newest
        .map(|(_, path)| path)
        .ok_or_else(|| Error::NoData(candidates.iter().map(|c| (*c).to_owned()).collect()))
}

/// The answer to `sql` over the published marts of a data folder.
///
/// # Errors
/// When there is no data folder or nothing published in it, or the query is refused.
pub fn query(data: &Path, sql: &str, format: Format) -> Result<String, Error> {
    let folder = DataFolder::view(data)?;
    let result = transformer::query(&folder.published(), sql)?;
    Ok(match format {
        Format::Table => result.to_table(),
        Format::Csv => result.to_csv(),
        Format::Json => format!("{}\n", result.to_json()?),
    })
}

/// What a data folder holds and who holds it.
#[derive(Debug, Clone, PartialEq)]
pub struct Status {
    folder: PathBuf,
    holder: Option<Holder>,
    /// Where the holder can be asked, and what it answered.
    service: Option<(String, String)>,
    lake: Option<LakeStatus>,
    marts: Option<transformer::query::PublishedStatus>,
    now: DateTime<Utc>,
}

#[derive(Debug, Clone, PartialEq)]
struct LakeStatus {
    rows: u64,
    committed: Option<DateTime<Utc>>,
}

/// Looks at a data folder, whether or not a process holds it.
///
/// # Errors
/// When there is no data folder or it cannot be read.
pub async fn status(data: &Path) -> Result<Status, Error> {
    let folder = DataFolder::view(data)?;
    let holder = DataFolder::holder(data)?;
    let service = match home::endpoint(&folder).filter(|_| holder.is_some()) {
        Some(url) => {
            let readiness = readiness(&url).await;
            Some((url, readiness))
        }
        None => None,
    };
    let published = folder.published();
    let marts =
        tokio::task::spawn_blocking(move || transformer::query::published_status(&published));
    let marts = match marts.await {
        Ok(Ok(status)) => Some(status),
        Ok(Err(transformer::Error::NotPublished(_))) => None,
        Ok(Err(error)) => return Err(error.into()),
        Err(_) => return Err(Error::Panicked("query of the marts")),
    };
    Ok(Status {
        folder: folder.root().to_owned(),
        holder,
        service,
        lake: lake_status(&folder.warehouse()).await?,
        marts,
        now: Utc::now(),
    })
}

/// From the table's metadata alone. A lake that is not there is not made by looking.
async fn lake_status(warehouse: &Path) -> Result<Option<LakeStatus>, Error> {
    if !warehouse.join("catalog.db").exists() {
        return Ok(None);
    }
    let lake = Lake::open(&LakeConfig::in_folder(warehouse)).await?;
    let Some(table) = lake.load(FLIGHT_STATES_TABLE).await? else {
        return Ok(None);
    };
    let Some(snapshot) = table.metadata().current_snapshot() else {
        return Ok(Some(LakeStatus {
            rows: 0,
            committed: None,
        }));
    };
    let rows = snapshot.summary().additional_properties.get(TOTAL_RECORDS);
    Ok(Some(LakeStatus {
        rows: rows.and_then(|rows| rows.parse().ok()).unwrap_or(0),
        committed: DateTime::from_timestamp_millis(snapshot.timestamp_ms()),
    }))
}

async fn readiness(url: &str) -> String {
    service::tls::install_provider();
    let ask = async {
        let client = reqwest::Client::builder().timeout(PATIENCE).build()?;
        client.get(format!("{url}/readyz")).send().await
    };
    match ask.await {
        Ok(response) if response.status().is_success() => "ready".to_owned(),
        Ok(response) => match response.text().await {
            Ok(text) => format!("not ready: {text}"),
            Err(error) => format!("not ready: {error}"),
        },
        Err(error) => format!("does not answer: {error}"),
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = |name: &str, text: String| writeln!(f, "{name:<12} {text}");
        line("data folder", self.folder.display().to_string())?;
        let holder = self.holder.as_ref().map(ToString::to_string);
        line("in use by", holder.unwrap_or_else(|| "nobody".to_owned()))?;
        if let Some((url, readiness)) = &self.service {
            line("service", format!("{url}, {readiness}"))?;
        }
        line("lake", self.lake_text())?;
        line("marts", self.marts_text())
    }
}

impl Status {
    fn lake_text(&self) -> String {
        let Some(lake) = &self.lake else {
            return "nothing yet".to_owned();
        };
        let mut text = format!("{} rows", HumanCount(lake.rows));
        if let Some(time) = lake.committed {
            // Writing to a text cannot fail.
            let _ = write!(text, ", last commit {} ago", self.age(time));
        }
        text
    }

    fn marts_text(&self) -> String {
        let Some(marts) = &self.marts else {
            return "nothing published yet".to_owned();
        };
        let mut text = format!(
            "generation {}, {} rows of {} polls",
            marts.generation,
            HumanCount(marts.rows),
            HumanCount(marts.polls),
        );
        if let Some(time) = marts.as_of {
            let _ = write!(
                text,
                ", newest poll {} ({} ago)",
                time.format("%Y-%m-%d %H:%M:%S UTC"),
                self.age(time)
            );
        }
        text
    }

    fn age(&self, time: DateTime<Utc>) -> Seconds {
        let age = self.now.signed_duration_since(time);
        Seconds(age.to_std().unwrap_or_default())
    }
}
