//! Brings the marts up to the lake, outside the transformer's own loop.

use std::path::Path;

use transformer::Transformer;
use transformer::publish::Generation;

use crate::error::Error;

/// Counts what the lake has and the private state has not, as after a crash. Readers see
/// nothing of it yet.
///
/// # Errors
/// When the lake cannot be read or the state not written.
pub async fn count(transformer: &mut Transformer) -> Result<(), Error> {
    while transformer.refresh().await?.is_some() {}
    Ok(())
}

/// Counts all the lake has, and publishes it unless readers see all of it already: then
/// nothing on disk changes.
///
/// # Errors
/// As [`count`], and when the marts cannot be written to `published`.
pub async fn show(transformer: &mut Transformer, published: &Path) -> Result<(), Error> {
    count(transformer).await?;
    let status = transformer.status();
    let shows_all = Generation::current(published)?.is_some_and(|current| {
        current.snapshot_id == status.watermark
            && current
                .marts
                .values()
                .all(|mart| mart.batch == current.batch)
    });
    if !shows_all {
        transformer.publish(true).await?;
    }
    Ok(())
}
