//! What a fold gives, by a straight computation.

use super::*;

/// The same by going over the rows again and again.
pub(super) fn expected(files: &[Vec<Sent>], before: &[Sent]) -> Rows {
    let before: BTreeSet<(i64, i64)> = before.iter().map(|s| (s.aircraft, s.poll)).collect();
    let mut all: Vec<Sent> = files.concat();
    all.sort_by_key(|sent| (sent.poll, sent.aircraft, together_with(sent.arrival)));
    let mut counted: Vec<State> = Vec::new();
    let mut repeats: Vec<State> = Vec::new();
    let mut taken = before;
    for sent in &all {
        if taken.insert((sent.aircraft, sent.poll)) {
            counted.push(sent.state());
        } else {
            repeats.push(sent.state());
        }
    }
    let has_position = |s: &State| s.latitude.is_some() && s.longitude.is_some();
    let in_range = |s: &State| {
        s.latitude.is_some_and(|v| v.abs() <= 90.0) && s.longitude.is_some_and(|v| v.abs() <= 180.0)
    };
    let velocity_ok = |s: &State| s.velocity.is_none_or(|v| (0.0..=400.0).contains(&v));
    let ok = |s: &State| has_position(s) && in_range(s) && velocity_ok(s);
    let hour = |s: &State| s.time - s.time.rem_euclid(3_600_000_000);
    let sum = |values: &[f64]| number(Some(values.iter().sum()));
    let max = |values: &[f64]| number(values.iter().copied().reduce(f64::max));
    let group = |key: &dyn Fn(&State) -> Vec<String>, of: &[&State]| {
        let mut groups: BTreeMap<Vec<String>, Vec<State>> = BTreeMap::new();
        for state in of {
            groups.entry(key(state)).or_default().push((*state).clone());
        }
        groups
    };
    let count = |of: &[State], which: &dyn Fn(&State) -> bool| {
        of.iter().filter(|s| which(s)).count().to_string()
    };
    let values = |of: &[State], which: fn(&State) -> Option<f64>| -> Vec<f64> {
        of.iter().filter_map(which).collect()
    };
    let mut rows = Rows::new();
    let every: Vec<&State> = counted.iter().collect();
    let cleaned: Vec<&State> = counted.iter().filter(|s| in_range(s)).collect();
    let airborne: Vec<&State> = cleaned
        .iter()
        .copied()
        .filter(|s| s.on_ground == Some(false))
        .collect();

    for (key, of) in group(&|s| vec![s.time.to_string()], &every) {
        let velocity = values(&of, |s| s.velocity);
        let countries: BTreeSet<_> = of.iter().filter_map(|s| s.country).collect();
        let row = vec![
            of.len().to_string(),
            count(&of, &has_position),
            count(&of, &ok),
            count(&of, &|s| s.on_ground == Some(true)),
            count(&of, &|s| s.on_ground == Some(false)),
            sum(&velocity),
            velocity.len().to_string(),
            max(&velocity),
            countries.len().to_string(),
        ];
        rows.entry("new_polls")
            .or_default()
            .push([key, row].concat());
    }
    let region = |s: &State| match s.country {
        Some("Germany") => "EU",
        Some("Canada") => "US_CA",
        _ => "Other",
    };
    for (key, of) in group(&|s| vec![s.time.to_string(), region(s).to_owned()], &every) {
        let velocity = values(&of, |s| s.velocity);
        let in_air = values(&of, |s| s.velocity.filter(|_| s.on_ground == Some(false)));
        let row = vec![
            of.len().to_string(),
            count(&of, &|s| s.on_ground == Some(true)),
            count(&of, &|s| s.on_ground == Some(false)),
            count(&of, &ok),
            sum(&velocity),
            velocity.len().to_string(),
            sum(&in_air),
            in_air.len().to_string(),
        ];
        rows.entry("new_region_polls")
            .or_default()
            .push([key, row].concat());
    }
    let by_hour = |s: &State| {
        vec![
            hour(s).to_string(),
            s.icao24.clone(),
            or_null(s.callsign.as_deref()),
            or_null(s.country),
        ]
    };
    for (key, of) in group(&by_hour, &cleaned) {
        let altitude = values(&of, |s| s.altitude);
        let velocity = values(&of, |s| s.velocity);
        let row = vec![
            of.len().to_string(),
            sum(&altitude),
            altitude.len().to_string(),
            max(&altitude),
            sum(&velocity),
            velocity.len().to_string(),
            max(&velocity),
            of.iter().map(|s| s.time).min().unwrap().to_string(),
            of.iter().map(|s| s.time).max().unwrap().to_string(),
            count(&of, &|s| s.on_ground == Some(true)),
            count(&of, &|s| s.on_ground == Some(false)),
        ];
        rows.entry("new_aircraft_hours")
            .or_default()
            .push([key, row].concat());
    }
    let occupied = |of: &[State]| {
        let altitude = values(of, |s| s.altitude);
        vec![
            of.len().to_string(),
            sum(&altitude),
            altitude.len().to_string(),
        ]
    };
    let by_day = |s: &State| {
        let day = chrono::DateTime::from_timestamp_micros(s.time)
            .unwrap()
            .date_naive();
        let cell =
            (s.latitude.unwrap().floor() + 90.0) * 361.0 + s.longitude.unwrap().floor() + 180.0;
        vec![day.to_string(), cell.to_string(), s.icao24.clone()]
    };
    for (key, of) in group(&by_day, &airborne) {
        rows.entry("new_cell_days")
            .or_default()
            .push([key, occupied(&of)].concat());
    }
    let recent: Vec<&State> = airborne
        .iter()
        .copied()
        .filter(|s| s.time >= START + 5 * MINUTE)
        .collect();
    let by_slot = |s: &State| {
        let cells = |degrees: f64| (degrees / 0.5).floor() as i64 + 4096;
        let cell = cells(s.latitude.unwrap()) * 8192 + cells(s.longitude.unwrap());
        vec![
            s.time.div_euclid(5 * MINUTE).to_string(),
            cell.to_string(),
            s.icao24.clone(),
        ]
    };
    for (key, of) in group(&by_slot, &recent) {
        rows.entry("new_cell_slots")
            .or_default()
            .push([key, occupied(&of)].concat());
    }
    let mut checks: BTreeMap<(i64, &str), (u64, u64)> = BTreeMap::new();
    let mut check = |s: &State, rule, applies: bool, passes: bool| {
        if applies {
            let counts = checks.entry((hour(s), rule)).or_default();
            counts.0 += 1;
            counts.1 += u64::from(!passes);
        }
    };
    for s in &counted {
        let known = |country| ["", "Germany", "Canada"].contains(&country);
        let form = |text: &str| {
            text.len() <= 8
                && text
                    .chars()
                    .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit())
        };
        let age = s.position.or(s.contact).map(|then| s.time - then);
        check(s, "dq_has_position", true, has_position(s));
        check(s, "dq_position_ok", has_position(s), in_range(s));
        check(s, "dq_velocity_ok", s.velocity.is_some(), velocity_ok(s));
        check(s, "dq_ok", true, ok(s));
        let altitude = s.altitude.unwrap_or_default();
        check(
            s,
            "altitude_in_range",
            s.altitude.is_some(),
            (-500.0..=20_000.0).contains(&altitude),
        );
        let fresh = age.unwrap_or_default() <= MINUTE;
        check(s, "stale_position", has_position(s) && age.is_some(), fresh);
        check(s, "duplicate", true, true);
        check(
            s,
            "unmapped_country",
            s.country.is_some(),
            s.country.is_some_and(known),
        );
        let callsign = s.callsign.as_deref();
        check(
            s,
            "callsign_form",
            callsign.is_some(),
            callsign.is_some_and(form),
        );
    }
    for s in &repeats {
        check(s, "duplicate", true, false);
    }
    for ((hour, rule), (checked, failed)) in checks {
        let row = vec![
            hour.to_string(),
            rule.to_owned(),
            checked.to_string(),
            failed.to_string(),
        ];
        rows.entry("new_quality").or_default().push(row);
    }
    for s in counted
        .iter()
        .filter(|s| matches!(s.squawk, Some("7500" | "7600" | "7700")))
    {
        rows.entry("new_emergencies").or_default().push(vec![
            s.icao24.clone(),
            or_null(s.callsign.as_deref()),
            or_null(s.squawk),
            s.time.to_string(),
            number(s.latitude),
            number(s.longitude),
            number(s.altitude),
        ]);
    }
    for s in &repeats {
        let row = vec![s.icao24.clone(), s.time.to_string()];
        rows.entry("new_repeats").or_default().push(row);
    }
    let newest = counted.iter().map(|s| s.time).max();
    for s in counted.iter().filter(|s| Some(s.time) == newest) {
        let time = |time: Option<i64>| time.map_or("null".to_owned(), |time| time.to_string());
        let flag = |flag: Option<bool>| flag.map_or("null".to_owned(), |flag| flag.to_string());
        let null = || "null".to_owned();
        rows.entry("new_latest_states").or_default().push(vec![
            s.icao24.clone(),
            or_null(s.callsign.as_deref()),
            or_null(s.country),
            time(s.position),
            time(s.contact),
            number(s.longitude),
            number(s.latitude),
            number(s.altitude),
            flag(s.on_ground),
            number(s.velocity),
            null(),
            null(),
            null(),
            or_null(s.squawk),
            null(),
            null(),
            null(),
            s.time.to_string(),
        ]);
    }
    for rows in rows.values_mut() {
        rows.sort();
    }
    rows
}
