//! Flights by a straight reading.

use super::*;

/// Flights by reading a whole history row by row, sharing the rules' numbers only.
pub(super) fn naive(rows: &[Row], aircraft: u32) -> Vec<Flight> {
    let points: Vec<_> = rows
        .iter()
        .filter(|row| row.aircraft == aircraft)
        .filter(|row| row.contact_age <= STALE_AFTER)
        .filter(|row| row.velocity > GROUND_SPEED || row.on_ground.is_some())
        .collect();
    let grounded = |row: &Row| row.velocity <= GROUND_SPEED && row.on_ground == Some(true);
    let high =
        |row: &Row| !grounded(row) && row.altitude >= CRUISE_ABOVE && row.latitude.abs() <= 90.0;
    let metres = |a: &Row, b: &Row| {
        let at = |row: &Row| Position {
            time: row.time,
            latitude: row.latitude,
            longitude: row.longitude,
        };
        at(a).metres_to(&at(b))
    };
    let unheard = |a: &Row, b: &Row| {
        let silence = b.time - a.time;
        let names = (a.callsign, b.callsign);
        let other_name = names.0 != names.1 && names.0 != 0 && names.1 != 0;
        let flying = !grounded(a) && !grounded(b);
        if silence <= SILENCE {
            return silence > RENAMED_AFTER && flying && other_name;
        }
        let speed = metres(a, b) / (silence as f64 / 1e6);
        let bridged = silence <= LONGEST_SILENCE
            && high(a)
            && high(b)
            && names.0 != 0
            && names.0 == names.1
            && (100.0..=1500.0 / 3.6).contains(&speed);
        !bridged
    };
    // Which flight each row in the air belongs to.
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for (index, row) in points.iter().enumerate() {
        if grounded(row) {
            continue;
        }
        let before = groups.last().and_then(|group| group.last()).copied();
        let same = before.is_some_and(|before| {
            let between: Vec<_> = (before..index).collect();
            let broken = between
                .iter()
                .any(|at| unheard(points[*at], points[at + 1]));
            let landed = points.get(before + 1).filter(|_| index > before + 1);
            !broken && landed.is_none_or(|first| row.time - first.time <= GROUND_TIME)
        });
        match groups.last_mut() {
            Some(group) if same => group.push(index),
            _ => groups.push(vec![index]),
        }
    }
    let mut flights = Vec::new();
    for group in groups {
        let (first, last) = (group[0], group[group.len() - 1]);
        let before = first
            .checked_sub(1)
            .filter(|at| grounded(points[*at]) && !unheard(points[*at], points[first]));
        let after = Some(last + 1).filter(|at| {
            points
                .get(*at)
                .is_some_and(|row| grounded(row) && !unheard(points[last], row))
        });
        // Of each stay on the ground only the first and the last row lie on the track.
        let (from, to) = (before.unwrap_or(first), after.unwrap_or(last));
        let on_track = |at: &usize| {
            !grounded(points[*at])
                || [from, to].contains(at)
                || !grounded(points[at - 1])
                || !grounded(points[at + 1])
        };
        let track: Vec<usize> = (from..=to).filter(on_track).collect();
        let placed: Vec<usize> = track
            .iter()
            .copied()
            .filter(|at| points[*at].latitude.abs() <= 90.0)
            .collect();
        let mut centimetres = 0;
        for pair in placed.windows(2) {
            let (a, b) = (points[pair[0]], points[pair[1]]);
            let way = metres(a, b);
            let seconds = (b.time - a.time) as f64 / 1e6;
            if way <= 1500.0 / 3.6 * seconds + 1_000.0 {
                centimetres += (way * 100.0).round() as i64;
            }
        }
        let contact = |at: usize| points[at].time - points[at].contact_age.max(0);
        let heard = (from..to)
            .filter(|at| contact(at + 1) > contact(*at))
            .count();
        let position = |at: Option<&usize>| {
            at.map(|at| Position {
                time: points[*at].time,
                latitude: points[*at].latitude,
                longitude: points[*at].longitude,
            })
        };
        let air = || group.iter().map(|at| points[*at]);
        let low = |row: &Row| row.altitude <= LOW;
        let newest = rows
            .iter()
            .filter(|row| row.contact_age <= STALE_AFTER)
            .filter(|row| row.velocity > GROUND_SPEED || row.on_ground.is_some())
            .map(|row| row.time)
            .max();
        let goes_on = last + 1 == points.len() && newest.unwrap() - points[last].time <= SILENCE;
        let rising = low(points[first]) && points[first].vertical_rate >= 1.0;
        let sinking = !goes_on && low(points[last]) && points[last].vertical_rate <= -1.0;
        flights.push(Flight {
            first_seen: points[from].time,
            last_seen: points[to].time,
            takeoff_time: (before.is_some() || rising).then(|| points[first].time),
            landing_time: after.or(sinking.then_some(last)).map(|at| points[at].time),
            callsign: air()
                .rev()
                .find(|row| row.callsign != 0)
                .map_or_else(rules::Callsign::default, |row| {
                    rules::Callsign::of(Some(NAMES[row.callsign]))
                }),
            country: 7,
            first_position: position(placed.first()),
            last_position: position(placed.last()),
            max_altitude: air()
                .map(|row| row.altitude)
                .filter(|a| !a.is_nan())
                .reduce(f64::max),
            centimetres,
            observations: u32::try_from(heard).unwrap() + 1,
            is_open: goes_on,
        });
    }
    flights
}
