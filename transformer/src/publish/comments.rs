//! What the views say of themselves: the descriptions of the models' headers as comments, which
//! database clients show beside views and columns.

use std::collections::BTreeMap;

use duckdb::Connection;

use crate::Error;
use crate::models::{Model, Models};
use crate::schema::{identifier, quote};

/// The statements that put a mart's comments in place; nothing for other models.
pub(super) fn of(model: &Model) -> String {
    if !model.mart {
        return String::new();
    }
    let name = &model.name;
    let whole = format!("{} One row: {}.", model.description, model.grain_text());
    let mut sql = format!("comment on view {name} is {};\n", quote(&whole));
    for (column, meaning) in &model.columns {
        let column = identifier(column);
        let meaning = quote(meaning);
        sql.push_str(&format!(
            "comment on column {name}.{column} is {meaning};\n"
        ));
    }
    sql
}

/// The comments of all marts, whose views are in the database that is in use. A header that
/// names other columns than the view has is refused: nobody could trust it.
pub(super) fn statements(conn: &Connection, models: &Models) -> Result<String, Error> {
    let columns = columns(conn).map_err(Error::duck("cannot list the columns of the views"))?;
    let mut sql = String::new();
    for mart in models.iter().filter(|model| model.mart) {
        mart.must_describe(columns.get(&mart.name).map_or(&[], Vec::as_slice))?;
        sql.push_str(&of(mart));
    }
    Ok(sql)
}

fn columns(conn: &Connection) -> duckdb::Result<BTreeMap<String, Vec<String>>> {
    let sql = "select table_name, column_name
        from duckdb_columns()
        where not internal and schema_name = 'main' and database_name = current_database()
        order by table_name, column_index";
    let mut statement = conn.prepare(sql)?;
    let mut rows = statement.query([])?;
    let mut columns: BTreeMap<String, Vec<String>> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        columns.entry(row.get(0)?).or_default().push(row.get(1)?);
    }
    Ok(columns)
}
