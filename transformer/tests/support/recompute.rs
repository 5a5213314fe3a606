//! Every mart computed again from all raw rows, by straight SQL that shares nothing with the
//! models.

use duckdb::Connection;

use super::Row;

/// A mart, the columns that are compared, and the query over `raw` that gives the same.
/// `raw` has every row that was ever committed, repeats included.
pub const MARTS: [(&str, &str, &str); 8] = [
    (
        "country_stats",
        "origin_country, total_observations, unique_aircraft, round(avg_altitude, 6),
            round(avg_velocity, 6), epoch_us(first_seen), epoch_us(last_seen), ground_count,
            airborne_count",
        "select origin_country, count(*), count(distinct icao24), round(avg(baro_altitude), 6),
            round(avg(velocity), 6), min(t), max(t), count(case when on_ground then 1 end),
            count(case when on_ground = false then 1 end)
        from cleaned where origin_country is not null group by 1",
    ),
    (
        "hourly_activity",
        "epoch_us(fetch_hour), total_flights, unique_aircraft, round(avg_altitude, 6),
            round(avg_velocity, 6), ground_count, airborne_count",
        "select t - t % 3600000000, count(*), count(distinct icao24), round(avg(baro_altitude), 6),
            round(avg(velocity), 6), count(case when on_ground then 1 end),
            count(case when on_ground = false then 1 end)
        from cleaned group by 1",
    ),
    (
        "aircraft_stats",
        "icao24, callsign, origin_country, total_observations, round(avg_altitude, 6),
            max_altitude, round(avg_velocity, 6), max_velocity, epoch_us(first_seen),
            epoch_us(last_seen), ground_observations, airborne_observations",
        "select icao24, callsign, origin_country, count(*), round(avg(baro_altitude), 6),
            max(baro_altitude), round(avg(velocity), 6), max(velocity), min(t), max(t),
            count(case when on_ground then 1 end), count(case when on_ground = false then 1 end)
        from cleaned group by 1, 2, 3",
    ),
    (
        "flight_density_grid",
        "lat_grid, lon_grid, flight_count, unique_aircraft, round(avg_altitude, 6)",
        "select floor(latitude), floor(longitude), count(*), count(distinct icao24),
            round(avg(baro_altitude), 6)
        from cleaned where on_ground = false group by 1, 2 having count(*) > 5",
    ),
    (
        "kpi_history",
        "epoch_us(snapshot_time), aircraft_total, aircraft_with_position, dq_ok,
            round(dq_ok_rate, 9), on_ground, airborne, round(avg_velocity_ms, 6),
            max_velocity_ms, countries",
        "select t, count(*), count(case when latitude is not null and longitude is not null then 1 end),
            count(case when good then 1 end), round(count(case when good then 1 end) / count(*), 9),
            count(case when on_ground then 1 end), count(case when on_ground = false then 1 end),
            round(avg(velocity), 6), max(velocity), count(distinct origin_country)
        from once group by 1",
    ),
    (
        "kpi_latest",
        "epoch_us(snapshot_time), aircraft_total, countries",
        "select t, count(*), count(distinct origin_country)
        from once where t = (select max(t) from once) group by 1",
    ),
    (
        "current_positions",
        "icao24, callsign, origin_country, latitude, longitude, baro_altitude, velocity,
            on_ground, dq_ok",
        "select icao24, callsign, origin_country, latitude, longitude, baro_altitude, velocity,
            on_ground, good
        from once
        where t = (select max(t) from once) and latitude is not null and longitude is not null",
    ),
    (
        "cleaned_flights",
        "icao24, callsign, origin_country, latitude, longitude, baro_altitude, velocity,
            on_ground, epoch_us(snapshot_time), fetch_timestamp",
        "select icao24, callsign, origin_country, latitude, longitude, baro_altitude, velocity,
            on_ground, t, t // 1000000
        from cleaned where t >= (select max(t) from once) - 86400000000",
    ),
];

/// Compares every published mart with its recomputation; the first that differs is the error.
pub fn compare(published: &std::path::Path, rows: &[Row]) -> Result<(), String> {
    let raw = raw(rows);
    for (mart, columns, recomputation) in MARTS {
        let found = transformer::query(published, &format!("select {columns} from {mart}"));
        let mut found = found.map_err(|error| format!("{mart}: {error:?}"))?.rows;
        let mut expected = texts(&raw, recomputation);
        found.sort();
        expected.sort();
        if found != expected {
            let missing = expected.iter().find(|row| !found.contains(row));
            let surplus = found.iter().find(|row| !expected.contains(row));
            return Err(format!(
                "{mart}: {} rows, expected {}; missing {missing:?}, surplus {surplus:?}",
                found.len(),
                expected.len()
            ));
        }
    }
    Ok(())
}

fn raw(rows: &[Row]) -> Connection {
    let conn = Connection::open_in_memory().unwrap();
    conn.execute_batch(
        "create table raw (icao24 varchar, callsign varchar, origin_country varchar,
            longitude double, latitude double, baro_altitude double, on_ground boolean,
            velocity double, t bigint)",
    )
    .unwrap();
    let mut appender = conn.appender("raw").unwrap();
    for row in rows {
        let values = duckdb::params![
            row.icao24,
            row.callsign,
            row.origin_country,
            row.longitude,
            row.latitude,
            row.baro_altitude,
            row.on_ground,
            row.velocity,
            row.time * 1_000_000,
        ];
        appender.append_row(values).unwrap();
    }
    appender.flush().unwrap();
    drop(appender);
    conn.execute_batch(
        "create view once as
        select distinct *, latitude is not null and longitude is not null
            and abs(latitude) <= 90 and abs(longitude) <= 180
            and (velocity is null or velocity >= 0 and velocity <= 400) is not false as good
        from raw;
        create view cleaned as
        select * from once where abs(latitude) <= 90 and abs(longitude) <= 180;",
    )
    .unwrap();
    conn
}

fn texts(conn: &Connection, sql: &str) -> Vec<Vec<Option<String>>> {
    let mut statement = conn
        .prepare(&format!(
            "select columns(*)::varchar from ({sql}) as recomputed"
        ))
        .unwrap();
    let mut found = statement.query([]).unwrap();
    let mut rows = Vec::new();
    while let Some(row) = found.next().unwrap() {
        let width = row.as_ref().column_count();
        rows.push((0..width).map(|index| row.get(index).unwrap()).collect());
    }
    rows
}
