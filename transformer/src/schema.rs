//! Iceberg schemas as DuckDB reads data files by them: by field id, not by name or position.
//!
//! DuckDB's `read_parquet(files, schema = …)` takes a column that a file does not have as null,
//! and looks into a file only when its rows are needed, which `union_by_name` would not.

use iceberg::spec::{PrimitiveType, Schema, Type};

/// One column of a table, as DuckDB reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Iceberg field id.
    pub id: i32,
    /// Its name.
    pub name: String,
    /// Its DuckDB type.
    pub duck_type: String,
}

/// The columns of a table, in the table's order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceSchema {
    /// The columns; those of types that no table here uses (structs, maps) are left out.
    pub columns: Vec<Column>,
}

/// Columns of `flight_states` that the models read, whatever else the table has.
const FLIGHT_STATES: [(i32, &str, &str); 21] = [
    (1, "icao24", "VARCHAR"),
    (2, "callsign", "VARCHAR"),
    (3, "origin_country", "VARCHAR"),
    (4, "time_position", "TIMESTAMPTZ"),
    (5, "last_contact", "TIMESTAMPTZ"),
    (6, "longitude", "DOUBLE"),
    (7, "latitude", "DOUBLE"),
    (8, "baro_altitude", "DOUBLE"),
    (9, "on_ground", "BOOLEAN"),
    (10, "velocity", "DOUBLE"),
    (11, "true_track", "DOUBLE"),
    (12, "vertical_rate", "DOUBLE"),
    (13, "sensors", "INTEGER[]"),
    (14, "geo_altitude", "DOUBLE"),
    (15, "squawk", "VARCHAR"),
    (16, "spi", "BOOLEAN"),
    (17, "position_source", "INTEGER"),
    (18, "category", "INTEGER"),
    (19, "snapshot_time", "TIMESTAMPTZ"),
    (20, "ingestion_time", "TIMESTAMPTZ"),
    (21, "source", "VARCHAR"),
];

impl SourceSchema {
    /// The columns of `flight_states` as the first version makes the table.
    pub fn flight_states() -> SourceSchema {
        SourceSchema {
            columns: FLIGHT_STATES
                .map(|(id, name, duck_type)| Column {
                    id,
                    name: name.to_owned(),
                    duck_type: duck_type.to_owned(),
                })
                .into(),
        }
    }

    /// The columns of an Iceberg table.
    pub fn of(schema: &Schema) -> SourceSchema {
        let columns = schema.as_struct().fields().iter().filter_map(|field| {
            Some(Column {
                id: field.id,
                name: field.name.clone(),
                duck_type: duck_type(&field.field_type)?,
            })
        });
        SourceSchema {
            columns: columns.collect(),
        }
    }

    /// Field id of a column.
    pub fn id_of(&self, name: &str) -> Option<i32> {
        let column = self.columns.iter().find(|column| column.name == name)?;
        Some(column.id)
    }

    /// The `read_parquet` call on `files`, an SQL expression for a list of the lake's paths.
    pub fn read_parquet(&self, files: &str) -> String {
        let columns = self.columns.iter().map(|column| {
            format!(
                "{}: {{name: {}, type: '{}', default_value: null}}",
                column.id,
                quote(&column.name),
                column.duck_type,
            )
        });
        let columns: Vec<_> = columns.collect();
        format!(
            "read_parquet({files}, hive_partitioning = false, schema = map {{{}}})",
            columns.join(", ")
        )
    }

    /// Columns of `flight_states` by which two rows of an aircraft in a poll differ to whoever reads
    /// the marts.
    pub fn shown() -> Vec<&'static str> {
        let keys = ["icao24", "snapshot_time", "ingestion_time", "source"];
        let names = FLIGHT_STATES.iter().map(|(_, name, _)| *name);
        names.filter(|name| !keys.contains(name)).collect()
    }

    /// The select list that names every column the models of `flight_states` expect, typed, and
    /// null where the table has none of that name, and where in the lake the row is; then, if
    /// asked, those the table has beyond.
    pub fn select_list(&self, with_further: bool) -> String {
        let mut list: Vec<String> = FLIGHT_STATES
            .iter()
            .map(|(_, name, duck_type)| match self.id_of(name) {
                Some(_) => (*name).to_owned(),
                None => format!("null::{duck_type} as {name}"),
            })
            .collect();
        // Which of several rows arrived first.
        list.push("filename as data_file, file_row_number as row_in_file".to_owned());
        if with_further {
            let expected = |name: &str| FLIGHT_STATES.iter().any(|(_, known, _)| *known == name);
            let further = self.columns.iter().filter(|column| !expected(&column.name));
            list.extend(further.map(|column| identifier(&column.name)));
        }
        list.join(", ")
    }
}

/// The `read_parquet` call on files of a generation, an SQL expression. A folder on the way to them that is
/// called `key=value` is no column.
pub(crate) fn read_parquet(files: &str) -> String {
    format!("read_parquet({files}, hive_partitioning = false)")
}

/// An SQL string literal.
pub(crate) fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// An SQL identifier.
pub(crate) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// An SQL list of string literals.
pub(crate) fn quote_list<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: Vec<_> = texts.into_iter().map(quote).collect();
    format!("[{}]::varchar[]", quoted.join(", "))
}

/// A time, in microseconds since 1970, as an SQL literal.
pub(crate) fn timestamptz(micros: i64) -> String {
    let time = chrono::DateTime::from_timestamp_micros(micros).unwrap_or_default();
    format!("timestamptz '{}'", time.format("%Y-%m-%d %H:%M:%S%.6f+00"))
}

fn duck_type(of: &Type) -> Option<String> {
    match of {
        Type::Primitive(primitive) => primitive_type(primitive),
        Type::List(list) => Some(format!("{}[]", duck_type(&list.element_field.field_type)?)),
        Type::Struct(_) | Type::Map(_) => None,
    }
}

fn primitive_type(of: &PrimitiveType) -> Option<String> {
    let name = match of {
        PrimitiveType::Boolean => "BOOLEAN",
        PrimitiveType::Int => "INTEGER",
        PrimitiveType::Long => "BIGINT",
        PrimitiveType::Float => "FLOAT",
        PrimitiveType::Double => "DOUBLE",
        PrimitiveType::Decimal { precision, scale } => {
            return Some(format!("DECIMAL({precision}, {scale})"));
        }
        PrimitiveType::Date => "DATE",
        PrimitiveType::Time => "TIME",
        PrimitiveType::Timestamp => "TIMESTAMP",
        PrimitiveType::Timestamptz => "TIMESTAMPTZ",
        PrimitiveType::String => "VARCHAR",
        PrimitiveType::Uuid => "UUID",
        PrimitiveType::Fixed(_) | PrimitiveType::Binary => "BLOB",
        PrimitiveType::TimestampNs | PrimitiveType::TimestamptzNs => return None,
    };
    Some(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_the_table_lacks_is_null_and_a_further_one_comes_last() {
        let mut schema = SourceSchema::flight_states();
        schema.columns.retain(|column| column.name != "category");
        schema.columns.push(Column {
            id: 40,
            name: "operator".to_owned(),
            duck_type: "VARCHAR".to_owned(),
        });
        let list = schema.select_list(true);
        assert!(list.contains("null::INTEGER as category"), "{list}");
        assert!(list.contains(", source, filename as data_file, "), "{list}");
        assert!(list.ends_with(", \"operator\""), "{list}");
        assert!(!schema.select_list(false).contains("operator"));
    }

    #[test]
    fn names_and_paths_are_quoted() {
        assert_eq!(quote_list(["a", "b'c"]), "['a', 'b''c']::varchar[]");
        assert_eq!(identifier("a\"b"), "\"a\"\"b\"");
    }
}
