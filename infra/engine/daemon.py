"""The deployer's own Docker engine: use the one that runs, else install and start one."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import signal
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from deployments.errors import HomeguruError, WrongUse
from infra.engine import debian
from infra.machine.long_processes import CommandFailed, Say, tail
from infra.machine.processes import TimedOut, run
from infra.machine.waiting import wait_until

MINIMUM_COMPOSE = (2, 20)
LOCAL_SOCKETS = ("unix:///var/run/docker.sock", "unix:///run/docker.sock")
HOW_TO = "Install Docker Engine with the Compose and buildx plugins: https://docs.docker.com/engine/install/"


class EngineMissing(HomeguruError):
    """No usable Docker engine, and none could be started; the text says what to do."""


@dataclass(frozen=True)
class Engine:
    """A Docker engine that answers.

    `id` is the engine's own identity, `host` its address as the client sees it,
    `started` tells whether we started it (under the given state folder).
    """

    id: str
    version: str
    compose: str
    buildx: str
    host: str
    started: bool


def ensure_engine(say: Say, state: Path) -> Engine:
    """Return a running engine with Compose (2.20 or newer) and buildx.

    Honours DOCKER_HOST and the current context. Where no local engine answers, root on
    Debian 12 or 13 gets one installed and started, recorded in `state`/engine.json.
    Raises EngineMissing with one sentence on what to do.
    """
    state.mkdir(parents=True, exist_ok=True)
    if (identity := _identity()) is not None:
        return _engine(identity, state)
    host = _host()
    if host not in LOCAL_SOCKETS:
        raise EngineMissing(
            f"The Docker engine at {host} does not answer. Start it, or unset DOCKER_HOST."
        )
    with _alone():
        # Another session may have started it while we waited for the lock.
        if (identity := _identity()) is None:
            identity = _start(say, state)
        return _engine(identity, state)


def stop_engine(say: Say, state: Path) -> bool:
    """Stop the engine if we started it and nothing runs there; True when it is stopped.

    An engine that somebody else started, or that still has containers, is left alone.
    """
    record = _record(state)
    if record is None:
        return False
    with _alone():
        running = _output("docker", "ps", "-q")
        if running is None:
            say("The Docker engine does not say what it runs: left running")
            return False
        if running:
            say(f"Docker runs {len(running.splitlines())} container(s): engine left running")
            return False
        os.kill(record["pid"], signal.SIGTERM)
        if not debian.wait_for_end(record["pid"], record["began"], 30):
            say("The Docker engine did not stop within 30 s")
            return False
        (state / "engine.json").unlink(missing_ok=True)
        (state / "dockerd.pid").unlink(missing_ok=True)
    say("Docker engine stopped")
    return True


def _start(say: Say, state: Path) -> tuple[str, str]:
    """Install if needed, start, wait; returns the engine's id and version."""
    begin = time.monotonic()
    pid = debian.running_dockerd()
    if pid is None:
        version = debian.debian_version()
        if version is None:
            raise EngineMissing(f"No Docker engine answers. {HOW_TO}")
        try:
            debian.install_docker(version, say)
            # The package may have started the daemon itself.
            if debian.running_dockerd() is None:
                debian.start_dockerd(state)
        except (CommandFailed, WrongUse, TimedOut, OSError) as error:
            raise EngineMissing(
                f"Docker could not be installed or started: {error}. {HOW_TO}"
            ) from error
    identity = _await_answer(say, state)
    ours = debian.running_dockerd()
    if pid is None and ours is not None:
        _write_record(state, ours)
    say(f"Docker engine {identity[1]} answers after {time.monotonic() - begin:.0f} s")
    return identity


def _await_answer(say: Say, state: Path, seconds: float = 90) -> tuple[str, str]:
    begin = time.monotonic()

    def answer() -> tuple[str, str] | None:
        identity = _identity()
        if identity is None and time.monotonic() - begin > 3 and debian.running_dockerd() is None:
            raise _did_not_come_up(state)
        return identity

    identity = wait_until(
        answer, seconds, tell=lambda spent: say(f"waiting for Docker: {spent:.0f} s")
    )
    if identity is None:
        raise _did_not_come_up(state)
    return identity


def _did_not_come_up(state: Path) -> EngineMissing:
    log = state / "dockerd.log"
    last = tail(log.read_text(errors="replace"), 3) if log.exists() else ""
    return EngineMissing(f"The Docker engine did not come up; its log is {log}: {last}")


def _engine(identity: tuple[str, str], state: Path) -> Engine:
    compose = _output("docker", "compose", "version", "--short") or ""
    match = re.match(r"v?(\d+)\.(\d+)", compose)
    if match is None or (int(match[1]), int(match[2])) < MINIMUM_COMPOSE:
        minimum = ".".join(map(str, MINIMUM_COMPOSE))
        raise EngineMissing(
            f"Docker Compose {minimum} or newer is needed, found: {compose or 'none'}. {HOW_TO}"
        )
    buildx = _output("docker", "buildx", "version")
    if buildx is None:
        raise EngineMissing(f"Docker answers, but its buildx plugin is missing. {HOW_TO}")
    _recover_record(state)
    return Engine(
        identity[0], identity[1], compose.strip("v\n"), buildx.split()[1], _host(),
        started=_record(state) is not None,
    )  # fmt: skip


def _identity() -> tuple[str, str] | None:
    """Id and version of the engine that answers, else None."""
    text = _output("docker", "info", "--format", "{{json .ID}} {{json .ServerVersion}}")
    parts = [part.strip('"') for part in (text or "").split()]
    # A client without an engine prints empty strings, and some versions exit 0.
    return (parts[0], parts[1]) if len(parts) == 2 and all(parts) else None


def _host() -> str:
    if host := os.environ.get("DOCKER_HOST"):
        return host
    shown = _output("docker", "context", "inspect", "--format", "{{.Endpoints.docker.Host}}")
    return shown or LOCAL_SOCKETS[0]


def _output(*argv: str) -> str | None:
    """What a short command prints, None when it fails or is missing."""
    try:
        completed = run(*argv, timeout=20)
    except (WrongUse, TimedOut):
        return None
    return completed.stdout.strip() if completed.code == 0 else None


def _write_record(state: Path, pid: int) -> None:
    text = json.dumps({"v": 1, "pid": pid, "began": debian.start_time(pid)})
    (state / "engine.json").write_text(text)


def _recover_record(state: Path) -> None:
    """Write the record that a run killed between start and record did not write.

    Only a daemon that we started writes its pid file into our state folder.
    """
    with contextlib.suppress(OSError, ValueError):
        pid = int((state / "dockerd.pid").read_text())
        if pid == debian.running_dockerd() and not (state / "engine.json").exists():
            _write_record(state, pid)


def _record(state: Path) -> dict[str, int] | None:
    """Our record of the daemon we started, None when it is not that process any more."""
    path = state / "engine.json"
    try:
        record: dict[str, int] = json.loads(path.read_text())
        pid, began = record["pid"], record["began"]
        if debian.process_name(pid) == "dockerd" and debian.start_time(pid) == began:
            return record
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError):
        pass
    # A killed run's record must not make us stop somebody else's daemon later.
    path.unlink(missing_ok=True)
    return None


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Hold the machine-wide lock: the daemon is one per machine, not per state folder."""
    with (Path(tempfile.gettempdir()) / "homeguru-engine.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
