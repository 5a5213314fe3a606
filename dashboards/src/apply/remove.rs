//! What has no file any more goes to Metabase's trash.

use serde_json::Value as Json;

use super::{Change, Work};
use crate::Error;
use crate::metabase::kept::Kept;
use crate::state::{Kind, Mark};

impl Work<'_> {
    /// Puts away what has no file any more.
    pub(super) async fn remove(&mut self) -> Result<(), Error> {
        let left = std::mem::take(&mut self.kept).into_values();
        let mut left: Vec<_> = left.chain(std::mem::take(&mut self.doubles)).collect();
        // What shows others goes before them, and what takes values from others too: Metabase changes what
        // is left behind. Collections are to be empty.
        let depth = |kept: &Kept| match kept.body["location"].as_str() {
            Some(location) => location.matches('/').count(),
            None => 0,
        };
        left.sort_by_key(|kept| match kept.mark.key.kind {
            Kind::Dashboard => (0, 0),
            Kind::Question if takes_values(&kept.body) => (1, 0),
            Kind::Question => (2, 0),
            Kind::Collection => (3, usize::MAX - depth(kept)),
        });
        for kept in left {
            let key = kept.mark.key.clone();
            if kept.archived() {
                continue;
            }
            if kept.edited() && !self.options.overwrite {
                let parts = vec!["and without a file by now".to_owned()];
                self.step(&key, &kept.body, Change::Edited(parts));
                continue;
            }
            if key.kind == Kind::Collection && self.holds_others(&kept).await? {
                self.step(&key, &kept.body, Change::Holds);
                continue;
            }
            if !self.options.look_only {
                self.writer().archive(&key, &kept).await?;
            }
            self.step(&key, &kept.body, Change::Removed);
        }
        Ok(())
    }

    /// Whether there is something in a collection, which is not ours any more by now.
    async fn holds_others(&self, kept: &Kept) -> Result<bool, Error> {
        let path = format!("api/collection/{}/items", kept.id);
        let items = self.client.get(&path).await?;
        let items = items["data"].as_array().map_or(&[][..], Vec::as_slice);
        Ok(items.iter().any(|item| {
            // Without writing, ours are still in it.
            !self.options.look_only || Mark::split_of(item).1.is_none()
        }))
    }
}

/// Whether something has a list of values that comes from another question.
fn takes_values(body: &Json) -> bool {
    let parameters = body["parameters"].as_array().into_iter().flatten();
    let mut parameters = parameters.map(|parameter| &parameter["values_source_config"]["card_id"]);
    parameters.any(Json::is_i64)
}
