//! The tracks of one run of rows: a file, a part of one, or a batch.
//!
//! Rows of an aircraft come in the order of their time, whatever the order of aircraft: a file
//! sorted by aircraft serves as well as one sorted by time. Those that do not are noted as late.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};

use super::flight::Flight;
use super::piece::{Joined, Piece};
use super::rules::{Point, Sighting};

/// A map by aircraft number.
pub(super) type ByAircraft<T> = HashMap<u32, T, BuildHasherDefault<AircraftHasher>>;

/// Spreads aircraft numbers, which come in blocks by country.
#[derive(Debug, Default)]
pub(super) struct AircraftHasher(u64);

impl Hasher for AircraftHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u32(u32::from(*byte));
        }
    }

    fn write_u32(&mut self, number: u32) {
        let mixed = (self.0 ^ u64::from(number)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.0 = mixed ^ (mixed >> 32);
    }
}

/// Tracks of many aircraft, each from its first to its last row of the run.
#[derive(Debug, Default)]
pub struct Tracks {
    pub(super) tracks: Vec<Track>,
    /// Flights that begin and end within the run, by index of their track.
    pub(super) closed: Vec<(usize, Flight)>,
    pub(super) late: Late,
    places: ByAircraft<usize>,
    current: usize,
}

/// One aircraft's track: its first piece, to which what was before may join, and the one that
/// goes on, when that is another.
#[derive(Debug)]
pub(super) struct Track {
    pub aircraft: u32,
    pub start: i64,
    pub end: i64,
    pub first: Piece,
    pub last: Option<Box<Piece>>,
}

/// When rows came that are older than what is known of their aircraft: the first and the last.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Late(pub(super) ByAircraft<(i64, i64)>);

impl Tracks {
    /// None yet, with room for so many: a track is large, and moving many takes long.
    pub fn with_room(tracks: usize) -> Tracks {
        Tracks {
            tracks: Vec::with_capacity(tracks),
            ..Tracks::default()
        }
    }

    /// Joins the tracks of the run that follows to these. One that begins before the end of what
    /// is here of its aircraft is late as a whole.
    pub fn append(&mut self, run: Tracks) {
        if self.tracks.is_empty() && self.late.is_empty() {
            *self = run;
            return;
        }
        self.late.add(&run.late);
        let mut places = Vec::with_capacity(run.tracks.len());
        for track in run.tracks {
            let index = match self.places.get(&track.aircraft) {
                Some(index) => *index,
                None => {
                    places.push(Some(self.tracks.len()));
                    self.places.insert(track.aircraft, self.tracks.len());
                    self.tracks.push(track);
                    continue;
                }
            };
            let Some(before) = self
                .tracks
                .get_mut(index)
                .filter(|one| one.end < track.start)
            else {
                self.late.note(track.aircraft, track.start, track.end);
                places.push(None);
                continue;
            };
            places.push(Some(index));
            before.end = track.end;
            for complete in [before.push(track.first), before.push_break(track.last)] {
                let flight = complete.and_then(|piece| piece.flight(None));
                self.closed.extend(flight.map(|flight| (index, flight)));
            }
        }
        for (place, flight) in run.closed {
            let index = places.get(place).copied().flatten();
            self.closed.extend(index.map(|index| (index, flight)));
        }
    }

    /// Takes the next row in.
    #[inline]
    pub fn observe(&mut self, point: &Point<'_>) {
        if let Some(sighting) = point.sighting() {
            self.see(point.aircraft, sighting);
        }
    }

    /// Takes the next sighting of an aircraft in.
    #[inline]
    pub fn see(&mut self, aircraft: u32, sighting: Sighting) {
        let known = match self.tracks.get(self.current) {
            Some(track) if track.aircraft == aircraft => Some(self.current),
            _ => self.places.get(&aircraft).copied(),
        };
        let Some(index) = known else {
            self.current = self.tracks.len();
            self.places.insert(aircraft, self.current);
            self.tracks.push(Track {
                aircraft,
                start: sighting.time,
                end: sighting.time,
                first: Piece::of(sighting),
                last: None,
            });
            return;
        };
        self.current = index;
        let Some(track) = self.tracks.get_mut(index) else {
            return;
        };
        if sighting.time <= track.end {
            self.late.note(aircraft, sighting.time, sighting.time);
            return;
        }
        track.end = sighting.time;
        if !track.tail().extend(&sighting)
            && let Some(complete) = track.push(Piece::of(sighting))
        {
            let flight = complete.flight(None);
            self.closed.extend(flight.map(|flight| (index, flight)));
        }
    }
}

impl Track {
    #[inline]
    fn tail(&mut self) -> &mut Piece {
        self.last.as_deref_mut().unwrap_or(&mut self.first)
    }

    /// Joins the next piece to the last; gives what is complete on both ends.
    fn push(&mut self, next: Piece) -> Option<Piece> {
        let tail = self.tail();
        match tail.clone().join(next) {
            Joined::One(piece) => {
                *tail = piece;
                None
            }
            Joined::Two(complete, open) => {
                *tail = complete;
                self.push_break(Some(Box::new(open)))
            }
        }
    }

    /// Goes on with a piece after a break; gives what is complete on both ends.
    fn push_break(&mut self, next: Option<Box<Piece>>) -> Option<Piece> {
        let next = next?;
        self.last.replace(next).map(|complete| *complete)
    }
}

/// Runs that several threads take from a queue, put together in the queue's order.
#[derive(Debug, Default)]
pub struct Runs {
    joined: Tracks,
    next: usize,
    waiting: BTreeMap<usize, Tracks>,
}

impl Runs {
    /// Adds the run that was number `place` of the queue, from 0.
    pub fn add(&mut self, place: usize, run: Tracks) {
        self.waiting.insert(place, run);
        while let Some(run) = self.waiting.remove(&self.next) {
            self.joined.append(run);
            self.next += 1;
        }
    }

    /// All of them, as one run. What is missing in the queue is passed over.
    pub fn finish(mut self) -> Tracks {
        for (_, run) in std::mem::take(&mut self.waiting) {
            self.joined.append(run);
        }
        self.joined
    }
}

impl Late {
    pub(super) fn note(&mut self, aircraft: u32, from: i64, to: i64) {
        let span = self.0.entry(aircraft).or_insert((from, to));
        *span = (span.0.min(from), span.1.max(to));
    }

    pub(super) fn add(&mut self, other: &Late) {
        for (aircraft, (from, to)) in &other.0 {
            self.note(*aircraft, *from, *to);
        }
    }

    pub(super) fn spans(&self) -> impl Iterator<Item = (u32, i64, i64)> {
        self.0
            .iter()
            .map(|(aircraft, (from, to))| (*aircraft, *from, *to))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
