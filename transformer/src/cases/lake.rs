//! A lake of a case's own, in a temporary folder: DuckDB writes its data files, with the field
//! ids of the table, and Iceberg commits them as the consumer does.

use std::collections::BTreeMap;
use std::path::Path;

use chrono::{DateTime, Utc};
use iceberg::spec::{
    DataContentType, DataFile, DataFileBuilder, DataFileFormat, Datum, Literal, Struct,
};
use iceberg::table::Table;
use iceberg::transaction::{ApplyTransactionAction, Transaction};
use lake::tables::FLIGHT_STATES;
use lake::{Lake, LakeConfig};
use service::config::Loader;

use super::sheet::Sheet;
use crate::schema::{SourceSchema, identifier, quote};
use crate::{Config, Error};

/// A lake and the transformer's folders, gone when it is dropped.
pub(crate) struct Scratch {
    folder: tempfile::TempDir,
    config: Config,
    lake: Lake,
}

/// Why rows could not be put into the lake.
type Reason = String;

impl Scratch {
    /// Makes an empty lake. `models` is the folder of further models, if there is one.
    pub async fn new(models: Option<&Path>) -> Result<Scratch, Error> {
        let folder = tempfile::Builder::new().prefix("contrail-").tempdir();
        let folder = folder.map_err(Error::file("create a folder in", &std::env::temp_dir()))?;
        let config = config(folder.path(), models)?;
        let lake = Lake::open(&config.lake).await?;
        Ok(Scratch {
            folder,
            config,
            lake,
        })
    }

    /// The configuration of a transformer that reads the lake.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Commits rows as one append, one data file a day.
    pub(super) async fn append(&self, sheet: &Sheet) -> Result<(), Reason> {
        let table = self.lake.load_or_create(&FLIGHT_STATES).await;
        let table = table.map_err(|error| error.to_string())?;
        let files = write(&table, sheet, self.folder.path())?;
        let transaction = Transaction::new(&table);
        let append = transaction.fast_append().add_data_files(files);
        let commit = async {
            let transaction = append.apply(transaction)?;
            transaction.commit(&*self.lake.catalog()).await
        };
        commit.await.map(drop).map_err(|error| error.to_string())
    }
}

/// The defaults, with every folder below one.
fn config(folder: &Path, models: Option<&Path>) -> Result<Config, Error> {
    let defaults = [lake::config::DEFAULTS, crate::config::DEFAULTS];
    // Cases mean the same wherever they run.
    let loader = Loader::new().environment([("", ""); 0]);
    let loader = defaults.iter().fold(loader, |l, d| l.defaults(d));
    let mut config: Config = loader.load().map_err(|error| Error::Config {
        key: "default.toml",
        reason: error.to_string(),
    })?;
    config.lake = LakeConfig::in_folder(&folder.join("warehouse"));
    let section = &mut config.transformer;
    section.analytics = folder.join("analytics");
    section.published = folder.join("published");
    section.logs = folder.join("logs");
    section.models = models.map(Path::to_owned);
    Ok(config)
}

/// A row of a sheet, and its poll.
type TimedRow<'a> = (&'a Vec<String>, DateTime<Utc>);

fn write(table: &Table, sheet: &Sheet, folder: &Path) -> Result<Vec<DataFile>, Reason> {
    let schema = SourceSchema::of(table.metadata().current_schema());
    let mut days: BTreeMap<i64, Vec<TimedRow<'_>>> = BTreeMap::new();
    let time = sheet
        .columns
        .iter()
        .position(|name| name == "snapshot_time");
    let time = time.ok_or("the rows given have no snapshot_time")?;
    for name in &sheet.columns {
        if schema.id_of(name).is_none() {
            let known = schema.columns.iter().map(|column| column.name.as_str());
            let near = crate::models::nearest(name, known);
            let near = near.map_or(String::new(), |near| format!("; did you mean {near}?"));
            return Err(format!("flight_states has no column {name:?}{near}"));
        }
    }
    for row in &sheet.rows {
        let at = DateTime::parse_from_rfc3339(&row[time]);
        let at = at.map_err(|error| format!("snapshot_time {:?}: {error}", row[time]))?;
        let day = at.timestamp().div_euclid(86_400);
        days.entry(day).or_default().push((row, at.to_utc()));
    }
    let files = days.iter().map(|(day, rows)| {
        let path = folder.join(format!("{}.parquet", uuid::Uuid::now_v7()));
        let cells: Vec<_> = rows.iter().map(|(row, _)| *row).collect();
        copy(&schema, &sheet.columns, &cells, &path)?;
        let times = rows.iter().map(|(_, at)| at.timestamp_micros());
        data_file(table, &path, *day, times.collect())
    });
    files.collect()
}

/// Writes rows as a Parquet file.
fn copy(
    schema: &SourceSchema,
    header: &[String],
    rows: &[&Vec<String>],
    path: &Path,
) -> Result<(), Reason> {
    let value = |column: &crate::schema::Column, row: &[String]| {
        let cell = |name: &str| {
            let at = header.iter().position(|known| known == name)?;
            row.get(at).map(String::as_str)
        };
        let default = match column.name.as_str() {
            "ingestion_time" => cell("snapshot_time"),
            "source" => Some("replay"),
            _ => None,
        };
        let text = match cell(&column.name).or(default) {
            None | Some("null") => "null".to_owned(),
            Some("''") => quote(""),
            Some(text) => quote(text),
        };
        format!("cast({text} as {})", column.duck_type)
    };
    let rows = rows.iter().map(|row| {
        let values = schema.columns.iter().map(|column| value(column, row));
        format!("({})", values.collect::<Vec<_>>().join(", "))
    });
    let names = schema.columns.iter().map(|column| identifier(&column.name));
    let ids = schema.columns.iter();
    let ids = ids.map(|column| format!("{}: {}", quote(&column.name), column.id));
    let sql = format!(
        "set timezone = 'UTC';
        copy (select * from (values {}) as t({})) to {} (format parquet, field_ids {{{}}})",
        rows.collect::<Vec<_>>().join(", "),
        names.collect::<Vec<_>>().join(", "),
        quote(&path.to_string_lossy()),
        ids.collect::<Vec<_>>().join(", "),
    );
    let run = || duckdb::Connection::open_in_memory()?.execute_batch(&sql);
    run().map_err(|error| format!("the rows given cannot be written: {error}"))
}

fn data_file(table: &Table, path: &Path, day: i64, times: Vec<i64>) -> Result<DataFile, Reason> {
    let schema = table.metadata().current_schema();
    let time = schema.field_id_by_name("snapshot_time").unwrap_or_default();
    let bound = |micros: Option<&i64>| {
        let micros = micros.copied().unwrap_or_default();
        [(time, Datum::timestamptz_micros(micros))].into()
    };
    let day = i32::try_from(day).map_err(|error| error.to_string())?;
    let length = std::fs::metadata(path).map_err(|error| error.to_string())?;
    DataFileBuilder::default()
        .content(DataContentType::Data)
        .file_path(format!("file://{}", path.display()))
        .file_format(DataFileFormat::Parquet)
        .file_size_in_bytes(length.len())
        .record_count(times.len() as u64)
        .partition_spec_id(table.metadata().default_partition_spec_id())
        .partition(Struct::from_iter([Some(Literal::date(day))]))
        .lower_bounds(bound(times.iter().min()))
        .upper_bounds(bound(times.iter().max()))
        .build()
        .map_err(|error| error.to_string())
}
