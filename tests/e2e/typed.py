"""Commands of a guide, typed at a terminal of their own."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import time
from pathlib import Path


def typed(
    text: str, *, cwd: Path, env: dict[str, str], answers: dict[str, str], seconds: float = 600
) -> tuple[int, str]:
    """Run a block as a person does, up to its first command that fails; exit code and screen.

    answers: what is typed, by the last words of the question; each is asked once.
    """
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        ["bash", "--noprofile", "--norc", "-ec", text], stdin=theirs, stdout=theirs, stderr=theirs,
        cwd=cwd, env={**env, "TERM": "xterm", "COLUMNS": "80"}, start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    screen, waiting, deadline = "", dict(answers), time.monotonic() + seconds
    try:
        while (shown := _shown(ours, deadline)) is not None:
            screen += shown
            for question in [q for q in waiting if screen.rstrip().endswith(q)]:
                os.write(ours, f"{waiting.pop(question)}\n".encode())
                screen += "\n"
        return process.wait(10), screen
    finally:
        process.kill()
        os.close(ours)


def _shown(terminal: int, deadline: float) -> str | None:
    """What comes next; None at the end."""
    ready, _, _ = select.select([terminal], [], [], max(0.0, deadline - time.monotonic()))
    assert ready, "it did not end in time"
    try:
        return os.read(terminal, 65536).decode(errors="replace") or None
    except OSError:
        # Linux says so of a terminal whose last program has ended.
        return None
