"""Commands on the deployer's own machine: git, docker."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from deployments.errors import HomeguruError, WrongUse


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
    try:
        done = subprocess.run(
            argv, cwd=cwd, env={**os.environ, **(env or {})}, timeout=timeout, input=stdin,
            capture_output=True, text=True, errors="replace", check=False,
        )  # fmt: skip
    except FileNotFoundError:
        raise WrongUse(f"{argv[0]} is not installed on this machine", todo=_hint(argv[0])) from None
    except subprocess.TimeoutExpired:
        raise HomeguruError(
            f"{argv[0]} {argv[1]} did not end within {timeout} s",
            todo="run the same command again; if it hangs again, try it by hand",
        ) from None
    return Ended(done.returncode, done.stdout, done.stderr)


def stream(
    *argv: str, log: Callable[[str], None], env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Ended:  # fmt: skip
    """Run a command and hand its output, both streams as one, to `log` line by line."""
    try:
        process = subprocess.Popen(
            argv, cwd=cwd, env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
        )  # fmt: skip
    except FileNotFoundError:
        raise WrongUse(f"{argv[0]} is not installed on this machine", todo=_hint(argv[0])) from None
    lines: list[str] = []
    assert process.stdout is not None
    try:
        for line in process.stdout:
            lines.append(line)
            if line.strip():
                log(line.rstrip())
        code = process.wait()
    except BaseException:
        process.terminate()
        process.wait(timeout=20)
        raise
    return Ended(code, "".join(lines), "")


def _hint(program: str) -> str:
    if program == "docker":
        return "install Docker with Compose and buildx: https://docs.docker.com/engine/install/"
    return f"install {program}"
