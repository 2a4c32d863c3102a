"""A process that has imported Prefect and every flow, and forks one for each run.

It lives beside a worker and for as long as that or one of its runs does. `multiprocessing` has a fork
server as well, for children of its own process; here a process that the worker starts and kills asks
(`fork_client`), and what it is told to end, ends.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import random
import selectors
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from itertools import chain
from pathlib import Path
from runpy import run_module
from shutil import rmtree

from infra.orchestration.setup.declared import declared
from infra.orchestration.worker.fork_client import ENGINE, PASSED_ON, SIZE

IMPORTED_LATE = (
    "anyio._backends._asyncio", "encodings.idna", "prefect.deployments.steps.pull", "prefect.flow_engine",
    "prefect.runner", "prefect.task_engine", "prefect.utilities.visualization",
)  # fmt: skip
"""What Prefect imports when a run begins, whatever the flow is."""
PATIENCE = 10.0
"""Seconds for a client to send its request."""


@dataclass
class Request:
    """What a run's process would have inherited of the client's."""

    cwd: str
    environment: dict[str, str]
    files: list[int]


@contextmanager
def beside(address: Path) -> Iterator[None]:
    """A fork server at a socket, for as long as this process is there: whatever ends it."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(address))
    listener.listen(64)
    read, write = os.pipe()
    if os.fork() == 0:
        os.close(write)
        _be_the_server(listener, read)
    listener.close()
    os.close(read)
    try:
        yield
    finally:
        os.close(write)


def _be_the_server(listener: socket.socket, worker: int) -> None:
    """In the forked process; each run's process ends in here as well."""
    code = 1
    try:
        _warm_up()
        folder = Path(listener.getsockname()).parent
        if request := ForkServer(listener, worker).serve():
            _be(request)
            # It is run as a program now, not as the module that others have imported.
            sys.modules.pop(ENGINE, None)
            run_module(ENGINE, run_name="__main__", alter_sys=True)
        else:
            rmtree(folder, ignore_errors=True)
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(bool(ended.code))
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        _end(code)


def _warm_up() -> None:
    """Import what a run imports. Nothing of it starts a thread: a fork has this one alone."""
    for each in chain(*declared()):
        with suppress(Exception):
            # What is wrong with a flow is said by the run of it.
            import_module(each.entrypoint.rpartition(".")[0])
    for name in IMPORTED_LATE:
        with suppress(ImportError):
            import_module(name)
    gc.collect()
    # Else the first collection in each run would copy every page of what is there.
    gc.freeze()


class ForkServer:
    """worker: a pipe that is closed when the worker ends."""

    def __init__(self, listener: socket.socket, worker: int) -> None:
        self._listener, self._worker = listener, worker
        self._runs: dict[int, socket.socket] = {}
        """Process to the client that asked for it."""
        self._look = selectors.DefaultSelector()
        self._woken = socket.socketpair()

    def serve(self) -> Request | None:
        """None when worker and runs have ended; in the process of a run, what that is."""
        self._take_signals()
        for file in (self._listener, self._worker, self._woken[0]):
            self._look.register(file, selectors.EVENT_READ)
        over = False
        while self._runs or not over:
            for key, _ in self._look.select():
                if key.fileobj == self._worker:
                    over = True
                    self._look.unregister(self._worker)
                elif key.fileobj is self._woken[0]:
                    self._woken[0].recv(4096)
                    self._reap()
                elif key.fileobj is self._listener:
                    if request := self._fork():
                        return request
                # One that another event of this round has reaped is told nothing.
                elif client := self._runs.get(key.data):
                    self._pass_on(key.data, client)
        return None

    def _take_signals(self) -> None:
        for each in self._woken:
            each.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._woken[1].fileno())
        # Ctrl-C and a service's end reach the whole group: the runs are told by the worker.
        for number in PASSED_ON:
            signal.signal(number, signal.SIG_IGN)

    def _fork(self) -> Request | None:
        """In the new process, what it is to be; None in this one."""
        client, _ = self._listener.accept()
        try:
            client.settimeout(PATIENCE)
            request = _read(client)
        except (OSError, ValueError, KeyError):
            client.close()
            return None
        process = os.fork()
        if process == 0:
            self._forget()
            client.close()
            return request
        for file in request.files:
            os.close(file)
        self._runs[process] = client
        self._look.register(client, selectors.EVENT_READ, process)
        return None

    def _forget(self) -> None:
        """In a run's process: nothing of the server's is held or answered here."""
        signal.set_wakeup_fd(-1)
        for number in (*PASSED_ON, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        # As Python itself begins.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        self._look.close()
        with suppress(OSError):
            os.close(self._worker)
        for each in (self._listener, *self._woken, *self._runs.values()):
            each.close()

    def _pass_on(self, process: int, client: socket.socket) -> None:
        """A signal for a run; a client that is gone was killed, and so is what it asked for."""
        try:
            sent = client.recv(SIZE)
        except OSError:
            sent = b""
        os.kill(process, int.from_bytes(sent, "big") if sent else signal.SIGKILL)
        if not sent:
            self._look.unregister(client)

    def _reap(self) -> None:
        while self._runs:
            process, status = os.waitpid(-1, os.WNOHANG)
            if not process:
                return
            client = self._runs.pop(process)
            with suppress(KeyError):
                self._look.unregister(client)
            with suppress(OSError):
                client.sendall(os.waitstatus_to_exitcode(status).to_bytes(SIZE, "big", signed=True))
            client.close()


def _read(client: socket.socket) -> Request:
    size, files, _, _ = socket.recv_fds(client, SIZE, 3)
    left, parts = int.from_bytes(size, "big"), []
    while left:
        part = client.recv(min(left, 65536))
        if not part:
            raise ValueError("a request without its end")
        parts.append(part)
        left -= len(part)
    document = json.loads(b"".join(parts))
    return Request(document["cwd"], document["environment"], files)


def _be(request: Request) -> None:
    """Become the process that the client would have started."""
    for number, file in enumerate(request.files):
        os.dup2(file, number)
        os.close(file)
    os.environ.clear()
    os.environ.update(request.environment)
    os.chdir(request.cwd)
    sys.argv = [ENGINE]
    random.seed()
    from prefect.context import refresh_global_settings_context

    refresh_global_settings_context()


def _end(code: int) -> None:
    """As the interpreter would, but for what the worker's own part of this process left to be done."""
    with suppress(Exception):
        threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
    os._exit(code)
