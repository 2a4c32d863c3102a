"""Symbolic links, followed in a listing of a tree instead of in a file system."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

_MOST_LINKS = 40
"""As many as Linux follows."""


def resolved(path: str, links: Mapping[str, str]) -> str | None:
    """Where a path leads by symbolic links, part by part; None when that is outside of the tree."""
    left, followed = path.split("/"), 0
    at: list[str] = []
    while left:
        part = left.pop(0)
        if part == "..":
            if not at:
                return None
            at.pop()
        elif part not in ("", "."):
            at.append(part)
        link = links.get("/".join(at))
        if link is not None and part not in ("", ".", ".."):
            followed += 1
            if link.startswith("/"):
                return None
            if followed > _MOST_LINKS:
                return path
            at.pop()
            left = [*link.split("/"), *left]
    return "/".join(at)


def folders_above(path: str) -> Iterator[str]:
    while path := path.rpartition("/")[0]:
        yield path
