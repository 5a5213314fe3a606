//! Measures by key.

use std::collections::HashMap;
use std::hash::Hash;

use ahash::RandomState;

/// What two parts of a group add up to.
pub(super) trait Absorb: Default {
    fn absorb(&mut self, other: Self);
}

/// Groups by key, in the order they were first seen. Consecutive rows mostly belong to the same
/// group, which is therefore tried first.
#[derive(Debug)]
pub(super) struct Groups<K, V> {
    places: HashMap<K, usize, RandomState>,
    entries: Vec<(K, V)>,
    last: usize,
}

impl<K, V> Default for Groups<K, V> {
    fn default() -> Self {
        Groups {
            places: HashMap::default(),
            entries: Vec::new(),
            last: 0,
        }
    }
}

impl<K: Copy + Eq + Hash, V: Absorb> Groups<K, V> {
    /// The group of a key, which begins empty.
    #[inline]
    pub fn of(&mut self, key: K) -> &mut V {
        let same = self.entries.get(self.last).is_some_and(|(k, _)| *k == key);
        if !same {
            self.last = self.place(key);
        }
        &mut self.entries[self.last].1
    }

    fn place(&mut self, key: K) -> usize {
        let next = self.entries.len();
        let place = *self.places.entry(key).or_insert(next);
        if place == next {
            self.entries.push((key, V::default()));
        }
        place
    }

    pub fn entries(&self) -> &[(K, V)] {
        &self.entries
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// The groups so far; there are none afterwards.
    pub fn take(&mut self) -> Vec<(K, V)> {
        self.places.clear();
        self.last = 0;
        std::mem::take(&mut self.entries)
    }
}

impl<K: Copy + Eq + Hash, V: Absorb> Absorb for Groups<K, V> {
    fn absorb(&mut self, other: Self) {
        if self.entries.is_empty() {
            *self = other;
            return;
        }
        drop(other.places);
        for (key, value) in other.entries {
            self.of(key).absorb(value);
        }
    }
}

/// Sum, count and maximum of what is present of a measure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Measure {
    pub sum: f64,
    pub count: i64,
    max: f64,
}

impl Default for Measure {
    fn default() -> Self {
        Measure {
            sum: 0.0,
            count: 0,
            max: f64::NEG_INFINITY,
        }
    }
}

impl Measure {
    #[inline]
    pub fn add(&mut self, value: Option<f64>) {
        if let Some(value) = value {
            self.sum += value;
            self.count += 1;
            self.max = self.max.max(value);
        }
    }

    /// The largest value, if there was one.
    pub fn max(&self) -> Option<f64> {
        (self.count > 0).then_some(self.max)
    }
}

impl Absorb for Measure {
    fn absorb(&mut self, other: Self) {
        self.sum += other.sum;
        self.count += other.count;
        self.max = self.max.max(other.max);
    }
}

/// Rows by whether they are on the ground; one that says neither counts in neither.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Ground {
    pub ground: i64,
    pub airborne: i64,
}

impl Ground {
    #[inline]
    pub fn add(&mut self, on_ground: Option<bool>) {
        self.ground += i64::from(on_ground == Some(true));
        self.airborne += i64::from(on_ground == Some(false));
    }
}

impl Absorb for Ground {
    fn absorb(&mut self, other: Self) {
        self.ground += other.ground;
        self.airborne += other.airborne;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_group_add_up() {
        let fill = |pairs: &[(u32, f64)]| {
            let mut groups: Groups<u32, Measure> = Groups::default();
            for (key, value) in pairs {
                groups.of(*key).add(Some(*value));
            }
            groups
        };
        let mut one = fill(&[(1, -2.0), (1, -1.0), (2, 5.0)]);
        one.absorb(fill(&[(2, 7.0), (3, 1.0), (1, -4.0)]));
        one.of(3).add(None);
        let found: Vec<_> = one
            .entries()
            .iter()
            .map(|(key, m)| (*key, m.sum, m.count, m.max()))
            .collect();
        let expected = [
            (1, -7.0, 3, Some(-1.0)),
            (2, 12.0, 2, Some(7.0)),
            (3, 1.0, 1, Some(1.0)),
        ];
        assert_eq!(found, expected);
        assert_eq!(Measure::default().max(), None);
    }
}
