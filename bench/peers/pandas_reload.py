#!/usr/bin/env python3
"""Runs the steps of the pipeline that Contrail replaces (reload_steps.py) one after the other in
one process: what they cost by themselves, without what scheduled them.

    pandas_reload.py CATALOG_DB OUTPUT_DB

Prints what it took (see measured.py).
"""

import sys
from pathlib import Path

import reload_steps
from measured import Measured


def main() -> int:
    catalog_db, output = Path(sys.argv[1]), Path(sys.argv[2])
    output.unlink(missing_ok=True)
    measured = Measured()
    reload_steps.read(catalog_db, output)
    measured.lap("read and copy")
    reload_steps.clean(output)
    measured.lap("clean")
    for name in reload_steps.MARTS:
        reload_steps.aggregate(output, name)
    measured.lap("aggregate")
    measured.report(*reload_steps.made(output))
    return 0


if __name__ == "__main__":
    sys.exit(main())
