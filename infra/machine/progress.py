"""Progress of a run, for whoever watches: the CLI's terminal, or nobody."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """A watcher of one run."""

    def begin(self, name: str) -> None:
        """A step begins."""

    def line(self, text: str) -> None:
        """A line of output of the step at work."""

    def end(self, name: str, seconds: float, problem: str) -> None:
        """A step ended; `problem` is empty when it went well."""


class Silent:
    """Nobody watches."""

    def begin(self, name: str) -> None:
        """Say nothing."""

    def line(self, text: str) -> None:
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
