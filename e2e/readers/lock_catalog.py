#!/usr/bin/env python3
"""Holds a SQLite file's exclusive lock, so that nobody else can read or write it.

    lock_catalog.py CATALOG_DB

Prints "locked" once it has the lock, and holds it until its standard input ends.
"""

import sqlite3
import sys


def main() -> int:
    connection = sqlite3.connect(sys.argv[1], timeout=60, isolation_level=None)
    connection.execute("begin exclusive")
    print("locked", flush=True)
    sys.stdin.read()
    connection.rollback()
    return 0


if __name__ == "__main__":
    sys.exit(main())
