//! Tables as they should be, and the statements that make them so.
//!
//! A table that is not as it should be is altered in place, so that what people gave it stays:
//! grants, and views that read it. Its rows are then all copied again.

use std::collections::BTreeMap;

use super::encode::Type;

/// Tells apart the rows of a mart that is in parts.
pub(super) const PART: &str = "_part";
const PART_COMMENT: &str = "the mart's part that the row came with; of no meaning to readers";

/// A mart's table as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout {
    pub name: String,
    pub comment: String,
    pub columns: Vec<Column>,
    /// Columns of the primary key; empty for none.
    pub key: Vec<String>,
}

/// One of its columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Column {
    pub name: String,
    pub of: Type,
    pub comment: String,
}

/// A relation as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Present {
    pub comment: Option<String>,
    /// Types and comments by name.
    pub columns: BTreeMap<String, (String, Option<String>)>,
    /// Name and columns of the primary key.
    pub key: Option<(String, Vec<String>)>,
}

/// What is to be done to a table before rows are copied.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Change {
    pub statements: Vec<String>,
    /// Whether every row is to be copied, whatever was there.
    pub anew: bool,
}

impl Layout {
    /// The column that tells parts apart.
    pub fn part_column() -> Column {
        Column {
            name: PART.to_owned(),
            of: Type::Text,
            comment: PART_COMMENT.to_owned(),
        }
    }

    /// The table's name with its schema, quoted.
    pub fn table(&self, schema: &str) -> String {
        format!("{}.{}", identifier(schema), identifier(&self.name))
    }

    /// The columns as `copy` lists them.
    pub fn column_list(&self) -> String {
        names(self.columns.iter().map(|column| column.name.as_str()))
    }

    /// What makes the table that is `present` this one.
    pub fn change(&self, schema: &str, present: Option<&Present>) -> Change {
        match present {
            None => self.create(schema),
            Some(present) => self.alter(schema, present),
        }
    }

    fn create(&self, schema: &str) -> Change {
        let table = self.table(schema);
        let columns = self.columns.iter();
        let mut items: Vec<String> = columns
            .map(|column| format!("{} {}", identifier(&column.name), column.of.name()))
            .collect();
        if !self.key.is_empty() {
            items.push(self.primary_key());
        }
        let mut statements = vec![format!("create table {table} ({})", items.join(", "))];
        statements.extend(self.part_index(&table));
        statements.extend(self.comments(&table, &Present::default()));
        Change {
            statements,
            anew: true,
        }
    }

    fn alter(&self, schema: &str, present: &Present) -> Change {
        let table = self.table(schema);
        let mut actions = Vec::new();
        let mut index = None;
        for (name, (type_name, _)) in &present.columns {
            let wanted = self.columns.iter().find(|column| column.name == *name);
            if wanted.is_none_or(|column| column.of.name() != type_name) {
                actions.push(format!("drop column {}", identifier(name)));
            }
        }
        for column in &self.columns {
            let there = present.columns.get(&column.name);
            if there.is_none_or(|(type_name, _)| type_name != column.of.name()) {
                let (name, of) = (identifier(&column.name), column.of.name());
                actions.push(format!("add column {name} {of}"));
                if column.name == PART {
                    index = self.part_index(&table);
                }
            }
        }
        let mut statements = Vec::new();
        let anew = !actions.is_empty();
        if anew {
            statements.push(format!("delete from {table}"));
            // One by one: a key goes with the first of its columns.
            let each = actions.iter();
            statements.extend(each.map(|action| format!("alter table {table} {action}")));
        }
        statements.extend(index);
        statements.extend(self.change_key(&table, present, anew));
        statements.extend(self.comments(&table, present));
        Change { statements, anew }
    }

    /// Drops a key that does not hold any more. One that could hold now is made only when the
    /// table is filled anew: rows that are not copied again may lack it.
    fn change_key(&self, table: &str, present: &Present, anew: bool) -> Vec<String> {
        let (name, columns) = match &present.key {
            Some((_, columns)) if *columns == self.key => return Vec::new(),
            Some((name, columns)) => (Some(name), columns.as_slice()),
            None => (None, &[][..]),
        };
        let mut statements = Vec::new();
        if let Some(name) = name {
            statements.push(format!(
                "alter table {table} drop constraint if exists {}",
                identifier(name)
            ));
            let still = |column: &&String| self.columns.iter().any(|c| c.name == **column);
            statements.extend(columns.iter().filter(still).map(|column| {
                format!(
                    "alter table {table} alter column {} drop not null",
                    identifier(column)
                )
            }));
        }
        if anew && !self.key.is_empty() {
            statements.push(format!("alter table {table} add {}", self.primary_key()));
        }
        statements
    }

    fn primary_key(&self) -> String {
        format!(
            "primary key ({})",
            names(self.key.iter().map(String::as_str))
        )
    }

    fn part_index(&self, table: &str) -> Option<String> {
        let has = self.columns.iter().any(|column| column.name == PART);
        has.then(|| format!("create index on {table} ({})", identifier(PART)))
    }

    fn comments(&self, table: &str, present: &Present) -> Vec<String> {
        let mut statements = Vec::new();
        if present.comment.as_ref() != Some(&self.comment) {
            let text = literal(&self.comment);
            statements.push(format!("comment on table {table} is {text}"));
        }
        for column in &self.columns {
            let there = present.columns.get(&column.name);
            let same = there.is_some_and(|(type_name, comment)| {
                type_name == column.of.name()
                    && comment.as_deref().unwrap_or_default() == column.comment
            });
            if !same && !column.comment.is_empty() {
                let (name, text) = (identifier(&column.name), literal(&column.comment));
                statements.push(format!("comment on column {table}.{name} is {text}"));
            }
        }
        statements
    }
}

fn names<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.map(identifier).collect::<Vec<_>>().join(", ")
}

/// A name in an SQL statement.
pub(super) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text in an SQL statement, whatever `standard_conforming_strings` says.
pub(super) fn literal(text: &str) -> String {
    let text = text.replace('\0', "").replace('\'', "''");
    match text.contains('\\') {
        true => format!(" e'{}'", text.replace('\\', "\\\\")),
        false => format!("'{text}'"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(columns: &[(&str, Type)], key: &[&str]) -> Layout {
        Layout {
            name: "m".to_owned(),
            comment: "A mart.".to_owned(),
            columns: columns
                .iter()
                .map(|(name, of)| Column {
                    name: (*name).to_owned(),
                    of: *of,
                    comment: format!("what {name} is"),
                })
                .collect(),
            key: key.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    /// What is there after `layout` was made.
    fn present(layout: &Layout) -> Present {
        Present {
            comment: Some(layout.comment.clone()),
            columns: layout
                .columns
                .iter()
                .map(|column| {
                    let of = column.of.name().to_owned();
                    (column.name.clone(), (of, Some(column.comment.clone())))
                })
                .collect(),
            key: (!layout.key.is_empty()).then(|| ("m_pkey".to_owned(), layout.key.clone())),
        }
    }

    #[test]
    fn a_new_table_has_its_key_and_comments() {
        let wanted = layout(&[("day", Type::Date), (PART, Type::Text)], &["day"]);
        let change = wanted.change("s", None);
        assert!(change.anew);
        assert_eq!(
            change.statements,
            [
                r#"create table "s"."m" ("day" date, "_part" text, primary key ("day"))"#,
                r#"create index on "s"."m" ("_part")"#,
                r#"comment on table "s"."m" is 'A mart.'"#,
                r#"comment on column "s"."m"."day" is 'what day is'"#,
                r#"comment on column "s"."m"."_part" is 'what _part is'"#,
            ]
        );
    }

    #[test]
    fn a_table_that_is_as_it_should_be_is_left_alone() {
        let wanted = layout(&[("a", Type::Bigint), ("b", Type::Text)], &["a"]);
        assert_eq!(
            wanted.change("s", Some(&present(&wanted))),
            Change::default()
        );
    }

    #[test]
    fn columns_come_go_and_change_their_type_and_rows_are_copied_anew() {
        let old = layout(&[("a", Type::Bigint), ("gone", Type::Text)], &["a"]);
        let wanted = layout(&[("a", Type::Text), ("new", Type::Date)], &["a"]);
        let change = wanted.change("s", Some(&present(&old)));
        assert!(change.anew);
        assert_eq!(
            change.statements[..5],
            [
                r#"delete from "s"."m""#,
                r#"alter table "s"."m" drop column "a""#,
                r#"alter table "s"."m" drop column "gone""#,
                r#"alter table "s"."m" add column "a" text"#,
                r#"alter table "s"."m" add column "new" date"#,
            ]
        );
    }

    #[test]
    fn a_key_that_does_not_hold_any_more_goes_and_rows_stay() {
        let old = layout(&[("a", Type::Bigint)], &["a"]);
        let wanted = layout(&[("a", Type::Bigint)], &[]);
        let change = wanted.change("s", Some(&present(&old)));
        assert_eq!(
            change,
            Change {
                statements: vec![
                    r#"alter table "s"."m" drop constraint if exists "m_pkey""#.to_owned(),
                    r#"alter table "s"."m" alter column "a" drop not null"#.to_owned(),
                ],
                anew: false,
            }
        );
        let unkeyed = present(&wanted);
        assert_eq!(old.change("s", Some(&unkeyed)), Change::default());
    }

    #[test]
    fn names_and_texts_are_quoted() {
        assert_eq!(identifier("a\"b"), "\"a\"\"b\"");
        assert_eq!(literal("it's"), "'it''s'");
        assert_eq!(literal("a\\b'"), " e'a\\\\b'''");
    }
}
