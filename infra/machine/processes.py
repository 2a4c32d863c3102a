"""Commands on the deployer's own machine: the one place that starts processes."""

from __future__ import annotations

import contextlib
import io
import os
import queue
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from subprocess import DEVNULL, PIPE, STDOUT, Popen
from typing import IO

from deployments.errors import HomeguruError, WrongUse
from infra.machine.signals import ending_on_sigterm

_AGAIN = "run the same command again; if it hangs again, try it by hand"
SILENCE = 1800
"""Seconds without a line after which a command that is followed hangs."""
SIGNALLED = 128
"""What a shell adds to the number of the signal that ended a command."""
GRACE = 20
"""Seconds between the signal that asks a command to end and the one that forces it."""


Stream = int | IO[bytes] | None
"""Where a process reads or writes: PIPE, DEVNULL, a file; None is our own."""


class TimedOut(HomeguruError):
    """A command did not end in time, or was silent for too long; it was ended."""


@dataclass(frozen=True)
class Ended:
    """How a local command ended. raw: its standard output, byte by byte."""

    code: int
    stdout: str
    stderr: str
    raw: bytes = b""


def run(
    *argv: str, cwd: Path | None = None, env: Mapping[str, str] | None = None,
    timeout: float = 120, stdin: str | bytes | None = None,
) -> Ended:  # fmt: skip
    """Run a command quietly. env: on top of our own. Raises WrongUse and TimedOut."""
    data = stdin.encode() if isinstance(stdin, str) else stdin
    process = start(
        argv, stdin=None if data is None else PIPE, stdout=PIPE, stderr=PIPE,
        env={**os.environ, **(env or {})}, cwd=cwd,
    )  # fmt: skip
    try:
        out, error = process.communicate(data, timeout)
    except subprocess.TimeoutExpired:
        end(process)
        raise TimedOut(
            f"{' '.join(argv[:2])} did not end within {timeout:.0f} s", todo=_AGAIN
        ) from None
    except BaseException:
        end(process)
        raise
    return Ended(process.returncode, _text(out), _text(error), out)


def stream(
    *argv: str, log: Callable[[str], None], env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Ended:  # fmt: skip
    """Run a command and hand its output, both streams as one, to `log` line by line."""
    process = start(
        argv, stdin=DEVNULL, stdout=PIPE, stderr=STDOUT, env={**os.environ, **(env or {})}, cwd=cwd
    )
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
        end(process)
        raise TimedOut(
            f"{' '.join(argv[:2])} printed nothing for {SILENCE} s, and was ended", todo=_AGAIN
        ) from None
    except BaseException:
        end(process)
        raise
    return Ended(code, "".join(lines), "")


def at_terminal(argv: Sequence[str]) -> int:
    """Run a command with our own streams, in our own session; its exit code, as a shell has it.

    Ctrl-C is its alone, and SIGTERM, which it would not hear of, ends it. Raises WrongUse.
    """
    with ending_on_sigterm() as child:
        try:
            process = Popen(argv)
        except FileNotFoundError:
            raise _not_installed(argv[0]) from None
        child.runs(process.terminate)
        code = process.wait()
    return code if code >= 0 else SIGNALLED - code


def start(
    argv: Sequence[str], *, stdin: Stream = DEVNULL, stdout: Stream = PIPE,
    stderr: Stream = PIPE, env: Mapping[str, str] | None = None, cwd: Path | str | None = None,
) -> Popen[bytes]:  # fmt: skip
    """Start a command in a session of its own, so that all that it starts can be ended with it.

    env: all of its environment; None is our own. Raises WrongUse when it cannot be started.
    """
    try:
        return Popen(
            argv, stdin=stdin, stdout=stdout, stderr=stderr, env=env, cwd=cwd,
            start_new_session=True,
        )  # fmt: skip
    except FileNotFoundError:
        raise _not_installed(argv[0]) from None
    except OSError as error:
        raise WrongUse(
            f"{argv[0]} cannot be started: {error.strerror}",
            todo=f"by hand, as the same user: {argv[0]} --version",
        ) from None


def _read(process: Popen[bytes], arrived: queue.Queue[str | None]) -> None:
    assert process.stdout is not None
    with io.TextIOWrapper(process.stdout, errors="replace") as lines:
        for line in lines:
            arrived.put(line)
    arrived.put(None)


def _text(output: bytes) -> str:
    """As a program's text is read: any end of a line is one."""
    return output.decode(errors="replace").replace("\r\n", "\n").replace("\r", "\n")


def end(process: Popen[bytes]) -> None:
    """End a command and its children, also those of one that has ended; what does not want to is killed."""
    for sent in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, sent)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=GRACE)


def _not_installed(program: str) -> WrongUse:
    return WrongUse(f"{program} is not installed on this machine", todo=_hint(program))


def _hint(program: str) -> str:
    if program == "docker":
        return "install Docker with Compose and buildx: https://docs.docker.com/engine/install/"
    return f"install {program}"
