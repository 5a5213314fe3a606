#!/usr/bin/env python3
"""Counts a lake table with readers that are not ours, and prints the result as JSON.

    count_rows.py CATALOG WAREHOUSE [--table aviation.flight_states]

CATALOG is the SQLite file of the SQL catalog, or the URL of its PostgreSQL; WAREHOUSE the folder
of the tables. The table is read twice, independently:

- "pyiceberg" plans and reads the current snapshot with pyiceberg and pyarrow;
- "duckdb" reads, with DuckDB, the Parquet files that the current snapshot lists.

Both give the same shape, made so that equal numbers mean equal contents whatever the
order of the rows; a key that is counted twice shows as rows > distinct_keys:

    rows            rows read
    distinct_keys   distinct (icao24, snapshot_time)
    distinct_icao24 distinct icao24
    snapshot_times  {microseconds since 1970 UTC: rows of that poll}
    non_null        {column: rows in which it is not null}
    sums            {column: exact sum; doubles in millionths, each rounded to an integer}

Beside them: "snapshot_id" (null for a table without one), "files" (paths of the live data
files) and "properties" (the table's, with its stored positions). Exit code 1 when the two
readers differ or the table has delete files, which nothing of ours writes.
"""

import argparse
import json
import sys
from pathlib import Path
from urllib.parse import unquote, urlparse

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.catalog.sql import SqlCatalog

CATALOG_NAME = "contrail"
KEY = ["icao24", "snapshot_time"]


def main() -> int:
    arguments = parse_arguments()
    table = open_table(arguments)
    snapshot = table.current_snapshot()
    files = live_files(table)
    result = {
        "snapshot_id": None if snapshot is None else snapshot.snapshot_id,
        "files": [file["file_path"] for file in files],
        "properties": dict(table.properties),
        "pyiceberg": count_with_pyiceberg(table),
        "duckdb": count_with_duckdb(table, [local_path(file["file_path"]) for file in files]),
    }
    print(json.dumps(result))
    if any(file["content"] != 0 for file in files):
        print("count_rows: the table has delete files", file=sys.stderr)
        return 1
    if result["pyiceberg"] != result["duckdb"]:
        print("count_rows: pyiceberg and DuckDB differ", file=sys.stderr)
        return 1
    return 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("catalog")
    parser.add_argument("warehouse", type=Path)
    parser.add_argument("--table", default="aviation.flight_states")
    return parser.parse_args()


def open_table(arguments: argparse.Namespace):
    uri = arguments.catalog
    if uri.startswith("postgresql://"):
        # SQLAlchemy's own choice is another driver than pyiceberg's.
        uri = uri.replace("postgresql://", "postgresql+psycopg2://", 1)
    else:
        if not Path(uri).is_file():
            sys.exit(f"count_rows: no catalog at {uri}")
        uri = f"sqlite:///{Path(uri).resolve()}"
    catalog = SqlCatalog(
        CATALOG_NAME,
        uri=uri,
        warehouse=arguments.warehouse.resolve().as_uri(),
        # Reading only: a missing catalog table is an error here, not something to create.
        init_catalog_tables="false",
    )
    return catalog.load_table(arguments.table)


def live_files(table) -> list[dict]:
    """The files that the current snapshot lists, with their content: 0 is data.

    By its manifests: `inspect.files()` fails on a snapshot without any.
    """
    snapshot = table.current_snapshot()
    if snapshot is None:
        return []
    return [
        {"file_path": entry.data_file.file_path, "content": entry.data_file.content.value}
        for manifest in snapshot.manifests(table.io)
        for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=True)
    ]


def local_path(location: str) -> str:
    """A file location of the table as a path: with a file scheme, or plain."""
    return unquote(urlparse(location).path) if location.startswith("file:") else location


def count_with_pyiceberg(table) -> dict:
    rows = table.scan().to_arrow()
    polls = rows.group_by("snapshot_time").aggregate([([], "count_all")])
    times = polls["snapshot_time"].cast(pa.int64()).to_pylist()
    integers, doubles = numeric_columns(rows.schema)
    return {
        "rows": rows.num_rows,
        "distinct_keys": rows.group_by(KEY).aggregate([]).num_rows,
        "distinct_icao24": pc.count_distinct(rows["icao24"]).as_py(),
        "snapshot_times": by_time(zip(times, polls["count_all"].to_pylist())),
        "non_null": {name: rows.num_rows - rows[name].null_count for name in rows.column_names},
        "sums": {name: pc.sum(rows[name].cast(pa.int64())).as_py() or 0 for name in integers}
        | {
            # Like DuckDB's below: one multiplication, then rounded half to even.
            name: sum(round(value * 1e6) for value in rows[name].drop_null().to_pylist())
            for name in doubles
        },
    }


def count_with_duckdb(table, paths: list[str]) -> dict:
    schema = table.schema().as_arrow()
    integers, doubles = numeric_columns(schema)
    if not paths:
        return {
            "rows": 0,
            "distinct_keys": 0,
            "distinct_icao24": 0,
            "snapshot_times": {},
            "non_null": dict.fromkeys(schema.names, 0),
            "sums": dict.fromkeys(integers + doubles, 0),
        }
    connection = duckdb.connect(config={"autoinstall_known_extensions": False})

    def query(select: str, rest: str = "") -> list[tuple]:
        statement = f"{select} from read_parquet($paths, union_by_name := true) {rest}"
        return connection.execute(statement, {"paths": paths}).fetchall()

    def per_column(expression: str, names: list[str]) -> dict:
        if not names:
            return {}
        values = query("select " + ", ".join(expression.format(quoted(name)) for name in names))[0]
        return {name: int(value) for name, value in zip(names, values)}

    rows, keys, aircraft = query(
        "select count(*), count(distinct (icao24, snapshot_time)), count(distinct icao24)"
    )[0]
    polls = query("select epoch_us(snapshot_time), count(*)", "group by all")
    return {
        "rows": rows,
        "distinct_keys": keys,
        "distinct_icao24": aircraft,
        "snapshot_times": by_time(polls),
        "non_null": per_column("count({})", schema.names),
        "sums": per_column("coalesce(sum({}), 0)", integers)
        | per_column("coalesce(sum(cast(round_even({} * 1e6, 0) as hugeint)), 0)", doubles),
    }


def numeric_columns(schema: pa.Schema) -> tuple[list[str], list[str]]:
    """The names of the integer columns and of the floating ones."""
    return (
        [field.name for field in schema if pa.types.is_integer(field.type)],
        [field.name for field in schema if pa.types.is_floating(field.type)],
    )


def by_time(pairs) -> dict[str, int]:
    """Pairs of a time and a count, in order of time, keyed as JSON needs it."""
    return {str(time): count for time, count in sorted(pairs)}


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


if __name__ == "__main__":
    sys.exit(main())
