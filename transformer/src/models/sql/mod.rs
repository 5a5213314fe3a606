//! What SQL reads, writes and makes, found by DuckDB's own parser.
//!
//! DuckDB gives the syntax tree of a query (`json_serialize_sql`), but not of the statements
//! that change tables. Their heads are few and simple, so they are read here, and the queries
//! and expressions inside them are handed to DuckDB. So whatever DuckDB of this version can run,
//! this can read: other parsers know less of its dialect.
//!
//! - `condition`: a query that only filters rows.
//! - `lexer`: a text as tokens, with their depth in brackets.
//! - `statement`: statements as what they change, and the fragments that DuckDB shall parse.
//! - `tree`: the tables in a syntax tree; names of common table expressions are not tables.

mod condition;
mod lexer;
mod statement;
mod tree;

use duckdb::Connection;

use crate::Error;
pub(crate) use condition::row_condition;

/// What some statements do to tables. Names are in lower case, with their schema if one was
/// written; positions are in bytes from the start of the text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Effects {
    /// Tables whose rows are read.
    pub reads: Vec<Name>,
    /// Tables whose rows are changed.
    pub writes: Vec<Name>,
    /// Tables and views that are created.
    pub makes: Vec<Name>,
}

/// A table's name, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name {
    pub name: String,
    pub position: usize,
}

/// A text that is not SQL as models may hold it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub reason: String,
    pub position: usize,
}

/// Reads SQL by a DuckDB that holds nothing.
pub(super) struct Parser {
    conn: Connection,
}

impl Parser {
    pub fn new() -> Result<Parser, Error> {
        let open = || -> duckdb::Result<Connection> {
            let settings = duckdb::Config::default()
                .threads(1)?
                .enable_autoload_extension(false)?;
            Connection::open_in_memory_with_flags(settings)
        };
        let conn = open().map_err(Error::duck("cannot open DuckDB to read the models"))?;
        Ok(Parser { conn })
    }

    /// What the statements of a text do.
    pub fn effects(&self, text: &str) -> Result<Effects, Refusal> {
        let mut effects = Effects::default();
        let tokens = lexer::tokens(text);
        for tokens in tokens.split(|token| token.is(";") && token.depth == 0) {
            if tokens.is_empty() {
                continue;
            }
            let statement = statement::read(text, tokens)?;
            effects.writes.extend(statement.writes);
            effects.makes.extend(statement.makes);
            for fragment in statement.fragments {
                effects.reads.extend(self.reads(&fragment)?);
            }
        }
        Ok(effects)
    }

    /// The tables that a fragment reads.
    fn reads(&self, fragment: &statement::Fragment<'_>) -> Result<Vec<Name>, Refusal> {
        let sql = format!("{}{}", fragment.prefix, fragment.text);
        let place =
            |position: usize| fragment.start + position.saturating_sub(fragment.prefix.len());
        let refused = |reason: String| Refusal {
            reason,
            position: fragment.start,
        };
        let serialize = "select json_serialize_sql(
            ?::varchar, skip_null := true, skip_empty := true, skip_default := true
        )::varchar";
        let tree: String = self
            .conn
            .query_row(serialize, [&sql], |row| row.get(0))
            .map_err(|error| refused(error.to_string()))?;
        let tree: serde_json::Value = serde_json::from_str(&tree).map_err(|error| {
            refused(format!(
                "cannot read the syntax tree ({error}); if it is deeply nested, use common table expressions"
            ))
        })?;
        if tree["error"] == true {
            let message = tree["error_message"].as_str().unwrap_or("not a query");
            let position = tree["position"].as_str().and_then(|text| text.parse().ok());
            return Err(Refusal {
                reason: message.to_owned(),
                position: place(position.unwrap_or(0)),
            });
        }
        let tables = tree::tables(&tree["statements"]).into_iter();
        Ok(tables
            .map(|table| Name {
                name: table.name,
                position: place(table.position),
            })
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn effects(text: &str) -> Result<Effects, Refusal> {
        Parser::new().unwrap().effects(text)
    }

    fn names(of: &[Name]) -> String {
        let mut names: Vec<_> = of.iter().map(|name| name.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        names.join(" ")
    }

    #[test]
    fn every_form_that_models_are_written_in_is_read() {
        // (statement, reads, writes, makes)
        let cases = [
            ("select * from a", "a", "", ""),
            ("from a select x, ; from lake.b;", "a lake.b", "", ""),
            (
                "with regions as (from a) select Position_Region(x, y) from regions",
                "a regions",
                "",
                "",
            ),
            (
                "with a as (select * from a) from a join b using (x)",
                "a b",
                "",
                "",
            ),
            ("with a as (select 1), b as (from a) from b, c", "c", "", ""),
            (
                "with recursive a as (from b union all from a) from a",
                "b",
                "",
                "",
            ),
            (
                "select (select max(x) from a) from b where x in (from c)",
                "a b c",
                "",
                "",
            ),
            (
                "select * exclude (x) replace (y as z) from a qualify row_number() over () = 1",
                "a",
                "",
                "",
            ),
            (
                "select list_filter(x, lambda y: y > 0), list_transform(x, y -> y + 1) from a",
                "a",
                "",
                "",
            ),
            ("select {'from': x, 'k': [1]} from \"A b\"", "a b", "", ""),
            (
                "from a anti join b using (x) semi join c on c.x = a.x asof join d on d.x >= a.x",
                "a b c d",
                "",
                "",
            ),
            (
                "create table if not exists t (x bigint not null, y varchar,)",
                "",
                "",
                "t",
            ),
            (
                "create or replace temp table t as with a as (from b) from a",
                "b",
                "",
                "t",
            ),
            ("create temp view main.t as from b", "b", "", "t"),
            (
                "insert into t by name with a as (from b) from a",
                "b",
                "t",
                "",
            ),
            (
                "insert into t (x, y) select x, (select max(y) from b) from t",
                "b t",
                "t",
                "",
            ),
            (
                "insert into t values (1, (select max(x) from b)) on conflict do nothing",
                "b",
                "t",
                "",
            ),
            ("insert or replace into t from a returning x", "a", "t", ""),
            (
                "delete from t where x in (select x from b where y = ';')",
                "b t",
                "t",
                "",
            ),
            ("delete from t using b where t.x = b.x", "b t", "t", ""),
            ("truncate t", "", "t", ""),
            (
                "update t set x = case when y then (select max(x) from a) end, z = 1 from b where b.x = t.x",
                "a b",
                "t",
                "",
            ),
            (
                "merge into t as known using (with a as (from b) from a) as fresh
                on known.x = fresh.x and known.y between getvariable('a') and 3
                when matched and fresh.z > known.z then update set
                    y = case when known.y > 1 then 2 else (select 3 from c) end,
                    z = fresh.z
                when matched then delete
                when not matched by source and t.x = (select 1 from d) then delete
                when not matched then insert by name",
                "b c d",
                "t",
                "",
            ),
            (
                "merge into t using fresh as f using (x) when not matched then insert values (f.x, 1)",
                "fresh",
                "t",
                "",
            ),
            ("set variable first = (select min(x) from a)", "a", "", ""),
            ("drop table if exists t", "", "t", ""),
            (
                "create or replace macro m(x) as x + (select 1 from a)",
                "a",
                "",
                "",
            ),
            (
                "-- select from z\n/* from z */ select '-- from z', $$from z$$ from a -- from z",
                "a",
                "",
                "",
            ),
            (
                "from read_parquet(getvariable('files')), unnest([1]), (values (1)) as v(x)",
                "",
                "",
                "",
            ),
        ];
        for (text, reads, writes, makes) in cases {
            let found = effects(text).unwrap_or_else(|refusal| panic!("{text}: {refusal:?}"));
            assert_eq!(names(&found.reads), reads, "reads of {text}");
            assert_eq!(names(&found.writes), writes, "writes of {text}");
            assert_eq!(names(&found.makes), makes, "makes of {text}");
        }
    }

    #[test]
    fn a_name_and_an_error_know_where_they_stand() {
        let text = "insert into t\nselect x\nfrom wrong";
        let found = effects(text).unwrap();
        assert_eq!(found.reads[0].position, text.find("wrong").unwrap());
        assert_eq!(found.writes[0].position, text.find("t\n").unwrap());
        let cases = [
            (
                "select 1; select from where",
                "where",
                "syntax error at or near",
            ),
            ("insert into t selct 1", "selct", "syntax error"),
            (
                "delete from t where (x in (select 1)",
                "delete",
                "syntax error at end",
            ),
            ("copy t to 'file'", "copy", "begins with \"copy\""),
            ("insert t values (1)", "t values", "expected \"into\""),
            (
                "merge into t using a on a.x = t.x when matched do nothing",
                "do nothing",
                "expected \"then\"",
            ),
            ("update t x = 1", "x = 1", "expected \"set\""),
        ];
        for (text, at, reason) in cases {
            let refusal = effects(text).unwrap_err();
            assert!(refusal.reason.contains(reason), "{text}: {refusal:?}");
            if reason != "syntax error at end" {
                assert_eq!(
                    refusal.position,
                    text.find(at).unwrap(),
                    "{text}: {refusal:?}"
                );
            }
        }
    }
}
