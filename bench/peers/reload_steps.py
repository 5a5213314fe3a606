"""The steps of the pipeline that Contrail replaces: everything again through pandas, every time.

Each shares nothing with the others but a DuckDB file, which it opens and closes: the whole table
becomes one DataFrame (pyiceberg's `scan().to_pandas()`), that is copied into the file as it is;
rows with a position in range, each once, become a second table with derived columns; of that
country_stats, hourly_activity, aircraft_stats and flight_density_grid are made.
"""

from pathlib import Path

import duckdb
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


def opened(output: Path) -> duckdb.DuckDBPyConnection:
    """The DuckDB file, for one step."""
    database = duckdb.connect(str(output))
    # It would be written to stdout, which is for what is measured.
    database.execute("set enable_progress_bar = false")
    return database


def read(catalog_db: Path, output: Path) -> None:
    """Reads the table, and copies it as it is."""
    catalog = SqlCatalog("contrail", uri=f"sqlite:///{catalog_db.resolve()}")
    states = catalog.load_table("aviation.flight_states").scan().to_pandas()
    with opened(output) as database:
        database.execute("create or replace table raw_flight_data as select * from states")


def clean(output: Path) -> None:
    """Makes the table of cleaned rows."""
    with opened(output) as database:
        database.execute(f"create or replace table cleaned_flights as {CLEANED}")


def aggregate(output: Path, name: str) -> None:
    """Makes the mart of that name."""
    _, query = MARTS[name]
    with opened(output) as database:
        database.execute(f"create or replace table {name} as {query}")


def made(output: Path) -> tuple[int, dict[str, tuple[int, int]]]:
    """How many rows were read; and of each mart its rows and the sum of its counts, to be held
    against other computations."""
    with opened(output) as database:
        (rows,) = database.execute("select count(*) from raw_flight_data").fetchone()
        return rows, {
            name: database.execute(f"select count(*), sum({counted})::bigint from {name}").fetchone()
            for name, (counted, _) in MARTS.items()
        }
