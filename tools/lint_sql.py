#!/usr/bin/env python3
"""Lints SQL models with sqlfluff, statement by statement: lint_sql.py PATH…

A model file holds sections (`-- @state`, `-- @select`), each with statements. They are
linted one at a time, since sqlfluff gives up on a whole file at the first statement it
cannot parse, and DuckDB's newest syntax is among them. Rules and options: .sqlfluff.
"""

import sys
from pathlib import Path

from sqlfluff.core import FluffConfig, Linter

ROOT = Path(__file__).resolve().parent.parent


def main(paths: list[str]) -> int:
    config = FluffConfig.from_path(str(ROOT))
    linter = Linter(config=config)
    files = sorted(file for path in paths for file in files_of(Path(path)))
    if not files:
        print(f"lint_sql: no .sql file in {' '.join(paths)}", file=sys.stderr)
        return 2
    statements = found = unread = 0
    for file in files:
        for first_line, text in statements_of(file.read_text()):
            statements += 1
            linted = linter.lint_string(text, fname=str(file), config=config)
            if any(violation.rule_code() == "PRS" for violation in linted.violations):
                unread += 1
            for violation in linted.get_violations():
                if wanted(violation, text):
                    found += 1
                    line = first_line + violation.line_no - 1
                    print(f"{file}:{line}:{violation.line_pos}: {violation.rule_code()} {violation.desc()}")
    print(f"{len(files)} models, {statements} statements, {unread} of them beyond sqlfluff: {found} findings")
    return 1 if found else 0


def files_of(path: Path) -> list[Path]:
    return [path] if path.is_file() else list(path.rglob("*.sql"))


def statements_of(text: str) -> list[tuple[int, str]]:
    """The statements of a model, each with the number of its first line."""
    statements, lines, first = [], [], 1

    def close() -> None:
        if any(line.strip() and not line.lstrip().startswith("--") for line in lines):
            statements.append((first, "\n".join(lines).rstrip("\n") + "\n"))
        lines.clear()

    for number, line in enumerate(text.splitlines(), start=1):
        if line.startswith("-- @"):
            close()
            continue
        if not lines:
            if not line.strip():
                continue
            first = number
        lines.append(line)
        if line.endswith(";"):
            close()
    close()
    return statements


def wanted(violation, text: str) -> bool:
    """Whether a finding counts: `select a, b` on one line has no comma to end with."""
    if violation.rule_code() != "CV03":
        return True
    line = text.splitlines()[violation.line_no - 1]
    return "select" not in line.lower()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
