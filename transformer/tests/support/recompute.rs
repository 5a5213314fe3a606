//! Every mart computed again from all raw rows, by straight SQL that shares nothing with the
//! models.

use duckdb::Connection;

use super::Row;

/// A mart, the columns that are compared, and the query over `raw` that gives the same.
/// `raw` has every row that was ever committed, repeats included, and `once` of each aircraft in each
/// poll the row that arrived first.
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
    (
        "region_kpi_history",
        "epoch_us(snapshot_time), region, aircraft_total, round(aircraft_share, 9), on_ground,
            airborne, dq_ok, round(dq_ok_rate, 9), round(avg_velocity_ms, 6),
            round(avg_velocity_ms_in_air, 6)",
        "select t, origin_region, count(*),
            round(count(*) / any_value((select count(*) from once where once.t = placed.t)), 9),
            count(case when on_ground then 1 end), count(case when on_ground = false then 1 end),
            count(case when good then 1 end), round(count(case when good then 1 end) / count(*), 9),
            round(avg(velocity), 6), round(avg(case when on_ground = false then velocity end), 6)
        from placed group by 1, 2",
    ),
    (
        "country_daily",
        "(fetch_date - date '1970-01-01')::bigint, origin_country, total_observations,
            unique_aircraft, round(avg_altitude, 6), max_altitude, round(avg_velocity, 6),
            max_velocity, epoch_us(first_seen), epoch_us(last_seen), ground_count, airborne_count,
            region",
        "select t // 86400000000, origin_country, count(*), count(distinct icao24),
            round(avg(baro_altitude), 6), max(baro_altitude), round(avg(velocity), 6),
            max(velocity), min(t), max(t), count(case when on_ground then 1 end),
            count(case when on_ground = false then 1 end), any_value(origin_region)
        from placed
        where origin_country is not null and abs(latitude) <= 90 and abs(longitude) <= 180
        group by 1, 2",
    ),
    (
        "flight_density_recent",
        "window_hours, lat_grid, lon_grid, flight_count, unique_aircraft, round(avg_altitude, 6),
            epoch_us(window_from), epoch_us(window_to)",
        "select hours, floor(latitude * 2) / 2, floor(longitude * 2) / 2, count(*),
            count(distinct icao24), round(avg(baro_altitude), 6), any_value(starts), any_value(ends)
        from (
            select hours, ends, (ends - hours * 3600000000) - (ends - hours * 3600000000) % 300000000
                as starts
            from (select unnest([1, 24]) as hours), (select max(t) as ends from once)
        )
        join cleaned on t >= starts
        where on_ground = false group by 1, 2, 3",
    ),
    (
        "emergencies",
        "icao24, callsign, squawk, epoch_us(from_time), epoch_us(to_time), observations,
            json_array_length(positions), last_latitude, max_altitude, ended",
        "with recursive alarms as (
            select * from once where squawk in ('7500', '7600', '7700')
        ),
        -- Each row with the first of its episode: one that no row precedes by ten minutes or less.
        reached as (
            select *, t as began from alarms
            where not exists (
                from alarms before where before.icao24 = alarms.icao24
                    and before.squawk = alarms.squawk
                    and before.t < alarms.t and before.t >= alarms.t - 600000000
            )
            union
            select alarms.*, reached.began from alarms
            join reached on reached.icao24 = alarms.icao24 and reached.squawk = alarms.squawk
                and alarms.t > reached.t and alarms.t <= reached.t + 600000000
        )
        select icao24,
            max_by(callsign, t) filter (where callsign is not null), squawk, began, max(t), count(*),
            count(case when abs(latitude) <= 90 and abs(longitude) <= 180 then 1 end),
            max_by(latitude, t) filter (where abs(latitude) <= 90 and abs(longitude) <= 180),
            max(baro_altitude),
            max(t) < (select max(t) from once) - 600000000 or exists (
                from newest where newest.icao24 = reached.icao24
                    and newest.squawk is not null and newest.squawk <> reached.squawk
            )
        from reached group by icao24, squawk, began",
    ),
    (
        "data_quality",
        "epoch_us(fetch_hour), rule, checked, failed, round(ok_rate, 9)",
        "with checks as (
            select t - t % 3600000000 as hour, 'dq_has_position' as rule,
                latitude is not null and longitude is not null as passes from once
            union all
            select t - t % 3600000000, 'dq_position_ok', abs(latitude) <= 90 and abs(longitude) <= 180
            from once where latitude is not null and longitude is not null
            union all
            select t - t % 3600000000, 'dq_velocity_ok', velocity >= 0 and velocity <= 400 from once
            union all
            select t - t % 3600000000, 'dq_ok', good from once
            union all
            select t - t % 3600000000, 'altitude_in_range',
                baro_altitude >= -500 and baro_altitude <= 20000 from once
            union all
            select t - t % 3600000000, 'stale_position',
                t - ifnull(time_position, last_contact) <= 60000000
            from once where latitude is not null and longitude is not null
            union all
            select t - t % 3600000000, 'unmapped_country',
                origin_country in (select origin_country from countries)
            from once where origin_country is not null
            union all
            select t - t % 3600000000, 'callsign_form',
                len(callsign) between 1 and 8 and len(regexp_replace(callsign, '[A-Z0-9]', '', 'g')) = 0
            from once
            union all
            select t - t % 3600000000, 'duplicate',
                row_number() over (partition by icao24, t) = 1 from raw
        )
        select hour, rule, count(passes), count(case when not passes then 1 end),
            round(1 - count(case when not passes then 1 end) / count(passes), 9)
        from checks group by 1, 2 having count(passes) > 0",
    ),
    (
        "operator_daily",
        "(fetch_date - date '1970-01-01')::bigint, operator, total_observations, unique_aircraft,
            unique_callsigns, round(avg_altitude, 6), round(avg_velocity, 6), epoch_us(first_seen),
            epoch_us(last_seen), ground_count, airborne_count",
        "select t // 86400000000,
            case when callsign similar to '[A-Z][A-Z][A-Z][0-9].*' then callsign[1:3] end,
            count(*), count(distinct icao24), count(distinct callsign), round(avg(baro_altitude), 6),
            round(avg(velocity), 6), min(t), max(t), count(case when on_ground then 1 end),
            count(case when on_ground = false then 1 end)
        from cleaned group by 1, 2",
    ),
];

/// Compares every published mart with its recomputation; the first that differs is the error.
pub fn compare(published: &std::path::Path, rows: &[Row]) -> Result<(), String> {
    compare_but(&[], published, rows)
}

/// The same without some marts.
pub fn compare_but(
    left_out: &[&str],
    published: &std::path::Path,
    rows: &[Row],
) -> Result<(), String> {
    let raw = raw(rows);
    let compared = MARTS.iter().filter(|(mart, _, _)| !left_out.contains(mart));
    for (mart, columns, recomputation) in compared {
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
            t bigint, ingested bigint, number bigint)",
    )
    .unwrap();
    let mut appender = conn.appender("raw").unwrap();
    for (number, row) in (0_i64..).zip(rows) {
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
            row.ingested,
            number,
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
        select *, latitude is not null and longitude is not null
            and abs(latitude) <= 90 and abs(longitude) <= 180
            and (velocity is null or velocity >= 0 and velocity <= 400) is not false as good
        from raw qualify row_number() over (partition by icao24, t order by ingested, number) = 1;
        create view cleaned as
        select * from once where abs(latitude) <= 90 and abs(longitude) <= 180;
        create view placed as
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
        from once;
        create view newest as from placed where t = (select max(t) from once);
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
