"""A command on a terminal of its own, whose keys a test presses."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

CTRL_C = b"\x03"
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")


@dataclass(frozen=True)
class Ended:
    """What the terminal showed, the exit code, and the seconds from the last press to the end."""

    text: str
    code: int
    seconds: float


class Terminal:
    """A process in a session of its own on a pseudo-terminal."""

    def __init__(self, argv: Sequence[str], env: dict[str, str], cwd: Path | None = None) -> None:
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            os.chdir(cwd or ".")
            os.execve(argv[0], list(argv), env)
        self._shown = b""
        self._pressed = time.monotonic()

    def wait_for(self, text: str, seconds: float = 120) -> None:
        """Read until the terminal shows `text`."""
        deadline = time.monotonic() + seconds
        while text not in self.text:
            assert self._read(0.1) and time.monotonic() < deadline, self.text

    def press(self, key: bytes = CTRL_C) -> None:
        """A person's key: the terminal turns Ctrl-C into SIGINT for all of its foreground."""
        self._pressed = time.monotonic()
        os.write(self._fd, key)

    def end(self, seconds: float = 120) -> Ended:
        """Wait for the end of the command."""
        deadline = time.monotonic() + seconds
        try:
            while self._read(0.1):
                assert time.monotonic() < deadline, f"no end:\n{self.text[-3000:]}"
        except AssertionError:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            raise
        _, status = os.waitpid(self.pid, 0)
        os.close(self._fd)
        took = time.monotonic() - self._pressed
        return Ended(self.text, os.waitstatus_to_exitcode(status), took)

    @property
    def text(self) -> str:
        """What was shown, without colours and cursor movements."""
        return _CONTROL.sub("", self._shown.decode(errors="replace"))

    def _read(self, seconds: float) -> bool:
        """Take what is there; False when the command has closed its terminal."""
        if not select.select([self._fd], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self._fd, 65536)
        except OSError:
            return False
        self._shown += data
        return bool(data)


def left_running(state: Path) -> list[str]:
    """Processes that still work with this state folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if str(state).encode() in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue
    return found
