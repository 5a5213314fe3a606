//! A piece of an aircraft's track, and how two that follow each other become one.
//!
//! `join` is associative: a track that was cut anywhere, in batches, files or between threads,
//! gives the same flights when its pieces are joined in order. Tests hold it to that.

use super::flight::Flight;
use super::rules::{Callsign, GROUND_TIME, Position, Sighting};

/// Consecutive rows of one aircraft that nothing separates: on the ground, then in the air, then
/// on the ground. One of the first two is there; the last only after the air.
#[derive(Debug, Clone, PartialEq)]
pub struct Piece {
    pub(super) lead: Option<Box<Ground>>,
    pub(super) air: Option<Air>,
    pub(super) trail: Option<Box<Ground>>,
}

/// Rows on the ground.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Ground {
    pub first: Sighting,
    pub last: Sighting,
    /// Rows after the first that were heard anew.
    pub advanced: u32,
}

/// Rows in the air, and what was on the ground between them for a moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Air {
    pub first: Sighting,
    pub last: Sighting,
    pub first_position: Option<Position>,
    pub last_position: Option<Position>,
    pub max_altitude: Option<f64>,
    /// The last that was sent.
    pub callsign: Callsign,
    /// Number of the first country that was sent; 0 for none.
    pub country: u32,
    pub centimetres: i64,
    /// Rows after the first that were heard anew.
    pub advanced: u32,
}

/// What two pieces become.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "it is taken apart where it is made, for every point of a track: no box on that way"
)]
pub enum Joined {
    /// One piece.
    One(Piece),
    /// A break between them; the first is complete.
    Two(Piece, Piece),
}

impl Piece {
    /// The piece of one row.
    pub fn of(sighting: Sighting) -> Piece {
        if sighting.airborne {
            Piece {
                lead: None,
                air: Some(Air::of(sighting)),
                trail: None,
            }
        } else {
            Piece {
                lead: Some(Box::new(Ground::of(sighting))),
                air: None,
                trail: None,
            }
        }
    }

    /// Its first row.
    pub fn first(&self) -> Option<&Sighting> {
        let lead = self.lead.as_ref().map(|ground| &ground.first);
        lead.or(self.air.as_ref().map(|air| &air.first))
    }

    /// Its last row.
    pub fn last(&self) -> Option<&Sighting> {
        let trail = self.trail.as_ref().map(|ground| &ground.last);
        let air = self.air.as_ref().map(|air| &air.last);
        trail
            .or(air)
            .or(self.lead.as_ref().map(|ground| &ground.last))
    }

    /// Whether any of it is in the air.
    pub fn flies(&self) -> bool {
        self.air.is_some()
    }

    /// Takes the aircraft's next row in, if that is as simple as most are: of what the last one
    /// was, on the ground or in the air. Otherwise [`join`](Self::join) decides.
    #[inline]
    pub(super) fn extend(&mut self, next: &Sighting) -> bool {
        match (&mut self.lead, &mut self.air, &mut self.trail) {
            (_, Some(air), None) => next.airborne && air.extend(next),
            (Some(ground), None, _) => !next.airborne && ground.extend(next, i64::MAX),
            (_, _, Some(ground)) => !next.airborne && ground.extend(next, GROUND_TIME),
            (None, None, None) => false,
        }
    }

    /// This piece and the one that follows it.
    pub fn join(self, next: Piece) -> Joined {
        let leads = match (self.last(), next.first()) {
            (Some(last), Some(first)) => last.leads_to(first),
            _ => true,
        };
        if !leads {
            return Joined::Two(self, next);
        }
        let Some(air) = self.air else {
            return Joined::One(Piece {
                lead: Ground::both(self.lead, next.lead),
                ..next
            });
        };
        let Some(ground) = Ground::both(self.trail, next.lead) else {
            return Joined::One(Piece {
                air: next.air.map_or(self.air, |then| Some(air.then(then))),
                trail: next.trail,
                ..self
            });
        };
        let landed = Piece {
            trail: Some(ground.clone()),
            ..self
        };
        match next.air {
            None if ground.last.time - ground.first.time <= GROUND_TIME => Joined::One(landed),
            Some(then) if then.first.time - ground.first.time <= GROUND_TIME => {
                Joined::One(Piece {
                    air: Some(air.then(ground.passed()).then(then)),
                    trail: next.trail,
                    ..landed
                })
            }
            _ => Joined::Two(
                landed,
                Piece {
                    lead: Some(ground),
                    ..next
                },
            ),
        }
    }

    /// The flight this piece is, if it was in the air. It ends with the first row on the ground,
    /// and begins with the last before the take-off. `as_of` is the time of the newest poll while
    /// rows may still follow.
    pub fn flight(&self, as_of: Option<i64>) -> Option<Flight> {
        let air = self.air?;
        let before = self.lead.as_ref().map(|ground| ground.last);
        let after = self.trail.as_ref().map(|ground| ground.first);
        let silent = |as_of: i64| as_of - air.last.time > super::rules::SILENCE;
        let is_open = after.is_none() && !as_of.is_none_or(silent);

        let mut whole = air;
        if let Some(ground) = before {
            whole = Air::of(ground).then(whole);
        }
        if let Some(ground) = after {
            whole = whole.then(Air::of(ground));
        }
        let takeoff = before.is_some() || air.first.takes_off();
        let landing = after.is_some() || (!is_open && air.last.lands());
        Some(Flight {
            first_seen: whole.first.time,
            last_seen: whole.last.time,
            takeoff_time: takeoff.then_some(air.first.time),
            landing_time: landing.then_some(after.unwrap_or(air.last).time),
            callsign: air.callsign,
            country: air.country,
            first_position: whole.first_position,
            last_position: whole.last_position,
            max_altitude: air.max_altitude,
            centimetres: whole.centimetres,
            observations: whole.advanced + 1,
            is_open,
        })
    }
}

impl Ground {
    fn of(sighting: Sighting) -> Ground {
        Ground {
            first: sighting,
            last: sighting,
            advanced: 0,
        }
    }

    fn both(first: Option<Box<Ground>>, second: Option<Box<Ground>>) -> Option<Box<Ground>> {
        match (first, second) {
            (Some(mut first), Some(second)) => {
                first.advanced += second.advanced + advance(&first.last, &second.first);
                first.last = second.last;
                Some(first)
            }
            (first, second) => first.or(second),
        }
    }

    fn extend(&mut self, next: &Sighting, at_most: i64) -> bool {
        if !self.last.leads_to(next) || next.time - self.first.time > at_most {
            return false;
        }
        self.advanced += advance(&self.last, next);
        self.last = *next;
        true
    }

    /// As a part of a flight that went on.
    fn passed(&self) -> Air {
        let first = Air::of(self.first);
        let both = if self.first.time == self.last.time {
            first
        } else {
            first.then(Air::of(self.last))
        };
        Air {
            advanced: self.advanced,
            ..both
        }
    }
}

impl Air {
    /// One row. On the ground neither altitude nor callsign say anything about the flight: the
    /// callsign may be the next one's already.
    fn of(sighting: Sighting) -> Air {
        let flying = sighting.airborne;
        Air {
            first: sighting,
            last: sighting,
            first_position: sighting.position,
            last_position: sighting.position,
            max_altitude: sighting.altitude.filter(|_| flying),
            callsign: if flying {
                sighting.callsign
            } else {
                Callsign::default()
            },
            country: if flying { sighting.country } else { 0 },
            centimetres: 0,
            advanced: 0,
        }
    }

    #[inline]
    fn extend(&mut self, next: &Sighting) -> bool {
        if !self.last.leads_to(next) {
            return false;
        }
        self.advanced += advance(&self.last, next);
        if let Some(position) = &next.position {
            match &self.last_position {
                Some(before) => self.centimetres += before.hop(position),
                None => self.first_position = Some(*position),
            }
            self.last_position = Some(*position);
        }
        self.max_altitude = higher(self.max_altitude, next.altitude);
        self.callsign = next.callsign.or(self.callsign);
        self.country = first_known(self.country, next.country);
        self.last = *next;
        true
    }

    fn then(self, next: Air) -> Air {
        let hop = match (&self.last_position, &next.first_position) {
            (Some(from), Some(to)) => from.hop(to),
            _ => 0,
        };
        Air {
            first: self.first,
            last: next.last,
            first_position: self.first_position.or(next.first_position),
            last_position: next.last_position.or(self.last_position),
            max_altitude: higher(self.max_altitude, next.max_altitude),
            callsign: next.callsign.or(self.callsign),
            country: first_known(self.country, next.country),
            centimetres: self.centimetres + hop + next.centimetres,
            advanced: self.advanced + advance(&self.last, &next.first) + next.advanced,
        }
    }
}

fn first_known(country: u32, next: u32) -> u32 {
    if country == 0 { next } else { country }
}

/// 1 when the aircraft was heard anew, 0 when the row repeats what was known.
fn advance(before: &Sighting, after: &Sighting) -> u32 {
    u32::from(after.contact > before.contact)
}

fn higher(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.max(other)),
        (one, other) => one.or(other),
    }
}
