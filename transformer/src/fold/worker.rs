//! The pass over the rows: each is looked at once, counted or recognised as a repeat, and added
//! to the groups it belongs to (`row`).

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use ahash::RandomState;
use arrow::array::{Array, BooleanArray, Float64Array, TimestampMicrosecondArray};

use super::columns::{Rows, Shape, Wanted};
use super::groups::Absorb;
use super::measures::{CellDays, CellSlots, Emergency, Hours, Poll, RegionPoll};
use super::names::{Entries, NULL};
use super::points::Points;
use super::quality::{Quality, Rule};
use super::registry::{Callsign, Country};
use super::row::Row;
use super::seen::Seen;
use super::{Batch, MICROS_PER_HOUR};
use crate::flights::{Runs, Tracks};

/// What the pass reads of each row.
pub(super) const COLUMNS: &Wanted = &[
    ("icao24", Shape::Text),
    ("callsign", Shape::Text),
    ("origin_country", Shape::Text),
    ("squawk", Shape::Text),
    ("snapshot_time", Shape::Time),
    ("ingestion_time", Shape::Time),
    ("time_position", Shape::Time),
    ("last_contact", Shape::Time),
    ("latitude", Shape::Double),
    ("longitude", Shape::Double),
    ("baro_altitude", Shape::Double),
    ("velocity", Shape::Double),
    ("on_ground", Shape::Flag),
    ("vertical_rate", Shape::Double),
];

/// Of a poll that arrived more often than this, the rest counts as having arrived together.
const ARRIVALS: usize = 16;

/// Aircraft that are usual in one batch: there is room for so many from the start.
const TRACKS: usize = 16_384;

/// When rows arrived that do not say it: after all others.
pub(super) const NEVER: i64 = i64::MAX;

/// In which order bodies of the same poll count, by the times at which they arrived. Polls that
/// arrived once are not in it.
pub(super) type Arrivals = HashMap<i64, Vec<i64>, RandomState>;

/// One worker's share of a batch.
pub(super) struct Worker<'a> {
    batch: &'a Batch,
    callsign_entries: Entries,
    country_entries: Entries,
    squawk_entries: Entries,
    aircraft_entries: Entries,
    /// Aircraft by their places in `seen`.
    aircraft: Vec<u32>,
    /// By their places in `seen`.
    polls: Vec<Poll>,
    /// By their places in `seen`.
    standing: Vec<Standing>,
    last_poll: usize,
    pub seen: Seen,
    pub totals: Totals,
    tracks: Tracks,
    /// The order in which arrivals count, and whose turn it is; `None` while it is not known
    /// that any poll arrived more than once.
    turn: Option<(Arc<Arrivals>, usize)>,
    /// The files come in the order of their paths.
    in_path_order: bool,
    /// A row was a repeat of one that may have to count after it.
    pub doubtful: bool,
}

/// What earlier batches have counted of a poll.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Nothing.
    New,
    /// The aircraft that `Batch::before` says.
    Known,
    /// All that will ever be counted.
    Closed,
}

/// What the rows add up to.
#[derive(Default)]
pub(super) struct Totals {
    pub polls: Vec<Poll>,
    pub hours: Hours,
    pub cell_days: CellDays,
    pub cell_slots: CellSlots,
    pub quality: Quality,
    pub emergencies: Vec<Emergency>,
    /// Aircraft and poll of rows that had been counted, and how many there were.
    pub repeats: Vec<(u32, i64)>,
    pub repeated: u64,
    /// Polls of which an earlier batch has counted rows that arrived after others of the same
    /// aircraft, which come now.
    pub overtaken: HashSet<i64, RandomState>,
    /// The newest poll with a row that counts, and where its rows are.
    pub newest: Option<i64>,
    pub newest_rows: Vec<Place>,
    pub rows: u64,
}

/// A row of a data file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub file: usize,
    pub row: u64,
}

impl<'a> Worker<'a> {
    pub fn new(batch: &'a Batch) -> Worker<'a> {
        let rows: u64 = batch.rows.iter().sum();
        let tracks = usize::try_from(rows).map_or(TRACKS, |rows| rows.min(TRACKS));
        Worker {
            batch,
            callsign_entries: Entries::default(),
            country_entries: Entries::default(),
            squawk_entries: Entries::default(),
            aircraft_entries: Entries::default(),
            aircraft: Vec::new(),
            polls: Vec::new(),
            standing: Vec::new(),
            last_poll: 0,
            seen: Seen::default(),
            totals: Totals::default(),
            tracks: Tracks::with_room(tracks),
            turn: None,
            in_path_order: batch.files.is_sorted_by_key(|path| path.as_os_str()),
            doubtful: false,
        }
    }

    /// Says which arrivals count now.
    pub fn next_turn(&mut self, arrivals: Arc<Arrivals>, turn: usize) {
        self.turn = Some((arrivals, turn));
    }

    /// Counts rows, the first of which has the place `first`.
    pub fn count(&mut self, rows: &Rows, first: Place) {
        let batch = self.batch;
        let icao24 = rows.texts(0);
        let callsigns = rows.texts(1);
        let countries = rows.texts(2);
        let squawks = rows.texts(3);
        let (times, arrivals) = (rows.times(4), rows.times(5));
        let (positions, contacts) = (rows.times(6), rows.times(7));
        let (latitudes, longitudes) = (rows.doubles(8), rows.doubles(9));
        let (altitudes, velocities) = (rows.doubles(10), rows.doubles(11));
        let grounds = rows.flags(12);
        let points = Points::of(rows);
        self.aircraft_entries.begin(icao24);
        self.callsign_entries.begin(callsigns);
        self.country_entries.begin(countries);
        self.squawk_entries.begin(squawks);
        let icao24 = (icao24.keys().values(), icao24.nulls());
        let callsigns = (callsigns.keys().values(), callsigns.nulls());
        let countries = (countries.keys().values(), countries.nulls());
        let squawks = (squawks.keys().values(), squawks.nulls());
        let valid = |nulls: Option<&arrow::buffer::NullBuffer>, at: usize| {
            nulls.is_none_or(|nulls| nulls.is_valid(at))
        };
        let times_nulls = times.nulls();
        let times = times.values();

        for at in 0..rows.len {
            if !valid(icao24.1, at) || !valid(times_nulls, at) {
                continue;
            }
            let (seen, aircraft) = (&mut self.seen, &mut self.aircraft);
            let place = self.aircraft_entries.number(icao24.0[at], |text| {
                let number = batch.registry.aircraft(text);
                let place = seen.aircraft(number);
                if place == aircraft.len() {
                    aircraft.push(number);
                }
                // Numbers of entries begin with 1.
                u32::try_from(place + 1).unwrap_or(NULL)
            });
            let Some(place) = (place as usize).checked_sub(1) else {
                continue;
            };
            let aircraft = self.aircraft[place];
            let time = times[at];
            let poll = self.poll(time);
            let arrived = time_at(arrivals, at).unwrap_or(NEVER);
            if !self.is_its_turn(poll, arrived) {
                continue;
            }
            self.totals.rows += 1;
            if self.standing[poll] == Standing::Closed {
                continue;
            }
            let hour = time.div_euclid(MICROS_PER_HOUR);
            let before =
                self.standing[poll] == Standing::Known && batch.before.contains(aircraft, time);
            let repeat = before || !self.seen.insert(place, poll);
            let checks = self.totals.quality.of(hour);
            checks.count(Rule::NotRepeated, Some(!repeat));
            if repeat {
                let is_first = self.in_path_order && self.polls[poll].arrivals.len() <= 1;
                self.doubtful |= !before && !is_first;
                let counted = before.then(|| batch.before.arrived(time)).flatten();
                if counted.is_some_and(|counted| arrived < counted) {
                    self.totals.overtaken.insert(time);
                }
                self.totals.repeats.push((aircraft, time));
                self.totals.repeated += 1;
                continue;
            }

            let callsign = match valid(callsigns.1, at) {
                true => self
                    .callsign_entries
                    .number(callsigns.0[at], |text| batch.registry.callsign(text).0),
                false => NULL,
            };
            let country = match valid(countries.1, at) {
                true => self
                    .country_entries
                    .number(countries.0[at], |text| batch.registry.country(text).0),
                false => NULL,
            };
            let squawk = match valid(squawks.1, at) {
                true => self.squawk_entries.number(squawks.0[at], emergency),
                false => NULL,
            };
            let row = Row {
                time,
                hour,
                aircraft,
                callsign: Callsign(callsign),
                country: Country(country),
                latitude: double_at(latitudes, at),
                longitude: double_at(longitudes, at),
                altitude: double_at(altitudes, at),
                velocity: double_at(velocities, at),
                on_ground: flag_at(grounds, at),
                age: time_at(positions, at)
                    .or_else(|| time_at(contacts, at))
                    .map(|then| time.saturating_sub(then)),
            };
            self.tracks
                .observe(&points.at(at, aircraft, row.country.number()));
            let flags = row.flags();
            row.check(self.totals.quality.of(hour), flags);
            row.add_to_poll(&mut self.polls[poll], flags);
            self.polls[poll].arrived = self.polls[poll].arrived.max(arrived);
            if squawk != NULL {
                self.totals.emergencies.push(row.emergency(squawk));
            }
            self.totals.note_newest(time, first, at);
            if flags.position_in_range {
                row.add_to_groups(&mut self.totals, batch);
            }
        }
    }

    /// The place of a poll. Within an aircraft's rows polls mostly follow each other.
    #[inline]
    fn poll(&mut self, time: i64) -> usize {
        for guess in [self.last_poll, self.last_poll + 1] {
            if self.polls.get(guess).is_some_and(|poll| poll.time == time) {
                self.last_poll = guess;
                return guess;
            }
        }
        let place = self.seen.poll(time);
        if place == self.polls.len() {
            self.standing.push(if self.batch.closed.contains(&time) {
                Standing::Closed
            } else if self.batch.before.has_poll(time) {
                Standing::Known
            } else {
                Standing::New
            });
            self.polls.push(Poll {
                time,
                regions: vec![RegionPoll::default(); self.batch.registry.regions().len()],
                ..Poll::default()
            });
        }
        self.last_poll = place;
        place
    }

    #[inline]
    fn is_its_turn(&mut self, poll: usize, arrived: i64) -> bool {
        let poll = &mut self.polls[poll];
        match &self.turn {
            None => {
                poll.note_arrival(arrived);
                true
            }
            Some((order, turn)) => {
                let order = order.get(&poll.time);
                let place = order.and_then(|order| order.binary_search(&arrived).ok());
                place.unwrap_or(0).min(ARRIVALS - 1) == *turn
            }
        }
    }

    /// The polls that arrived more than once.
    pub fn arrivals(&self) -> impl Iterator<Item = (i64, &[i64])> {
        let polls = self.polls.iter();
        polls.map(|poll| (poll.time, poll.arrivals.as_slice()))
    }

    /// Hands over the tracks of the rows counted since this was called last: those of place
    /// `turn` in the order of all rows.
    pub fn give_tracks(&mut self, turn: usize, runs: &Mutex<Runs>) {
        let tracks = std::mem::take(&mut self.tracks);
        runs.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .add(turn, tracks);
    }

    /// What was counted, and who was seen when.
    pub fn finish(mut self) -> (Totals, Seen) {
        for poll in self.polls.iter().filter(|poll| poll.total > 0) {
            self.seen.note_arrival(poll.time, poll.arrived);
        }
        self.totals.polls = self.polls;
        (self.totals, self.seen)
    }
}

/// How many turns there are.
pub(super) fn turns(arrivals: &Arrivals) -> usize {
    let most = arrivals.values().map(Vec::len).max();
    most.unwrap_or(1).clamp(1, ARRIVALS)
}

impl Totals {
    #[inline]
    fn note_newest(&mut self, time: i64, first: Place, at: usize) {
        if self.newest < Some(time) {
            self.newest = Some(time);
            self.newest_rows.clear();
        }
        if self.newest == Some(time) {
            self.newest_rows.push(Place {
                file: first.file,
                row: first.row + at as u64,
            });
        }
    }
}

impl Absorb for Totals {
    fn absorb(&mut self, other: Self) {
        let places: HashMap<i64, usize> = (self.polls.iter().enumerate())
            .map(|(place, poll)| (poll.time, place))
            .collect();
        for poll in other.polls {
            match places.get(&poll.time) {
                Some(place) => self.polls[*place].absorb(poll),
                None => self.polls.push(poll),
            }
        }
        self.hours.absorb(other.hours);
        self.cell_days.absorb(other.cell_days);
        self.cell_slots.absorb(other.cell_slots);
        self.quality.absorb(other.quality);
        self.emergencies.extend(other.emergencies);
        self.repeats.extend(other.repeats);
        self.repeated += other.repeated;
        self.overtaken.extend(other.overtaken);
        self.rows += other.rows;
        if other.newest > self.newest {
            self.newest = other.newest;
            self.newest_rows = other.newest_rows;
        } else if other.newest == self.newest {
            self.newest_rows.extend(other.newest_rows);
        }
    }
}

/// The squawks that call for help: hijacking, radio failure, general emergency.
fn emergency(squawk: &str) -> u32 {
    match squawk {
        "7500" => 7500,
        "7600" => 7600,
        "7700" => 7700,
        _ => NULL,
    }
}

#[inline]
fn time_at(column: &TimestampMicrosecondArray, at: usize) -> Option<i64> {
    column.is_valid(at).then(|| column.values()[at])
}

#[inline]
fn double_at(column: &Float64Array, at: usize) -> Option<f64> {
    column.is_valid(at).then(|| column.values()[at])
}

#[inline]
fn flag_at(column: &BooleanArray, at: usize) -> Option<bool> {
    column.is_valid(at).then(|| column.values().value(at))
}
