//! What the tests of the whole chain share: recordings on disk, and the marts computed
//! again from the recorded bodies by SQL of the test's own.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use duckdb::types::{TimeUnit, Value};
use duckdb::{Connection, appender_params_from_iter};
use flate2::Compression;
use flate2::write::GzEncoder;

/// Names of the raw columns, in the order of the API's fields.
const COLUMNS: &str = "icao24 varchar, callsign varchar, origin_country varchar,
    time_position bigint, last_contact bigint, longitude double, latitude double,
    baro_altitude double, on_ground boolean, velocity double, true_track double,
    vertical_rate double, sensors varchar, geo_altitude double, squawk varchar, spi boolean,
    position_source bigint, category bigint, snapshot_time timestamptz";

/// One body of `/states/all`, as OpenSky would send it.
pub struct Body {
    pub time: i64,
    pub bytes: Vec<u8>,
}

/// Bodies of a seeded fleet, one each half minute.
pub fn fleet_bodies(seed: u64, aircraft: usize, start: i64, count: i64) -> Vec<Body> {
    let fleet = simulator::Fleet::new(seed, aircraft).with_quirks(true);
    (0..count)
        .map(|index| {
            let time = start + index * 30;
            Body {
                time,
                bytes: fleet.body(time, index % 2 == 0),
            }
        })
        .collect()
}

/// Writes bodies to a folder as people keep them: some packed, some in folders, in no order.
pub fn record(folder: &Path, bodies: &[Body]) {
    for (index, body) in bodies.iter().enumerate() {
        let folder = folder.join(if index % 3 == 0 { "b" } else { "a/deep" });
        fs::create_dir_all(&folder).unwrap();
        // Names in the opposite order of times.
        let name = format!("{:05}.json", 99_999 - index);
        if index % 2 == 0 {
            fs::write(folder.join(name), &body.bytes).unwrap();
        } else {
            let file = File::create(folder.join(format!("{name}.gz"))).unwrap();
            let mut packed = GzEncoder::new(file, Compression::fast());
            packed.write_all(&body.bytes).unwrap();
            packed.finish().unwrap();
        }
    }
}

/// The published marts as the schema `published`, with the raw rows of `bodies` beside them
/// in the table `raw`, each (icao24, snapshot_time) once.
pub fn open(published: &Path, bodies: &[Body]) -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    let init = fs::read_to_string(published.join("init.sql")).unwrap();
    let views = published.join("views.duckdb");
    connection
        .execute_batch(&format!(
            "set timezone = 'UTC';
            {init};
            attach '{}' as published (read_only);
            create table all_rows ({COLUMNS});",
            views.display()
        ))
        .unwrap();
    let mut appender = connection.appender("all_rows").unwrap();
    for body in bodies {
        let parsed: serde_json::Value = serde_json::from_slice(&body.bytes).unwrap();
        for row in parsed["states"].as_array().into_iter().flatten() {
            let values = raw_row(row.as_array().unwrap(), body.time);
            appender
                .append_row(appender_params_from_iter(values))
                .unwrap();
        }
    }
    drop(appender);
    connection
        .execute_batch(
            "create table raw as select distinct on (icao24, snapshot_time) * from all_rows;
            create table cleaned as select * from raw
            where latitude between -90 and 90 and longitude between -180 and 180;",
        )
        .unwrap();
    connection
}

/// One row with its 18 fields; what a short row lacks is null. Callsigns lose their blanks.
fn raw_row(row: &[serde_json::Value], time: i64) -> Vec<Value> {
    let mut values: Vec<Value> = (0..18)
        .map(|index| match (index, row.get(index)) {
            (_, None | Some(serde_json::Value::Null)) => Value::Null,
            (1, Some(text)) => match text.as_str().unwrap().trim() {
                "" => Value::Null,
                callsign => Value::Text(callsign.to_owned()),
            },
            (_, Some(serde_json::Value::Bool(flag))) => Value::Boolean(*flag),
            (5..=7 | 9..=11 | 13, Some(number)) => Value::Double(number.as_f64().unwrap()),
            (_, Some(serde_json::Value::Number(number))) => Value::BigInt(number.as_i64().unwrap()),
            (_, Some(serde_json::Value::String(text))) => Value::Text(text.clone()),
            (_, Some(other)) => Value::Text(other.to_string()),
        })
        .collect();
    values.push(Value::Timestamp(TimeUnit::Microsecond, time * 1_000_000));
    values
}

/// Checks that `mart` is what `expected` says: the same keys, and the same values in every
/// other column of `expected`; doubles may differ in their last digits, since sums depend
/// on the order of their terms.
#[track_caller]
pub fn check(connection: &Connection, mart: &str, keys: &[&str], expected: &str) {
    let count = |sql: &str| -> i64 {
        connection
            .query_row(sql, [], |row| row.get(0))
            .unwrap_or_else(|error| panic!("{mart}: {error}\n{sql}"))
    };
    connection
        .execute_batch(&format!(
            "create or replace table expected as {expected};
            create or replace table found as select * from published.{mart};"
        ))
        .unwrap_or_else(|error| panic!("{mart}: {error}"));
    let rows = count("select count(*) from expected");
    assert!(rows > 0, "{mart}: the expectation is empty");
    assert_eq!(count("select count(*) from found"), rows, "{mart}: rows");
    let joined: Vec<String> = keys
        .iter()
        .map(|key| format!("e.{key} is not distinct from f.{key}"))
        .collect();
    let joined = joined.join(" and ");
    let matched = format!("select count(*) from expected e join found f on {joined}");
    assert_eq!(count(&matched), rows, "{mart}: keys");
    let mut columns = connection
        .prepare("select column_name, column_type from (describe expected)")
        .unwrap();
    let columns: Vec<(String, String)> = columns
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    for (name, kind) in columns {
        let equal = if kind == "DOUBLE" {
            format!(
                "(e.{name} is null and f.{name} is null)
                or abs(e.{name} - f.{name}) <= 1e-9 * greatest(1, abs(e.{name}))"
            )
        } else {
            format!("e.{name} is not distinct from f.{name}")
        };
        let differ = format!(
            "select count(*) from expected e join found f on {joined}
            where not coalesce({equal}, false)"
        );
        let differ = count(&differ);
        if differ > 0 {
            let example: String = connection
                .query_row(
                    &format!(
                        "select 'expected ' || coalesce(e.{name}::varchar, 'null') || ', found '
                            || coalesce(f.{name}::varchar, 'null')
                        from expected e join found f on {joined}
                        where not coalesce({equal}, false) limit 1"
                    ),
                    [],
                    |row| row.get(0),
                )
                .unwrap();
            panic!("{mart}.{name}: {differ} of {rows} rows differ: {example}");
        }
    }
}

/// Checks every mart against the raw rows.
#[track_caller]
pub fn check_all(connection: &Connection) {
    const COUNTS: &str = "count(*) filter (on_ground) as ground_count,
        count(*) filter (not on_ground) as airborne_count";
    check(
        connection,
        "country_stats",
        &["origin_country"],
        &format!(
            "select origin_country, count(*) as total_observations,
                count(distinct icao24) as unique_aircraft, avg(baro_altitude) as avg_altitude,
                avg(velocity) as avg_velocity, min(snapshot_time) as first_seen,
                max(snapshot_time) as last_seen, {COUNTS}
            from cleaned where origin_country is not null group by origin_country"
        ),
    );
    check(
        connection,
        "hourly_activity",
        &["fetch_hour"],
        &format!(
            "select date_trunc('hour', snapshot_time) as fetch_hour,
                count(*) as total_flights, count(distinct icao24) as unique_aircraft,
                avg(baro_altitude) as avg_altitude, avg(velocity) as avg_velocity, {COUNTS}
            from cleaned group by 1"
        ),
    );
    check(
        connection,
        "aircraft_stats",
        &["icao24", "callsign", "origin_country"],
        "select icao24, callsign, origin_country, count(*) as total_observations,
            avg(baro_altitude) as avg_altitude, max(baro_altitude) as max_altitude,
            avg(velocity) as avg_velocity, max(velocity) as max_velocity,
            min(snapshot_time) as first_seen, max(snapshot_time) as last_seen,
            count(*) filter (on_ground) as ground_observations,
            count(*) filter (not on_ground) as airborne_observations
        from cleaned group by icao24, callsign, origin_country",
    );
    check(
        connection,
        "flight_density_grid",
        &["lat_grid", "lon_grid"],
        "select floor(latitude) as lat_grid, floor(longitude) as lon_grid,
            count(*) as flight_count, count(distinct icao24) as unique_aircraft,
            avg(baro_altitude) as avg_altitude
        from cleaned where not on_ground group by 1, 2 having count(*) > 5",
    );
    const POLL: &str = "count(*) as aircraft_total,
        count(*) filter (latitude is not null and longitude is not null)
            as aircraft_with_position,
        count(*) filter (latitude between -90 and 90 and longitude between -180 and 180
            and (velocity is null or velocity between 0 and 400)) as dq_ok,
        dq_ok / aircraft_total as dq_ok_rate,
        count(*) filter (on_ground) as on_ground, count(*) filter (not on_ground) as airborne,
        avg(velocity) as avg_velocity_ms, max(velocity) as max_velocity_ms,
        count(distinct origin_country) as countries";
    check(
        connection,
        "kpi_history",
        &["snapshot_time"],
        &format!("select snapshot_time, {POLL} from raw group by snapshot_time"),
    );
    check(
        connection,
        "kpi_latest",
        &["snapshot_time"],
        &format!(
            "select snapshot_time, {POLL} from raw
            where snapshot_time = (select max(snapshot_time) from raw) group by snapshot_time"
        ),
    );
    check(
        connection,
        "current_positions",
        &["icao24"],
        "select icao24, callsign, origin_country, latitude, longitude, baro_altitude, velocity,
            true_track, vertical_rate, on_ground, squawk, category,
            to_timestamp(last_contact) as last_contact,
            velocity is null or velocity between 0 and 400 as dq_ok
        from cleaned where snapshot_time = (select max(snapshot_time) from raw)",
    );
    check(
        connection,
        "cleaned_flights",
        &["icao24", "snapshot_time"],
        "select icao24, snapshot_time, callsign, origin_country, longitude, latitude,
            baro_altitude, on_ground, velocity, true_track, vertical_rate, geo_altitude, squawk,
            spi, position_source, category,
            epoch(snapshot_time)::bigint as fetch_timestamp,
            date_trunc('hour', snapshot_time) as fetch_hour,
            case when on_ground then 'Ground'
                when baro_altitude / 0.3048 < 10000 then 'Low'
                when baro_altitude / 0.3048 < 30000 then 'Medium'
                when baro_altitude is not null then 'High' end as altitude_category,
        from cleaned where snapshot_time >= (select max(snapshot_time) from raw) - interval 1 day",
    );
    check_newest_poll(connection);
    check_history(connection);
}

/// Checks the marts of the newest poll against the raw rows.
#[track_caller]
fn check_newest_poll(connection: &Connection) {
    connection
        .execute_batch(
            "create or replace view newest as
            select * from raw where snapshot_time = (select max(snapshot_time) from raw)",
        )
        .unwrap();
    check(
        connection,
        "region_kpis",
        &["region"],
        "select coalesce(region, 'Other') as region, count(*) as aircraft_total,
            count(*) filter (on_ground) as on_ground, avg(velocity) as avg_velocity_ms,
            avg(velocity) filter (not on_ground) as avg_velocity_ms_in_air
        from newest left join published.countries using (origin_country) group by 1",
    );
    check(
        connection,
        "corridors",
        &["origin_country", "position_region"],
        "select origin_country, position_region, count(*) as aircraft
        from published.current_positions group by 1, 2",
    );
    check(
        connection,
        "speed_outliers",
        &["icao24"],
        "select icao24, callsign, origin_country, velocity, latitude, longitude
        from newest where not on_ground and velocity is not null
        order by velocity desc, icao24 limit 25",
    );
    check(
        connection,
        "velocity_distribution",
        &["bin_from"],
        "select lower as bin_from, lower + 10 as bin_to, count(velocity) as aircraft
        from (select unnest(range(0, 400, 10))::double as lower)
        left join newest on velocity >= lower
            and (velocity < lower + 10 or velocity = 400 and lower = 390)
        group by 1",
    );
    check(
        connection,
        "velocity_percentiles",
        &["snapshot_time"],
        "select any_value(snapshot_time) as snapshot_time, quantile_cont(velocity, 0.5) as p50,
            quantile_cont(velocity, 0.9) as p90, quantile_cont(velocity, 0.99) as p99
        from newest",
    );
}

/// Checks the further marts of history against the raw rows.
#[track_caller]
fn check_history(connection: &Connection) {
    check(
        connection,
        "region_kpi_history",
        &["snapshot_time", "region"],
        "select snapshot_time, coalesce(region, 'Other') as region, count(*) as aircraft_total,
            count(*) filter (on_ground) as on_ground, avg(velocity) as avg_velocity_ms,
            avg(velocity) filter (not on_ground) as avg_velocity_ms_in_air
        from raw left join published.countries using (origin_country) group by 1, 2",
    );
    check(
        connection,
        "country_daily",
        &["fetch_date", "origin_country"],
        "select snapshot_time::date as fetch_date, origin_country,
            count(*) as total_observations, count(distinct icao24) as unique_aircraft,
            avg(baro_altitude) as avg_altitude, avg(velocity) as avg_velocity
        from cleaned where origin_country is not null group by 1, 2",
    );
    check(
        connection,
        "operator_daily",
        &["fetch_date", "operator"],
        "select snapshot_time::date as fetch_date,
            case when callsign similar to '[A-Z]{3}[0-9].*' then callsign[:3] end as operator,
            count(*) as total_observations, count(distinct icao24) as unique_aircraft,
            count(distinct callsign) as unique_callsigns
        from cleaned group by 1, 2",
    );
    check(
        connection,
        "flight_density_recent",
        &["window_hours", "lat_grid", "lon_grid"],
        "select hours as window_hours, floor(latitude / 0.5) * 0.5 as lat_grid,
            floor(longitude / 0.5) * 0.5 as lon_grid, count(*) as flight_count,
            count(distinct icao24) as unique_aircraft, avg(baro_altitude) as avg_altitude
        from (select unnest([1, 24]) as hours)
        cross join (select max(snapshot_time) as newest from raw)
        join cleaned
            on epoch_us(snapshot_time) >= (epoch_us(newest) // 300000000 * 300 - hours * 3600) * 1000000
        where not on_ground group by 1, 2, 3",
    );
}
