//! The columns of a model, as questions that are built on it by clicking show them.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::Client;
use super::kept::{get, path};
use crate::Error;
use crate::state::Kind;

/// Gives the columns of a model their headings. Metabase knows the columns once it has asked for rows.
///
/// # Errors
/// There is no answer, or Metabase refuses.
pub async fn put_headings(
    client: &Client,
    id: i64,
    headings: &BTreeMap<String, String>,
) -> Result<(), Error> {
    let card = format!("{}/{id}", path(Kind::Question));
    let asked = json!({"parameters": []});
    client.post(&format!("{card}/query"), &asked).await?;
    let body = get(client, Kind::Question, id).await?;
    let Some(mut columns) = body["result_metadata"].as_array().cloned() else {
        // It cannot be answered, which looking at every question says afterwards.
        return Ok(());
    };
    let mut changed = false;
    for column in &mut columns {
        let name = column["name"].as_str().unwrap_or_default();
        if let Some(heading) = headings.get(name)
            && column["display_name"] != **heading
        {
            column["display_name"] = Json::from(heading.as_str());
            changed = true;
        }
    }
    if changed {
        let put = json!({"result_metadata": columns});
        client.put(&card, &put).await?;
    }
    Ok(())
}
