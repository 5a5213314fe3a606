//! A lake to read from: Iceberg's own writer, a SQLite catalog, a temporary folder.

#![allow(dead_code, reason = "each test program uses a part")]

pub mod contract;
pub mod flights;
pub mod recompute;
pub mod replace;

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::builder::ArrayBuilder;
use arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int32Array, Int32Builder, ListBuilder, RecordBatch,
    StringArray, TimestampMicrosecondArray,
};
use iceberg::arrow::schema_to_arrow_schema;
use iceberg::spec::DataFileFormat;
use iceberg::table::Table;
use iceberg::transaction::{ApplyTransactionAction, Transaction};
use lake::tables::FLIGHT_STATES;
use lake::{Lake, LakeConfig};
use transformer::{Config, Mode, TransformerConfig};

/// One row of `flight_states`; what is not set is what most aircraft have.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub icao24: String,
    pub callsign: Option<String>,
    pub origin_country: Option<String>,
    pub longitude: Option<f64>,
    pub latitude: Option<f64>,
    pub baro_altitude: Option<f64>,
    pub on_ground: Option<bool>,
    pub velocity: Option<f64>,
    pub true_track: Option<f64>,
    pub vertical_rate: Option<f64>,
    pub geo_altitude: Option<f64>,
    pub squawk: Option<String>,
    pub category: Option<i32>,
    /// Seconds since 1970.
    pub time_position: Option<i64>,
    /// Seconds since 1970.
    pub last_contact: Option<i64>,
    /// Seconds since 1970.
    pub time: i64,
    /// When it came to the producer, likewise.
    pub ingested: i64,
}

/// A row of an aircraft in the air over Germany.
pub fn row(icao24: &str, time: i64) -> Row {
    Row {
        icao24: icao24.to_owned(),
        callsign: Some("DLH123".to_owned()),
        origin_country: Some("Germany".to_owned()),
        longitude: Some(8.5),
        latitude: Some(50.1),
        baro_altitude: Some(10_000.0),
        on_ground: Some(false),
        velocity: Some(220.0),
        true_track: Some(90.0),
        vertical_rate: Some(0.0),
        geo_altitude: Some(10_200.0),
        squawk: Some("0021".to_owned()),
        category: Some(0),
        time_position: Some(time),
        last_contact: Some(time),
        time,
        ingested: time,
    }
}

/// 2025-09-26T22:00:00Z.
pub const EVENING: i64 = 1_758_924_000;

/// One poll of such aircraft, from the first number to before the last, at a time in seconds.
pub fn rows_at(aircraft: Range<i64>, time: i64) -> Vec<Row> {
    aircraft
        .map(|n| row(&format!("{:06x}", 4096 + n), time))
        .collect()
}

/// A poll of twenty aircraft, `number` minutes into the evening.
pub fn poll(number: i64) -> Vec<Row> {
    rows_at(0..20, EVENING + number * 60)
}

/// Looks until there is something to see; only a failure waits for the limit.
pub fn wait<T>(limit: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < limit, "{what} did not come");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A lake and the transformer's folders in one temporary folder.
pub struct Bench {
    pub folder: tempfile::TempDir,
    pub config: Config,
    pub lake: Lake,
}

impl Bench {
    pub async fn new() -> Bench {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path());
        let lake = Lake::open(&config.lake).await.unwrap();
        Bench {
            folder,
            config,
            lake,
        }
    }

    pub async fn table(&self) -> Table {
        self.lake.load_or_create(&FLIGHT_STATES).await.unwrap()
    }

    /// Commits rows as one append, one data file a day.
    pub async fn append(&self, rows: &[Row]) {
        let table = self.table().await;
        let files = write(&table, rows);
        let transaction = Transaction::new(&table);
        let append = transaction.fast_append().add_data_files(files);
        let transaction = append.apply(transaction).unwrap();
        transaction.commit(&*self.lake.catalog()).await.unwrap();
    }

    pub fn published(&self) -> &Path {
        &self.config.transformer.published
    }

    /// The rows of a query over the published marts.
    pub fn query(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        transformer::query(self.published(), sql).unwrap().rows
    }
}

pub fn config(folder: &Path) -> Config {
    Config {
        lake: LakeConfig::in_folder(&folder.join("warehouse")),
        transformer: TransformerConfig {
            mode: Mode::Continuous,
            schedule: "0 2 * * *".to_owned(),
            time_zone: "UTC".to_owned(),
            catch_up: true,
            logs: folder.join("logs"),
            keep_run_logs: Duration::from_secs(7 * 86_400),
            keep_runs: Duration::from_secs(30 * 86_400),
            analytics: folder.join("analytics"),
            published: folder.join("published"),
            models: None,
            poll_interval: Duration::from_millis(50),
            window: Duration::from_secs(24 * 3600),
            keep_generations: Duration::from_secs(1800),
            step_rows: 500_000,
            // The rows of tests are as old as they are.
            retention: Duration::ZERO,
            daily_retention: Duration::ZERO,
            memory_limit: "128MiB".to_owned(),
            backlog_memory_limit: "384MiB".to_owned(),
            threads: 2,
            density_cell_degrees: 0.5,
            postgres: transformer::config::PostgresConfig {
                url: service::config::Secret::default(),
                schema: "contrail".to_owned(),
            },
        },
        http: service::config::HttpConfig {
            listen: String::new(),
        },
        log: service::config::LogConfig::default(),
        notify: service::config::NotifyConfig::default(),
    }
}

/// Writes rows as Parquet files with field ids, one a day, as the consumer does.
pub fn write(table: &Table, rows: &[Row]) -> Vec<iceberg::spec::DataFile> {
    use std::collections::BTreeMap;
    let mut days: BTreeMap<i64, Vec<Row>> = BTreeMap::new();
    for row in rows {
        days.entry(row.time.div_euclid(86_400))
            .or_default()
            .push(row.clone());
    }
    days.iter()
        .map(|(day, rows)| write_day(table, *day, rows))
        .collect()
}

fn write_day(table: &Table, day: i64, rows: &[Row]) -> iceberg::spec::DataFile {
    use iceberg::spec::{DataContentType, DataFileBuilder, Datum, Literal, Struct};
    let batch = record_batch(table, rows);
    let folder = table.metadata().location().strip_prefix("file://").unwrap();
    let folder = Path::new(folder).join("data");
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join(format!("{}.parquet", uuid::Uuid::now_v7()));
    let file = std::fs::File::create(&path).unwrap();
    let mut writer = parquet::arrow::ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let times = rows.iter().map(|row| row.time * 1_000_000);
    let bound = |micros| [(19, Datum::timestamptz_micros(micros))].into();
    DataFileBuilder::default()
        .content(DataContentType::Data)
        .file_path(format!("file://{}", path.display()))
        .file_format(DataFileFormat::Parquet)
        .file_size_in_bytes(std::fs::metadata(&path).unwrap().len())
        .record_count(rows.len() as u64)
        .partition_spec_id(table.metadata().default_partition_spec_id())
        .partition(Struct::from_iter([Some(Literal::date(
            i32::try_from(day).unwrap(),
        ))]))
        .lower_bounds(bound(times.clone().min().unwrap()))
        .upper_bounds(bound(times.max().unwrap()))
        .build()
        .unwrap()
}

fn record_batch(table: &Table, rows: &[Row]) -> RecordBatch {
    let schema = Arc::new(schema_to_arrow_schema(table.metadata().current_schema()).unwrap());
    let micros = |seconds: Vec<Option<i64>>| -> ArrayRef {
        let seconds = seconds.into_iter().map(|s| s.map(|s| s * 1_000_000));
        Arc::new(TimestampMicrosecondArray::from_iter(seconds).with_timezone("+00:00"))
    };
    let doubles = |of: fn(&Row) -> Option<f64>| -> ArrayRef {
        Arc::new(Float64Array::from_iter(rows.iter().map(of)))
    };
    let texts = |of: fn(&Row) -> Option<&str>| -> ArrayRef {
        Arc::new(StringArray::from_iter(rows.iter().map(of)))
    };
    let columns = schema
        .fields()
        .iter()
        .map(|field| match field.name().as_str() {
            "icao24" => texts(|row| Some(&row.icao24)),
            "callsign" => texts(|row| row.callsign.as_deref()),
            "origin_country" => texts(|row| row.origin_country.as_deref()),
            "squawk" => texts(|row| row.squawk.as_deref()),
            "source" => texts(|_| Some("replay")),
            "longitude" => doubles(|row| row.longitude),
            "latitude" => doubles(|row| row.latitude),
            "baro_altitude" => doubles(|row| row.baro_altitude),
            "velocity" => doubles(|row| row.velocity),
            "true_track" => doubles(|row| row.true_track),
            "vertical_rate" => doubles(|row| row.vertical_rate),
            "geo_altitude" => doubles(|row| row.geo_altitude),
            "on_ground" => Arc::new(BooleanArray::from_iter(
                rows.iter().map(|row| row.on_ground),
            )),
            "spi" => Arc::new(BooleanArray::from_iter(rows.iter().map(|_| Some(false)))),
            "position_source" => Arc::new(Int32Array::from_iter(rows.iter().map(|_| Some(0)))),
            "category" => Arc::new(Int32Array::from_iter(rows.iter().map(|row| row.category))),
            "snapshot_time" => micros(rows.iter().map(|row| Some(row.time)).collect()),
            "ingestion_time" => micros(rows.iter().map(|row| Some(row.ingested)).collect()),
            "time_position" => micros(rows.iter().map(|row| row.time_position).collect()),
            "last_contact" => micros(rows.iter().map(|row| row.last_contact).collect()),
            "sensors" => {
                let arrow::datatypes::DataType::List(element) = field.data_type() else {
                    panic!("sensors is not a list");
                };
                let mut list =
                    ListBuilder::new(Int32Builder::new()).with_field(Arc::clone(element));
                for _ in rows {
                    list.values().append_value(7);
                    list.append(true);
                }
                assert_eq!(list.len(), rows.len());
                Arc::new(list.finish())
            }
            other => {
                let data_type = field.data_type();
                assert!(field.is_nullable(), "{other} is required");
                arrow::array::new_null_array(data_type, rows.len())
            }
        });
    let columns: Vec<ArrayRef> = columns.collect();
    RecordBatch::try_new(schema, columns).unwrap()
}
