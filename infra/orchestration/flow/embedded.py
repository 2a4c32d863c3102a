"""Prefect's server for one command, where none is named.

It is started before Prefect is imported, and answers by the time that the flow is. It has a session
of its own, since a terminal's Ctrl-C is not for it, and ends with the process that started it,
however that ended: its standard input is a pipe which closes then.
"""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from subprocess import PIPE, Popen

from infra.machine.imports import importing
from infra.machine.paths import state_dir
from infra.machine.processes import start
from infra.machine.waiting import wait_until
from infra.orchestration.flow import database_template
from infra.orchestration.sqlite_server import close_failed_cursors

GRACE = 5.0
"""Seconds that it has for an orderly end."""
STARTS_WITHIN = 120.0
"""Seconds; the first start of all migrates its database."""


_NOTHING_TO_REGISTER = {
    "PREFECT_SERVER_DATABASE_MIGRATE_ON_START": "0",
    "PREFECT_SERVER_REGISTER_BLOCKS_ON_START": "0",
    "PREFECT_SERVER_MEMOIZE_BLOCK_AUTO_REGISTRATION": "0",
}
"""Else it compares tables and types of blocks with what it wants at each start. For the types it
imports whatever is installed for Prefect, workers and Docker's client among it: half a second."""


@dataclass
class EmbeddedServer:
    """A server that was started; `reserved` keeps its port from other processes.

    Bound, and not listening: our server may listen there, and others find that it is taken. Prefect
    itself looks for a free port seconds before it listens there, and a second command that finds the
    same one in between uses this one's server, and loses it when it ends.
    """

    port: int
    reserved: socket.socket
    process: Popen[bytes]
    new_history: bool = False
    """Whether it makes the tables of its database, and so can leave a template."""

    @property
    def url(self) -> str:
        """Of its API."""
        return f"http://127.0.0.1:{self.port}/api"

    def answers(self) -> bool:
        """Wait until it does; False where it ended or does not in time."""
        import httpx

        def healthy() -> bool:
            try:
                return client.get(f"{self.url}/health").is_success
            except httpx.TransportError:
                return False

        # A proxy of the environment is not for this machine. One client for all questions: each
        # new one reads the certificates that machines trust, while the server needs the processor.
        with httpx.Client(trust_env=False, timeout=2) as client:
            wait_until(lambda: self._has_ended() or healthy(), STARTS_WITHIN, every=0.05)
            return not self._has_ended() and healthy()

    def _has_ended(self) -> bool:
        return self.process.poll() is not None


_started: EmbeddedServer | None = None


def named(url: str | None) -> str:
    """The address of a server that outlives this command; empty for the command's own, and for none."""
    return "" if not url or (_started and url == _started.url) else url


def begin() -> None:
    """Start it, where no server is named: what else a command does first is done meanwhile."""
    global _started
    if _started is None and not os.environ.get("PREFECT_API_URL"):
        reserved = socket.socket()
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
        _reach_directly("127.0.0.1")
        if sys.platform != "linux":
            # Elsewhere our own server could not listen there either.
            reserved.close()
        new_history = database_template.begin_history()
        _started = EmbeddedServer(port, reserved, serve(port), new_history)


def _reach_directly(address: str) -> None:
    """Keep a proxy of the environment away from this address, for Prefect's own clients too."""
    names = ("no_proxy", "NO_PROXY")
    # The first one counts where both are there: each gets what either says.
    hosts = [h for name in names for h in os.environ.get(name, "").split(",") if h]
    os.environ |= dict.fromkeys(names, ",".join(dict.fromkeys([*hosts, address])))


@contextmanager
def embedded_server() -> Iterator[None]:
    """The server that flows use in here: the one that is named, else this command's own."""
    from prefect.settings import PREFECT_API_URL

    if PREFECT_API_URL.value():
        yield
        return
    begin()
    assert _started is not None
    if not _started.answers():
        # Another version of Prefect may want another start: it knows its own.
        _let_prefect_start(_started.port)
        yield
        return
    database_template.used()
    if _started.new_history:
        database_template.keep_template()
        _started.new_history = False
    with _used(_started):
        yield


@contextmanager
def _used(server: EmbeddedServer) -> Iterator[None]:
    from prefect.settings import (
        PREFECT_API_URL,
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
        temporary_settings,
    )

    # Both: threads of Prefect's begin with the settings of the environment.
    os.environ["PREFECT_API_URL"] = server.url
    # A heartbeat is for a server that outlives its run, and costs a second at the end.
    settings = {PREFECT_API_URL: server.url, PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}
    try:
        with temporary_settings(updates=settings):
            yield
    finally:
        os.environ.pop("PREFECT_API_URL", None)


def _let_prefect_start(port: int) -> None:
    from prefect.server.api.server import SubprocessASGIServer

    server = SubprocessASGIServer()
    server.port = port
    server._run_uvicorn_command = lambda: serve(port)  # type: ignore[method-assign]


def serve(port: int) -> Popen[bytes]:
    """Start it, as Prefect's own client would; what it says goes to a file."""
    environment = {
        **os.environ,
        "PREFECT_UI_ENABLED": "0",
        "PREFECT__SERVER_EPHEMERAL": "1",
        "PREFECT__SERVER_FINAL": "1",
        # A library of its own checks the types of every call, and prepares that for a tenth of a second.
        "PY_KEY_VALUE_DISABLE_BEARTYPE": "true",
    }
    if database_template.has_tables():
        environment |= _NOTHING_TO_REGISTER
    with (state_dir() / "prefect-embedded.log").open("ab") as log:
        # -P: the folder that the person stands in is not searched for modules.
        command = [sys.executable, "-P", "-m", "infra.orchestration.flow.embedded", str(port)]
        return start(command, stdin=PIPE, stdout=log, stderr=log, env=environment)


def main(port: int) -> None:
    """Serve until the starter is gone."""
    threading.Thread(target=_end_with_starter, daemon=True).start()
    with importing():
        import uvicorn
        from prefect.server.api.server import create_app

        close_failed_cursors()
        # It collects garbage itself: not among what was just imported.
        gc.freeze()
        application = create_app()
    uvicorn.run(application, host="127.0.0.1", port=port, log_level="error", lifespan="on")


def _end_with_starter() -> None:
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE)
    os._exit(1)


if __name__ == "__main__":
    main(int(sys.argv[1]))
