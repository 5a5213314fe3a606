//! A text as tokens, just enough to find statements and their clauses.

/// A word, a quoted text or a sign; comments and blanks are left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'a> {
    /// As it is written.
    pub text: &'a str,
    /// Where it begins, in bytes.
    pub start: usize,
    /// How many brackets and `case … end` it stands in; these have the depth of what is outside.
    pub depth: usize,
}

impl Token<'_> {
    /// Whether it is this word or sign, in any case.
    pub fn is(&self, text: &str) -> bool {
        self.text.eq_ignore_ascii_case(text)
    }

    /// Where it ends.
    pub fn end(&self) -> usize {
        self.start + self.text.len()
    }
}

/// The tokens of a text. What is left open ends with the text; DuckDB refuses it later.
pub(super) fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    // What is open: `(`, `[`, `{`, or `c` for `case`.
    let mut open: Vec<u8> = Vec::new();
    let mut at = 0;
    while let Some(first) = text.as_bytes().get(at).copied() {
        let rest = &text[at..];
        let length = length(rest, first);
        let token = &rest[..length];
        let start = at;
        at += length;
        if first.is_ascii_whitespace() || token.starts_with("--") || token.starts_with("/*") {
            continue;
        }
        let closes = match first {
            b')' => Some(b'('),
            b']' => Some(b'['),
            b'}' => Some(b'{'),
            _ if token.eq_ignore_ascii_case("end") => Some(b'c'),
            _ => None,
        };
        if closes.is_some() && open.last().copied() == closes {
            open.pop();
        }
        tokens.push(Token {
            text: token,
            start,
            depth: open.len(),
        });
        match first {
            b'(' | b'[' | b'{' => open.push(first),
            _ if token.eq_ignore_ascii_case("case") => open.push(b'c'),
            _ => {}
        }
    }
    tokens
}

/// Bytes of the token, comment or blanks that `rest` begins with; `rest` is not empty.
fn length(rest: &str, first: u8) -> usize {
    let whole = rest.len();
    let until = |end: Option<usize>| end.unwrap_or(whole);
    match first {
        b'-' if rest.starts_with("--") => until(rest.find('\n')),
        b'/' if rest.starts_with("/*") => until(rest[2..].find("*/").map(|end| end + 4)),
        b'\'' | b'"' => until(quoted(rest, first, false)),
        b'e' | b'E' if rest[1..].starts_with('\'') => {
            until(quoted(&rest[1..], b'\'', true).map(|end| end + 1))
        }
        b'$' => dollar_quoted(rest).map_or(1, until),
        _ if first.is_ascii_whitespace() => until(rest.find(|c: char| !c.is_ascii_whitespace())),
        _ if is_word(first) => until(rest.bytes().position(|byte| !is_word(byte) && byte != b'$')),
        _ => 1,
    }
}

/// Letters, digits, and every byte of a character beyond ASCII.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii()
}

/// Where a text in quotes ends; two quotes are one of the text.
fn quoted(rest: &str, quote: u8, with_backslash: bool) -> Option<usize> {
    let bytes = rest.as_bytes();
    let mut at = 1;
    loop {
        match *bytes.get(at)? {
            b'\\' if with_backslash => at += 2,
            byte if byte != quote => at += 1,
            _ if bytes.get(at + 1) == Some(&quote) => at += 2,
            _ => return Some(at + 1),
        }
    }
}

/// Where `$tag$ … $tag$` ends, if `rest` begins with one.
fn dollar_quoted(rest: &str) -> Option<Option<usize>> {
    let tag = 2 + rest[1..].find('$')?;
    let plain = rest[1..tag - 1].bytes().all(is_word);
    // `$1` is a parameter.
    let parameter = rest.as_bytes()[1].is_ascii_digit();
    (plain && !parameter).then(|| {
        let end = rest[tag..].find(&rest[..tag])?;
        Some(tag + end + tag)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<(&str, usize)> {
        let tokens = tokens(text).into_iter();
        tokens.map(|token| (token.text, token.depth)).collect()
    }

    #[test]
    fn depth_counts_brackets_and_cases() {
        let found = texts("a(case x[1] when end) end2");
        let expected = [
            ("a", 0),
            ("(", 0),
            ("case", 1),
            ("x", 2),
            ("[", 2),
            ("1", 3),
            ("]", 2),
            ("when", 2),
            ("end", 1),
            (")", 0),
            ("end2", 0),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn quotes_and_comments_hide_what_is_in_them() {
        let found = texts("'a''(' \"b\"\"(\" e'\\'(' $q$ ( $q$ $1 -- (\n/* ( */ é€");
        let found: Vec<_> = found.into_iter().map(|(text, _)| text).collect();
        let expected = [
            "'a''('",
            "\"b\"\"(\"",
            "e'\\'('",
            "$q$ ( $q$",
            "$",
            "1",
            "é€",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_left_open_ends_with_the_text() {
        for text in [
            "'a", "\"a", "e'a\\", "$q$ a", "/* a", "-- a", "/*", "'", "$", "e'",
        ] {
            let end = tokens(text).last().map_or(text.len(), Token::end);
            assert_eq!(end, text.len(), "{text}");
        }
    }
}
