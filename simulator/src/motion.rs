//! How one flight moves along its path. The speed is a chain of straight lines over time
//! (taxi, take-off roll, climb, cruise, descent, landing roll, taxi), so the distance
//! flown at any moment is a sum of trapezoids, and no moment needs the one before it.

/// Speed over the ground while taxiing, metres per second.
const TAXI_SPEED: f64 = 8.0;
/// Seconds to start rolling, and to stop.
const START: f64 = 10.0;
/// Seconds of taxiing before take-off and after landing.
const TAXI: f64 = 180.0;
/// Seconds of the take-off roll and of the landing roll.
const ROLL: f64 = 35.0;
/// 1,000 feet in metres: cruise altitudes are whole flight levels.
pub(crate) const THOUSAND_FEET: f64 = 304.8;

/// What a type of aircraft can do.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Performance {
    /// Speed at which it lifts off and touches down, metres per second.
    pub(crate) take_off: f64,
    /// Mean rates of climb and descent, metres per second.
    pub(crate) climb: f64,
    pub(crate) descent: f64,
}

/// One planned flight.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Profile {
    take_off: f64,
    cruise_speed: f64,
    altitude: f64,
    climb_time: f64,
    cruise_time: f64,
    descent_time: f64,
}

/// One moment of a flight.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Motion {
    /// Metres from the start.
    pub(crate) distance: f64,
    /// Metres per second over the ground.
    pub(crate) speed: f64,
    /// Metres.
    pub(crate) altitude: f64,
    /// Metres per second.
    pub(crate) vertical_rate: f64,
    pub(crate) on_ground: bool,
}

impl Motion {
    /// Standing at the start.
    pub(crate) const PARKED: Self = Self {
        distance: 0.0,
        speed: 0.0,
        altitude: 0.0,
        vertical_rate: 0.0,
        on_ground: true,
    };
}

impl Profile {
    /// Plans a flight of `distance` metres. A short one climbs as high as it has room for.
    /// `None` when the way is too short to take off and land.
    pub(crate) fn plan(
        distance: f64,
        performance: Performance,
        cruise_speed: f64,
        altitude: f64,
    ) -> Option<Self> {
        let Performance {
            take_off,
            climb,
            descent,
        } = performance;
        let on_ground = 2.0
            * (START * TAXI_SPEED / 2.0 + TAXI * TAXI_SPEED + ROLL * (TAXI_SPEED + take_off) / 2.0);
        let in_air = distance - on_ground;
        if in_air < 10_000.0 {
            return None;
        }
        let changing = (altitude / climb + altitude / descent) * (take_off + cruise_speed) / 2.0;
        let altitude = if changing > in_air {
            (altitude * in_air / changing / THOUSAND_FEET)
                .floor()
                .max(1.0)
                * THOUSAND_FEET
        } else {
            altitude
        };
        // Even 1,000 feet may be too high for the slopes above; then they are steeper.
        let changing = (altitude / climb + altitude / descent) * (take_off + cruise_speed) / 2.0;
        let steeper = (in_air / changing).min(1.0);
        Some(Self {
            take_off,
            cruise_speed,
            altitude,
            climb_time: altitude / climb * steeper,
            cruise_time: (in_air - changing * steeper) / cruise_speed,
            descent_time: altitude / descent * steeper,
        })
    }

    /// Seconds from the first movement to the last.
    pub(crate) fn duration(&self) -> f64 {
        self.phases().iter().map(|phase| phase.duration).sum()
    }

    /// Seconds from the first movement until the wheels leave the ground.
    pub(crate) fn lift_off(&self) -> f64 {
        START + TAXI + ROLL
    }

    /// Seconds from the first movement until the wheels touch the ground again.
    pub(crate) fn touch_down(&self) -> f64 {
        self.lift_off() + self.climb_time + self.cruise_time + self.descent_time
    }

    /// Where the flight is `elapsed` seconds after its first movement; before and after
    /// it the aircraft stands at the start and at the end.
    pub(crate) fn at(&self, elapsed: f64) -> Motion {
        let mut distance = 0.0;
        let mut before = elapsed.max(0.0);
        for phase in self.phases() {
            if before < phase.duration {
                let share = before / phase.duration;
                let speed = phase.from + (phase.to - phase.from) * share;
                let (altitude, vertical_rate) = self.height(phase.kind, share);
                return Motion {
                    distance: distance + before * (phase.from + speed) / 2.0,
                    speed,
                    altitude,
                    vertical_rate,
                    on_ground: matches!(phase.kind, Kind::Ground),
                };
            }
            before -= phase.duration;
            distance += phase.duration * (phase.from + phase.to) / 2.0;
        }
        Motion {
            distance,
            ..Motion::PARKED
        }
    }

    /// Altitude and vertical rate: a climb is steepest at its beginning, a descent too.
    fn height(&self, kind: Kind, share: f64) -> (f64, f64) {
        let left = 1.0 - share;
        match kind {
            Kind::Ground => (0.0, 0.0),
            Kind::Climb => (
                self.altitude * (1.0 - left * left),
                2.0 * self.altitude * left / self.climb_time,
            ),
            Kind::Cruise => (self.altitude, 0.0),
            Kind::Descent => (
                self.altitude * left * left.sqrt(),
                -1.5 * self.altitude * left.sqrt() / self.descent_time,
            ),
        }
    }

    fn phases(&self) -> [Phase; 9] {
        let phase = |kind, duration, from, to| Phase {
            kind,
            duration,
            from,
            to,
        };
        let (rotate, cruise) = (self.take_off, self.cruise_speed);
        [
            phase(Kind::Ground, START, 0.0, TAXI_SPEED),
            phase(Kind::Ground, TAXI, TAXI_SPEED, TAXI_SPEED),
            phase(Kind::Ground, ROLL, TAXI_SPEED, rotate),
            phase(Kind::Climb, self.climb_time, rotate, cruise),
            phase(Kind::Cruise, self.cruise_time, cruise, cruise),
            phase(Kind::Descent, self.descent_time, cruise, rotate),
            phase(Kind::Ground, ROLL, rotate, TAXI_SPEED),
            phase(Kind::Ground, TAXI, TAXI_SPEED, TAXI_SPEED),
            phase(Kind::Ground, START, TAXI_SPEED, 0.0),
        ]
    }
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Ground,
    Climb,
    Cruise,
    Descent,
}

#[derive(Debug, Clone, Copy)]
struct Phase {
    kind: Kind,
    /// Seconds.
    duration: f64,
    /// Speed at its beginning and at its end, metres per second.
    from: f64,
    to: f64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const JET: Performance = Performance {
        take_off: 75.0,
        climb: 9.0,
        descent: 8.0,
    };

    #[test]
    fn a_way_too_short_to_fly_has_no_plan() {
        assert_eq!(Profile::plan(12_000.0, JET, 230.0, 10_668.0), None);
    }

    #[test]
    fn take_off_and_landing_happen_when_they_are_said_to() {
        let profile = Profile::plan(900_000.0, JET, 230.0, 10_668.0).unwrap();
        let on_ground = |elapsed: f64| profile.at(elapsed).on_ground;
        assert!(on_ground(profile.lift_off() - 1.0) && !on_ground(profile.lift_off() + 1.0));
        assert!(!on_ground(profile.touch_down() - 1.0) && on_ground(profile.touch_down() + 1.0));
        assert_eq!(profile.at(profile.duration() / 2.0).altitude, 10_668.0);
    }

    proptest! {
        #[test]
        fn a_flight_covers_its_distance_smoothly(
            distance in 40_000.0..13_000_000.0_f64,
            cruise in 180.0..260.0_f64,
            level in 5..43_i32,
        ) {
            let altitude = f64::from(level) * THOUSAND_FEET;
            let profile = Profile::plan(distance, JET, cruise, altitude).unwrap();
            let duration = profile.duration();
            prop_assert!((profile.at(duration + 1.0).distance - distance).abs() < 1.0);
            let steps = 400;
            let step = duration / f64::from(steps);
            let mut last = profile.at(0.0);
            for n in 1..=steps {
                let now = profile.at(f64::from(n) * step);
                let moved = now.distance - last.distance;
                prop_assert!(moved >= 0.0 && moved <= cruise * step + 1e-6);
                prop_assert!((0.0..=altitude + 1e-9).contains(&now.altitude));
                prop_assert!(now.speed <= cruise + 1e-9);
                // The speed is what the distance changes by.
                prop_assert!((profile.at(f64::from(n) * step + 0.5).distance - now.distance
                    - 0.5 * now.speed).abs() < 1.0);
                last = now;
            }
        }
    }
}
