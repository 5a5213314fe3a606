"""Counts what is in the topic and what is in the lake, neither with our own code: the topic with Kafka's
console consumer, in its pod; the lake with pyiceberg and with DuckDB, from a backup of the warehouse."""

import re
import sys
import tarfile
from collections import Counter
from pathlib import Path
from urllib.parse import urlparse

import duckdb
from pyiceberg.io.pyarrow import PyArrowFileIO
from pyiceberg.table import StaticTable

from cluster import Failed, kubectl, task

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "readers"))
import count_rows  # noqa: E402

# Where the programs see the warehouse.
WAREHOUSE = "/var/lib/contrail/warehouse"


class Copy(PyArrowFileIO):
    """Reads a copy of the warehouse: the paths in its metadata are those of the pods."""

    def new_input(self, location):
        return super().new_input(here(location, self.properties["contrail.copy"]))


def here(location, copy):
    path = urlparse(location).path if location.startswith("file:") else location
    return str(copy) + path.removeprefix(WAREHOUSE)


def topic_keys(bootstrap="kafka.kafka.svc:9092"):
    """How often each key (`icao24`) is in the topic, of committed records only."""
    command = [
        "java", "-Xmx96m", "-XX:+UseSerialGC", "-cp", "'/opt/kafka/libs/*'",
        "org.apache.kafka.tools.consumer.ConsoleConsumer",
        "--bootstrap-server", bootstrap, "--topic", "flight-states", "--from-beginning",
        "--isolation-level", "read_committed", "--timeout-ms", "15000",
        "--formatter-property", "print.key=true", "--formatter-property", "print.value=false", "2>&1",
    ]
    # It ends with 1 when nothing more comes.
    said = kubectl("exec", "kafka-0", "--namespace", "kafka", "--", "sh", "-c", " ".join(command), expect=None)
    lines = said.splitlines()
    # Beside keys there are lines of its log.
    keys = Counter(line for line in lines if re.fullmatch("[0-9a-f]{6}", line))
    total = re.search(r"^Processed a total of (\d+) messages$", said, re.M)
    if not total or keys.total() != int(total[1]) or not keys:
        raise Failed(f"Kafka's console consumer says {lines[-3:]}, and {keys.total()} keys were read")
    return keys


def metadata_location():
    """Which metadata the catalog in PostgreSQL names."""
    return kubectl(
        "exec", "postgres-0", "--namespace", "contrail", "--",
        "psql", "--no-psqlrc", "--tuples-only", "--no-align", "--host=/var/run/postgresql", "--username=postgres",
        "--dbname=iceberg", "--command",
        "select metadata_location from iceberg_tables where table_name = 'flight_states'",
    ).strip()


def lake(folder):
    """The table as a backup into `folder` has it: pyiceberg's and DuckDB's counts, which must be equal,
    and how often each `icao24` is in it."""
    location = metadata_location()
    task("backup", "--", str(folder), "--lake")
    backup = max(folder.glob("contrail-*"))
    copy = backup / "warehouse"
    copy.mkdir()
    with tarfile.open(backup / "warehouse.tar.gz") as archive:
        archive.extractall(copy, filter="data")
    table = StaticTable.from_metadata(
        location,
        properties={"py-io-impl": "lake.Copy", "contrail.copy": str(copy)},
    )
    files = [here(file["file_path"], copy) for file in count_rows.live_files(table)]
    by_pyiceberg = count_rows.count_with_pyiceberg(table)
    by_duckdb = count_rows.count_with_duckdb(table, files)
    if by_pyiceberg != by_duckdb:
        raise Failed("pyiceberg and DuckDB count differently")
    keys = duckdb.sql(
        "select icao24, count(*) from read_parquet($files) group by all", params={"files": files}
    ).fetchall()
    return by_pyiceberg, Counter(dict(keys))
