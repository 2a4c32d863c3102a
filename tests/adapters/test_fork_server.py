"""A run's process, forked by a real fork server for a real client; what it runs is a program of the test."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest

from infra.orchestration.worker import fork_client
from infra.orchestration.worker.fork_server import IMPORTED_LATE

ROOT = Path(__file__).resolve().parents[2]
WORKER = """
import sys, tempfile
from pathlib import Path
import infra.orchestration.worker.fork_server as server
server.ENGINE = "a_run"
def warm_up():
    import prefect.context
server._warm_up = warm_up
folder = tempfile.mkdtemp()
with server.beside(Path(folder) / "fork-server"):
    print(folder, flush=True)
    sys.stdin.readline()
"""
RUN = """
import os, signal, sys, time
what = os.environ["WHAT"]
print(os.getcwd(), os.environ.get("OWN"), os.environ.get("LEFT"), sys.argv[0], flush=True)
if what == "exit":
    sys.exit(3)
if what == "raise":
    raise RuntimeError("a run's own")
if what == "dies":
    os.kill(os.getpid(), signal.SIGABRT)
if what == "asked":
    signal.signal(signal.SIGTERM, lambda *_: (print("asked to end", flush=True), sys.exit(0)))
if what in ("asked", "stays"):
    print(os.getpid(), flush=True)
    time.sleep(60)
"""


@dataclass
class Server:
    worker: subprocess.Popen[str]
    folder: Path
    runs: Path
    """The working directory of a run."""

    def client(self, what: str, **more: str) -> subprocess.Popen[str]:
        words = [sys.executable, "-I", "-S", fork_client.__file__, str(self.folder / "fork-server")]
        kept = {k: v for k, v in os.environ.items() if k.startswith("PREFECT") or k == "PATH"}
        return subprocess.Popen(
            words, cwd=self.runs, env={**kept, "WHAT": what, **more}, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("runs")
    (folder / "a_run.py").write_text(RUN)
    worker = _worker(folder)
    assert worker.stdout is not None
    yield Server(worker, Path(worker.stdout.readline().strip()), folder)
    worker.kill()


def _worker(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WORKER], cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{folder}", "LEFT": "of the worker",
             "PREFECT_HOME": str(folder / "home")},
    )  # fmt: skip


@pytest.mark.parametrize("name", IMPORTED_LATE)
def test_what_is_imported_before_a_run_is_there(name: str) -> None:
    """Another version of Prefect may call it otherwise: runs would begin later, and nobody would know why."""
    assert find_spec(name)


def test_a_run_is_what_its_client_is(server: Server) -> None:
    client = server.client("nothing", OWN="value with ü")
    out, err = client.communicate(timeout=30)
    place = server.runs
    assert out == f"{place} value with ü None {place / 'a_run.py'}\n"
    assert (err, client.returncode) == ("", 0)


@pytest.mark.parametrize(
    ("what", "code", "said"),
    [("exit", 3, ""), ("raise", 1, "RuntimeError: a run's own"), ("dies", -signal.SIGABRT, "")],
)
def test_the_client_ends_as_the_run_does(server: Server, what: str, code: int, said: str) -> None:
    client = server.client(what)
    _, err = client.communicate(timeout=30)
    assert client.returncode == code
    assert said in err


def test_a_signal_reaches_the_run(server: Server) -> None:
    client = server.client("asked")
    assert client.stdout is not None
    client.stdout.readline(), client.stdout.readline()
    client.terminate()
    assert client.stdout.read() == "asked to end\n"
    assert client.wait(30) == 0


def test_who_kills_the_client_kills_the_run(server: Server) -> None:
    client = server.client("stays")
    assert client.stdout is not None
    client.stdout.readline()
    run = int(client.stdout.readline())
    client.kill()
    assert _ends(run)


def test_runs_are_carried_out_side_by_side(server: Server) -> None:
    clients = [server.client("stays") for _ in range(5)]
    lines = [[c.stdout.readline() for _ in range(2)] for c in clients if c.stdout]
    assert len({number for _, number in lines}) == 5
    for client in clients:
        client.terminate()
    assert [client.wait(30) for client in clients] == [-signal.SIGTERM] * 5


def test_a_run_that_ends_while_it_is_told_to_ends_no_other(server: Server) -> None:
    """Its end and the signal may reach the fork server at the same moment, in either order."""
    stays = server.client("stays")
    assert stays.stdout is not None
    stays.stdout.readline()
    for number in range(60):
        client = server.client("nothing")
        assert client.stdout is not None
        client.stdout.readline()
        time.sleep(number % 6 / 1000)
        client.send_signal(signal.SIGKILL if number % 2 else signal.SIGTERM)
        client.wait(30)
    assert stays.poll() is None
    assert server.client("exit").wait(30) == 3
    stays.terminate()
    assert stays.wait(30) == -signal.SIGTERM


def test_a_killed_worker_leaves_its_runs_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "a_run.py").write_text(RUN)
    worker = _worker(tmp_path)
    assert worker.stdout is not None
    found = Server(worker, Path(worker.stdout.readline().strip()), tmp_path)
    client = found.client("asked")
    assert client.stdout is not None
    client.stdout.readline(), client.stdout.readline()
    worker.kill()
    worker.wait()
    time.sleep(0.3)
    assert client.poll() is None
    client.terminate()
    assert client.wait(30) == 0
    deadline = time.monotonic() + 10
    while found.folder.exists():
        assert time.monotonic() < deadline, "the fork server is there"
        time.sleep(0.05)


def test_without_a_fork_server_it_is_prefects_own_process(tmp_path: Path) -> None:
    found = Server(subprocess.Popen(["true"], text=True), tmp_path, tmp_path)
    client = found.client("nothing", PREFECT_HOME=str(tmp_path))
    _, err = client.communicate(timeout=60)
    assert client.returncode == 1
    assert "Invalid flow run id" in err


def _ends(process: int) -> bool:
    """Whether it is gone within ten seconds; a zombie of nobody's counts as gone."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.05)
    return False
