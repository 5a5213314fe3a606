//! OpenSky's credits: what a request costs, and the quota of a day, which is full again
//! at midnight UTC.

use crate::auth::Caller;
use crate::query::BoundingBox;

const DAY: i64 = 86_400;

/// The credits used by each kind of caller today.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Credits {
    anonymous_quota: u32,
    client_quota: u32,
    day: i64,
    anonymous_used: u32,
    client_used: u32,
}

/// The answer to a charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Charge {
    /// Paid; so many credits remain.
    Remaining(u32),
    /// There is no quota.
    Unlimited,
    /// Not enough are left; the quota is full again in so many seconds.
    Exhausted(i64),
}

impl Credits {
    /// Quotas of a day; 0 is none.
    pub(crate) fn new(anonymous_quota: u32, client_quota: u32) -> Self {
        Self {
            anonymous_quota,
            client_quota,
            day: 0,
            anonymous_used: 0,
            client_used: 0,
        }
    }

    /// Charges a caller at a time, seconds since 1970.
    pub(crate) fn charge(&mut self, caller: Caller, now: i64, cost: u32) -> Charge {
        let day = now.div_euclid(DAY);
        if day != self.day {
            self.day = day;
            self.anonymous_used = 0;
            self.client_used = 0;
        }
        let (quota, used) = match caller {
            Caller::Anonymous => (self.anonymous_quota, &mut self.anonymous_used),
            Caller::Client => (self.client_quota, &mut self.client_used),
        };
        if quota == 0 {
            return Charge::Unlimited;
        }
        match used.checked_add(cost).filter(|&used| used <= quota) {
            Some(now_used) => {
                *used = now_used;
                Charge::Remaining(quota - now_used)
            }
            None => Charge::Exhausted((day + 1) * DAY - now),
        }
    }
}

/// What a request for states costs, by the area of its box in square degrees.
pub(crate) fn cost_of_states(area: Option<&BoundingBox>) -> u32 {
    match area.map(BoundingBox::square_degrees) {
        Some(area) if area <= 25.0 => 1,
        Some(area) if area <= 100.0 => 2,
        Some(area) if area <= 400.0 => 3,
        _ => 4,
    }
}

/// What a request for flights costs: here, four credits a day that the interval touches.
pub(crate) fn cost_of_flights(begin: i64, end: i64) -> u32 {
    let days = end.div_euclid(DAY) - begin.div_euclid(DAY) + 1;
    4 * u32::try_from(days).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_lasts_until_midnight() {
        let mut credits = Credits::new(10, 0);
        let mut charge = |now, cost| credits.charge(Caller::Anonymous, now, cost);
        assert_eq!(charge(DAY, 4), Charge::Remaining(6));
        assert_eq!(charge(DAY + 10, 4), Charge::Remaining(2));
        assert_eq!(charge(2 * DAY - 60, 4), Charge::Exhausted(60));
        assert_eq!(charge(2 * DAY - 60, 2), Charge::Remaining(0));
        assert_eq!(charge(2 * DAY, 4), Charge::Remaining(6));
        assert_eq!(credits.charge(Caller::Client, DAY, 4), Charge::Unlimited);
    }

    #[test]
    fn boxes_cost_by_area() {
        let cost = |degrees: f64| {
            cost_of_states(Some(&BoundingBox {
                south: 0.0,
                north: degrees,
                west: 0.0,
                east: degrees,
            }))
        };
        assert_eq!(
            [5.0, 5.1, 10.0, 10.1, 20.0, 20.1].map(cost),
            [1, 2, 2, 3, 3, 4]
        );
        assert_eq!(cost_of_states(None), 4);
    }

    #[test]
    fn flights_cost_by_day() {
        assert_eq!(cost_of_flights(10, 20), 4);
        assert_eq!(cost_of_flights(DAY - 1, DAY), 8);
    }
}
