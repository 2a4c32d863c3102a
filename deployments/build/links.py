"""Symbolic links, followed in a listing of a tree instead of in a file system."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

_MOST_LINKS = 40
"""As many as Linux follows."""


def resolved(path: str, links: Mapping[str, str]) -> str | None:
    """Where a path leads by symbolic links, part by part; None when that is outside of the tree."""
    remaining, followed = path.split("/"), 0
    position: list[str] = []
    while remaining:
        part = remaining.pop(0)
        if part == "..":
            if not position:
                return None
            position.pop()
        elif part not in ("", "."):
            position.append(part)
        link = links.get("/".join(position))
        if link is not None and part not in ("", ".", ".."):
            followed += 1
            if link.startswith("/"):
                return None
            if followed > _MOST_LINKS:
                return path
            position.pop()
            remaining = [*link.split("/"), *remaining]
    return "/".join(position)


def folders_above(path: str) -> Iterator[str]:
    while path := path.rpartition("/")[0]:
        yield path
