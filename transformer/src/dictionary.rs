//! The data dictionary: every mart with its columns, from the models' headers, as Markdown.
//!
//! Types stand in no header. They are those that readers see: the marts are published once over
//! an empty lake, which also shows that the headers name the columns that there are.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use crate::cases::Scratch;
use crate::models::{Layer, Model, Models};
use crate::{Error, Transformer, lineage, query};

const INTRODUCTION: &str = "# Tables

What readers find in `views.duckdb`, generated from the models' headers by `./task docs`. In a
database client the same descriptions are the comments on views and columns. All times are in UTC,
lengths in metres, speeds in metres per second, positions in degrees, unless a column says
otherwise.

*Refreshed* is what new rows cost: `incremental` is work in proportion to them, `affected keys`
computes again only the keys or parts they have, `full` computes the table whole, from input of a
bounded size. A column marked ∅ may be null although it tells rows apart.
";

/// The dictionary of models; `folder` is that of further models, if there is one.
pub async fn markdown(models: &Models, folder: Option<&Path>) -> Result<String, Error> {
    let types = types(folder).await?;
    let marts: Vec<&Model> = of_layer(models, Layer::Marts);
    let mut text = INTRODUCTION.to_owned();
    text.push_str("\n| table | a row for each |\n|---|---|\n");
    for mart in &marts {
        let _ = writeln!(text, "| [`{0}`](#{0}) | {1} |", mart.name, grain(mart));
    }
    text.push_str("\n## How they are made\n\n```mermaid\n");
    text.push_str(&lineage::mermaid(&models.lineage()));
    text.push_str("```\n");
    for mart in &marts {
        let none = Vec::new();
        describe(&mut text, mart, types.get(&mart.name).unwrap_or(&none));
    }
    text.push_str("\n## Behind them\n\nTables of the private database and of each batch, which no reader sees.\n");
    text.push_str("\n| model | a row for each | what it is |\n|---|---|---|\n");
    for layer in [Layer::Staging, Layer::Intermediate] {
        for model in of_layer(models, layer) {
            let (name, description) = (&model.name, cell(&model.description));
            let _ = writeln!(text, "| `{name}` | {} | {description} |", grain(model));
        }
    }
    Ok(text)
}

fn of_layer(models: &Models, layer: Layer) -> Vec<&Model> {
    let mut found: Vec<_> = models.iter().filter(|model| model.layer == layer).collect();
    found.sort_by_key(|model| &model.name);
    found
}

fn describe(text: &mut String, mart: &Model, types: &[(String, String)]) {
    let _ = writeln!(text, "\n## {}\n\n{}\n", mart.name, mart.description);
    let _ = writeln!(text, "- A row for each: {}", grain(mart));
    let _ = writeln!(text, "- Refreshed: {}", mart.refresh);
    let _ = writeln!(text, "- Published: {}", mart.publish);
    let reads = mart.depends.iter().chain(&mart.sources);
    let reads: Vec<_> = reads.map(|name| format!("`{name}`")).collect();
    let _ = writeln!(text, "- Reads: {}", reads.join(", "));
    text.push_str("\n| column | type | meaning |\n|---|---|---|\n");
    for (column, meaning) in &mart.columns {
        let of = types.iter().find(|(name, _)| name == column);
        let of = of.map_or("", |(_, of)| of.as_str());
        let _ = writeln!(text, "| `{column}` | {of} | {} |", cell(meaning));
    }
    if !mart.audits.is_empty() {
        text.push_str("\nAudits, beside those of the grain:\n\n");
        for audit in &mart.audits {
            let _ = writeln!(text, "- `{}`", audit.text);
        }
    }
}

fn grain(model: &Model) -> String {
    if model.grain.is_empty() {
        return "– (one row)".to_owned();
    }
    let columns = model.grain.iter().map(|column| {
        let mark = if column.nullable { " ∅" } else { "" };
        format!("`{}`{mark}", column.name)
    });
    columns.collect::<Vec<_>>().join(", ")
}

/// A text as a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// Columns of each mart with their types, as readers see them.
async fn types(folder: Option<&Path>) -> Result<BTreeMap<String, Vec<(String, String)>>, Error> {
    let scratch = Scratch::new(folder).await?;
    let mut transformer = Transformer::open(scratch.config()).await?;
    transformer.catch_up().await?;
    let sql = "select table_name, column_name, data_type
        from duckdb_columns()
        where not internal and schema_name = 'main'
        order by table_name, column_index";
    let found = query(&scratch.config().transformer.published, sql)?;
    let mut types: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    for row in found.rows {
        let [Some(table), Some(column), Some(of)] = <[_; 3]>::try_from(row).unwrap_or_default()
        else {
            continue;
        };
        let of = match of.as_str() {
            "TIMESTAMP WITH TIME ZONE" => "timestamptz".to_owned(),
            _ => of.to_lowercase(),
        };
        types.entry(table).or_default().push((column, of));
    }
    Ok(types)
}
