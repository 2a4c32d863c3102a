"""Run a local command that may take long, and keep telling that it is still running."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from subprocess import Popen, TimeoutExpired

from deployments.errors import HomeguruError, WrongUse
from infra.machine.processes import end, start
from infra.machine.waiting import TELL_EVERY

Say = Callable[[str], None]


class CommandFailed(HomeguruError):
    """A local command ended with a failure, or did not end in time.

    `tail` holds the last lines of what it printed, both streams together.
    """

    def __init__(self, argv: Sequence[str], reason: str, tail: str) -> None:
        super().__init__(f"{' '.join(argv[:4])}: {reason}\n{tail}".rstrip())
        self.argv, self.reason, self.tail = tuple(argv), reason, tail


def run_long(
    argv: Sequence[str],
    label: str,
    say: Say,
    *,
    timeout: float = 600,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> str:
    """Run `argv` to its end and return what it printed (both streams).

    Says "`label`: N s" every ten seconds. Raises CommandFailed when the command
    fails, is missing, or needs more than `timeout` seconds (it is killed then).
    """
    with tempfile.TemporaryFile() as out:
        try:
            process = start(argv, stdout=out, stderr=out, env=env, cwd=cwd)
        except WrongUse as error:
            raise CommandFailed(argv, error.what, "") from error
        late = not _wait(process, label, say, timeout)
        out.seek(0)
        text = out.read().decode(errors="replace")
    if late:
        raise CommandFailed(argv, f"no end after {timeout:.0f} s", tail(text))
    if process.returncode:
        raise CommandFailed(argv, f"exit {process.returncode}", tail(text))
    return text


def tail(text: str, lines: int = 12) -> str:
    """Return the last `lines` lines of a command's output, which name its trouble."""
    return "\n".join(text.rstrip().splitlines()[-lines:])


def _wait(process: Popen[bytes], label: str, say: Say, timeout: float) -> bool:
    """Wait for the end; False when `timeout` seconds passed and it was killed."""
    begin = time.monotonic()
    try:
        while (spent := time.monotonic() - begin) < timeout:
            try:
                process.wait(min(TELL_EVERY, timeout - spent))
            except TimeoutExpired:
                say(f"{label}: {time.monotonic() - begin:.0f} s")
            else:
                return True
        return False
    finally:
        # Also after an interrupt: a forgotten child would keep package locks.
        if process.poll() is None:
            end(process)
