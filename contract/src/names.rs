//! Names that more than one service must agree on.

/// Topic of the state vectors, keyed by `icao24`.
pub const FLIGHT_STATES_TOPIC: &str = "flight-states";

/// Topic of what could not be decoded: the raw bytes, with reason and position as headers.
pub const DEAD_LETTERS_TOPIC: &str = "dead-letters";

/// Largest message of that topic, in bytes: of what may be in another topic, compressed, nearly
/// all.
pub const DEAD_LETTERS_MESSAGE_BYTES: u32 = 16 << 20;

/// Iceberg namespace of every table.
pub const NAMESPACE: &str = "aviation";

/// Iceberg table of the state vectors.
pub const FLIGHT_STATES_TABLE: &str = "flight_states";

/// Registry subject of a topic's values (the TopicNameStrategy).
pub fn value_subject(topic: &str) -> String {
    format!("{topic}-value")
}

/// Prefix of the table properties that hold the next offset to read of each partition.
pub const OFFSET_PROPERTY_PREFIX: &str = "contrail.offset.";

/// Clusters whose id starts so live no longer than one process: their offsets mean
/// nothing once it has ended.
pub const EMBEDDED_CLUSTER_PREFIX: &str = "embedded-";

/// Headers of a dead letter.
pub mod dead_letter_header {
    /// What was wrong with the bytes.
    pub const REASON: &str = "contrail.reason";
    /// Topic the bytes were read from.
    pub const TOPIC: &str = "contrail.topic";
    /// Partition the bytes were read from.
    pub const PARTITION: &str = "contrail.partition";
    /// Offset the bytes were read from.
    pub const OFFSET: &str = "contrail.offset";
    /// How many bytes there were. Only on a letter that was cut short because Kafka did not take
    /// all of them.
    pub const CUT_FROM: &str = "contrail.cut-from";
}
