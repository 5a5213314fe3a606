//! The copy of the marts in a real PostgreSQL: what is copied and what is left alone, what
//! readers see meanwhile, and what happens when either side is killed.
#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use e2e::database::{Database, Rows};
use e2e::recorded::Recorded;
use e2e::server::Postgres;

const LIMIT: Duration = Duration::from_secs(120);
/// Noon of a day.
const NOON: i64 = 1_750_032_000 + 43_200;
const DAY: i64 = 86_400;
const AIRCRAFT: usize = 500;

fn url(url: &str) -> String {
    format!("transformer.postgres.url={url}")
}

/// Publishes and copies everything the lake has.
fn once(recorded: &Recorded, settings: &[String]) {
    let mut transformer = recorded.transformer("once", settings, &[]);
    let status = transformer.wait(LIMIT);
    assert!(status.success(), "{}", transformer.log());
}

/// Names and types of the columns that readers know, by table.
fn tables(database: &Database) -> BTreeMap<String, Vec<(String, String)>> {
    let mut tables: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    let sql = "select table_name, column_name, data_type from information_schema.columns
        where table_schema = 'contrail' and table_name not like '\\_contrail%'
            and column_name <> '_part'
        order by table_name, column_name";
    for row in database.rows(sql) {
        let mut row = row.into_iter().flatten();
        let table = tables.entry(row.next().unwrap()).or_default();
        table.push((row.next().unwrap(), row.next().unwrap()));
    }
    tables
}

/// Sees that every mart is in the database, value by value.
fn compare(recorded: &Recorded, database: &Database) {
    let tables = tables(database);
    let marts = recorded.query("select mart from mart_status").unwrap();
    let marts = marts.iter().map(|row| row["mart"].as_str().unwrap());
    let marts: BTreeSet<&str> = marts.chain(["mart_status"]).collect();
    assert_eq!(
        tables.keys().map(String::as_str).collect::<BTreeSet<_>>(),
        marts
    );
    for (mart, columns) in &tables {
        let select = |time: fn(&str) -> String, text: &str| {
            let columns = columns.iter().map(|(name, of)| match of.as_str() {
                "timestamp with time zone" => format!("{} as {name}", time(name)),
                _ => format!("{name}::{text} as {name}"),
            });
            columns.collect::<Vec<_>>().join(", ")
        };
        let ours = select(|name| format!("epoch_us({name})::varchar"), "varchar");
        let theirs = select(
            |name| format!("(extract(epoch from {name}) * 1000000)::bigint::text"),
            "text",
        );
        let ours = recorded
            .query(&format!("select {ours} from {mart}"))
            .unwrap();
        let ours = ours.iter().map(|row| {
            let texts = columns.iter().map(|(name, _)| row[name].as_str());
            texts.map(|text| text.map(str::to_owned)).collect()
        });
        let theirs = database.rows(&format!("select {theirs} from contrail.{mart}"));
        assert_eq!(
            plain(ours.collect(), columns),
            plain(theirs, columns),
            "{mart}"
        );
    }
}

/// In one order, and with doubles in one form.
fn plain(mut rows: Rows, columns: &[(String, String)]) -> Rows {
    for row in &mut rows {
        for (value, (_, of)) in row.iter_mut().zip(columns) {
            if let Some(text) = value
                && of == "double precision"
            {
                *text = format!("{:e}", text.parse::<f64>().unwrap());
            }
        }
    }
    rows.sort();
    rows
}

/// Which transaction wrote each row of each mart, those about the runs themselves left out.
fn writers(database: &Database) -> BTreeMap<String, Rows> {
    let tables = tables(database).into_keys();
    // A run without news is news in these.
    let about_runs = |table: &String| table == "mart_status" || table == "pipeline_runs";
    let writers = tables.filter(|table| !about_runs(table)).map(|table| {
        let sql = format!("select ctid::text, xmin::text from contrail.{table} order by 1");
        let rows = database.rows(&sql);
        (table, rows)
    });
    writers.collect()
}

#[test]
fn marts_are_copied_whole_and_then_only_what_changed() {
    let folder = tempfile::tempdir().unwrap();
    let postgres = Postgres::start(folder.path());
    let mut recorded = Recorded::new(folder.path(), AIRCRAFT);
    recorded.replay(&[NOON, NOON + 30]);
    let settings = [url(postgres.url())];
    once(&recorded, &settings);
    let database = Database::connect(postgres.url());
    compare(&recorded, &database);

    let undocumented = "select count(*) from pg_attribute a join pg_class c on c.oid = a.attrelid
        where c.relnamespace = 'contrail'::regnamespace and c.relkind = 'r'
            and c.relname not like '\\_contrail%' and a.attnum > 0
            and (col_description(c.oid, a.attnum) is null or obj_description(c.oid) is null)";
    assert_eq!(database.value(undocumented), "0");
    let keys = "select relname || ' ' || pg_get_constraintdef(k.oid)
        from pg_constraint k join pg_class c on c.oid = conrelid
        where contype = 'p' and connamespace = 'contrail'::regnamespace";
    let keys = database.column(keys);
    for key in [
        "kpi_history PRIMARY KEY (snapshot_time)",
        "country_stats PRIMARY KEY (origin_country)",
        "flight_density_grid PRIMARY KEY (lat_grid, lon_grid)",
    ] {
        assert!(keys.iter().any(|found| found == key), "{key} in {keys:?}");
    }

    let before = writers(&database);
    once(&recorded, &settings);
    assert_eq!(writers(&database), before, "nothing was new");

    let of_the_day = format!(
        "select snapshot_time::text, xmin::text from contrail.kpi_history
         where snapshot_time <= to_timestamp({}) order by 1",
        NOON + 30
    );
    let first_day = database.rows(&of_the_day);
    assert_eq!(first_day.len(), 2);
    recorded.replay(&[NOON + DAY]);
    once(&recorded, &settings);
    compare(&recorded, &database);
    assert_eq!(database.rows(&of_the_day), first_day, "another day's part");
    assert_ne!(writers(&database)["country_stats"], before["country_stats"]);
}

#[test]
fn tables_that_people_changed_are_mended_and_keep_grants_and_views() {
    let folder = tempfile::tempdir().unwrap();
    let postgres = Postgres::start(folder.path());
    let mut recorded = Recorded::new(folder.path(), AIRCRAFT);
    recorded.replay(&[NOON]);
    let settings = [url(postgres.url())];
    once(&recorded, &settings);
    let database = Database::connect(postgres.url());
    database.rows(
        "create role metabase;
        grant select on contrail.country_stats to metabase;
        create view public.busy as
            select origin_country from contrail.country_stats where total_observations > 0;
        alter table contrail.country_stats drop column iso_a2, add column mine text;
        alter table contrail.kpi_latest alter column dq_ok type text;
        comment on column contrail.kpi_history.dq_ok is 'wrong';
        drop table contrail.hourly_activity;",
    );
    once(&recorded, &settings);
    compare(&recorded, &database);
    let granted = "select has_table_privilege('metabase', 'contrail.country_stats', 'select')";
    assert_eq!(database.value(granted), "t");
    let countries = database.value("select count(*) from contrail.country_stats");
    assert_eq!(
        database.value("select count(*) from public.busy"),
        countries
    );
    let comment = "select col_description(attrelid, attnum) from pg_attribute
        where attrelid = 'contrail.kpi_history'::regclass and attname = 'dq_ok'";
    assert_eq!(database.value(comment), "rows that pass every quality flag");

    // A mart that the next program does not have any more goes; tables of others stay.
    database.rows(
        "create table contrail.old_mart (a int);
        insert into contrail._contrail_parts values ('old_mart', 'old_mart', 1, 'x');
        create table contrail.notes (a int);",
    );
    once(&recorded, &settings);
    let left = "select to_regclass('contrail.old_mart') is null, \
        to_regclass('contrail.notes') is not null";
    let yes = Some("t".to_owned());
    assert_eq!(database.rows(left), [[yes.clone(), yes]]);
}

#[test]
fn a_kill_during_the_copy_leaves_the_generation_before() {
    let folder = tempfile::tempdir().unwrap();
    let postgres = Postgres::start(folder.path());
    let mut recorded = Recorded::new(folder.path(), AIRCRAFT);
    recorded.replay(&[NOON]);
    let settings = [url(postgres.url())];
    once(&recorded, &settings);
    let database = Database::connect(postgres.url());
    for (number, step) in (1..).zip([
        "transformer.postgres.copy.middle",
        "transformer.postgres.copy.middle:4",
        "transformer.postgres.commit.before",
    ]) {
        let before = writers(&database);
        recorded.replay(&[NOON + number * 30]);
        let mut killed = recorded.transformer("once", &settings, &[("CONTRAIL_CRASH_AT", step)]);
        assert!(!killed.wait(LIMIT).success(), "{step} was not reached");
        assert_eq!(writers(&database), before, "{step}");
        once(&recorded, &settings);
        compare(&recorded, &database);
    }
}

#[test]
fn a_server_that_is_away_is_tried_again_and_publishing_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut postgres = Postgres::start(folder.path());
    let mut recorded = Recorded::new(folder.path(), AIRCRAFT);
    recorded.replay(&[NOON]);
    let settings = [
        url(postgres.url()),
        "transformer.poll_interval=100ms".to_owned(),
    ];
    let transformer = recorded.transformer("run", &settings, &[]);
    // Polls in the marts, and in the database.
    let published = |recorded: &Recorded, polls: u64| {
        e2e::wait("the poll in the marts", LIMIT, || {
            let rows = recorded.query("select count(*) as polls from kpi_history")?;
            (rows[0]["polls"].as_u64()? == polls).then_some(())
        });
    };
    let copied = |url: &str, polls: &str| {
        let database = Database::connect(url);
        e2e::wait("the poll in PostgreSQL", LIMIT, || {
            let rows = database.try_rows("select count(*) from contrail.kpi_history");
            (rows.ok()?[0][0].as_deref() == Some(polls)).then_some(())
        });
        database
    };
    published(&recorded, 1);
    copied(postgres.url(), "1");
    postgres.server().kill();
    recorded.replay(&[NOON + 30]);
    published(&recorded, 2);
    e2e::wait("a word about it", LIMIT, || {
        let log = transformer.log();
        log.contains("the marts in PostgreSQL are not refreshed")
            .then_some(())
    });
    postgres.server().restart();
    let database = copied(postgres.url(), "2");
    let log = transformer.log();
    transformer.stop();
    compare(&recorded, &database);
    assert!(log.contains(r#""component":"postgres""#), "{log}");
    assert!(!log.contains("a-test-password"), "the log has the password");
}

#[test]
fn what_the_server_refuses_is_said_with_its_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let postgres = Postgres::start(folder.path());
    let mut recorded = Recorded::new(folder.path(), 50);
    recorded.replay(&[NOON]);
    let database = Database::connect(postgres.url());
    database.rows(
        "create role guest login password 'guest';
        create schema taken; create table taken.country_stats (a int);",
    );
    let right = postgres.url();
    let guest = right.replace("contrail:a-test-password@", "guest:guest@");
    for (settings, reason) in [
        (
            vec![url(&right.replace("a-test-password", "wrong"))],
            "check user and password in transformer.postgres.url",
        ),
        (
            vec![url(right.strip_suffix("contrail").unwrap()) + "nothing"],
            "create the database, or name another in transformer.postgres.url",
        ),
        (vec![url(&guest)], "create schema NAME authorization USER"),
        (
            vec![url(right), "transformer.postgres.schema=taken".to_owned()],
            "has a relation country_stats that Contrail did not make",
        ),
        (
            vec![url("postgresql://h/d?sslmode=require")],
            "transformer.postgres.url cannot be used",
        ),
        (
            vec![
                url(right),
                "transformer.postgres.schema=my schema".to_owned(),
            ],
            "transformer.postgres.schema cannot be used",
        ),
    ] {
        let mut transformer = recorded.transformer("once", &settings, &[]);
        let status = transformer.wait(LIMIT);
        let log = transformer.log();
        let last = log.lines().last().unwrap();
        assert_eq!(status.code(), Some(2), "{log}");
        assert!(
            last.starts_with("error: ") && last.contains(reason),
            "{last}"
        );
        assert!(!log.contains("a-test-password"), "{log}");
    }
    let published = recorded.query("select count(*) as polls from kpi_history");
    assert_eq!(
        published.unwrap()[0]["polls"],
        1,
        "it was published all the same"
    );
}

#[test]
fn readers_see_one_generation_whole() {
    let folder = tempfile::tempdir().unwrap();
    let postgres = Postgres::start(folder.path());
    let mut recorded = Recorded::new(folder.path(), 2_000);
    recorded.replay(&[NOON]);
    let settings = [
        url(postgres.url()),
        "transformer.poll_interval=100ms".to_owned(),
    ];
    once(&recorded, &settings);
    let transformer = recorded.transformer("run", &settings, &[]);
    let ended = AtomicBool::new(false);
    let sql = "select
        (select generation from contrail._contrail_generation),
        (select extract(epoch from as_of)::bigint from contrail._contrail_generation),
        (select extract(epoch from max(snapshot_time))::bigint from contrail.kpi_history),
        (select extract(epoch from snapshot_time)::bigint from contrail.kpi_latest),
        (select count(*) from contrail.kpi_history),
        (select aircraft_total from contrail.kpi_history order by snapshot_time desc limit 1),
        (select aircraft_total from contrail.kpi_latest),
        (select sum(total_flights)::bigint from contrail.hourly_activity),
        (select sum(total_observations)::bigint from contrail.country_stats)";
    let seen = std::thread::scope(|scope| {
        let readers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let database = Database::connect(postgres.url());
                    let mut seen = BTreeSet::new();
                    while !ended.load(Ordering::Relaxed) {
                        let rows = database.rows(sql);
                        let row: Vec<i64> = rows[0]
                            .iter()
                            .map(|value| value.as_ref().unwrap().parse().unwrap())
                            .collect();
                        assert_eq!([row[1], row[1]], [row[2], row[3]], "newest poll: {row:?}");
                        assert_eq!(row[4], 1 + (row[1] - NOON) / 30, "polls: {row:?}");
                        assert_eq!(row[5], row[6], "aircraft: {row:?}");
                        seen.insert(row);
                    }
                    seen
                })
            })
            .collect();
        for number in 1..=6 {
            recorded.replay(&[NOON + number * 30]);
        }
        let database = Database::connect(postgres.url());
        e2e::wait("the last poll", LIMIT, || {
            let sql = "select count(*) from contrail.kpi_history";
            (database.value(sql) == "7").then_some(())
        });
        ended.store(true, Ordering::Relaxed);
        let seen = readers.into_iter().map(|reader| reader.join().unwrap());
        seen.collect::<Vec<_>>()
    });
    transformer.stop();
    for seen in seen {
        assert!(seen.len() >= 4, "too few generations were seen: {seen:?}");
        // A generation is one state of the marts: it was not seen in two.
        let generations: BTreeSet<i64> = seen.iter().map(|row| row[0]).collect();
        assert_eq!(generations.len(), seen.len(), "{seen:?}");
    }
    compare(&recorded, &Database::connect(postgres.url()));
}
