"""The table of values in each chart's README.md, made from the comments of its values.yaml.

    python tools/chart_readme.py [--check]

Writes each table anew between its two marks; with --check it changes nothing, and ends with 1
where a table is not what it would write. A key's meaning is the comment lines right above it.
"""

import json
import re
import sys
from pathlib import Path

import yaml

CHARTS = Path(__file__).resolve().parent.parent / "charts"
BEGIN = "<!-- values: made by tools/chart_readme.py -->"
END = "<!-- /values -->"
KEY = re.compile(r"^( *)([A-Za-z_][\w.-]*):(?: |$)")


def meanings(text):
    """The comment above each key, by the key's dotted path."""
    found, comment, path = {}, [], []
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.startswith("# "):
            comment.append(stripped[2:])
        elif match := KEY.match(line):
            depth = len(match[1]) // 2
            path = [*path[:depth], match[2]]
            if comment:
                found[".".join(path)] = " ".join(comment)
            comment = []
        else:
            comment = []
    return found


def rows(values, said, path=""):
    """One row for each value: its dotted path, its default and its meaning."""
    for key, value in values.items():
        name = f"{path}.{key}" if path else key
        free = name in said and not any(other.startswith(f"{name}.") for other in said)
        if isinstance(value, dict) and value and not free:
            if name in said:
                yield name, "", said[name]
            yield from rows(value, said, name)
        else:
            yield name, f"`{json.dumps(value, ensure_ascii=False)}`", said.get(name, "")


def table(chart):
    """The whole table of a chart."""
    text = (chart / "values.yaml").read_text()
    lines = ["| value | default | meaning |", "|---|---|---|"]
    for name, default, meaning in rows(yaml.safe_load(text), meanings(text)):
        cells = [f"`{name}`", default, meaning]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines)


def main(arguments):
    check = "--check" in arguments
    stale = []
    for chart in sorted(file.parent for file in CHARTS.glob("*/values.yaml")):
        readme = chart / "README.md"
        text = readme.read_text()
        before, rest = text.split(BEGIN, 1)
        after = rest.split(END, 1)[1]
        wanted = f"{before}{BEGIN}\n{table(chart)}\n{END}{after}"
        if wanted != text and check:
            stale.append(f"charts/{chart.name}/README.md")
        elif wanted != text:
            readme.write_text(wanted)
    if stale:
        sys.exit(f"error: not current: {', '.join(stale)}; run: ./task docs:charts")


if __name__ == "__main__":
    main(sys.argv[1:])
