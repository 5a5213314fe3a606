//! At every step a refresh or a publication may end; the flights are right after the next start,
//! whether rows came in order or late.

use crate::support::flights::{compare, histories};
use crate::support::{Bench, Row};
use crate::work;

const POINTS: [&str; 9] = [
    "transformer.stage.before",
    "transformer.stage.after",
    "transformer.flights.joined",
    "transformer.commit.before",
    "transformer.commit.after",
    "transformer.flights.settled",
    "transformer.export.middle",
    "transformer.current.before",
    "transformer.current.after",
];

#[tokio::test]
async fn flights_survive_an_end_at_any_step() {
    let scenario = fail::FailScenario::setup();
    let mut rows = histories(5, 900);
    rows.sort_by_key(|row| row.time);
    // Every tenth row of the middle comes with the last batch, hours late.
    let third = rows.len() / 3;
    let is_late = |at: usize| at.is_multiple_of(10) && (third..2 * third).contains(&at);
    let numbered = || rows.iter().enumerate();
    let pick = |of: &dyn Fn(usize) -> bool| -> Vec<Row> {
        let picked = numbered().filter(|(at, _)| of(*at));
        picked.map(|(_, row)| row.clone()).collect()
    };
    let batches = [
        pick(&|at| at < third),
        pick(&|at| (third..2 * third).contains(&at) && !is_late(at)),
        pick(&|at| at >= 2 * third || is_late(at)),
    ];
    for point in POINTS {
        let bench = Bench::new().await;
        let mut sent = Vec::new();
        for (number, batch) in batches.iter().enumerate() {
            bench.append(batch).await;
            sent.extend_from_slice(batch);
            if number > 0 {
                fail::cfg(point, "return").unwrap();
                let error = work(&bench).await.unwrap_err().to_string();
                assert!(error.contains(point), "{point}: {error}");
                fail::remove(point);
            }
            work(&bench).await.unwrap();
            compare(&bench, &sent).unwrap_or_else(|e| panic!("{point}, batch {number}: {e}"));
        }
    }
    scenario.teardown();
}
