//! The condition of a query that asks for rows of one table.

use super::lexer::{Token, tokens};

/// What may follow a condition.
const CLAUSES: [&str; 12] = [
    "group",
    "having",
    "qualify",
    "window",
    "using",
    "union",
    "intersect",
    "except",
    "order",
    "limit",
    "offset",
    "fetch",
];

/// What a query in brackets may begin with.
const QUERIES: [&str; 12] = [
    "select",
    "from",
    "with",
    "values",
    "table",
    "pivot",
    "unpivot",
    "pivot_wider",
    "pivot_longer",
    "show",
    "describe",
    "summarize",
];

/// The condition of `select * from TABLE where CONDITION`, if a query is no more than that and the
/// condition reads nothing but the row. `None` in case of doubt.
pub(crate) fn row_condition<'a>(query: &'a str, table: &str) -> Option<&'a str> {
    let tokens = tokens(query);
    let head = ["select", "*", "from", table, "where"];
    let condition = tokens.get(head.len()..)?;
    let begins = tokens.iter().zip(head).all(|(token, word)| token.is(word));
    let among = |token: &Token<'_>, words: &[&str]| words.iter().any(|word| token.is(word));
    let goes_on = condition
        .iter()
        .any(|token| token.depth == 0 && (token.is(";") || among(token, &CLAUSES)));
    let reads_more = condition
        .windows(2)
        .any(|pair| pair[0].is("(") && among(&pair[1], &QUERIES));
    // It stands for several expressions.
    let is_several = condition.iter().any(|token| token.is("columns"));
    if !begins || goes_on || reads_more || is_several {
        return None;
    }
    query.get(condition.first()?.start..condition.last()?.end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_is_found_where_a_query_is_no_more_than_it() {
        let cases = [
            ("select * from t where a > b", Some("a > b")),
            ("SELECT *\nFROM T\nWHERE (a or b) -- why", Some("(a or b)")),
            (
                "select * from t where a not in ('x', 'order by') and f(order)",
                Some("a not in ('x', 'order by') and f(order)"),
            ),
            (
                "select * from t where a is distinct from b",
                Some("a is distinct from b"),
            ),
            (
                "select * from t where case when limit then true end",
                Some("case when limit then true end"),
            ),
            ("select * from t", None),
            ("select * from t where", None),
            ("select a from t where a", None),
            ("select * from u where a", None),
            ("select * from t as u where a", None),
            ("select * from t, u where a", None),
            ("select * from t where a limit 5", None),
            ("select * from t where a fetch first 1 rows only", None),
            ("select * from t where columns(['a', 'b']) < 0", None),
            ("select * from t where a group by all", None),
            ("select * from t where a union all select * from t", None),
            ("select * from t where a; select 1", None),
            ("select * from t where a in (select b from u)", None),
            ("select * from t where exists (from u)", None),
            ("with t as (select 1) select * from t where a", None),
        ];
        for (query, expected) in cases {
            assert_eq!(row_condition(query, "t"), expected, "{query}");
        }
    }
}
