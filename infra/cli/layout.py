"""Where commands write, and how it is aligned: two columns, a table, one JSON document."""

from __future__ import annotations

import json
import textwrap
from typing import Any

from rich.console import Console
from rich.text import Text

from infra.machine.sinks import clean

console = Console(highlight=False, soft_wrap=True)
errors = Console(stderr=True, highlight=False, soft_wrap=True)

NARROW = 20
"""Columns below which a text is left to the terminal: broken so often, nobody could read it."""
_COLOURS = {"healthy": "green", "unhealthy": "red", "restarting": "red", "dead": "red"}
"""Of states in a table. A container that exited may have done its work."""


def as_json(data: Any) -> None:
    """One JSON document on stdout."""
    console.out(json.dumps(data, ensure_ascii=False), highlight=False)


def pairs(rows: list[tuple[str, str]], to: Console | None = None) -> None:
    """Two aligned columns; a long value goes on below its beginning."""
    to = to or console
    rows = [(clean(name), clean(value)) for name, value in rows]
    width = max((len(name) for name, _ in rows), default=0)
    for name, value in rows:
        for number, line in enumerate(_wrapped(value, width + 2, to)):
            to.print(f"{'' if number else name:<{width}}  {line}", markup=False)


def _wrapped(text: str, before: int, to: Console) -> list[str]:
    """Lines that fit next to `before` columns. Whole where no person looks: a program may search it."""
    room = to.width - before
    if not to.is_terminal or room < NARROW:
        return [text]
    wrapper = textwrap.TextWrapper(room, break_long_words=False, break_on_hyphens=False)
    return [line for part in text.split("\n") for line in wrapper.wrap(part) or [""]]


def table(header: list[str], rows: list[list[str]]) -> None:
    """An aligned table without lines; a long last cell goes on below its beginning."""
    rows = [[clean(cell) for cell in row] for row in rows]
    widths = [max(len(r[i]) for r in [header, *rows]) for i in range(len(header))]
    before = sum(widths[:-1]) + 2 * len(widths[:-1])
    console.print(_cells(header, widths, "bold"))
    for row in rows:
        for number, last in enumerate(_wrapped(row[-1], before, console)):
            cells = [*row[:-1], last] if not number else [*[""] * (len(row) - 1), last]
            console.print(_cells(cells, widths))


def _cells(cells: list[str], widths: list[int], style: str = "") -> Text:
    """One row; a state is coloured."""
    text = Text("  ").join(
        Text(f"{cell:<{width}}", style or _COLOURS.get(cell, ""))
        for cell, width in zip(cells, widths, strict=True)
    )
    text.rstrip()
    return text


def begin_again() -> None:
    """A page that replaces the one before on a terminal, and follows it elsewhere."""
    if console.is_terminal:
        console.clear()
    else:
        console.print()
