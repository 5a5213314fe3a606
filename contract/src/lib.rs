//! The data contract: what the producer writes, the consumer reads and the tables mean.
//!
//! The services never call each other; they meet here and at the Iceberg tables.
//!
//! - [`flight_state`]: the domain type, one aircraft in one poll.
//! - [`avro`]: its Avro schema and the encoder for the hot path.
//! - [`wire`]: the Confluent frame around every Avro message.
//! - [`names`]: topics, subjects, tables and the properties that carry positions.

pub mod avro;
pub mod flight_state;
pub mod names;
pub mod wire;

pub use flight_state::{FlightState, Poll, Source};
