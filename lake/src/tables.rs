//! Schema, partitioning and sort order of every table.
//!
//! The table contract says what readers may rely on; this is the same for Iceberg.

use std::collections::HashMap;
use std::sync::Arc;

use iceberg::spec::{
    ListType, NestedField, NullOrder, PrimitiveType, Schema, SortDirection, SortField, SortOrder,
    Transform, Type, UnboundPartitionSpec,
};
use iceberg::{Result, TableCreation};

/// How a table is made when it does not exist yet.
pub struct TableDefinition {
    /// Name within the namespace.
    pub name: &'static str,
    fields: fn() -> Vec<NestedField>,
    /// Column whose day partitions the table.
    partition_day: &'static str,
    /// Columns the files are sorted by, ascending, nulls first.
    sort_by: &'static [&'static str],
}

/// One aircraft in one poll; see the Avro schema for units.
pub const FLIGHT_STATES: TableDefinition = TableDefinition {
    name: contract::names::FLIGHT_STATES_TABLE,
    fields: flight_states_fields,
    partition_day: "snapshot_time",
    sort_by: &["icao24", "snapshot_time"],
};

impl TableDefinition {
    /// What the catalog needs to create the table.
    pub(crate) fn creation(&self) -> Result<TableCreation> {
        let schema = self.schema()?;
        let id_of = |name: &str| schema.field_id_by_name(name).unwrap_or_default();
        let day = id_of(self.partition_day);
        let partitions = UnboundPartitionSpec::builder()
            .with_spec_id(0)
            .add_partition_field(day, format!("{}_day", self.partition_day), Transform::Day)?
            .build();
        let mut order = SortOrder::builder();
        order.with_order_id(1);
        for column in self.sort_by {
            order.with_sort_field(
                SortField::builder()
                    .source_id(id_of(column))
                    .transform(Transform::Identity)
                    .direction(SortDirection::Ascending)
                    .null_order(NullOrder::First)
                    .build(),
            );
        }
        let sort_order = order.build(&schema)?;
        Ok(TableCreation::builder()
            .name(self.name.to_owned())
            .schema(schema)
            .partition_spec(partitions)
            .sort_order(sort_order)
            .properties(properties())
            .build())
    }

    fn schema(&self) -> Result<Schema> {
        let fields = (self.fields)();
        Schema::builder()
            .with_fields(fields.into_iter().map(Arc::new))
            .build()
    }
}

/// Readers and later maintenance take these from the table.
fn properties() -> HashMap<String, String> {
    [
        ("write.parquet.compression-codec", "zstd"),
        ("write.distribution-mode", "none"),
        ("commit.retry.num-retries", "8"),
        ("commit.retry.min-wait-ms", "20"),
        ("commit.retry.max-wait-ms", "2000"),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into()
}

fn flight_states_fields() -> Vec<NestedField> {
    use PrimitiveType::{Boolean, Double, Int, String, Timestamptz};
    let list = ListType::new(Arc::new(NestedField::list_element(
        22,
        Type::Primitive(Int),
        true,
    )));
    let required = |id, name: &str, of, doc: &str| {
        NestedField::required(id, name, Type::Primitive(of)).with_doc(doc)
    };
    let optional = |id, name: &str, of, doc: &str| {
        NestedField::optional(id, name, Type::Primitive(of)).with_doc(doc)
    };
    vec![
        required(
            1,
            "icao24",
            String,
            "ICAO 24-bit address, six hexadecimal digits",
        ),
        optional(2, "callsign", String, "callsign, trimmed; null when blank"),
        optional(3, "origin_country", String, "country of registration"),
        optional(
            4,
            "time_position",
            Timestamptz,
            "time of the last position report",
        ),
        optional(5, "last_contact", Timestamptz, "time of the last message"),
        optional(6, "longitude", Double, "degrees, east positive"),
        optional(7, "latitude", Double, "degrees, north positive"),
        optional(8, "baro_altitude", Double, "barometric altitude in metres"),
        optional(
            9,
            "on_ground",
            Boolean,
            "the position came from a surface report",
        ),
        optional(
            10,
            "velocity",
            Double,
            "speed over ground in metres per second",
        ),
        optional(11, "true_track", Double, "degrees clockwise from north"),
        optional(
            12,
            "vertical_rate",
            Double,
            "metres per second, climbing positive",
        ),
        NestedField::optional(13, "sensors", Type::List(list))
            .with_doc("identifiers of the contributing receivers"),
        optional(14, "geo_altitude", Double, "geometric altitude in metres"),
        optional(15, "squawk", String, "transponder code with leading zeros"),
        optional(16, "spi", Boolean, "special purpose indicator"),
        optional(
            17,
            "position_source",
            Int,
            "0 ADS-B, 1 ASTERIX, 2 MLAT, 3 FLARM",
        ),
        optional(18, "category", Int, "aircraft category, 0 to 20"),
        required(19, "snapshot_time", Timestamptz, "the poll's own time"),
        required(
            20,
            "ingestion_time",
            Timestamptz,
            "when the producer received the body",
        ),
        required(21, "source", String, "live, replay or simulator"),
    ]
}
