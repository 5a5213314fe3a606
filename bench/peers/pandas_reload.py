#!/usr/bin/env python3
"""Makes the marts as the pipeline did that Contrail replaces: everything again through pandas,
every time.

    pandas_reload.py CATALOG_DB OUTPUT_DB

Its steps, one after the other, each with a connection of its own: the whole table becomes one
DataFrame (pyiceberg's `scan().to_pandas()`); that is copied into a DuckDB file as it is; rows with
a position in range, each once, become a second table with derived columns; of that country_stats,
hourly_activity, aircraft_stats and flight_density_grid are made.

Prints what it took (see measured.py).
"""

import sys
from pathlib import Path

import duckdb
from measured import Measured
from pyiceberg.catalog.sql import SqlCatalog

CLEANED = """
    select distinct
        * replace (trim(callsign) as callsign),
        case
            when on_ground then 'ground'
            when baro_altitude < 3000 then 'low'
            when baro_altitude < 9000 then 'medium'
            else 'high'
        end as altitude_category,
        case
            when velocity is null then null
            when velocity < 100 then 'slow'
            when velocity < 250 then 'medium'
            else 'fast'
        end as speed_category,
        date_trunc('hour', snapshot_time) as fetch_hour,
        date_trunc('day', snapshot_time) as fetch_date,
    from raw_flight_data
    where latitude between -90 and 90 and longitude between -180 and 180
"""

MARTS = {
    "country_stats": ("total_observations", """
        select
            origin_country,
            count(*) as total_observations,
            count(distinct icao24) as unique_aircraft,
            avg(baro_altitude) as avg_altitude,
            avg(velocity) as avg_velocity,
            min(snapshot_time) as first_seen,
            max(snapshot_time) as last_seen,
            count(*) filter (where on_ground) as ground_count,
            count(*) filter (where not on_ground) as airborne_count,
        from cleaned_flights
        where origin_country is not null
        group by origin_country
        order by total_observations desc
    """),
    "hourly_activity": ("total_flights", """
        select
            fetch_hour,
            count(*) as total_flights,
            count(distinct icao24) as unique_aircraft,
            avg(baro_altitude) as avg_altitude,
            avg(velocity) as avg_velocity,
            count(*) filter (where on_ground) as ground_count,
            count(*) filter (where not on_ground) as airborne_count,
        from cleaned_flights
        group by fetch_hour
        order by fetch_hour
    """),
    "aircraft_stats": ("total_observations", """
        select
            icao24,
            callsign,
            origin_country,
            count(*) as total_observations,
            avg(baro_altitude) as avg_altitude,
            max(baro_altitude) as max_altitude,
            avg(velocity) as avg_velocity,
            max(velocity) as max_velocity,
            min(snapshot_time) as first_seen,
            max(snapshot_time) as last_seen,
            count(*) filter (where on_ground) as ground_observations,
            count(*) filter (where not on_ground) as airborne_observations,
        from cleaned_flights
        group by icao24, callsign, origin_country
        order by total_observations desc
    """),
    "flight_density_grid": ("flight_count", """
        select
            floor(latitude) as lat_grid,
            floor(longitude) as lon_grid,
            count(*) as flight_count,
            count(distinct icao24) as unique_aircraft,
            avg(baro_altitude) as avg_altitude,
        from cleaned_flights
        where not on_ground
        group by lat_grid, lon_grid
        having flight_count > 5
        order by flight_count desc
    """),
}


def main() -> int:
    catalog_db, output = Path(sys.argv[1]), Path(sys.argv[2])
    output.unlink(missing_ok=True)
    reload(catalog_db, output)
    return 0


def reload(catalog_db: Path, output: Path) -> None:
    measured = Measured()
    catalog = SqlCatalog("contrail", uri=f"sqlite:///{catalog_db.resolve()}")
    states = catalog.load_table("aviation.flight_states").scan().to_pandas()
    rows = len(states)
    measured.lap("read")
    with duckdb.connect(str(output)) as database:
        database.execute("create table raw_flight_data as select * from states")
    del states
    measured.lap("copy")
    with duckdb.connect(str(output)) as database:
        database.execute(f"create table cleaned_flights as {CLEANED}")
    measured.lap("clean")
    tables = {}
    for name, (counted, query) in MARTS.items():
        with duckdb.connect(str(output)) as database:
            database.execute(f"create table {name} as {query}")
            sums = f"select count(*), sum({counted})::bigint from {name}"
            tables[name] = database.execute(sums).fetchone()
    measured.lap("aggregate")
    measured.report(rows, tables)


if __name__ == "__main__":
    sys.exit(main())
