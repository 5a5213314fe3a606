//! The rules that rows are checked by, counted by hour.
//!
//! A rule counts the rows it applies to as checked, and those among them that break it as failed.

use super::groups::{Absorb, Groups};

/// The rules, by their names in `data_quality`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// Latitude and longitude are present.
    HasPosition,
    /// A position that is present is within ±90 and ±180 degrees.
    PositionInRange,
    /// A velocity that is present is 0 to 400 m/s.
    VelocityInRange,
    /// All three.
    DqOk,
    /// A barometric altitude that is present is -500 to 20,000 m.
    AltitudeInRange,
    /// A position is at most 60 s older than the poll, by `time_position`, or by `last_contact`
    /// when that is absent.
    FreshPosition,
    /// The row had not been sent before. Of this rule alone, repeats are among the checked rows.
    NotRepeated,
    /// A country that is present is one of the seed's.
    KnownCountry,
    /// A callsign that is present is 1 to 8 capital letters and digits.
    CallsignForm,
}

const RULES: usize = 9;

impl Rule {
    pub const ALL: [(Rule, &'static str); RULES] = [
        (Rule::HasPosition, "dq_has_position"),
        (Rule::PositionInRange, "dq_position_ok"),
        (Rule::VelocityInRange, "dq_velocity_ok"),
        (Rule::DqOk, "dq_ok"),
        (Rule::AltitudeInRange, "altitude_in_range"),
        (Rule::FreshPosition, "stale_position"),
        (Rule::NotRepeated, "duplicate"),
        (Rule::KnownCountry, "unmapped_country"),
        (Rule::CallsignForm, "callsign_form"),
    ];
}

/// Rows checked and failed, by rule.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Checks {
    counts: [(i64, i64); RULES],
}

impl Checks {
    /// Counts a row, of which `passes` is known if the rule applies to it.
    #[inline]
    pub fn count(&mut self, rule: Rule, passes: Option<bool>) {
        let count = &mut self.counts[rule as usize];
        count.0 += i64::from(passes.is_some());
        count.1 += i64::from(passes == Some(false));
    }

    /// Rows checked and failed.
    pub fn of(&self, rule: Rule) -> (i64, i64) {
        self.counts[rule as usize]
    }
}

impl Absorb for Checks {
    fn absorb(&mut self, other: Self) {
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            count.0 += more.0;
            count.1 += more.1;
        }
    }
}

/// By hours since 1970.
pub(super) type Quality = Groups<i64, Checks>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_counts_in_its_own_place() {
        for (index, (rule, _)) in Rule::ALL.iter().enumerate() {
            assert_eq!(*rule as usize, index);
        }
        let mut checks = Checks::default();
        for passes in [Some(true), Some(false), None] {
            checks.count(Rule::DqOk, passes);
        }
        assert_eq!(checks.of(Rule::DqOk), (2, 1));
        assert_eq!(checks.of(Rule::HasPosition), (0, 0));
    }
}
