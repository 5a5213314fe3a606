//! Repeatable chance. The fleet must be the same for the same seed on every machine and
//! in every later version, and any moment of it must be computable without the moments
//! before. So a draw is a hash (SplitMix64) of what it is about, not the next value of a
//! shared generator, and does not depend on another crate's idea of a range.

/// A short stream of values that depends only on the seed and on what is drawn.
#[derive(Debug, Clone)]
pub(crate) struct Draws(u64);

/// What a draw is about; keeps the streams of one aircraft apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum About {
    Aircraft = 1,
    Contact,
    Position,
    Outlier,
    Squawk,
    Ident,
    Flight,
    Fault,
    Clock,
    Token,
}

impl Draws {
    /// The stream for one subject: say (aircraft 17, `Contact`, window 4).
    pub(crate) fn of(seed: u64, about: About, subject: [u64; 3]) -> Self {
        let mut state = mix(seed ^ mix(about as u64));
        for part in subject {
            state = mix(state ^ part);
        }
        Self(state)
    }

    /// The next 64 bits.
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number from 0 up to, not including, 1.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// True for a share of all subjects.
    pub(crate) fn chance(&mut self, share: f64) -> bool {
        self.unit() < share
    }

    /// A whole number below `end`; 0 when `end` is 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.unit() * end as f64) as usize
    }

    /// A number between two bounds.
    pub(crate) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// One item of a list that is not empty.
    pub(crate) fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        items.get(self.below(items.len()))
    }
}

fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_always_draws_the_same_and_others_draw_differently() {
        let draw = |about, subject| Draws::of(7, about, subject).bits();
        assert_eq!(
            draw(About::Contact, [1, 2, 3]),
            draw(About::Contact, [1, 2, 3])
        );
        assert_ne!(
            draw(About::Contact, [1, 2, 3]),
            draw(About::Position, [1, 2, 3])
        );
        assert_ne!(
            draw(About::Contact, [1, 2, 3]),
            draw(About::Contact, [2, 1, 3])
        );
    }

    #[test]
    fn shares_are_kept() {
        let hits = (0..100_000)
            .filter(|&n| Draws::of(1, About::Fault, [n, 0, 0]).chance(0.02))
            .count();
        assert!((1_800..2_200).contains(&hits), "{hits} of 100000");
    }

    #[test]
    fn whole_numbers_stay_below_their_end() {
        let mut draws = Draws::of(1, About::Aircraft, [0; 3]);
        assert!((0..10_000).all(|_| draws.below(7) < 7));
        assert_eq!(draws.below(0), 0);
    }
}
