//! CSV as cases have it: cells are trimmed, and a comma in quotes or brackets is none.

/// A header and rows of as many cells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sheet {
    pub columns: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

impl Sheet {
    /// Reads a text, whose first line is the header.
    pub fn parse(text: &str) -> Result<Sheet, String> {
        let mut lines = text.trim().lines();
        let columns = cells(lines.next().unwrap_or_default());
        let mut rows = Vec::new();
        for line in lines {
            let row = cells(line);
            if row.len() != columns.len() {
                return Err(format!(
                    "{line:?} has {} cells, and the header {}",
                    row.len(),
                    columns.len()
                ));
            }
            rows.push(row);
        }
        Ok(Sheet { columns, rows })
    }
}

fn cells(line: &str) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut quoted = false;
    let mut depth = 0_usize;
    for c in line.chars() {
        match c {
            '\'' => quoted = !quoted,
            '(' | '[' | '{' if !quoted => depth += 1,
            ')' | ']' | '}' if !quoted => depth = depth.saturating_sub(1),
            ',' if !quoted && depth == 0 => {
                cells.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(cell) = cells.last_mut() {
            cell.push(c);
        }
    }
    cells.iter().map(|cell| cell.trim().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comma_in_quotes_or_brackets_is_no_separator() {
        assert_eq!(
            cells("a, f(b, [c, d]), 'e, f' ,"),
            ["a", "f(b, [c, d])", "'e, f'", ""]
        );
    }

    #[test]
    fn a_row_of_another_length_is_refused() {
        let error = Sheet::parse("a, b\n1, 2\n3").unwrap_err();
        assert_eq!(error, "\"3\" has 1 cells, and the header 2");
        assert_eq!(Sheet::parse("a").unwrap().rows.len(), 0);
    }
}
