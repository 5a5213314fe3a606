//! The commit protocol on a SQLite catalog, without Kafka. `e2e/tests/catalogs.rs` has the same on
//! a PostgreSQL.
#![cfg(test)]

mod suite;

use lake::LakeConfig;
use tempfile::TempDir;

fn lake() -> (TempDir, LakeConfig) {
    let folder = tempfile::tempdir().unwrap();
    let config = LakeConfig::in_folder(folder.path());
    (folder, config)
}

#[tokio::test]
async fn of_two_batches_from_the_same_position_one_is_refused() {
    let (_folder, lake) = lake();
    suite::of_two_batches_from_the_same_position_one_is_refused(&lake).await;
}

#[tokio::test]
async fn a_batch_tried_again_after_it_got_in_is_recognized() {
    let (_folder, lake) = lake();
    suite::a_batch_tried_again_after_it_got_in_is_recognized(&lake).await;
}

#[tokio::test]
async fn a_batch_of_dead_letters_only_moves_the_positions_and_fences() {
    let (_folder, lake) = lake();
    suite::a_batch_of_dead_letters_only_moves_the_positions_and_fences(&lake).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn racing_batches_of_different_partitions_all_get_in() {
    let (_folder, lake) = lake();
    suite::racing_batches_of_different_partitions_all_get_in(&lake).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_racing_batches_of_the_same_records_one_gets_in() {
    let (_folder, lake) = lake();
    suite::of_racing_batches_of_the_same_records_one_gets_in(&lake).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_may_make_the_catalog_and_the_table_at_once() {
    let (_folder, lake) = lake();
    suite::several_may_make_the_catalog_and_the_table_at_once(&lake).await;
}
