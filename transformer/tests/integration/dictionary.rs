//! `docs/tables.md` is what the models' headers say.
//!
//! `./task docs` writes it anew, by `UPDATE_DOCS=1`.

use std::fs;
use std::path::Path;

use transformer::dictionary;
use transformer::models::Models;

const FILE: &str = "docs/tables.md";

#[tokio::test]
async fn the_data_dictionary_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(FILE);
    let models = Models::embedded().unwrap();
    let wanted = dictionary::markdown(&models, None).await.unwrap();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &wanted).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    let differing = found
        .lines()
        .map(Some)
        .chain(std::iter::repeat(None))
        .zip(wanted.lines())
        .find(|(found, wanted)| *found != Some(*wanted));
    assert!(
        found == wanted,
        "{FILE} is not what the models say; run ./task docs. The first difference: {differing:?}"
    );
}

/// Readers may rely on types that every BI tool shows.
#[tokio::test]
async fn every_column_has_a_plain_type() {
    let models = Models::embedded().unwrap();
    let text = dictionary::markdown(&models, None).await.unwrap();
    let plain = [
        "bigint",
        "double",
        "varchar",
        "boolean",
        "date",
        "timestamptz",
    ];
    let mut columns = 0;
    for line in text.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.split(" | ").collect();
        let [name, of, _] = cells.as_slice() else {
            continue;
        };
        if of.contains('`') || of.starts_with('–') {
            continue;
        }
        columns += 1;
        assert!(plain.contains(of), "{name} is of type {of}");
    }
    assert!(columns > 50, "{columns} columns");
}
