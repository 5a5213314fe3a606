//! Which aircraft were seen in which polls: how repeats are recognised.
//!
//! One bit for each pair, in rows of aircraft: files are sorted by aircraft and time, so the bits
//! of consecutive rows lie side by side. A day of 2,880 polls is 360 bytes for each aircraft.

use std::collections::HashMap;

use ahash::RandomState;

/// Pairs of an aircraft and a poll. Both are known by any key; aircraft by a number, polls by
/// their time in microseconds since 1970.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    aircraft: HashMap<u32, usize, RandomState>,
    polls: HashMap<i64, usize, RandomState>,
    bits: Vec<u64>,
    /// Words of 64 polls in each aircraft's row of `bits`.
    words: usize,
    /// By poll: when the last of the rows arrived that its pairs are of.
    arrived: HashMap<i64, i64, RandomState>,
}

impl Seen {
    /// The place of an aircraft, for [`insert`](Self::insert).
    pub fn aircraft(&mut self, number: u32) -> usize {
        if let Some(index) = self.aircraft.get(&number) {
            return *index;
        }
        let index = self.aircraft.len();
        self.aircraft.insert(number, index);
        self.bits.resize((index + 1) * self.words, 0);
        index
    }

    /// The place of a poll, likewise.
    pub fn poll(&mut self, time: i64) -> usize {
        if let Some(index) = self.polls.get(&time) {
            return *index;
        }
        let index = self.polls.len();
        self.polls.insert(time, index);
        if index / 64 >= self.words {
            self.widen((self.words * 2).max(index / 64 + 1));
        }
        index
    }

    /// Notes a pair; whether it is new.
    #[inline]
    pub fn insert(&mut self, aircraft: usize, poll: usize) -> bool {
        let Some(word) = self.bits.get_mut(aircraft * self.words + poll / 64) else {
            return true;
        };
        let bit = 1 << (poll % 64);
        let new = *word & bit == 0;
        *word |= bit;
        new
    }

    /// Notes a pair by its keys; whether it is new.
    pub fn note(&mut self, aircraft: u32, time: i64) -> bool {
        let poll = self.poll(time);
        let aircraft = self.aircraft(aircraft);
        self.insert(aircraft, poll)
    }

    /// Notes when rows of a poll arrived that count.
    pub fn note_arrival(&mut self, time: i64, arrived: i64) {
        let last = self.arrived.entry(time).or_insert(arrived);
        *last = arrived.max(*last);
    }

    /// When the last of the poll's rows that count arrived.
    pub fn arrived(&self, time: i64) -> Option<i64> {
        self.arrived.get(&time).copied()
    }

    /// Whether any pair of the poll may have been noted.
    pub fn has_poll(&self, time: i64) -> bool {
        self.polls.contains_key(&time)
    }

    /// Whether a pair has been noted.
    pub fn contains(&self, aircraft: u32, time: i64) -> bool {
        let places = self.aircraft.get(&aircraft).zip(self.polls.get(&time));
        places.is_some_and(|(aircraft, poll)| self.bit(*aircraft, *poll))
    }

    /// Whether both have a pair in common.
    pub fn meets(&self, other: &Seen) -> bool {
        let polls = self.polls.iter();
        let common: Vec<(usize, usize)> = polls
            .filter_map(|(time, here)| Some((*here, *other.polls.get(time)?)))
            .collect();
        if common.is_empty() {
            return false;
        }
        self.aircraft.iter().any(|(number, here)| {
            other.aircraft.get(number).is_some_and(|there| {
                common
                    .iter()
                    .any(|(mine, its)| self.bit(*here, *mine) && other.bit(*there, *its))
            })
        })
    }

    /// The aircraft of a poll, in no order.
    pub fn of_poll(&self, time: i64) -> Vec<u32> {
        let Some(poll) = self.polls.get(&time) else {
            return Vec::new();
        };
        let aircraft = self.aircraft.iter();
        aircraft
            .filter(|(_, index)| self.bit(**index, *poll))
            .map(|(number, _)| *number)
            .collect()
    }

    fn bit(&self, aircraft: usize, poll: usize) -> bool {
        let word = self.bits.get(aircraft * self.words + poll / 64);
        word.is_some_and(|word| word & (1 << (poll % 64)) != 0)
    }

    fn widen(&mut self, words: usize) {
        let mut wider = vec![0; self.aircraft.len() * words];
        if self.words > 0 {
            let rows = self.bits.chunks_exact(self.words);
            for (from, to) in rows.zip(wider.chunks_exact_mut(words)) {
                to[..self.words].copy_from_slice(from);
            }
        }
        self.bits = wider;
        self.words = words;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_set_of_pairs(pairs in proptest::collection::vec((0..40_u32, 0..300_i64), 0..600)) {
            let mut seen = Seen::default();
            let mut set = HashSet::new();
            for (aircraft, time) in &pairs {
                prop_assert_eq!(seen.note(*aircraft, *time), set.insert((*aircraft, *time)));
            }
            for aircraft in 0..40 {
                for time in 0..300 {
                    prop_assert_eq!(seen.contains(aircraft, time), set.contains(&(aircraft, time)));
                }
            }
            for time in 0..300 {
                let mut of_poll = seen.of_poll(time);
                of_poll.sort_unstable();
                let expected: Vec<u32> = (0..40).filter(|a| set.contains(&(*a, time))).collect();
                prop_assert_eq!(of_poll, expected);
            }
        }

        #[test]
        fn two_meet_where_they_have_a_pair_in_common(
            one in proptest::collection::hash_set((0..8_u32, 0..70_i64), 0..12),
            other in proptest::collection::hash_set((0..8_u32, 0..70_i64), 0..12),
        ) {
            let fill = |pairs: &HashSet<(u32, i64)>| {
                let mut seen = Seen::default();
                for (aircraft, time) in pairs {
                    seen.note(*aircraft, *time);
                }
                seen
            };
            prop_assert_eq!(fill(&one).meets(&fill(&other)), !one.is_disjoint(&other));
        }
    }
}
