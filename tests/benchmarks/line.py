"""A counted SSH line: connections, bytes and, from the server's own log, commands."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from infra.machine.processes import run
from tests.benchmarks.slow_line import Counts, slow_line

_SESSION = re.compile(r"Starting session: (command|subsystem|shell)")


@dataclass
class Used:
    """What one run has used."""

    connections: int = 0
    commands: int = 0
    files: int = 0
    """Sessions that only carry files: SFTP."""
    bytes: int = 0


class Line:
    """A port that leads to a server's sshd, and what went over it."""

    def __init__(self, server: str, port: int, counts: Counts) -> None:
        self.port, self._server, self._counts = port, server, counts

    @contextmanager
    def counted(self) -> Iterator[Used]:
        """What was used between begin and end."""
        before = self._so_far()
        used = Used()
        yield used
        after = self._so_far()
        for name, value in vars(after).items():
            setattr(used, name, value - getattr(before, name))

    def _so_far(self) -> Used:
        """With the commands and subsystems that sshd has started (`LogLevel VERBOSE`)."""
        counts = self._counts
        kinds = Counter(_SESSION.findall(run("docker", "logs", self._server).stderr))
        files = kinds.pop("subsystem", 0)
        return Used(counts.connections, kinds.total(), files, counts.bytes)


@contextmanager
def line_to(server: str, port: int, one_way: float) -> Iterator[Line]:
    """A line to a server's SSH port, `one_way` seconds long each way."""
    with slow_line(port, one_way) as (here, counts):
        yield Line(server, here, counts)
