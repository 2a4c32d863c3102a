"""Markdown of generated pages: a heading with its notice, tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

NOTICE = "<!-- Written by `python -m infra.reference`: change the code, not this page. -->"


def page(title: str, *parts: str) -> str:
    """A page of its parts, apart by blank lines; empty ones are left out."""
    return "\n\n".join([f"# {title}", NOTICE, *(part.strip() for part in parts if part)]) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; columns that are empty in each row are left out. Empty without rows."""
    cells = [[_cell(text) for text in row] for row in rows]
    used = [n for n in range(len(head)) if any(row[n] for row in cells)]
    if not used:
        return ""
    lines = [
        [head[n] for n in used],
        ["---"] * len(used),
        *([row[n] for n in used] for row in cells),
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def code(text: str) -> str:
    """Text as code; nothing for an empty one."""
    return f"`{text}`" if text else ""


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
