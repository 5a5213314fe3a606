#!/usr/bin/env python3
"""Makes the marts with pandas from everything, every time, with as little as that can be done.

    pandas_groupby.py CATALOG_DB OUTPUT_DB

Reads the columns that are needed of the table's current snapshot, by as many threads as there are
cores, texts as categories, over which groupby is fastest; cleans the rows (position present and in
range, each (icao24, snapshot_time) once), computes country_stats, hourly_activity, aircraft_stats
and flight_density_grid with groupby, and writes them as tables of a new DuckDB file.

Prints what it took (see measured.py).
"""

import sys
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from measured import Measured
from pyiceberg.catalog.sql import SqlCatalog

COLUMNS = [
    "icao24", "callsign", "origin_country", "snapshot_time",
    "latitude", "longitude", "baro_altitude", "velocity", "on_ground",
]
TEXTS = ["icao24", "callsign", "origin_country"]


def main() -> int:
    catalog_db, output = Path(sys.argv[1]), Path(sys.argv[2])
    output.unlink(missing_ok=True)
    measured = Measured()
    states = read(catalog_db)
    rows = len(states)
    measured.lap("read")
    states = cleaned(states)
    measured.lap("clean")
    tables = {
        "country_stats": country_stats(states),
        "hourly_activity": hourly_activity(states),
        "aircraft_stats": aircraft_stats(states),
        "flight_density_grid": flight_density_grid(states),
    }
    measured.lap("aggregate")
    with duckdb.connect(str(output)) as database:
        for name, table in tables.items():
            database.register("incoming", table)
            database.execute(f"create table {name} as select * from incoming")
    measured.lap("write")
    counts = {
        "country_stats": "total_observations",
        "hourly_activity": "total_flights",
        "aircraft_stats": "total_observations",
        "flight_density_grid": "flight_count",
    }
    measured.report(rows, {
        name: (len(table), int(table[counts[name]].sum())) for name, table in tables.items()
    })
    return 0


def read(catalog_db: Path) -> pd.DataFrame:
    catalog = SqlCatalog("contrail", uri=f"sqlite:///{catalog_db.resolve()}")
    table = catalog.load_table("aviation.flight_states")
    paths = [task.file.file_path.removeprefix("file://") for task in table.scan().plan_files()]
    parts = [pq.read_table(path, columns=COLUMNS, read_dictionary=TEXTS) for path in paths]
    rows = pa.concat_tables(parts).unify_dictionaries()
    parts.clear()
    # Each column is freed when it has become one of pandas.
    return rows.to_pandas(split_blocks=True, self_destruct=True)


def cleaned(states: pd.DataFrame) -> pd.DataFrame:
    in_range = states["latitude"].between(-90, 90) & states["longitude"].between(-180, 180)
    return states[in_range].drop_duplicates(["icao24", "snapshot_time"])


def with_flags(states: pd.DataFrame) -> pd.DataFrame:
    on_ground = states["on_ground"]
    return states.assign(ground=on_ground.eq(True), airborne=on_ground.eq(False))


def country_stats(states: pd.DataFrame) -> pd.DataFrame:
    countries = with_flags(states).groupby("origin_country", observed=True)
    return countries.agg(
        total_observations=("icao24", "size"),
        unique_aircraft=("icao24", "nunique"),
        avg_altitude=("baro_altitude", "mean"),
        avg_velocity=("velocity", "mean"),
        first_seen=("snapshot_time", "min"),
        last_seen=("snapshot_time", "max"),
        ground_count=("ground", "sum"),
        airborne_count=("airborne", "sum"),
    ).reset_index()


def hourly_activity(states: pd.DataFrame) -> pd.DataFrame:
    hours = with_flags(states).groupby(states["snapshot_time"].dt.floor("h").rename("fetch_hour"))
    return hours.agg(
        total_flights=("icao24", "size"),
        unique_aircraft=("icao24", "nunique"),
        avg_altitude=("baro_altitude", "mean"),
        avg_velocity=("velocity", "mean"),
        ground_count=("ground", "sum"),
        airborne_count=("airborne", "sum"),
    ).reset_index()


def aircraft_stats(states: pd.DataFrame) -> pd.DataFrame:
    key = ["icao24", "callsign", "origin_country"]
    aircraft = with_flags(states).groupby(key, observed=True, dropna=False)
    return aircraft.agg(
        total_observations=("snapshot_time", "size"),
        avg_altitude=("baro_altitude", "mean"),
        max_altitude=("baro_altitude", "max"),
        avg_velocity=("velocity", "mean"),
        max_velocity=("velocity", "max"),
        first_seen=("snapshot_time", "min"),
        last_seen=("snapshot_time", "max"),
        ground_observations=("ground", "sum"),
        airborne_observations=("airborne", "sum"),
    ).reset_index()


def flight_density_grid(states: pd.DataFrame) -> pd.DataFrame:
    airborne = states[states["on_ground"].eq(False)]
    cells = airborne.groupby([
        (airborne["latitude"] // 1).rename("lat_grid"),
        (airborne["longitude"] // 1).rename("lon_grid"),
    ])
    grid = cells.agg(
        flight_count=("icao24", "size"),
        unique_aircraft=("icao24", "nunique"),
        avg_altitude=("baro_altitude", "mean"),
    ).reset_index()
    return grid[grid["flight_count"] > 5]


if __name__ == "__main__":
    sys.exit(main())
