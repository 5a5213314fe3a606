//! Lets go of what the lake has: the embedded broker holds every record in memory until it
//! is told to delete it.

use std::collections::BTreeMap;
use std::sync::Arc;

use consumer::Progress;
use contract::names::FLIGHT_STATES_TOPIC;
use tokio::sync::watch;

use crate::broker::Broker;

/// Deletes records as the consumer commits them, until the consumer is gone.
pub async fn follow(broker: Arc<Broker>, mut progress: watch::Receiver<Progress>) {
    let mut deleted = BTreeMap::new();
    while progress.changed().await.is_ok() {
        let committed = progress.borrow_and_update().positions.clone();
        if committed != deleted {
            broker.delete_before(FLIGHT_STATES_TOPIC, &committed);
            metrics::gauge!("contrail_embedded_broker_bytes").set(broker.stored_bytes() as f64);
            deleted = committed;
        }
    }
}

/// Whether the lake has everything up to these last offsets.
pub fn is_committed(last_offsets: &BTreeMap<i32, i64>, progress: &Progress) -> bool {
    last_offsets.iter().all(|(partition, last)| {
        progress
            .positions
            .get(partition)
            .is_some_and(|next| next > last)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_committed_when_no_partition_is_behind() {
        let check = |last: &[(i32, i64)], next: &[(i32, i64)], expected: bool| {
            let progress = Progress {
                positions: next.iter().copied().collect(),
                ..Progress::default()
            };
            let last = last.iter().copied().collect();
            assert_eq!(is_committed(&last, &progress), expected);
        };
        check(&[], &[], true);
        check(&[(0, 9)], &[(0, 10), (1, 5)], true);
        check(&[(0, 9)], &[(0, 9)], false);
        check(&[(0, 9), (1, 0)], &[(0, 10)], false);
    }
}
