//! Every mart computed again from all raw rows, by straight SQL that shares nothing with the
//! models.

use duckdb::Connection;

use super::Row;

/// A mart, the columns that are compared, and the query over `raw` that gives the same.
/// `raw` has every row that was ever committed, repeats included.
pub const MARTS: &[(&str, &str, &str)] = &[
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
    (
        "region_kpis",
        "region, epoch_us(snapshot_time), aircraft_total, round(aircraft_share, 9), on_ground,
            airborne, dq_ok, round(dq_ok_rate, 9), round(avg_velocity_ms, 6),
            round(avg_velocity_ms_in_air, 6)",
        "select origin_region, any_value(t), count(*),
            round(count(*) / (select count(*) from newest), 9),
            count(case when on_ground then 1 end), count(case when on_ground = false then 1 end),
            count(case when good then 1 end), round(count(case when good then 1 end) / count(*), 9),
            round(avg(velocity), 6), round(avg(case when on_ground = false then velocity end), 6)
        from newest group by 1",
    ),
    (
        "corridors",
        "origin_country, position_region, origin_region, epoch_us(snapshot_time), aircraft,
            airborne",
        "select origin_country, position_region, any_value(origin_region), any_value(t), count(*),
            count(case when on_ground = false then 1 end)
        from newest where latitude is not null and longitude is not null group by 1, 2",
    ),
    (
        "speed_outliers",
        "icao24, rank, callsign, origin_country, region, velocity, dq_velocity_ok, latitude,
            longitude, baro_altitude, epoch_us(snapshot_time)",
        "select icao24, place, callsign, origin_country, origin_region, velocity,
            velocity >= 0 and velocity <= 400, latitude, longitude, baro_altitude, t
        from (
            select *, 1 + (
                select count(*) from newest other
                where other.on_ground = false and (other.velocity > newest.velocity
                    or other.velocity = newest.velocity and other.icao24 < newest.icao24)
            ) as place
            from newest where on_ground = false and velocity is not null
        ) where place <= 25",
    ),
    (
        "velocity_distribution",
        "bin_from, bin_to, aircraft, airborne, epoch_us(snapshot_time)",
        "select lower, lower + 10, count(velocity), count(case when on_ground = false then velocity end),
            (select max(t) from once)
        from (select unnest(range(0, 400, 10))::double as lower)
        left join newest on velocity >= lower
            and (velocity < lower + 10 or velocity = 400 and lower = 390)
        where exists (from newest)
        group by 1",
    ),
    (
        "velocity_percentiles",
        "epoch_us(snapshot_time), aircraft, outside, round(p50, 6), round(p90, 6), round(p99, 6),
            round(p50_in_air, 6), round(p90_in_air, 6), round(p99_in_air, 6)",
        "with sorted as (
            select list_sort(list(velocity) filter (velocity is not null)) as every,
                list_sort(list(velocity) filter (velocity is not null and on_ground = false)) as air,
                count(case when velocity < 0 or velocity > 400 then 1 end) as outside,
                any_value(t) as t
            from newest
        )
        select t, coalesce(len(every), 0), outside, percentile(every, 0.5), percentile(every, 0.9),
            percentile(every, 0.99), percentile(air, 0.5), percentile(air, 0.9),
            percentile(air, 0.99)
        from sorted where t is not null",
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
            velocity double, geo_altitude double, true_track double, vertical_rate double,
            squawk varchar, category integer, time_position bigint, last_contact bigint,
            t bigint)",
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
            row.geo_altitude,
            row.true_track,
            row.vertical_rate,
            row.squawk,
            row.category,
            row.time_position.map(|time| time * 1_000_000),
            row.last_contact.map(|time| time * 1_000_000),
            row.time * 1_000_000,
        ];
        appender.append_row(values).unwrap();
    }
    appender.flush().unwrap();
    drop(appender);
    let seeds = concat!(env!("CARGO_MANIFEST_DIR"), "/models/seeds");
    conn.execute_batch(&format!(
        "create table countries as from read_csv('{seeds}/countries.csv', all_varchar = true,
            allow_quoted_nulls = false);
        create table boxes as from read_csv('{seeds}/regions.csv');"
    ))
    .unwrap();
    conn.execute_batch(
        "create view once as
        select distinct *, latitude is not null and longitude is not null
            and abs(latitude) <= 90 and abs(longitude) <= 180
            and (velocity is null or velocity >= 0 and velocity <= 400) is not false as good
        from raw;
        create view cleaned as
        select * from once where abs(latitude) <= 90 and abs(longitude) <= 180;
        create view newest as
        select *,
            coalesce(
                (select region from countries where countries.origin_country = once.origin_country),
                'Other'
            ) as origin_region,
            coalesce(
                (
                    select arg_min(region, priority) from boxes
                    where latitude >= latitude_from and latitude < latitude_to
                        and longitude >= longitude_from and longitude < longitude_to
                ),
                'Other'
            ) as position_region,
        from once where t = (select max(t) from once);
        create macro percentile(sorted, share) as round(
            sorted[1 + floor((len(sorted) - 1) * share)::bigint]
            + (((len(sorted) - 1) * share) % 1) * (
                sorted[1 + ceil((len(sorted) - 1) * share)::bigint]
                - sorted[1 + floor((len(sorted) - 1) * share)::bigint]
            ),
            6
        );",
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
