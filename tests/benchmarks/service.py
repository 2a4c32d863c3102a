"""Somebody who asks a service all the while: for how long did it not answer?"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx

PACE = 0.05


@dataclass
class Answers:
    """What came of the requests between begin and end."""

    asked: int = 0
    failed: int = 0
    without: float = 0.0
    """Seconds from the first request without an answer to the next one with, over all gaps."""


@contextmanager
def watched(url: str) -> Iterator[Answers]:
    """Ask twenty times a second, each time on a new connection."""
    found, stop = Answers(), threading.Event()

    def ask() -> None:
        silent_since: float | None = None
        while not stop.wait(PACE):
            began = time.monotonic()
            found.asked += 1
            if _answers(url):
                if silent_since is not None:
                    found.without += began - silent_since
                silent_since = None
            else:
                found.failed += 1
                silent_since = silent_since or began
        if silent_since is not None:
            found.without += time.monotonic() - silent_since

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield found
    finally:
        stop.set()
        thread.join()


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False, timeout=5).status_code < 500
    except httpx.HTTPError:
        return False
