"""Progress of a run, for whoever watches: the CLI's terminal, or nobody."""

from __future__ import annotations

from typing import Protocol

SHOWN_AFTER = 2.0
"""Seconds that a step takes before it is shown how far it is."""


class Progress(Protocol):
    """A watcher of one run."""

    def begin(self, name: str) -> None:
        """A step begins."""

    def line(self, text: str) -> None:
        """A line of output of the step at work."""

    def progress(self, text: str) -> None:
        """How far the step at work is; in the place of what it said before."""

    def end(self, name: str, seconds: float, problem: str) -> None:
        """A step ended; `problem` is empty when it went well."""


class Silent:
    """Nobody watches."""

    def begin(self, name: str) -> None:
        """Say nothing."""

    def line(self, text: str) -> None:
        """Say nothing."""

    def progress(self, text: str) -> None:
        """Say nothing."""

    def end(self, name: str, seconds: float, problem: str) -> None:
        """Say nothing."""


_watcher: Progress = Silent()


def watch(progress: Progress) -> None:
    """Let one watcher see every run of this process."""
    global _watcher
    _watcher = progress


def watcher() -> Progress:
    """Who watches now."""
    return _watcher


def is_watched() -> bool:
    """Whether somebody does: else nothing is asked for the sake of showing it."""
    return not isinstance(_watcher, Silent)
