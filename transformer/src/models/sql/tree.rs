//! The tables in a syntax tree as DuckDB writes it.

use serde_json::{Map, Value};

/// The seeds that macros of the engine read, by the macro's name.
const SEEDS_OF_MACROS: [(&str, &str); 1] = [("position_region", "regions")];

/// A table that a query names.
pub(super) struct Table {
    pub name: String,
    pub position: usize,
}

/// Every table of the tree that is not a common table expression in scope, and those that are read by a
/// macro.
pub(super) fn tables(tree: &Value) -> Vec<Table> {
    let mut found = Vec::new();
    walk(tree, &[], &mut found);
    found
}

fn walk(value: &Value, scope: &[String], found: &mut Vec<Table>) {
    match value {
        Value::Array(values) => values.iter().for_each(|value| walk(value, scope, found)),
        Value::Object(node) => match expressions(node) {
            Some(expressions) => {
                let scope = enter(expressions, scope, found);
                let others = node.iter().filter(|(key, _)| *key != "cte_map");
                others.for_each(|(_, value)| walk(value, &scope, found));
            }
            None => {
                found.extend(table(node, scope).or_else(|| seed(node)));
                node.values().for_each(|value| walk(value, scope, found));
            }
        },
        _ => {}
    }
}

/// The common table expressions of a query, in their order.
fn expressions(node: &Map<String, Value>) -> Option<&Vec<Value>> {
    node.get("cte_map")?.get("map")?.as_array()
}

/// Walks common table expressions; each sees those before it, and itself only when it is
/// recursive. Gives what the query after them sees.
fn enter(expressions: &[Value], outer: &[String], found: &mut Vec<Table>) -> Vec<String> {
    let mut scope = outer.to_vec();
    for expression in expressions {
        let name = expression["key"].as_str().unwrap_or_default();
        let name = name.to_lowercase();
        let query = &expression["value"];
        if query["query"]["node"]["type"] == "RECURSIVE_CTE_NODE" {
            scope.push(name);
            walk(query, &scope, found);
        } else {
            walk(query, &scope, found);
            scope.push(name);
        }
    }
    scope
}

fn seed(node: &Map<String, Value>) -> Option<Table> {
    let called = node.get("function_name")?.as_str()?.to_lowercase();
    let (_, seed) = SEEDS_OF_MACROS.iter().find(|(name, _)| *name == called)?;
    Some(Table {
        name: (*seed).to_owned(),
        position: position(node),
    })
}

fn position(node: &Map<String, Value>) -> usize {
    let position = node.get("query_location").and_then(Value::as_u64);
    position.and_then(|at| at.try_into().ok()).unwrap_or(0)
}

fn table(node: &Map<String, Value>, scope: &[String]) -> Option<Table> {
    if node.get("type")? != "BASE_TABLE" {
        return None;
    }
    let part = |key: &str| node.get(key).and_then(Value::as_str).map(str::to_lowercase);
    let table = part("table_name")?;
    let name = match part("schema_name") {
        // `recurring.x` is what a recursive expression has found so far.
        Some(schema) if schema == "recurring" => return None,
        Some(schema) if schema != "main" && schema != "temp" => format!("{schema}.{table}"),
        Some(_) => table,
        None if scope.contains(&table) => return None,
        None => table,
    };
    Some(Table {
        name,
        position: position(node),
    })
}
