//! What there is in Metabase that this program has made.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::client::Client;
use crate::Error;
use crate::state::seen::seen;
use crate::state::{Key, Kind, Mark, digest};

/// Something that was made from a file.
#[derive(Debug, Clone)]
pub struct Kept {
    /// Metabase's number for it.
    pub id: i64,
    /// What its description says.
    pub mark: Mark,
    /// The whole of it, as Metabase answers.
    pub body: Json,
}

impl Kept {
    /// Whether it lies in the trash.
    pub fn archived(&self) -> bool {
        self.body["archived"].as_bool().unwrap_or(false)
    }

    /// Whether a person has changed it since it was written.
    pub fn edited(&self) -> bool {
        let now = digest(&seen(self.mark.key.kind, &self.body));
        self.mark.found.as_ref().is_some_and(|found| *found != now)
    }
}

/// All of it, by key.
///
/// A copy that a person has made has the same line in its description; the oldest is ours.
///
/// # Errors
/// There is no answer, or none that can be read.
pub async fn all(client: &Client) -> Result<BTreeMap<Key, Kept>, Error> {
    let mut all: BTreeMap<Key, Kept> = BTreeMap::new();
    for (kind, path) in [
        (Kind::Collection, "api/collection"),
        (Kind::Collection, "api/collection?archived=true"),
        (Kind::Question, "api/card?f=all"),
        (Kind::Question, "api/card?f=archived"),
        (Kind::Dashboard, "api/dashboard?f=all"),
        (Kind::Dashboard, "api/dashboard?f=archived"),
    ] {
        let list = client.get(path).await?;
        let items = list.as_array().ok_or_else(|| Error::Answer {
            request: format!("GET /{path}"),
            reason: "it is no list".into(),
        })?;
        for item in items {
            let description = item["description"].as_str().unwrap_or_default();
            let (Some(mark), Some(id)) = (Mark::split(description).1, item["id"].as_i64()) else {
                continue;
            };
            if mark.key.kind != kind || all.get(&mark.key).is_some_and(|other| other.id <= id) {
                continue;
            }
            let body = match kind {
                Kind::Collection => item.clone(),
                _ => get(client, kind, id).await?,
            };
            all.insert(mark.key.clone(), Kept { id, mark, body });
        }
    }
    Ok(all)
}

/// One of them, as it is now.
///
/// # Errors
/// There is no answer, or it is gone.
pub async fn get(client: &Client, kind: Kind, id: i64) -> Result<Json, Error> {
    client.get(&format!("{}/{id}", path(kind))).await
}

/// Where things of a kind are.
pub fn path(kind: Kind) -> &'static str {
    match kind {
        Kind::Collection => "api/collection",
        Kind::Question => "api/card",
        Kind::Dashboard => "api/dashboard",
    }
}
