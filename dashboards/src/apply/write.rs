//! One thing is written, read again, and marked as finished.

use serde_json::{Value as Json, json};

use crate::Error;
use crate::metabase::client::id_of;
use crate::metabase::kept::{self, Kept, REMOVED};
use crate::metabase::{Client, models};
use crate::state::seen::seen;
use crate::state::settings::from_metabase;
use crate::state::{Found, Key, Kind, Mark, digest};

/// Writes to one Metabase.
pub(super) struct Writer<'a>(pub(super) &'a Client);

impl Writer<'_> {
    /// Makes something new, but not a dashboard.
    pub(super) async fn make(&self, key: &Key, body: &Json) -> Result<i64, Error> {
        let then = digest(&seen(key.kind, body));
        let mark = Mark::unfinished(key, &then);
        let mut body = body.clone();
        if let Some(map) = body.as_object_mut() {
            map.remove("archived");
        }
        marked(&mut body, &mark);
        let path = kept::path(key.kind);
        let made = self.0.post(path, &body).await.map_err(of(key))?;
        let id = id_of(path, &made)?;
        self.headings(id, &body).await.map_err(of(key))?;
        self.finish(key, id, mark).await?;
        Ok(id)
    }

    /// Changes something that is there.
    pub(super) async fn write(&self, key: &Key, id: i64, body: &Json) -> Result<(), Error> {
        let mark = Mark::unfinished(key, &digest(&seen(key.kind, body)));
        let mut body = body.clone();
        marked(&mut body, &mark);
        if key.kind == Kind::Dashboard {
            body["tabs"] = json!([]);
        }
        let path = format!("{}/{id}", kept::path(key.kind));
        self.0.put(&path, &body).await.map_err(of(key))?;
        self.headings(id, &body).await.map_err(of(key))?;
        self.finish(key, id, mark).await
    }

    /// A model is asked further questions of, which have its headings.
    async fn headings(&self, id: i64, body: &Json) -> Result<(), Error> {
        if body["type"] != "model" {
            return Ok(());
        }
        let (_, headings) = from_metabase(&body["visualization_settings"]);
        models::put_headings(self.0, id, &headings).await
    }

    /// Notes what Metabase has after writing.
    pub(super) async fn finish(&self, key: &Key, id: i64, mark: Mark) -> Result<(), Error> {
        let body = kept::get(self.0, key.kind, id).await?;
        let mark = Mark {
            found: Some(Found {
                digest: digest(&seen(key.kind, &body)),
                id,
            }),
            ..mark
        };
        let (description, _) = Mark::split_of(&body);
        let mut put = json!({"description": mark.below(&description)});
        if key.kind == Kind::Collection {
            // Without it, Metabase takes it out of the trash.
            put["archived"] = body["archived"].clone();
        }
        let path = format!("{}/{id}", kept::path(key.kind));
        self.0.put(&path, &put).await.map_err(of(key))?;
        Ok(())
    }

    /// Puts something into Metabase's trash.
    pub(super) async fn archive(&self, key: &Key, kept: &Kept) -> Result<(), Error> {
        let path = format!("{}/{}", kept::path(key.kind), kept.id);
        let (description, _) = Mark::split_of(&kept.body);
        let mark = Mark::unfinished(key, REMOVED);
        let body = json!({"archived": true, "description": mark.below(&description)});
        self.0.put(&path, &body).await?;
        self.finish(key, kept.id, mark).await
    }
}

fn marked(body: &mut Json, mark: &Mark) {
    let description = body["description"].as_str().unwrap_or_default();
    body["description"] = json!(mark.below(description));
}

/// Says which file a refusal is about.
fn of(key: &Key) -> impl Fn(Error) -> Error {
    let key = key.to_string();
    move |error| match error {
        Error::Refused {
            request,
            status,
            said,
        } => Error::Refused {
            request: format!("{key}: {request}"),
            status,
            said,
        },
        other => other,
    }
}
