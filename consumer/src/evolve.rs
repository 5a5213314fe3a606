//! New optional fields of the contract become optional columns of the table.

use std::sync::Arc;

use arrow::datatypes::Field;
use iceberg::arrow::arrow_type_to_type;
use iceberg::table::Table;
use iceberg::transaction::{AddColumn, ApplyTransactionAction, Transaction};
use iceberg::{Catalog, Result};

/// Adds the columns that the table does not have. Another consumer may do the same at the
/// same time: what it has added is not added again.
pub async fn add_columns(
    catalog: &Arc<dyn Catalog>,
    table: &Table,
    columns: &[Arc<Field>],
) -> Result<Table> {
    let mut last = None;
    // Each conflict means that somebody else has added something: once more then.
    for _ in 0..=columns.len() {
        let table = catalog.load_table(table.identifier()).await?;
        let schema = table.metadata().current_schema();
        let missing: Vec<_> = columns
            .iter()
            .filter(|column| schema.field_by_name(column.name()).is_none())
            .collect();
        if missing.is_empty() {
            return Ok(table);
        }
        let transaction = Transaction::new(&table);
        let mut update = transaction.update_schema();
        for column in missing {
            let kind = arrow_type_to_type(column.data_type())?;
            update = update.add_column(AddColumn::optional(column.name(), kind));
        }
        match update.apply(transaction)?.commit(catalog.as_ref()).await {
            Ok(table) => return Ok(table),
            Err(error) => last = Some(error),
        }
    }
    match last {
        Some(error) => Err(error),
        None => catalog.load_table(table.identifier()).await,
    }
}
