//! What there is in Metabase that this program has made.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::client::Client;
use crate::Error;
use crate::state::seen::seen;
use crate::state::{Key, Kind, Mark, digest};

/// Stands in the line of what was put into the trash for want of a file.
pub const REMOVED: &str = "removed";

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
        // What was put into the trash from here, and lies there, is nobody's: Metabase changes it when
        // that goes to the trash which it takes values from.
        if self.mark.wanted == REMOVED && self.archived() {
            return false;
        }
        let now = digest(&seen(self.mark.key.kind, &self.body));
        let found = self.mark.found.as_ref();
        found.is_some_and(|found| found.digest != now)
    }
}

/// All that was made from files.
#[derive(Debug, Clone, Default)]
pub struct Inventory {
    /// One for each file.
    pub kept: BTreeMap<Key, Kept>,
    /// What two runs at once have made twice, without the oldest.
    pub doubles: Vec<Kept>,
}

/// All of it. A copy that a person has made has the number of another in its line, and is theirs.
///
/// # Errors
/// There is no answer, or none that can be read.
pub async fn all(client: &Client) -> Result<Inventory, Error> {
    let mut found: BTreeMap<Key, Vec<Kept>> = BTreeMap::new();
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
            let (Some(mark), Some(id)) = (Mark::split_of(item).1, item["id"].as_i64()) else {
                continue;
            };
            let copied = mark.found.as_ref().is_some_and(|found| found.id != id);
            if mark.key.kind != kind || copied {
                continue;
            }
            let body = match kind {
                Kind::Collection => item.clone(),
                _ => get(client, kind, id).await?,
            };
            let same = found.entry(mark.key.clone()).or_default();
            same.push(Kept { id, mark, body });
        }
    }
    let mut inventory = Inventory::default();
    for (key, mut same) in found {
        same.sort_by_key(|kept| kept.id);
        let mut same = same.into_iter();
        if let Some(oldest) = same.next() {
            inventory.kept.insert(key, oldest);
        }
        inventory
            .doubles
            .extend(same.filter(|kept| !kept.archived()));
    }
    Ok(inventory)
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
