"""What a chart's `config` may hold, taken from docs/configuration.md into its values.schema.json.

    python tools/chart_schema.py [--check]

A key that the program does not know, a value of the wrong type and a secret, which belongs into a
Secret, are then refused before anything is installed. With --check nothing is changed, and it ends
with 1 where a schema is not what it would write.
"""

import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# The sections of the configuration file that each program reads.
SECTIONS = {
    "producer": ["kafka", "registry", "http", "log", "producer"],
    "consumer": ["kafka", "registry", "lake", "http", "log", "consumer"],
    "transformer": ["lake", "http", "log", "notify", "transformer"],
    "simulator": ["http", "log", "simulator"],
}
ROW = re.compile(r"^\| `([^`]+)` \| (.+?) \| ")


def value(kind):
    """The JSON schema of a type as the reference names it; none for a secret."""
    if "secret" in kind:
        return None
    if kind.startswith('`"'):
        return {"enum": re.findall(r'"([^"]+)"', kind)}
    if kind.startswith("integer"):
        limits = re.search(r"from (\d+) to (\d+)", kind) or re.search(r"at least (\d+)()", kind)
        bounds = zip(("minimum", "maximum"), limits.groups() if limits else ())
        return {"type": "integer"} | {name: int(limit) for name, limit in bounds if limit}
    if kind.startswith("list of"):
        return {"type": "array", "items": value(kind.removeprefix("list of "))}
    if kind.startswith("table of"):
        inner = value(kind.removeprefix("table of "))
        return {"type": "object", "additionalProperties": inner}
    types = {"text": "string", "duration": "string", "size": "string"}
    types |= {"number": "number", "true or false": "boolean"}
    return {"type": types[kind]}


def place(table, path, schema):
    """Puts a key's schema where its dotted path leads."""
    first, _, rest = path.partition(".")
    if not rest:
        table["properties"][first] = schema
        return
    empty = {"type": "object", "additionalProperties": False, "properties": {}}
    place(table["properties"].setdefault(first, empty), rest, schema)


def reference():
    """The schema of every section of docs/configuration.md."""
    sections, table = {}, None
    for line in (ROOT / "docs/configuration.md").read_text().splitlines():
        if line.startswith("## `["):
            table = {"type": "object", "additionalProperties": False, "properties": {}}
            sections[line[5:-2]] = table
        elif (row := ROW.match(line)) and table and (schema := value(row[2])) is not None:
            place(table, row[1], schema)
    return sections


def main(arguments):
    sections, stale = reference(), []
    for chart, names in SECTIONS.items():
        file = ROOT / "charts" / chart / "values.schema.json"
        schema = json.loads(file.read_text())
        schema["properties"]["config"] = {
            "type": "object",
            "additionalProperties": False,
            "properties": {name: sections[name] for name in names},
        }
        text = json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
        if text != file.read_text():
            stale.append(str(file.relative_to(ROOT)))
            if "--check" not in arguments:
                file.write_text(text)
    if stale and "--check" in arguments:
        sys.exit(f"error: not current: {', '.join(stale)}; run: ./task docs:charts")


if __name__ == "__main__":
    main(sys.argv[1:])
