//! `emergencies` is in parts, of which a publication writes those whose episodes have changed.

use std::os::unix::fs::MetadataExt;

use crate::support::{Bench, EVENING, Row, row};
use transformer::Transformer;
use transformer::publish::Scope;

/// An aircraft in an emergency, and one that is not, at some minutes into the evening.
fn calls(address: &str, minutes: impl IntoIterator<Item = i64>) -> Vec<Row> {
    let minutes = minutes.into_iter();
    let rows = minutes.flat_map(|minute| {
        let mut calling = row(address, EVENING + minute * 60);
        calling.squawk = Some("7700".to_owned());
        [calling, row("000fff", EVENING + minute * 60)]
    });
    rows.collect()
}

/// The files of the mart, and what tells one from another that replaced it.
fn files(bench: &Bench) -> Vec<(String, u64)> {
    let current = std::fs::read_to_string(bench.published().join("CURRENT")).unwrap();
    let folder = bench.published().join(current.trim()).join("emergencies");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| {
            let file = file.unwrap();
            let name = file.file_name().into_string().unwrap();
            (name, file.metadata().unwrap().ino())
        })
        .collect();
    files.sort();
    files
}

async fn publish(transformer: &mut Transformer) {
    while transformer.refresh().await.unwrap().is_some() {}
    transformer.publish_scope(Scope::Full).await.unwrap();
}

#[tokio::test]
async fn only_parts_with_changed_episodes_are_written() {
    let bench = Bench::new().await;
    let mut transformer = Transformer::open(&bench.config).await.unwrap();
    let ended = |bench: &Bench| -> Vec<String> {
        let sql =
            "select icao24 || ' ' || observations || ' ' || ended from emergencies order by 1";
        let rows = bench.query(sql).into_iter().flatten();
        rows.map(Option::unwrap).collect()
    };

    bench.append(&calls("aaaa00", 0..3)).await;
    publish(&mut transformer).await;
    assert_eq!(ended(&bench), ["aaaa00 3 false"]);

    // Twenty minutes of silence end it, although no row of it has come.
    bench.append(&calls("aaaa01", [22])).await;
    publish(&mut transformer).await;
    assert_eq!(ended(&bench), ["aaaa00 3 true", "aaaa01 1 false"]);
    let before = files(&bench);
    assert_eq!(before.len(), 2);

    // Now nothing can change it any more: its file stays, the other one is written anew.
    bench.append(&calls("aaaa01", [23])).await;
    publish(&mut transformer).await;
    assert_eq!(ended(&bench), ["aaaa00 3 true", "aaaa01 2 false"]);
    let after = files(&bench);
    assert_eq!(before[0], after[0]);
    assert_ne!(before[1], after[1]);
}
