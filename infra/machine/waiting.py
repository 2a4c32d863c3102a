"""Waiting for something that comes by itself."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

TELL_EVERY = 10.0
"""Seconds between two progress lines."""

Answer = TypeVar("Answer")


def wait_until(
    check: Callable[[], Answer], seconds: float, *, every: float = 0.2,
    tell: Callable[[float], None] | None = None,
) -> Answer:  # fmt: skip
    """Ask until the answer is true; that answer, or after `seconds` the last one.

    every: seconds between two questions. tell: is given the seconds spent so far, every ten
    seconds. What makes waiting useless is raised by `check`.
    """
    begin = last_report = time.monotonic()
    while not (answer := check()):
        now = time.monotonic()
        if now - begin >= seconds:
            break
        if tell and now - last_report >= TELL_EVERY:
            last_report = now
            tell(now - begin)
        time.sleep(every)
    return answer
