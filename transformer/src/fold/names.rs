//! Numbers for what comes as text, so that rows are compared and grouped without touching text.

use std::collections::HashMap;

use ahash::RandomState;
use arrow::array::{Array, DictionaryArray, StringArray};
use arrow::datatypes::Int32Type;

/// The number of a text that is null.
pub(super) const NULL: u32 = 0;

/// Texts by number, in the order they were first seen; number 0 is null.
#[derive(Debug, Default)]
pub(super) struct Names {
    numbers: HashMap<Box<str>, u32, RandomState>,
    names: Vec<Box<str>>,
}

impl Names {
    pub fn number(&mut self, name: &str) -> u32 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        self.names.push(name.into());
        let number = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.numbers.insert(name.into(), number);
        number
    }

    /// The text of a number; `None` for null.
    pub fn name(&self, number: u32) -> Option<&str> {
        let index = usize::try_from(number).ok()?.checked_sub(1)?;
        self.names.get(index).map(AsRef::as_ref)
    }
}

/// What the entries of one column's dictionary stand for. Readers hand out the same dictionary
/// with every batch of a row group, so each entry is looked up once and not once a row.
#[derive(Debug, Default)]
pub(super) struct Entries {
    dictionary: Option<StringArray>,
    numbers: Vec<u32>,
}

const UNKNOWN: u32 = u32::MAX;

impl Entries {
    /// Gets ready for the rows of `column`.
    pub fn begin(&mut self, column: &DictionaryArray<Int32Type>) {
        let Some(values) = column.values().as_any().downcast_ref::<StringArray>() else {
            self.dictionary = None;
            self.numbers.clear();
            return;
        };
        if !self
            .dictionary
            .as_ref()
            .is_some_and(|old| same(old, values))
        {
            // Holding it keeps its memory from being given to another dictionary.
            self.dictionary = Some(values.clone());
            self.numbers.clear();
            self.numbers.resize(values.len(), UNKNOWN);
        }
    }

    /// The number of the text with `key`, which `find` is asked for when it is new.
    #[inline]
    pub fn number(&mut self, key: i32, find: impl FnOnce(&str) -> u32) -> u32 {
        let Ok(at) = usize::try_from(key) else {
            return NULL;
        };
        match self.numbers.get(at) {
            Some(&UNKNOWN) => self.find(at, find),
            Some(number) => *number,
            None => NULL,
        }
    }

    #[cold]
    fn find(&mut self, at: usize, find: impl FnOnce(&str) -> u32) -> u32 {
        let Some(values) = &self.dictionary else {
            return NULL;
        };
        let number = find(values.value(at));
        self.numbers[at] = number;
        number
    }
}

fn same(one: &StringArray, other: &StringArray) -> bool {
    one.len() == other.len()
        && one.values().as_ptr() == other.values().as_ptr()
        && one.offsets().as_ptr() == other.offsets().as_ptr()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_keeps_its_number_and_null_has_none() {
        let mut names = Names::default();
        assert_eq!(names.number("DLH1"), 1);
        assert_eq!(names.number(""), 2);
        assert_eq!(names.number("DLH1"), 1);
        assert_eq!(names.name(2), Some(""));
        assert_eq!(names.name(NULL), None);
        assert_eq!(names.name(1), Some("DLH1"));
    }

    #[test]
    fn an_entry_is_looked_up_once_and_again_in_another_dictionary() {
        let first: DictionaryArray<Int32Type> = ["a", "b", "a"].into_iter().collect();
        let second: DictionaryArray<Int32Type> = ["b", "a"].into_iter().collect();
        let mut names = Names::default();
        let mut entries = Entries::default();
        let mut asked = 0;
        for column in [&first, &first, &second] {
            entries.begin(column);
            for key in column.keys().values() {
                let number = entries.number(*key, |text| {
                    asked += 1;
                    names.number(text)
                });
                let text = column.values().as_any().downcast_ref::<StringArray>();
                let text = text.unwrap().value(usize::try_from(*key).unwrap());
                assert_eq!(names.name(number), Some(text));
            }
        }
        assert_eq!(asked, 4);
    }
}
