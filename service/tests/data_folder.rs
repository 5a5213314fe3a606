//! What a data folder accepts, what it refuses, and that a refusal changes nothing.

#![cfg(test)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use service::data_folder::{DataFolder, DataFolderError};
use service::fault::{Fault, Faulty};

/// Every file below `path` with its content.
fn content(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let Ok(entries) = fs::read_dir(path) else {
        return BTreeMap::new();
    };
    entries
        .map(|entry| {
            let path = entry.unwrap().path();
            (path.display().to_string(), fs::read(&path).unwrap())
        })
        .collect()
}

/// Opens `path`, which must be refused without a change, and gives the error.
#[track_caller]
fn refused(path: &Path) -> DataFolderError {
    let before = content(path);
    let error = DataFolder::open(path, "test").unwrap_err();
    assert_eq!(content(path), before);
    error
}

#[test]
fn a_new_folder_is_made_and_opens_again() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("deep/data");
    let folder = DataFolder::open(&path, "contrail demo").unwrap();
    assert!(folder.root().is_absolute());
    assert_eq!(folder.warehouse(), folder.root().join("warehouse"));
    let version = fs::read_to_string(path.join("contrail.json")).unwrap();
    let wanted = concat!(
        "{\"format\":1,\"created_by\":\"",
        env!("CARGO_PKG_VERSION"),
        "\"}\n"
    );
    assert_eq!(version, wanted);
    fs::create_dir(folder.warehouse()).unwrap();
    drop(folder);
    DataFolder::open(&path, "contrail run").unwrap();
    assert_eq!(
        fs::read_to_string(path.join("contrail.json")).unwrap(),
        version
    );
}

#[test]
fn an_existing_empty_folder_is_taken() {
    let temp = tempfile::tempdir().unwrap();
    fs::create_dir(temp.path().join("lost+found")).unwrap();
    DataFolder::open(temp.path(), "test").unwrap();
}

#[test]
fn a_folder_with_other_things_in_it_is_refused() {
    let temp = tempfile::tempdir().unwrap();
    fs::write(temp.path().join("thesis.txt"), "precious").unwrap();
    let error = refused(temp.path());
    assert_eq!(
        error.to_string(),
        format!(
            "{} is not a Contrail data folder; choose an empty one",
            temp.path().display()
        )
    );
    assert_eq!(error.fault(), Fault::Configuration);
    let file = temp.path().join("thesis.txt");
    assert!(matches!(
        DataFolder::open(&file, "test"),
        Err(DataFolderError::NotOurs { .. })
    ));
    assert_eq!(fs::read_to_string(file).unwrap(), "precious");
}

#[test]
fn another_versions_folder_is_refused() {
    let temp = tempfile::tempdir().unwrap();
    let version = temp.path().join("contrail.json");
    fs::write(&version, r#"{"format":2,"made":"later"}"#).unwrap();
    let error = refused(temp.path());
    assert_eq!(
        error.to_string(),
        format!(
            "{} has data folder format 2 and this Contrail reads format 1; \
             use the Contrail that made it, or choose an empty folder",
            temp.path().display()
        )
    );
    fs::write(&version, "{}").unwrap();
    assert!(matches!(
        refused(temp.path()),
        DataFolderError::UnreadableVersion { .. }
    ));
}

#[test]
fn a_folder_in_use_is_refused_and_names_who_has_it() {
    let temp = tempfile::tempdir().unwrap();
    let first = DataFolder::open(temp.path(), "contrail run").unwrap();
    let text = refused(temp.path()).to_string();
    let wanted = format!(
        "is in use by contrail run (process {} on ",
        std::process::id()
    );
    assert!(text.contains(&wanted), "{text}");
    assert!(
        text.ends_with("stop that process or choose another folder"),
        "{text}"
    );
    let holder = DataFolder::holder(temp.path()).unwrap().unwrap();
    assert_eq!(holder.holder, "contrail run");
    // Reading what was published needs no lock.
    DataFolder::view(temp.path()).unwrap();
    drop(first);
    assert_eq!(DataFolder::holder(temp.path()).unwrap(), None);
    DataFolder::open(temp.path(), "contrail run").unwrap();
}

#[test]
fn what_readers_take_for_a_pattern_is_refused() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("what?");
    let error = refused(&path);
    assert_eq!(error.fault(), Fault::Configuration);
    assert!(error.to_string().contains("what?"), "{error}");
    assert!(!path.exists());
}

#[test]
fn looking_makes_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("data");
    assert!(matches!(
        DataFolder::view(&path),
        Err(DataFolderError::Missing { .. })
    ));
    assert_eq!(DataFolder::holder(&path).unwrap(), None);
    assert!(!path.exists());
}

#[test]
fn a_start_that_was_cut_short_is_taken_up() {
    let temp = tempfile::tempdir().unwrap();
    fs::write(temp.path().join(".lock"), "").unwrap();
    fs::write(temp.path().join(".contrail.json.new"), "{\"for").unwrap();
    DataFolder::open(temp.path(), "test").unwrap();
    DataFolder::view(temp.path()).unwrap();
}
