//! The fold of any rows, in any files, equals a straight computation over those that count.

mod expected;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, Float64Array, Int32Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow::datatypes::{Field, Schema};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use proptest::prelude::*;

use super::*;
use expected::expected;

/// 2025-09-26T23:50:00Z: polls from here on cross an hour and midnight.
const START: i64 = 1_758_930_600_000_000;
const MINUTE: i64 = 60_000_000;

/// One row, as its aircraft, poll and arrival decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Sent {
    aircraft: i64,
    poll: i64,
    arrival: i64,
}

#[derive(Debug, Clone, Default)]
struct State {
    icao24: String,
    callsign: Option<String>,
    country: Option<&'static str>,
    squawk: Option<&'static str>,
    time: i64,
    ingestion: i64,
    position: Option<i64>,
    contact: Option<i64>,
    latitude: Option<f64>,
    longitude: Option<f64>,
    altitude: Option<f64>,
    velocity: Option<f64>,
    on_ground: Option<bool>,
}

/// Rows of numbers a hundred apart arrived together, and have other values.
const fn together_with(arrival: i64) -> i64 {
    arrival % 100
}

impl Sent {
    /// Every kind of row. Measures are multiples of a quarter, so that sums are exact.
    fn state(self) -> State {
        let Sent {
            aircraft,
            poll,
            arrival,
        } = self;
        let x = (aircraft * 31 + poll * 7 + arrival * 13) % 97;
        let time = START + poll * MINUTE;
        let countries = [
            None,
            Some(""),
            Some("Germany"),
            Some("Atlantis"),
            Some("Canada"),
        ];
        let quarter = |n: i64| n as f64 / 4.0;
        State {
            icao24: match aircraft {
                0 => "ABC123".to_owned(),
                1 => "~1".to_owned(),
                n => format!("{:06x}", n * 70_001),
            },
            callsign: match x % 6 {
                0 => None,
                1 => Some("dlh 1".to_owned()),
                _ => Some(format!("AB{}", aircraft + poll / 9)),
            },
            country: countries[usize::try_from(aircraft % 5).unwrap()],
            squawk: [None, Some("0021"), Some("7700"), Some("7500")]
                [usize::try_from(x % 4).unwrap()],
            time,
            ingestion: time + together_with(arrival) * 1_000,
            position: (x % 3 != 0).then_some(time - x * 1_000_000),
            contact: (x % 5 != 0).then_some(time - 61_000_000),
            latitude: (x % 9 != 0).then_some(quarter(x) - 12.0),
            longitude: match x % 11 {
                0 => None,
                1 => Some(180.25),
                _ => Some(quarter(aircraft) - 1.0),
            },
            altitude: (x % 4 != 0).then_some(quarter(x * 900) - 600.0),
            velocity: (x % 7 != 0).then_some(quarter(x * 17)),
            on_ground: (x % 8 != 0).then_some(x % 5 == 0),
        }
    }
}

fn write(path: &Path, sent: &[Sent]) {
    let states: Vec<State> = sent.iter().map(|sent| sent.state()).collect();
    let texts = |of: fn(&State) -> Option<&str>| -> ArrayRef {
        Arc::new(StringArray::from_iter(states.iter().map(of)))
    };
    let times = |of: fn(&State) -> Option<i64>| -> ArrayRef {
        let times = TimestampMicrosecondArray::from_iter(states.iter().map(of));
        Arc::new(times.with_timezone("UTC"))
    };
    let doubles = |of: fn(&State) -> Option<f64>| -> ArrayRef {
        Arc::new(Float64Array::from_iter(states.iter().map(of)))
    };
    let columns: [(i32, &str, ArrayRef); 14] = [
        (19, "snapshot_time", times(|s| Some(s.time))),
        (1, "icao24", texts(|s| Some(&s.icao24))),
        (2, "callsign", texts(|s| s.callsign.as_deref())),
        (3, "origin_country", texts(|s| s.country)),
        (15, "squawk", texts(|s| s.squawk)),
        (20, "ingestion_time", times(|s| Some(s.ingestion))),
        (4, "time_position", times(|s| s.position)),
        (5, "last_contact", times(|s| s.contact)),
        // A column that was renamed since the file was written.
        (7, "lat", doubles(|s| s.latitude)),
        (6, "longitude", doubles(|s| s.longitude)),
        (8, "baro_altitude", doubles(|s| s.altitude)),
        (10, "velocity", doubles(|s| s.velocity)),
        (
            9,
            "on_ground",
            Arc::new(BooleanArray::from_iter(states.iter().map(|s| s.on_ground))),
        ),
        // A column whose number is another's today, by its name.
        (
            99,
            "category",
            Arc::new(Int32Array::from(vec![1; states.len()])),
        ),
    ];
    let fields = columns.iter().map(|(id, name, column)| {
        let field = Field::new(*name, column.data_type().clone(), true);
        field.with_metadata([("PARQUET:field_id".to_owned(), id.to_string())].into())
    });
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let columns = columns.into_iter().map(|(_, _, column)| column).collect();
    let rows = RecordBatch::try_new(Arc::clone(&schema), columns).unwrap();
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(13))
        .build();
    let file = std::fs::File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, schema, Some(properties)).unwrap();
    writer.write(&rows).unwrap();
    writer.close().unwrap();
}

fn registry() -> Registry {
    let pair = |(name, region): (&str, &str)| (name.to_owned(), region.to_owned());
    let seed = [("Germany", "EU"), ("Canada", "US_CA"), ("", "Other")];
    Registry::new(seed.map(pair), [("Canada".to_owned(), 1)], [])
}

type Rows = BTreeMap<&'static str, Vec<Vec<String>>>;

/// The rows of all tables but those of numbers that depend on the order of the rows, as text.
fn folded(folder: &Path, files: &[Vec<Sent>], before: &[Sent], threads: usize) -> (Rows, Folded) {
    let paths: Vec<PathBuf> = (0..files.len())
        .map(|number| folder.join(format!("{number}.parquet")))
        .collect();
    folded_at(paths, files, before, threads)
}

/// The same of files at these paths.
fn folded_at(
    paths: Vec<PathBuf>,
    files: &[Vec<Sent>],
    before: &[Sent],
    threads: usize,
) -> (Rows, Folded) {
    for (path, sent) in paths.iter().zip(files) {
        write(path, sent);
    }
    let registry = registry();
    let mut seen = Seen::default();
    for sent in before {
        let state = sent.state();
        seen.note(registry.aircraft(&state.icao24), state.time);
        seen.note_arrival(state.time, state.ingestion);
    }
    let batch = Batch {
        // As if they were large, so that row groups are shared.
        rows: vec![ROWS_TO_SHARE + 1; paths.len()],
        files: paths,
        schema: SourceSchema::flight_states(),
        registry,
        before: seen,
        closed: HashSet::default(),
        slots_from: START + 5 * MINUTE,
        cell_degrees: 0.5,
        threads,
    };
    let mut pieces: Vec<(Table, RecordBatch)> = Vec::new();
    let folded = fold(&batch, &mut |piece| {
        match piece {
            Piece::Rows { table, rows } => pieces.push((table, rows)),
            Piece::Restart => pieces.clear(),
        }
        Ok(())
    });
    let folded = folded.unwrap();
    let mut found = Rows::new();
    for (table, rows) in pieces {
        let rows = text(&rows, &batch.registry);
        found.entry(table.name()).or_default().extend(rows);
    }
    for rows in found.values_mut() {
        rows.sort();
    }
    (found, folded)
}

/// Rows as text: aircraft by their addresses, countries by their names.
fn text(rows: &RecordBatch, registry: &Registry) -> Vec<Vec<String>> {
    let options = FormatOptions::default().with_null("null");
    let schema = rows.schema();
    let cell = |at: usize, column: &ArrayRef, name: &str| -> String {
        if let Some(numbers) = column.as_any().downcast_ref::<arrow::array::UInt32Array>() {
            return registry.texts(|texts| texts.icao24(numbers.value(at)));
        }
        if let Some(times) = column.as_any().downcast_ref::<TimestampMicrosecondArray>() {
            return match times.is_valid(at) {
                true => times.value(at).to_string(),
                false => "null".to_owned(),
            };
        }
        if let (Some(bits), "countries") = (
            column.as_any().downcast_ref::<arrow::array::BinaryArray>(),
            name,
        ) {
            let ones = bits.value(at).iter().map(|byte| byte.count_ones());
            return ones.sum::<u32>().to_string();
        }
        if let Some(doubles) = column.as_any().downcast_ref::<Float64Array>() {
            return match doubles.is_valid(at) {
                true => number(Some(doubles.value(at))),
                false => "null".to_owned(),
            };
        }
        ArrayFormatter::try_new(column, &options)
            .unwrap()
            .value(at)
            .to_string()
    };
    (0..rows.num_rows())
        .map(|at| {
            let columns = rows.columns().iter().zip(schema.fields());
            columns
                .map(|(column, field)| cell(at, column, field.name()))
                .collect()
        })
        .collect()
}

fn number(value: Option<f64>) -> String {
    value.map_or("null".to_owned(), |value| format!("{:.2}", value + 0.0))
}

fn or_null(value: Option<&str>) -> String {
    value.unwrap_or("null").to_owned()
}

fn check(files: &[Vec<Sent>], before: &[Sent], threads: usize) -> Result<(), TestCaseError> {
    let folder = tempfile::tempdir().unwrap();
    let (found, folded) = folded(folder.path(), files, before, threads);
    let expected = expected(files, before);
    same(&found, &expected)?;
    let sent: usize = files.iter().map(Vec::len).sum();
    prop_assert_eq!(folded.rows, sent as u64);
    let repeats = expected.get("new_repeats").map_or(0, Vec::len);
    prop_assert_eq!(folded.repeated, repeats as u64);
    Ok(())
}

fn same(found: &Rows, expected: &Rows) -> Result<(), TestCaseError> {
    for table in Table::ALL {
        let (found, expected) = (found.get(table.name()), expected.get(table.name()));
        let found = found.filter(|rows| !rows.is_empty());
        prop_assert_eq!(found, expected, "{}", table.name());
    }
    Ok(())
}

fn one_each(aircraft: i64, polls: i64) -> Vec<Sent> {
    let all = (0..aircraft).flat_map(|aircraft| (0..polls).map(move |poll| (aircraft, poll)));
    all.map(|(aircraft, poll)| Sent {
        aircraft,
        poll,
        arrival: 0,
    })
    .collect()
}

#[test]
fn a_sorted_file_is_shared_by_its_row_groups() {
    check(&[one_each(12, 40)], &[], 2).unwrap();
}

#[test]
fn nothing_comes_of_nothing() {
    check(&[], &[], 2).unwrap();
    check(&[Vec::new()], &[], 2).unwrap();
}

fn arrived(arrival: i64) -> Vec<Sent> {
    let sent = one_each(5, 6).into_iter();
    sent.map(|sent| Sent { arrival, ..sent }).collect()
}

#[test]
fn of_several_arrivals_the_first_counts_wherever_it_lies() {
    check(&[arrived(2), arrived(0), arrived(1)], &[], 2).unwrap();
    check(&[[arrived(1), arrived(0)].concat()], &[], 1).unwrap();
}

#[test]
fn of_rows_that_arrived_together_the_first_by_path_and_place_counts() {
    let (one, other) = (arrived(0), arrived(100));
    let both = vec![[one.clone(), other.clone()].concat()];
    for threads in [1, 2] {
        let folder = tempfile::tempdir().unwrap();
        let paths = ["b", "a"].map(|name| folder.path().join(name)).to_vec();
        let files = [other.clone(), one.clone()];
        let (found, _) = folded_at(paths, &files, &[], threads);
        same(&found, &expected(&[one.clone(), other.clone()], &[])).unwrap();
        check(&both, &[], threads).unwrap();
    }
}

#[test]
fn what_arrived_before_those_that_were_counted_is_told() {
    let overtaken = |sent: &[Sent], before: &[Sent]| {
        let folder = tempfile::tempdir().unwrap();
        let (_, folded) = folded(folder.path(), &[sent.to_vec()], before, 2);
        BTreeSet::from_iter(folded.overtaken)
    };
    let polls = (0..6).map(|poll| START + poll * MINUTE).collect();
    assert_eq!(overtaken(&arrived(0), &arrived(1)), polls);
    // Who was not counted before counts now, whenever it arrived.
    let (one, others) = (&arrived(1)[..6], &arrived(0)[6..]);
    for (sent, before) in [
        (arrived(1).as_slice(), arrived(1).as_slice()),
        (&arrived(2), &arrived(1)),
        (others, one),
    ] {
        assert_eq!(overtaken(sent, before), BTreeSet::new());
    }
}

#[test]
fn rows_read_again_are_those_that_counted() {
    let folder = tempfile::tempdir().unwrap();
    let files = [
        arrived(1),
        [arrived(200), arrived(0)].concat(),
        arrived(100),
    ];
    let paths: Vec<PathBuf> = (0..3)
        .map(|number| folder.path().join(number.to_string()))
        .collect();
    for (path, sent) in paths.iter().zip(&files) {
        write(path, sent);
    }
    let registry = registry();
    let told = |sent: Sent| {
        let state = sent.state();
        let is_fresh = state.contact.is_none_or(|then| state.time - then <= MINUTE);
        let tells = state.velocity > Some(110.0) || state.on_ground.is_some();
        let possible = -500.0..=20_000.0;
        let altitude = state.altitude.filter(|metres| possible.contains(metres));
        (is_fresh && tells).then(|| {
            let aircraft = registry.aircraft(&state.icao24);
            ((aircraft, state.time), altitude)
        })
    };
    let expected: BTreeMap<_, _> = arrived(200).into_iter().filter_map(told).collect();
    assert!(!expected.is_empty() && expected.len() < 30);
    for at_most in [usize::MAX, 7] {
        let reading = again::Reading {
            files: &paths,
            schema: &SourceSchema::flight_states(),
            registry: &registry,
            at_most,
        };
        let mut found = BTreeMap::new();
        let ever = |_| Some((i64::MIN, i64::MAX));
        let read = reading.read(&ever, &mut |part| {
            for (aircraft, one) in part {
                let before = found.insert((aircraft, one.time), one.altitude);
                assert_eq!(before, None);
            }
            Ok(())
        });
        read.unwrap();
        assert_eq!(found, expected);
    }
}

#[test]
fn a_poll_of_the_batch_is_remembered_with_those_who_counted() {
    let folder = tempfile::tempdir().unwrap();
    let (_, folded) = folded(folder.path(), &[one_each(4, 3)], &one_each(2, 1), 2);
    assert_eq!(folded.polls, [2, 1, 0].map(|poll| START + poll * MINUTE));
    assert_eq!(folded.aircraft(START).len(), 2);
    assert_eq!(folded.aircraft(START + MINUTE).len(), 4);
    assert_eq!(folded.arrived(START + MINUTE), Some(START + MINUTE));
}

#[test]
fn what_is_no_data_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("0.parquet");
    std::fs::write(&path, "PAR1 but not really PAR1").unwrap();
    let error = DataFile::open(&path, &SourceSchema::flight_states(), worker::COLUMNS);
    let error = error.err().unwrap().to_string();
    assert!(error.contains("0.parquet"), "{error}");
    let gone = folder.path().join("1.parquet");
    let error = DataFile::open(&gone, &SourceSchema::flight_states(), worker::COLUMNS);
    assert!(matches!(error.err().unwrap(), Error::FileGone(_)));
}

#[test]
fn who_was_counted_is_recalled_from_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("0.parquet");
    write(&path, &one_each(5, 4));
    let files = [path];
    let schema = SourceSchema::flight_states();
    let known = std::collections::HashSet::from([START, START + 2 * MINUTE, START - MINUTE]);
    let polls = recall::polls_among(&files, &schema, &known).unwrap();
    assert_eq!(
        polls,
        std::collections::HashSet::from([START, START + 2 * MINUTE])
    );
    let registry = registry();
    let mut seen = Seen::default();
    recall::recall(&files, &schema, &registry, &polls, &mut seen).unwrap();
    assert_eq!(seen.of_poll(START).len(), 5);
    assert_eq!(seen.arrived(START), Some(START));
    assert!(seen.contains(registry.aircraft("ABC123"), START + 2 * MINUTE));
    assert!(!seen.contains(registry.aircraft("ABC123"), START + MINUTE));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_rows_in_any_files_equal_a_straight_computation(
        sent in proptest::collection::vec((0..9_i64, 0..20_i64, 0..3_i64), 0..220),
        sizes in proptest::collection::vec(1..90_usize, 0..5),
        before in proptest::collection::vec((0..9_i64, 0..20_i64), 0..20),
        sorted in any::<bool>(),
        threads in 1..3_usize,
    ) {
        let mut sent: Vec<Sent> = sent
            .into_iter()
            .map(|(aircraft, poll, arrival)| Sent { aircraft, poll, arrival })
            .collect();
        if sorted {
            sent.sort();
        }
        let before: Vec<Sent> = before
            .into_iter()
            .map(|(aircraft, poll)| Sent { aircraft, poll, arrival: 0 })
            .collect();
        let mut files = Vec::new();
        let mut rest = sent.as_slice();
        for size in sizes {
            let (file, after) = rest.split_at(size.min(rest.len()));
            files.push(file.to_vec());
            rest = after;
        }
        files.push(rest.to_vec());
        check(&files, &before, threads)?;
    }
}
