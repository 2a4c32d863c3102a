"""The figures in doc/benchmarks.md, each section written by the command that it names."""

from __future__ import annotations

import re
from pathlib import Path

from tests.e2e.conftest import ROOT

FILE = ROOT / "doc" / "benchmarks.md"


def write_table(name: str, rows: list[list[str]], below: str = "") -> str:
    """Put a table of `make bench` into the document, with a text below it; returns both."""
    text = f"{table(rows)}\n\n{below}".strip()
    write_section(name, "make bench", text)
    return text


def table(rows: list[list[str]]) -> str:
    """Markdown, the first row at the head; a column of figures stands to the right."""
    body = rows[1:]
    line = ["---:" if all(map(_figure, column)) else "---" for column in zip(*body, strict=True)]
    return "\n".join(f"| {' | '.join(row)} |" for row in [rows[0], line, *body])


def _figure(cell: str) -> bool:
    return not cell or cell[0] in "(0123456789"


def write_section(name: str, command: str, text: str, file: Path = FILE) -> None:
    """Put a text between a section's marks; raises ValueError where there are none."""
    marks = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before = file.read_text()
    found = re.search(f"{re.escape(marks[0])}.*?{re.escape(marks[1])}", before, re.DOTALL)
    if found is None:
        raise ValueError(f"{file} has no section {name}")
    section = f"{marks[0]}\n\nWritten by `{command}`.\n\n{text}\n\n{marks[1]}"
    file.write_text(before[: found.start()] + section + before[found.end() :])
