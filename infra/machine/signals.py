"""Ctrl-C and SIGTERM: the first one stops a run, which undoes; an undo is not stopped."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from deployments.errors import Interrupted

PATIENCE = 10.0
"""Seconds for which a run that was asked to stop is not interrupted once more."""


@dataclass
class _Request:
    """What this process was asked for. `by`: the first signal's name, empty before it.

    begun: whether work began that may have reached a server.
    leave: ends the process before that.
    """

    by: str = ""
    at: float = 0.0
    shields: int = 0
    begun: bool = False
    leave: Callable[[Interrupted], None] | None = None


_request = _Request()


def install(leave: Callable[[Interrupted], None] | None = None) -> None:
    """Turn SIGINT and SIGTERM into Interrupted, in the main thread of a process of ours.

    leave: ends the process where no work has begun: an exception would reach libraries that
    are just being imported, and they print it.
    """
    _request.leave = leave
    signal.signal(signal.SIGINT, _interrupt)
    signal.signal(signal.SIGTERM, _interrupt)


def begin_work() -> None:
    """From here on a server may have been reached: an interrupt no longer says that none was."""
    _request.begun = True


@contextmanager
def shielded() -> Iterator[None]:
    """While inside, a signal is answered by one line and nothing is stopped."""
    _request.shields += 1
    try:
        yield
    finally:
        _request.shields -= 1
        # What follows an undo is its report, which a second press must not cut off.
        _request.at = time.monotonic()


@dataclass
class Child:
    """A command at this process's own terminal. asked: whether SIGTERM came, perhaps before it ran."""

    asked: bool = False
    _end: Callable[[], None] | None = None

    def runs(self, end: Callable[[], None]) -> None:
        """From here on SIGTERM calls `end`."""
        self._end = end
        if self.asked:
            end()

    def stop(self, *_: object) -> None:
        """What SIGTERM does."""
        self.asked = True
        if self._end:
            self._end()


@contextmanager
def ending_on_sigterm() -> Iterator[Child]:
    """While inside, SIGTERM ends a command, and Ctrl-C is left to it: the terminal sends it both."""
    child = Child()
    # Not SIG_IGN, which the command would inherit.
    before = {
        signal.SIGINT: signal.signal(signal.SIGINT, lambda *_: None),
        signal.SIGTERM: signal.signal(signal.SIGTERM, child.stop),
    }
    try:
        yield child
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def stop_if_asked() -> None:
    """Raise Interrupted once more, where code in between took the first one for its own failure."""
    if not _request.shields and (stopped := interrupted()):
        raise stopped


def _interrupt(number: int, _: FrameType | None) -> None:
    name = signal.Signals(number).name
    if _request.shields:
        sys.stderr.write(f"{name}: undoing; kill -9 leaves the rest to the next run\n")
        return
    if _request.by and time.monotonic() - _request.at < PATIENCE:
        sys.stderr.write(f"{name}: stopping already\n")
        return
    _request.by, _request.at = name, time.monotonic()
    if _request.leave and not _request.begun and (stopped := interrupted()):
        _request.leave(stopped)
    stop_if_asked()


def interrupted() -> Interrupted | None:
    """The message for a person who pressed the key; None where nobody did."""
    if not _request.by:
        return None
    return Interrupted(
        f"stopped by {_request.by}", state="" if _request.begun else "not contacted",
        todo="run the same command again when it is wanted",
    )  # fmt: skip
