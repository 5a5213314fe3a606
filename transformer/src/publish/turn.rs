//! Which marts a publication writes anew: small ones always, large ones when their turn has come.

use std::time::Duration;

use super::{Publisher, Request, Scope, is_record};
use crate::engine::Totals;
use crate::models::{Model, Publish};

/// A mart that took longer than this does not delay the others: it waits for a publication of
/// its own.
pub(super) const LONG: f64 = 0.1;

/// As a rule a look at the lake that finds nothing comes within this time, and with it the turn of
/// what takes long. Where each look finds something, such marts delay the others now and then.
const IDLE_WITHIN: Duration = Duration::from_secs(10);

impl Publisher {
    /// Whether a publication writes a mart anew.
    pub(super) fn is_written(&self, mart: &Model, totals: &Totals, request: &Request<'_>) -> bool {
        match request.only {
            _ if is_record(mart) || self.before(mart, totals).is_none() => true,
            Some(only) => only.contains(&mart.name),
            None => self.turn(mart, totals, request.scope),
        }
    }

    /// Whether a mart is one of the large ones, and takes long to write as far as that is known.
    pub(super) fn is_long(&self, mart: &Model, totals: &Totals) -> bool {
        let before = self.before(mart, totals);
        mart.publish != Publish::Always && before.is_none_or(|(_, entry)| entry.duration > LONG)
    }

    /// Whether a mart's turn has come to be written anew.
    pub(super) fn turn(&self, mart: &Model, totals: &Totals, scope: Scope) -> bool {
        let Some((_, entry)) = self.before(mart, totals) else {
            return true;
        };
        if entry.batch == totals.batch {
            return false;
        }
        match mart.publish {
            _ if scope == Scope::Full => true,
            Publish::Always => true,
            Publish::Share { percent, at_least } => {
                let pause =
                    Duration::try_from_secs_f64(entry.duration * 100.0 / f64::from(percent));
                let pause = match scope == Scope::Quick && entry.duration > LONG {
                    true => at_least + IDLE_WITHIN,
                    false => pause.unwrap_or(at_least).min(at_least),
                };
                let age = chrono::Utc::now().signed_duration_since(entry.refreshed_at);
                age.to_std().is_ok_and(|age| age >= pause)
            }
        }
    }
}
