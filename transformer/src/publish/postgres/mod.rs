//! A second home for the marts: a schema of a PostgreSQL database.
//!
//! After a generation has become the current one, its marts are copied, in one transaction, so
//! that a reader sees one generation, whole. What is there already stays untouched: the table
//! `_contrail_parts` remembers, by the hash of the file it came from, each part of each mart. A
//! mart is one part, or one for each of its files (`kpi_history` has one for each day), whose
//! rows the column `_part` tells apart.
//!
//! What must hold:
//! - The copy is made of the generation's own Parquet files, so nothing is computed twice, and
//!   the two homes cannot differ.
//! - Tables are emptied by `delete` and changed by `alter`, never truncated or swapped: readers
//!   are neither blocked nor shown an empty table, and the grants and views that people gave a
//!   table stay.
//! - Nothing of it delays or stops publishing. A server that is away is tried again.
//! - A kill at any moment leaves a transaction that the server takes back.
//!
//! Absent on purpose: marts that are views, such as `cleaned_flights`. Its 24 hours would be
//! tens of millions of rows.
//!
//! In reading order:
//! - [`follow`]: the task beside the service's loop; health, and trying again.
//! - `contents`: what a generation holds, and what of it the database lacks.
//! - `layout`: tables as they should be, and the statements that make them so.
//! - `connect`: the connection, and what is in the schema.
//! - `copy`: the transaction.
//! - `encode`: rows in PostgreSQL's binary copy format.

mod connect;
mod contents;
mod copy;
mod encode;
mod error;
mod follow;
mod layout;

use crate::config::PostgresConfig;
pub use error::PostgresError;
pub use follow::Home;

/// Says what is wrong with the section before anybody connects.
pub(crate) fn check(section: &PostgresConfig) -> Result<(), crate::Error> {
    connect::Server::new(section)?;
    Ok(())
}
