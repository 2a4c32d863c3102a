"""A Prefect server and a process worker on this machine, with a home of their own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import httpx

from deployments.errors import HomeguruError
from infra.machine.long_processes import run_long
from infra.machine.paths import CHECKOUT
from infra.machine.processes import run, start
from infra.machine.waiting import wait_until
from infra.orchestration.liveness import HEARTBEAT, SILENT_AFTER

Say = Callable[[str], None]
POOL = "homeguru"
MODULES = {"server": "infra.orchestration.sqlite_server", "worker": "infra.orchestration.worker"}
LEASES = "prefect.server.concurrency.lease_storage.filesystem"


class LocalPrefect:
    """Server on SQLite and one process worker. `state` holds pids, logs and the home.

    A run without a sign of life for `silent_after` seconds counts as crashed.
    """

    def __init__(self, state: Path, say: Say, silent_after: int = SILENT_AFTER) -> None:
        self._silent_after = silent_after
        self._state = state
        self._say = say
        self._record = state / "prefect.json"
        state.mkdir(parents=True, exist_ok=True)

    def up(self, environments: Path, port: int = 4200) -> str:
        """Start what does not run yet; returns the UI's address."""
        record = self._load()
        if not _alive(record.get("server"), "server"):
            wanted: int = record.get("port", port)
            record["port"] = _free_port(wanted)
            record["server"] = self._start("server", record["port"], environments)
            self._save(record)
        url = f"http://127.0.0.1:{record['port']}"
        self._await(url, record["server"])
        self._register(record["port"], environments)
        if not _alive(record.get("worker"), "worker"):
            record["worker"] = self._start("worker", record["port"], environments)
            self._save(record)
        return url

    def down(self) -> None:
        """Stop the worker and the server that this state folder knows."""
        record = self._load()
        for kind in ("worker", "server"):
            pid = record.get(kind)
            if pid is not None and _alive(pid, kind):
                self._say(f"stopping the Prefect {kind}")
                _stop(pid, kind)
        self._record.unlink(missing_ok=True)

    def environment(self, port: int, environments: Path) -> dict[str, str]:
        """Variables for every process of this Prefect."""
        return {
            # Prefect's own 10 s are long for who waits.
            "PREFECT_WORKER_QUERY_SECONDS": "0.5",
            **os.environ,
            "PREFECT_HOME": str(self._state / "prefect"),
            "PREFECT_PROFILES_PATH": str(self._state / "prefect" / "profiles.toml"),
            "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            # These processes write to log files, where what goes wrong must be found.
            "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "WARNING",
            "PREFECT_API_LOG_RETRYABLE_ERRORS": "true",
            # The server notices a worker's end after three of these and at most 15 s more.
            "PREFECT_WORKER_HEARTBEAT_SECONDS": "5",
            # Signs of life that the automation of `homeguru setup` waits for.
            "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT),
            # In memory, Prefect's default, a restarted server forgets who holds a slot, and
            # the slot is never free again.
            "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": LEASES,
            # A run that waits for a slot asks again at least this often; by default every 30 s.
            "PREFECT_SERVER_CONCURRENCY_MAXIMUM_CONCURRENCY_SLOT_WAIT_SECONDS": "5",
            # After a minute, Prefect's default, a server that was away forgets which runs it
            # waited for: one that died meanwhile would be Running for ever.
            "PREFECT_SERVER_EVENTS_EXPIRED_BUCKET_BUFFER": "P7D",
            "DO_NOT_TRACK": "1",
            "HOMEGURU_ENVIRONMENTS": str(environments),
            "NO_COLOR": "1",
        }

    def _start(self, kind: str, port: int, environments: Path) -> int:
        arguments = {
            "server": ["server", "start", "--host", "127.0.0.1", "--port", str(port)],
            "worker": ["--pool", POOL],
        }[kind]
        self._say(f"starting the Prefect {kind}")
        log = self._state / f"prefect-{kind}.log"
        with log.open("ab") as out:
            process = start(
                [sys.executable, "-m", MODULES[kind], *arguments], stdout=out, stderr=out,
                cwd=CHECKOUT, env=self.environment(port, environments),
            )  # fmt: skip
        return process.pid

    def _await(self, url: str, pid: int) -> None:
        def healthy() -> bool:
            try:
                if httpx.get(f"{url}/api/health", timeout=2, trust_env=False).is_success:
                    return True
            except httpx.HTTPError:
                pass
            if not _alive(pid, "server"):
                raise self._did_not_come_up()
            return False

        message = "starting the Prefect server"
        if not wait_until(healthy, 120, tell=lambda spent: self._say(f"{message}: {spent:.0f} s")):
            raise self._did_not_come_up()

    def _did_not_come_up(self) -> HomeguruError:
        return HomeguruError(
            "the Prefect server did not come up", where=str(self._state / "prefect-server.log"),
            todo="read the log, then try again",
        )  # fmt: skip

    def _register(self, port: int, environments: Path) -> None:
        """Give the server what it must know of us; a second time changes nothing.

        In a process of its own: this one may have imported Prefect for another server.
        """
        setup = [sys.executable, "-m", "infra.cli", "setup", "--pools", "process"]
        setup += ["--silent-after", str(self._silent_after)]
        run_long(
            setup, "registering the deployments", self._say,
            env=self.environment(port, environments), cwd=CHECKOUT,
        )  # fmt: skip

    def _load(self) -> dict[str, int]:
        try:
            return dict(json.loads(self._record.read_text()))
        except (OSError, ValueError):
            return {}

    def _save(self, record: dict[str, int]) -> None:
        self._record.write_text(json.dumps(record))


def _alive(pid: object, kind: str) -> bool:
    """Whether `pid` is a running process and still the one that we started."""
    words = _command_line(pid) if isinstance(pid, int) else []
    return MODULES[kind] in words


def _command_line(pid: int) -> list[str]:
    """Words of a process's command line, from /proc or, where there is none, from ps."""
    if Path("/proc/self").exists():
        try:
            return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").split("\0")
        except OSError:
            return []
    return run("ps", "-o", "command=", "-p", str(pid)).stdout.split()


def _stop(pid: int, kind: str) -> None:
    """End a process and its group: TERM, then KILL after ten seconds."""
    for number, patience in ((signal.SIGTERM, 10.0), (signal.SIGKILL, 5.0)):
        try:
            os.killpg(pid, number)
        except ProcessLookupError:
            return
        if wait_until(lambda: _ended(pid, kind), patience, every=0.1):
            return


def _ended(pid: int, kind: str) -> bool:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    return not _alive(pid, kind)


def _free_port(wanted: int) -> int:
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise HomeguruError(
        "no free port on this machine", todo="end what holds them, then run the same command again"
    )
