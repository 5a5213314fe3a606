//! Offset algebra: how far a table has come, and what a batch adds to that.
//!
//! A position is the offset of the next record to read. The table stores one for each
//! partition as a property. A batch says, for each partition it advances, what the table
//! held when reading began (`expected`) and what it will hold afterwards (`next`); it may
//! be committed only while the table still holds every `expected`:
//!
//! | table holds | batch expects | then |
//! |---|---|---|
//! | nothing | nothing | commit: the first batch of this partition |
//! | n | n | commit |
//! | m ≠ n, or nothing | n | stale: somebody else has committed, or the table was replaced |
//! | n | nothing | stale |
//!
//! Offsets between `expected` and the first record (aborted transactions, control records)
//! are passed silently, so the rule speaks of positions, never of the first record.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;

use contract::names::{EMBEDDED_CLUSTER_PREFIX, OFFSET_PROPERTY_PREFIX};

use crate::ConsumerError;

/// What the positions in a table belong to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream {
    /// The cluster's id.
    pub cluster: String,
    /// The topic's id, which changes when a topic of that name is made again.
    pub topic_id: String,
    /// The consumer group.
    pub group: String,
}

/// A position for each partition.
pub type Positions = BTreeMap<i32, i64>;

impl Stream {
    /// The table property of one partition.
    pub fn property(&self, partition: i32) -> String {
        format!(
            "{OFFSET_PROPERTY_PREFIX}{}/{}/{}/{partition}",
            self.cluster, self.topic_id, self.group
        )
    }

    /// The positions this stream has in the table.
    pub fn positions(
        &self,
        properties: &HashMap<String, String>,
    ) -> Result<Positions, ConsumerError> {
        let mut positions = Positions::new();
        for (key, value) in properties {
            let Some(owner) = Owner::of(key) else {
                continue;
            };
            if owner.cluster == self.cluster
                && owner.topic_id == self.topic_id
                && owner.group == self.group
            {
                let offset = value.parse().map_err(|_| ConsumerError::Position {
                    key: key.clone(),
                    value: value.clone(),
                })?;
                positions.insert(owner.partition, offset);
            }
        }
        Ok(positions)
    }

    /// Another topic id for which this cluster and group have positions in the table.
    pub fn former_topic_id<'a>(&self, properties: &'a HashMap<String, String>) -> Option<&'a str> {
        properties
            .keys()
            .filter_map(|key| Owner::of(key))
            .find(|owner| {
                owner.cluster == self.cluster
                    && owner.group == self.group
                    && owner.topic_id != self.topic_id
            })
            .map(|owner| owner.topic_id)
    }

    /// Properties that no reader can need again: those of embedded clusters that are gone,
    /// and those of a former topic of this name.
    pub fn obsolete(&self, properties: &HashMap<String, String>) -> Vec<String> {
        let is_obsolete = |owner: &Owner<'_>| {
            let dead = owner.cluster.starts_with(EMBEDDED_CLUSTER_PREFIX);
            (dead && owner.cluster != self.cluster)
                || (owner.cluster == self.cluster
                    && owner.group == self.group
                    && owner.topic_id != self.topic_id)
        };
        let mut keys: Vec<String> = properties
            .keys()
            .filter(|key| Owner::of(key).as_ref().is_some_and(is_obsolete))
            .cloned()
            .collect();
        keys.sort();
        keys
    }
}

/// An offset property, taken apart.
struct Owner<'a> {
    cluster: &'a str,
    topic_id: &'a str,
    group: &'a str,
    partition: i32,
}

impl<'a> Owner<'a> {
    /// A group's name may contain slashes, the rest may not.
    fn of(key: &'a str) -> Option<Owner<'a>> {
        let rest = key.strip_prefix(OFFSET_PROPERTY_PREFIX)?;
        let (rest, partition) = rest.rsplit_once('/')?;
        let (cluster, rest) = rest.split_once('/')?;
        let (topic_id, group) = rest.split_once('/')?;
        Some(Owner {
            cluster,
            topic_id,
            group,
            partition: partition.parse().ok()?,
        })
    }
}

/// Where a partition is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// The table has nothing of it: at its beginning.
    Beginning,
    /// At this offset.
    At(i64),
    /// Nowhere: the table is beyond the partition's end.
    Ahead,
    /// Nowhere: records may have expired that the table has not.
    Lost,
}

impl Opening {
    /// From the table's position and the first and the next offset that Kafka has.
    ///
    /// The table's position is behind the last record, and there Kafka puts the mark that ends a
    /// transaction. When everything has expired, the partition begins behind that mark, and the one
    /// offset in between is no record: as one of a transaction, as ours are, it would have a mark of
    /// its own behind it. With more than one offset, or something behind it, that is not certain.
    pub fn of(stored: Option<i64>, earliest: i64, next: i64) -> Opening {
        match stored {
            None => Opening::Beginning,
            Some(stored) if stored > next => Opening::Ahead,
            Some(stored) if stored >= earliest => Opening::At(stored),
            Some(stored) if earliest == next && stored + 1 == earliest => Opening::At(earliest),
            Some(_) => Opening::Lost,
        }
    }
}

/// One partition's part of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Advance {
    /// The position the table held when reading began, if it held one.
    pub expected: Option<i64>,
    /// The position it will hold.
    pub next: i64,
}

/// What a batch adds to a table's positions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Advances(BTreeMap<i32, Advance>);

/// The table has moved: the batch must not be committed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("partition {partition}: the table is at {stored:?}, the batch starts at {expected:?}")]
pub struct Stale {
    /// The partition that differs.
    pub partition: i32,
    /// What the table holds.
    pub stored: Option<i64>,
    /// What the batch expects.
    pub expected: Option<i64>,
}

impl Advances {
    /// Notes that the record at `offset` is in the batch. `committed` is the table's position
    /// as this consumer knows it; it counts for the first record of a partition only.
    pub fn add(&mut self, partition: i32, offset: i64, committed: &Positions) {
        let next = offset + 1;
        self.0
            .entry(partition)
            .and_modify(|advance| advance.next = advance.next.max(next))
            .or_insert_with(|| Advance {
                expected: committed.get(&partition).copied(),
                next,
            });
    }

    /// Whether the batch advances nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The parts, by partition.
    pub fn iter(&self) -> impl Iterator<Item = (i32, Advance)> + '_ {
        self.0
            .iter()
            .map(|(partition, advance)| (*partition, *advance))
    }

    /// The rule: every stored position is the expected one.
    pub fn check(&self, stored: &Positions) -> Result<(), Stale> {
        for (partition, advance) in self.iter() {
            let stored = stored.get(&partition).copied();
            if stored != advance.expected {
                return Err(Stale {
                    partition,
                    stored,
                    expected: advance.expected,
                });
            }
        }
        Ok(())
    }

    /// The positions after the commit.
    pub fn apply(&self, positions: &mut Positions) {
        for (partition, advance) in self.iter() {
            positions.insert(partition, advance.next);
        }
    }

    /// The ranges as text for the snapshot's summary: `0:15-30,1:0-7` (end excluded).
    pub fn ranges(&self) -> String {
        let mut text = String::new();
        for (partition, advance) in self.iter() {
            let separator = if text.is_empty() { "" } else { "," };
            let start = advance.expected.unwrap_or(0);
            // Writing to a string cannot fail.
            let _ = write!(text, "{separator}{partition}:{start}-{}", advance.next);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stream() -> Stream {
        Stream {
            cluster: "c1".to_owned(),
            topic_id: "t1".to_owned(),
            group: "team/group".to_owned(),
        }
    }

    fn properties(of: &[(&str, &str)]) -> HashMap<String, String> {
        let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        of.iter().map(own).collect()
    }

    #[test]
    fn positions_are_read_back_for_their_own_stream_only() {
        let stored = properties(&[
            ("contrail.offset.c1/t1/team/group/0", "12"),
            ("contrail.offset.c1/t1/team/group/7", "0"),
            ("contrail.offset.c1/t1/other/0", "99"),
            ("contrail.offset.c2/t1/team/group/0", "98"),
            ("write.format.default", "parquet"),
        ]);
        let positions = stream().positions(&stored).unwrap();
        assert_eq!(positions, Positions::from([(0, 12), (7, 0)]));
        assert_eq!(stream().property(7), "contrail.offset.c1/t1/team/group/7");
    }

    #[test]
    fn a_position_that_is_no_number_is_an_error() {
        let stored = properties(&[("contrail.offset.c1/t1/team/group/0", "twelve")]);
        let error = stream().positions(&stored).unwrap_err().to_string();
        assert!(
            error.contains("twelve") && error.contains("team/group/0"),
            "{error}"
        );
    }

    #[test]
    fn a_recreated_topic_is_noticed() {
        let same = properties(&[("contrail.offset.c1/t1/team/group/0", "1")]);
        assert_eq!(stream().former_topic_id(&same), None);
        let other = properties(&[("contrail.offset.c1/t0/team/group/0", "1")]);
        assert_eq!(stream().former_topic_id(&other), Some("t0"));
    }

    #[test]
    fn positions_of_dead_embedded_clusters_are_obsolete() {
        let stored = properties(&[
            ("contrail.offset.embedded-1/-/team/group/0", "5"),
            ("contrail.offset.c1/t1/team/group/0", "1"),
            ("contrail.offset.c9/t1/team/group/0", "1"),
        ]);
        assert_eq!(
            stream().obsolete(&stored),
            ["contrail.offset.embedded-1/-/team/group/0"]
        );
    }

    #[test]
    fn a_partition_is_opened_where_the_table_stands_or_nowhere() {
        let check = |stored, earliest, next, expected| {
            assert_eq!(
                Opening::of(stored, earliest, next),
                expected,
                "{stored:?}, {earliest}..{next}"
            );
        };
        check(None, 7, 9, Opening::Beginning);
        check(Some(7), 7, 9, Opening::At(7));
        check(Some(9), 7, 9, Opening::At(9));
        check(Some(10), 7, 9, Opening::Ahead);
        check(Some(5), 7, 9, Opening::Lost);
        // All has expired, and the mark behind the table's last record with it.
        check(Some(8), 9, 9, Opening::At(9));
        check(Some(7), 9, 9, Opening::Lost);
        check(Some(8), 9, 12, Opening::Lost);
    }

    #[test]
    fn the_truth_table_holds() {
        let mut advances = Advances::default();
        advances.add(0, 41, &Positions::from([(0, 40)]));
        let check = |stored: &[(i32, i64)]| advances.check(&stored.iter().copied().collect());
        assert!(check(&[(0, 40)]).is_ok());
        assert!(check(&[(0, 42)]).is_err());
        assert!(check(&[]).is_err());
        let mut first = Advances::default();
        first.add(0, 3, &Positions::new());
        assert!(first.check(&Positions::new()).is_ok());
        assert!(first.check(&Positions::from([(0, 0)])).is_err());
    }

    proptest! {
        /// Two consumers start from the same table and commit whatever they read in any
        /// order: each offset gets in exactly once, because one of two overlapping batches
        /// is always refused.
        #[test]
        fn no_offset_is_committed_twice(
            steps in proptest::collection::vec((0usize..2, 1i64..20, any::<bool>()), 1..40)
        ) {
            let mut table = Positions::new();
            let mut in_table: Vec<i64> = Vec::new();
            let mut known = [Positions::new(), Positions::new()];
            for (who, count, reload) in steps {
                if reload {
                    known[who] = table.clone();
                }
                let start = known[who].get(&0).copied().unwrap_or(0);
                let mut batch = Advances::default();
                for offset in start..start + count {
                    batch.add(0, offset, &known[who]);
                }
                if batch.check(&table).is_ok() {
                    batch.apply(&mut table);
                    in_table.extend(start..start + count);
                    known[who] = table.clone();
                }
            }
            let expected: Vec<i64> = (0..table.get(&0).copied().unwrap_or(0)).collect();
            prop_assert_eq!(in_table, expected);
        }
    }
}
