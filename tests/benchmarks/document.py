"""The figures in doc/benchmarks.md, each section written by the command that it names."""

from __future__ import annotations

import re
from pathlib import Path

from tests.e2e.conftest import ROOT

FILE = ROOT / "doc" / "benchmarks.md"


def write_table(name: str, rows: list[list[str]]) -> str:
    """Put a table of `make bench` into the document, the first row at its head; returns its text."""
    lines = [rows[0], ["---:"] * len(rows[0]), *rows[1:]]
    text = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    write_section(name, "make bench", text)
    return text


def write_section(name: str, command: str, text: str, file: Path = FILE) -> None:
    """Put a text between a section's marks; raises ValueError where there are none."""
    marks = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before = file.read_text()
    found = re.search(f"{re.escape(marks[0])}.*?{re.escape(marks[1])}", before, re.DOTALL)
    if found is None:
        raise ValueError(f"{file} has no section {name}")
    section = f"{marks[0]}\n\nWritten by `{command}`.\n\n{text}\n\n{marks[1]}"
    file.write_text(before[: found.start()] + section + before[found.end() :])
