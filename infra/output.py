"""What a script on a host says: lines as they come, and how it ended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Log = Callable[[str], None]


@dataclass(frozen=True)
class Output:
    """How a script on the host ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def tail(self) -> str:
        """The last fourteen lines of the error output, else of the output."""
        return "\n".join((self.stderr.strip() or self.stdout.strip()).splitlines()[-14:])


class Lines:
    """A stream that hands complete lines to a log as they come."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._rest = ""

    def write(self, text: str) -> None:
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            if line.strip():
                self._log(line.rstrip())

    def flush(self) -> None:
        """Lines are whole when they end; nothing to do earlier."""
