"""What decides an image's content: the files that its build reads, and their hash."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping

_MOST = 1000
"""Paths that are named one by one; Git compares each file with each of them."""


def cover(every: Collection[str], wanted: Collection[str]) -> list[str]:
    """The fewest folders and files that name the wanted ones and no other of `every`.

    Where that are too many, folders at the top that hold others besides.
    """
    of_all, of_wanted = Counter(_above(every)), Counter(_above(wanted))
    whole = {folder for folder, count in of_wanted.items() if of_all[folder] == count}
    prefixes = {_first(path, whole) for path in wanted}
    if len(prefixes) > _MOST:
        prefixes = {path.partition("/")[0] for path in wanted}
    return sorted(prefixes) if len(prefixes) <= _MOST else ["."]


def _above(paths: Iterable[str]) -> Iterator[str]:
    """The folders above each path."""
    for path in paths:
        folder = path
        while folder := folder.rpartition("/")[0]:
            yield folder


def _first(path: str, whole: Collection[str]) -> str:
    """The outermost of some folders that holds the path, else the path itself."""
    ends = (match.start() for match in re.finditer("/", path))
    return next((path[:end] for end in ends if path[:end] in whole), path)


def input_hash(
    files: Mapping[str, tuple[str, bool]], dockerfiles: Iterable[str],
    settings: Mapping[str, str],
) -> str:  # fmt: skip
    """Sixteen hex digits over everything that decides an image's content.

    files: path to (SHA-256 of the content, executable). settings: base image digests
    and build arguments.
    """
    digest = hashlib.sha256()
    for path, (content, executable) in sorted(files.items()):
        digest.update(f"{path}\0{content}\0{executable:d}\n".encode())
    for text in dockerfiles:
        digest.update(hashlib.sha256(text.encode()).digest())
    for name, value in sorted(settings.items()):
        digest.update(f"{name}={value}\n".encode())
    return digest.hexdigest()[:16]
