"""Ctrl-C and SIGTERM: the first one stops a run, which undoes; an undo is not stopped."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from deployments.errors import Interrupted

_shields = 0


def install() -> None:
    """Turn SIGINT and SIGTERM into Interrupted, in the main thread of a process of ours."""
    signal.signal(signal.SIGINT, _interrupt)
    signal.signal(signal.SIGTERM, _interrupt)


@contextmanager
def shielded() -> Iterator[None]:
    """While inside, a signal is answered by one line and nothing is stopped."""
    global _shields
    _shields += 1
    try:
        yield
    finally:
        _shields -= 1


def _interrupt(number: int, _: FrameType | None) -> None:
    name = signal.Signals(number).name
    if _shields:
        sys.stderr.write(f"{name}: undoing; kill -9 leaves the rest to the next run\n")
        return
    raise Interrupted(f"stopped by {name}", todo="run the same command again when it is wanted")
