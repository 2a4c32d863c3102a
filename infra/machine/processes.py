"""Commands on the deployer's own machine: git, docker."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE, Popen

from deployments.errors import HomeguruError, WrongUse

_AGAIN = "run the same command again; if it hangs again, try it by hand"
SILENCE = 1800
"""Seconds without a line after which a command that is followed hangs."""
GRACE = 20
"""Seconds between the signal that asks a command to end and the one that forces it."""


@dataclass(frozen=True)
class Ended:
    """How a local command ended."""

    code: int
    stdout: str
    stderr: str


def run(
    *argv: str, cwd: Path | None = None, env: Mapping[str, str] | None = None, timeout: int = 120,
    stdin: str | None = None,
) -> Ended:  # fmt: skip
    """Run a command quietly. Raises WrongUse when the program is not there."""
    process = _start(argv, cwd, env, PIPE if stdin is not None else None, PIPE)
    try:
        out, error = process.communicate(stdin, timeout)
    except subprocess.TimeoutExpired:
        _end(process)
        raise HomeguruError(
            f"{argv[0]} {argv[1]} did not end within {timeout} s", todo=_AGAIN
        ) from None
    except BaseException:
        _end(process)
        raise
    return Ended(process.returncode, out, error)


def stream(
    *argv: str, log: Callable[[str], None], env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Ended:  # fmt: skip
    """Run a command and hand its output, both streams as one, to `log` line by line."""
    process = _start(argv, cwd, env, subprocess.DEVNULL, subprocess.STDOUT)
    lines: list[str] = []
    arrived: queue.Queue[str | None] = queue.Queue()
    threading.Thread(target=_read, args=(process, arrived), daemon=True).start()
    try:
        while (line := arrived.get(timeout=SILENCE)) is not None:
            lines.append(line)
            if line.strip():
                log(line.rstrip())
        code = process.wait(SILENCE)
    except (queue.Empty, subprocess.TimeoutExpired):
        _end(process)
        raise HomeguruError(
            f"{argv[0]} {argv[1]} printed nothing for {SILENCE} s, and was ended", todo=_AGAIN
        ) from None
    except BaseException:
        _end(process)
        raise
    return Ended(code, "".join(lines), "")


def _start(
    argv: tuple[str, ...], cwd: Path | None, env: Mapping[str, str] | None, stdin: int | None,
    stderr: int,
) -> Popen[str]:  # fmt: skip
    """In a session of its own, so that all that it starts can be ended with it."""
    try:
        return Popen(
            argv, cwd=cwd, env={**os.environ, **(env or {})}, stdin=stdin, stdout=PIPE,
            stderr=stderr, text=True, errors="replace", start_new_session=True,
        )  # fmt: skip
    except FileNotFoundError:
        raise WrongUse(f"{argv[0]} is not installed on this machine", todo=_hint(argv[0])) from None


def _read(process: Popen[str], arrived: queue.Queue[str | None]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        arrived.put(line)
    arrived.put(None)


def _end(process: Popen[str]) -> None:
    """End a command and its children; one that does not want to is killed."""
    for sent in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, sent)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=GRACE)


def _hint(program: str) -> str:
    if program == "docker":
        return "install Docker with Compose and buildx: https://docs.docker.com/engine/install/"
    return f"install {program}"
