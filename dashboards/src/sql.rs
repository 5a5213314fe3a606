//! Which tables the questions ask for.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::PathBuf;

use sqlparser::ast::{ObjectNamePart, Query, TableFactor, Visit, Visitor};
use sqlparser::dialect::DuckDbDialect;
use sqlparser::parser::Parser;

use crate::content::{Library, ParameterKind, Question};

/// The tables that each file asks for. A statement that cannot be parsed here is left to the database.
pub fn tables_of(library: &Library) -> BTreeMap<PathBuf, BTreeSet<String>> {
    library
        .questions
        .values()
        .map(|question| (question.file.clone(), tables(question)))
        .collect()
}

/// The tables of one question, with everything in it that is optional.
pub fn tables(question: &Question) -> BTreeSet<String> {
    let any = |name: &str| {
        let parameter = question.header.parameters.get(name)?;
        Some(match parameter.kind {
            ParameterKind::Number => "0".to_owned(),
            ParameterKind::Text => "''".to_owned(),
            ParameterKind::Date => "date '2026-01-01'".to_owned(),
        })
    };
    let Ok(sql) = question.with(any) else {
        return BTreeSet::new();
    };
    let Ok(statements) = Parser::parse_sql(&DuckDbDialect {}, &sql) else {
        return BTreeSet::new();
    };
    let mut names = Names::default();
    let _ = statements.visit(&mut names);
    &names.tables - &names.own
}

#[derive(Default)]
struct Names {
    tables: BTreeSet<String>,
    /// Those that the statement defines itself, by `with`.
    own: BTreeSet<String>,
}

impl Visitor for Names {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        if let Some(with) = &query.with {
            let names = with
                .cte_tables
                .iter()
                .map(|cte| cte.alias.name.value.clone());
            self.own.extend(names);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        // A name of several parts has a schema; one with arguments is a function.
        if let TableFactor::Table {
            name, args: None, ..
        } = factor
            && let [ObjectNamePart::Identifier(name)] = &name.0[..]
        {
            self.tables.insert(name.value.clone());
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn tables_in(sql: &str) -> Vec<String> {
        let header = "-- title = \"a\"\n-- description = \"b\"\n-- display = \"table\"\n\
                      -- columns = { n = \"N\" }\n\
                      -- parameters = { day = { title = \"Day\", type = \"date\" } }\n\n";
        let text = format!("{header}{sql} [[and day = {{{{day}}}}]]");
        let question = Question::parse(Path::new("a/b.sql"), &text).unwrap();
        tables(&question).into_iter().collect()
    }

    #[test]
    fn tables_are_found_and_names_of_the_statement_are_none() {
        for (sql, expected) in [
            (
                "select 1 as n from country_stats where true",
                &["country_stats"][..],
            ),
            (
                "with a as (select * from flights), b as (select * from a) \
                 select count(*) as n from b join mart_status on true where true",
                &["flights", "mart_status"],
            ),
            (
                "select n from (select count(*) filter (where on_ground) as n from current_positions) \
                 where n > (select min(checked) from data_quality)",
                &["current_positions", "data_quality"],
            ),
            ("select n from range(5) as t(n) where true", &[]),
        ] {
            assert_eq!(tables_in(sql), expected, "{sql}");
        }
    }
}
