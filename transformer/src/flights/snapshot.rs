//! The tracker as bytes, to go on from after a restart.
//!
//! Little-endian, the version first. What is not exactly as written here is refused; the caller
//! then derives the open tracks from the lake again.

use super::piece::{Air, Ground, Piece};
use super::rules::{Callsign, Position, Sighting};
use super::tracker::Tracker;
use super::tracks::{ByAircraft, Late};

/// Changes whenever the layout, or the meaning of a rule, does.
pub(crate) const VERSION: u32 = 1;

impl Tracker {
    /// The open tracks as bytes. Flights that ended must have been taken.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.open.len() * 300 + self.ended.len() * 12 + 4096);
        VERSION.write(&mut out);
        self.horizon.write(&mut out);
        self.newest.write(&mut out);
        length(self.open.len()).write(&mut out);
        for (aircraft, piece) in &self.open {
            aircraft.write(&mut out);
            piece.write(&mut out);
        }
        length(self.ended.len()).write(&mut out);
        for (aircraft, until) in &self.ended {
            aircraft.write(&mut out);
            until.write(&mut out);
        }
        length(self.late.0.len()).write(&mut out);
        for (aircraft, (from, to)) in &self.late.0 {
            aircraft.write(&mut out);
            from.write(&mut out);
            to.write(&mut out);
        }
        out
    }

    /// The tracker of these bytes, or `None` when they are of another version or damaged.
    pub fn from_bytes(bytes: &[u8]) -> Option<Tracker> {
        let from = &mut &*bytes;
        if u32::read(from)? != VERSION {
            return None;
        }
        let (horizon, newest) = (i64::read(from)?, i64::read(from)?);
        let mut open = ByAircraft::default();
        for _ in 0..u32::read(from)? {
            open.insert(u32::read(from)?, Piece::read(from)?);
        }
        let mut ended = ByAircraft::default();
        for _ in 0..u32::read(from)? {
            ended.insert(u32::read(from)?, i64::read(from)?);
        }
        let mut late = Late::default();
        for _ in 0..u32::read(from)? {
            late.note(u32::read(from)?, i64::read(from)?, i64::read(from)?);
        }
        from.is_empty().then_some(Tracker {
            late,
            open,
            ended,
            horizon,
            newest,
            ..Tracker::default()
        })
    }
}

/// There are 16 million addresses at most.
fn length(of: usize) -> u32 {
    u32::try_from(of).unwrap_or(u32::MAX)
}

/// What is written field by field.
trait Bytes: Sized {
    fn write(&self, out: &mut Vec<u8>);
    fn read(from: &mut &[u8]) -> Option<Self>;
}

macro_rules! number {
    ($($number:ty),+) => {$(
        impl Bytes for $number {
            fn write(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }

            fn read(from: &mut &[u8]) -> Option<$number> {
                let (bytes, rest) = from.split_first_chunk()?;
                *from = rest;
                Some(<$number>::from_le_bytes(*bytes))
            }
        }
    )+};
}

macro_rules! fields {
    ($of:ident { $($field:ident),+ $(,)? }) => {
        impl Bytes for $of {
            fn write(&self, out: &mut Vec<u8>) {
                $(self.$field.write(out);)+
            }

            fn read(from: &mut &[u8]) -> Option<$of> {
                $(let $field = Bytes::read(from)?;)+
                Some($of { $($field),+ })
            }
        }
    };
}

number!(u8, u32, i64, f64);

impl Bytes for bool {
    fn write(&self, out: &mut Vec<u8>) {
        u8::from(*self).write(out);
    }

    fn read(from: &mut &[u8]) -> Option<bool> {
        match u8::read(from)? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }
}

impl<T: Bytes> Bytes for Option<T> {
    fn write(&self, out: &mut Vec<u8>) {
        self.is_some().write(out);
        if let Some(value) = self {
            value.write(out);
        }
    }

    fn read(from: &mut &[u8]) -> Option<Option<T>> {
        if bool::read(from)? {
            T::read(from).map(Some)
        } else {
            Some(None)
        }
    }
}

impl<T: Bytes> Bytes for Box<T> {
    fn write(&self, out: &mut Vec<u8>) {
        T::write(self, out);
    }

    fn read(from: &mut &[u8]) -> Option<Box<T>> {
        T::read(from).map(Box::new)
    }
}

impl Bytes for Callsign {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }

    fn read(from: &mut &[u8]) -> Option<Callsign> {
        let (bytes, rest) = from.split_first_chunk()?;
        *from = rest;
        Some(Callsign(*bytes))
    }
}

fields!(Position {
    time,
    latitude,
    longitude,
});
fields!(Sighting {
    time,
    contact,
    airborne,
    position,
    altitude,
    vertical_rate,
    callsign,
    country,
});
fields!(Ground {
    first,
    last,
    advanced,
});
fields!(Air {
    first,
    last,
    first_position,
    last_position,
    max_altitude,
    callsign,
    country,
    centimetres,
    advanced,
});
fields!(Piece { lead, air, trail });
