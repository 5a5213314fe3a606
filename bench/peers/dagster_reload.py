#!/usr/bin/env python3
"""Runs the steps of the pipeline that Contrail replaces (reload_steps.py) as it ran them: as the
assets of a job of Dagster's, which starts a process for each, and keeps a history and a log of
each run.

    dagster_reload.py CATALOG_DB OUTPUT_DB

The clock runs from the start of the job, with Dagster loaded, to its end. The steps follow one
another: each opens the DuckDB file, and of two that do so at once one fails.

Prints what it took (see measured.py).
"""

import os
import sys
import tempfile
from pathlib import Path

import dagster
import reload_steps
from measured import Measured

CATALOG, OUTPUT = "PEER_CATALOG_DB", "PEER_OUTPUT_DB"


def paths() -> tuple[Path, Path]:
    """Where the steps, in processes of their own, find the lake and the DuckDB file."""
    return Path(os.environ[CATALOG]), Path(os.environ[OUTPUT])


@dagster.asset
def raw_flight_data() -> None:
    reload_steps.read(*paths())


@dagster.asset(deps=[raw_flight_data])
def cleaned_flights() -> None:
    reload_steps.clean(paths()[1])


def mart(name: str) -> dagster.AssetsDefinition:
    @dagster.asset(name=name, deps=[cleaned_flights])
    def made() -> None:
        reload_steps.aggregate(paths()[1], name)

    return made


one_by_one = dagster.multiprocess_executor.configured({"max_concurrent": 1})
definitions = dagster.Definitions(
    assets=[raw_flight_data, cleaned_flights, *map(mart, reload_steps.MARTS)],
    jobs=[dagster.define_asset_job("reload", executor_def=one_by_one)],
)


def reload_job() -> dagster.JobDefinition:
    return definitions.resolve_job_def("reload")


def main() -> int:
    os.environ[CATALOG], os.environ[OUTPUT] = sys.argv[1:3]
    paths()[1].unlink(missing_ok=True)
    # Its log goes to stderr, and stdout is for what is measured.
    with tempfile.TemporaryDirectory() as home:
        Path(home, "dagster.yaml").write_text("telemetry: {enabled: false}\n")
        os.environ["DAGSTER_HOME"] = home
        with dagster.DagsterInstance.get() as instance:
            job = dagster.reconstructable(reload_job)
            measured = Measured()
            with dagster.execute_job(job, instance=instance, raise_on_error=True):
                measured.lap("job")
    measured.report(*reload_steps.made(paths()[1]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
