//! New optional fields of the contract become optional columns of the table.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema};
use iceberg::arrow::arrow_schema_to_schema_auto_assign_ids;
use iceberg::spec::Type;
use iceberg::table::Table;
use iceberg::transaction::{AddColumn, ApplyTransactionAction, Transaction};
use iceberg::{Catalog, Error, ErrorKind};

use crate::ConsumerError;

/// Adds the columns that the table does not have. Another consumer may do the same at the
/// same time: what it has added is not added again.
///
/// # Errors
/// The catalog failed; or a field is of a type that a table cannot have, which no other attempt
/// changes.
pub async fn add_columns(
    catalog: &Arc<dyn Catalog>,
    table: &Table,
    columns: &[Arc<Field>],
) -> Result<Table, ConsumerError> {
    let typed: Vec<(&str, Type)> = columns
        .iter()
        .map(|field| Ok((field.name().as_str(), column_type(field)?)))
        .collect::<Result<_, ConsumerError>>()?;
    add(catalog, table, &typed).await.map_err(|error| {
        let names: Vec<&str> = typed.iter().map(|(name, _)| *name).collect();
        failure(&names.join(", "), error)
    })
}

/// A column's type. Ids of what is inside it are placeholders, which the commit replaces.
fn column_type(field: &Field) -> Result<Type, ConsumerError> {
    let alone = Schema::new(vec![field.clone()]);
    let schema = arrow_schema_to_schema_auto_assign_ids(&alone);
    let schema = schema.map_err(|error| failure(field.name(), error))?;
    let column = schema.field_by_name(field.name());
    let column = column.map(|column| column.field_type.as_ref().clone());
    column.ok_or_else(|| {
        let error = Error::new(
            ErrorKind::Unexpected,
            "the converted schema lacks the field",
        );
        failure(field.name(), error)
    })
}

fn failure(columns: &str, error: Error) -> ConsumerError {
    match error.kind() {
        ErrorKind::DataInvalid | ErrorKind::FeatureUnsupported => ConsumerError::Column {
            columns: columns.to_owned(),
            source: Box::new(error),
        },
        _ => ConsumerError::iceberg(format!("cannot add {columns} to the table"))(error),
    }
}

async fn add(
    catalog: &Arc<dyn Catalog>,
    table: &Table,
    columns: &[(&str, Type)],
) -> iceberg::Result<Table> {
    let mut last = None;
    // Each conflict means that somebody else has added something: once more then.
    for _ in 0..=columns.len() {
        let table = catalog.load_table(table.identifier()).await?;
        let schema = table.metadata().current_schema();
        let missing: Vec<_> = columns
            .iter()
            .filter(|(name, _)| schema.field_by_name(name).is_none())
            .collect();
        if missing.is_empty() {
            return Ok(table);
        }
        let transaction = Transaction::new(&table);
        let mut update = transaction.update_schema();
        for (name, kind) in missing {
            update = update.add_column(AddColumn::optional(name, kind.clone()));
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
