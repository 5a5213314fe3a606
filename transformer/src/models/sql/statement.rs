//! Statements as what they change, and the fragments whose tables DuckDB shall find.

use super::lexer::Token;
use super::{Name, Refusal};

/// One statement.
#[derive(Debug, Default)]
pub(super) struct Statement<'a> {
    pub writes: Vec<Name>,
    pub makes: Vec<Name>,
    pub fragments: Vec<Fragment<'a>>,
}

/// A part of a statement that becomes a query when `prefix` is put before it.
#[derive(Debug)]
pub(super) struct Fragment<'a> {
    pub prefix: &'static str,
    pub text: &'a str,
    /// Where `text` begins.
    pub start: usize,
}

/// Reads one statement from its tokens, which are not none.
pub(super) fn read<'a>(text: &'a str, tokens: &[Token<'a>]) -> Result<Statement<'a>, Refusal> {
    let mut reader = Reader {
        text,
        tokens,
        at: 0,
        found: Statement::default(),
    };
    reader.statement()?;
    Ok(reader.found)
}

struct Reader<'a, 't> {
    text: &'a str,
    tokens: &'t [Token<'a>],
    at: usize,
    found: Statement<'a>,
}

impl<'a> Reader<'a, '_> {
    fn statement(&mut self) -> Result<(), Refusal> {
        let first = self.tokens[0].text.to_lowercase();
        match first.as_str() {
            "select" | "with" | "from" | "values" | "table" | "(" => {
                self.fragment("", self.tokens.len());
            }
            "create" => self.create()?,
            "insert" => self.insert()?,
            "delete" => self.delete()?,
            "update" => self.update()?,
            "merge" => self.merge()?,
            "truncate" => {
                self.at = 1;
                self.skip(&["table"]);
                self.written()?;
            }
            "drop" => {
                self.at = 2;
                self.skip(&["if", "exists"]);
                self.written()?;
            }
            "set" => {
                self.seek(&["="], 0);
                self.at += 1;
                self.fragment("select ", self.tokens.len());
            }
            "reset" => {}
            _ => {
                return Err(self.refused(format!(
                    "a statement of a model begins with \"{first}\", which none may: a model reads \
                    tables and changes those of the models"
                )));
            }
        }
        Ok(())
    }

    /// `create [or replace] [temp] table|view [if not exists] name [(columns)] [as query]`, or a
    /// macro, whose body may read tables.
    fn create(&mut self) -> Result<(), Refusal> {
        self.at = 1;
        self.skip(&["or", "replace", "temp", "temporary", "recursive"]);
        let is_macro = self.here("macro") || self.here("function");
        let is_table = self.here("table") || self.here("view");
        if !is_macro && !is_table {
            return Err(self.expected("\"table\", \"view\" or \"macro\""));
        }
        self.at += 1;
        self.skip(&["if", "not", "exists"]);
        let name = self.name()?;
        if is_table {
            self.found.makes.push(name);
        }
        self.seek(&["as"], 0);
        if self.at < self.tokens.len() {
            self.at += 1;
            let prefix = match is_macro && !self.here("table") {
                true => "select ",
                false => "",
            };
            self.skip(if is_macro { &["table"] } else { &[] });
            self.fragment(prefix, self.tokens.len());
        }
        Ok(())
    }

    /// `insert [or replace] into name [(columns)] [by name] query [on conflict …] [returning …]`
    fn insert(&mut self) -> Result<(), Refusal> {
        self.at = 1;
        self.skip(&["or", "replace", "ignore"]);
        self.expect("into")?;
        self.written()?;
        if self.here("as") {
            self.at += 2;
        }
        // Columns in brackets, unless the brackets hold the query itself.
        let query = ["select", "with", "from", "values"];
        let inner = self.tokens.get(self.at + 1);
        if self.here("(") && !inner.is_some_and(|t| query.iter().any(|word| t.is(word))) {
            self.seek(&[")"], 0);
            self.at += 1;
        }
        self.skip(&["by", "name", "position", "default"]);
        let end = self.clause_end(&["returning"]);
        let conflict = (self.at..end).find(|&at| {
            let next = self.tokens.get(at + 1);
            let token = &self.tokens[at];
            token.depth == 0 && token.is("on") && next.is_some_and(|t| t.is("conflict"))
        });
        let query_end = conflict.unwrap_or(end);
        if self.at < query_end {
            self.fragment("", query_end);
        }
        self.at = query_end;
        if self.seek(&["set"], 0) {
            self.at += 1;
            self.fragment("select ", end);
        }
        Ok(())
    }

    /// `delete from name [using tables] [where condition]`: a query that begins with `from`.
    fn delete(&mut self) -> Result<(), Refusal> {
        self.at = 1;
        self.expect("from")?;
        let start = self.at;
        self.written()?;
        let end = self.clause_end(&["returning"]);
        match (self.at..end).find(|&at| self.tokens[at].depth == 0 && self.tokens[at].is("using")) {
            Some(using) => {
                self.at = start;
                self.fragment("from ", using);
                self.at = using + 1;
                self.fragment("from ", end);
            }
            None => {
                self.at = start;
                self.fragment("from ", end);
            }
        }
        Ok(())
    }

    /// `update name set assignments [from tables] [where condition]`: assignments read as a
    /// list of comparisons.
    fn update(&mut self) -> Result<(), Refusal> {
        self.at = 1;
        self.written()?;
        if !self.here("set") {
            self.skip(&["as"]);
            if self.tokens.get(self.at + 1).is_some_and(|t| t.is("set")) {
                self.at += 1;
            }
        }
        self.expect("set")?;
        let end = self.clause_end(&["returning"]);
        self.fragment("select ", end);
        Ok(())
    }

    /// `merge into name using source on condition when … then …`
    fn merge(&mut self) -> Result<(), Refusal> {
        self.at = 1;
        self.expect("into")?;
        self.written()?;
        self.seek(&["using"], 0);
        self.expect("using")?;
        let source_end = self.clause_end(&["on", "using", "when"]);
        self.fragment("from ", source_end);
        self.at = source_end;
        if self.here("on") {
            self.at += 1;
            let end = self.clause_end(&["when"]);
            self.fragment("select ", end);
            self.at = end;
        }
        while self.seek(&["when"], 0) {
            self.at += 1;
            self.skip(&["not", "matched", "by", "source", "target"]);
            if self.here("and") {
                self.at += 1;
                let end = self.clause_end(&["then", "when"]);
                self.fragment("select ", end);
                self.at = end;
            }
            self.expect("then")?;
            let end = self.clause_end(&["when", "returning"]);
            let action = self.at..end;
            if let Some(at) = action.clone().find(|&at| self.at_top(at, "set")) {
                self.at = at + 1;
                self.fragment("select ", end);
            } else if let Some(at) = action.clone().find(|&at| self.at_top(at, "values")) {
                self.at = at;
                self.fragment("", end);
            }
            self.at = end;
        }
        Ok(())
    }

    /// Adds the tokens from here to `end` as a fragment.
    fn fragment(&mut self, prefix: &'static str, end: usize) {
        let last = self.tokens[..end].last().map_or(0, Token::end);
        let start = self.tokens.get(self.at).map_or(last, |token| token.start);
        self.found.fragments.push(Fragment {
            prefix,
            text: &self.text[start..last.max(start)],
            start,
        });
        self.at = end;
    }

    /// The name of a table that is changed.
    fn written(&mut self) -> Result<(), Refusal> {
        let name = self.name()?;
        self.found.writes.push(name);
        Ok(())
    }

    /// A name, with its schema if there is one.
    fn name(&mut self) -> Result<Name, Refusal> {
        let Some(first) = self.tokens.get(self.at) else {
            return Err(self.expected("a name"));
        };
        let position = first.start;
        let mut name = plain(first.text);
        self.at += 1;
        while self.here(".") && self.at + 1 < self.tokens.len() {
            let next = plain(self.tokens[self.at + 1].text);
            name = match name.as_str() {
                "main" | "temp" => next,
                _ => format!("{name}.{next}"),
            };
            self.at += 2;
        }
        Ok(Name { name, position })
    }

    fn here(&self, text: &str) -> bool {
        self.tokens.get(self.at).is_some_and(|token| token.is(text))
    }

    fn at_top(&self, at: usize, text: &str) -> bool {
        self.tokens[at].depth == 0 && self.tokens[at].is(text)
    }

    /// Goes past any of these words.
    fn skip(&mut self, words: &[&str]) {
        while words.iter().any(|word| self.here(word)) {
            self.at += 1;
        }
    }

    /// Goes to the next of these words at a depth, or to the end; whether there was one.
    fn seek(&mut self, words: &[&str], depth: usize) -> bool {
        let found = |token: &Token| token.depth == depth && words.iter().any(|word| token.is(word));
        while self.tokens.get(self.at).is_some_and(|token| !found(token)) {
            self.at += 1;
        }
        self.at < self.tokens.len()
    }

    /// Where the next of these words stands outside all brackets, or the end.
    fn clause_end(&self, words: &[&str]) -> usize {
        (self.at..self.tokens.len())
            .find(|&at| words.iter().any(|word| self.at_top(at, word)))
            .unwrap_or(self.tokens.len())
    }

    fn expect(&mut self, word: &str) -> Result<(), Refusal> {
        if !self.here(word) {
            return Err(self.expected(&format!("\"{word}\"")));
        }
        self.at += 1;
        Ok(())
    }

    fn expected(&self, what: &str) -> Refusal {
        match self.tokens.get(self.at) {
            Some(token) => self.refused(format!("expected {what} at or near \"{}\"", token.text)),
            None => self.refused(format!("expected {what} at the end of the statement")),
        }
    }

    fn refused(&self, reason: String) -> Refusal {
        let token = self.tokens.get(self.at).or(self.tokens.last());
        Refusal {
            reason,
            position: token.map_or(0, |token| token.start),
        }
    }
}

/// A name as DuckDB compares it: without quotes, in lower case.
fn plain(text: &str) -> String {
    let inner = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'));
    inner
        .map_or(text.to_owned(), |inner| inner.replace("\"\"", "\""))
        .to_lowercase()
}
