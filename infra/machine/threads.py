"""Waiting for several answers at the same time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")
_MOST = 8
"""Threads: as many questions as a registry is asked at once."""


def at_once(work: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """The result of `work` for each, in order; raises the error of the first that failed."""
    with ThreadPoolExecutor(_MOST) as pool:
        return list(pool.map(work, items))
