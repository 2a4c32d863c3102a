"""An application that answers and says that it is not well: a real HAProxy, the file and the scripts of a deploy."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from deployments.compose.extension import EdgeService
from deployments.host.edge import IDLE, render, render_again
from deployments.shell.quote import functions
from infra.engine.client import docker
from infra.engine.images import HAPROXY, PYTHON, ensure_images
from tests.e2e.conftest import ROOT, say

pytestmark = pytest.mark.e2e
PROJECT = f"hgtest-unwell-{os.environ.get('PYTEST_XDIST_WORKER', 'one')}"
FIRST, SECOND = f"{PROJECT}-app-1", f"{PROJECT}-app-2"
EDGE = {
    "service": "edge", "config": "edge/haproxy.cfg",
    "routes": {"api": {"listen": 8003, "port": 8000, "health": "/health"}},
}  # fmt: skip
APPLICATION = """
import http.server, os, socket
class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        unwell = self.path == "/health" and os.path.exists("/tmp/unwell")
        said = socket.gethostname().encode()
        self.send_response(503 if unwell else 200)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)
http.server.ThreadingHTTPServer(("0.0.0.0", int(os.environ["PORT"])), Answers).serve_forever()
"""


@dataclass(frozen=True)
class Edge:
    """A running edge; its scripts write into `folder`."""

    url: str
    folder: Path

    def script(self, words: str, port: int = 8000) -> subprocess.CompletedProcess[str]:
        """Run functions of the slots as a replacement does; port: the route's."""
        head = (
            'set -euo pipefail\nsay() { printf \'%s\\n\' "$*"; }\nfail() { say "$*" >&2; exit 20; }\n'
            'put_out() { local to=$1; shift; "$@" > "$to.new"; cp "$to.new" "$to"; }\n'
            f"edge={PROJECT}-edge be=be_api port={port} healthy=0 drain=5 problem=\n"
        )
        return subprocess.run(
            ["bash", "-c", head + functions("slots", "edge") + words], cwd=self.folder, capture_output=True,
            text=True, timeout=120, check=False,
        )  # fmt: skip

    def reads(self, config: str) -> None:
        """Its file changes, and it reads it: open requests go on."""
        (self.folder / "edge" / "haproxy.cfg").write_text(config)
        done = self.script(f"container_ids() {{ say {PROJECT}-edge; }}\nreload_edge edge\n")
        assert done.returncode == 0, done.stderr

    def check(self, slot: str) -> str:
        done = self.script(f"slot_check {slot}\n")
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def asked(self, seconds: float = 1.5) -> list[tuple[int, str]]:
        """Status and who answered, of twenty requests a second."""
        found, end = [], time.monotonic() + seconds
        while time.monotonic() < end:
            answer = httpx.get(self.url, trust_env=False)
            found.append((answer.status_code, answer.text if answer.status_code == 200 else ""))
            time.sleep(0.05)
        return found


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline, docker("logs", f"{PROJECT}-edge")
        time.sleep(0.2)


def start(name: str, port: int = 8000) -> None:
    docker("run", "-d", "--name", name, "--hostname", name, "--network", PROJECT,
           "-e", f"PORT={port}", PYTHON, "python", "-c", APPLICATION)  # fmt: skip


def unwell(name: str) -> None:
    docker("exec", name, "touch", "/tmp/unwell")


@pytest.fixture
def edge(engine, tmp_path: Path) -> Iterator[Edge]:
    ensure_images([HAPROXY, PYTHON], say)
    (tmp_path / "edge").mkdir()
    base = (ROOT / "docker" / "edge" / "haproxy.cfg").read_text()
    slots = {"api": (IDLE, FIRST)}
    file = tmp_path / "edge" / "haproxy.cfg"
    file.write_text(render(base, EdgeService.model_validate(EDGE), slots))
    for path in (file.parent, file):
        path.chmod(0o755)
    names = [f"{PROJECT}-edge", FIRST, SECOND]
    try:
        docker("network", "create", PROJECT)
        start(FIRST)
        docker("run", "-d", "--name", names[0], "--network", PROJECT, "--read-only",
               "-v", f"{file.parent}:/usr/local/etc/haproxy:ro", HAPROXY,
               "haproxy", "-W", "-db", "-f", "/usr/local/etc/haproxy/haproxy.cfg")  # fmt: skip
        form = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
        found = Edge(f"http://{docker('inspect', '-f', form, names[0]).strip()}:8003", tmp_path)
        until(lambda: found.check("s2") == "L7OK 200")
        yield found
    finally:
        docker("rm", "-f", *names)
        docker("network", "rm", PROJECT)


def test_what_says_that_it_is_not_well_serves_where_nothing_else_does(edge: Edge) -> None:
    unwell(FIRST)
    until(lambda: edge.check("s2") == "L7OKC 503")
    # A busy server's checks fail for longer than three of them take.
    assert set(edge.asked(4)) == {(200, FIRST)}
    docker("stop", "-t", "1", FIRST)
    until(lambda: edge.check("s2").startswith("L4"))
    assert set(edge.asked()) == {(503, "")}


def test_nobody_meets_what_is_only_being_entered(edge: Edge) -> None:
    """A release that mends the one that is not well; the slot of the new one stands first."""
    unwell(FIRST)
    start(SECOND)
    entering = edge.script(f'edge_admin "$(enter_commands s1 {SECOND})" >/dev/null\n')
    assert entering.returncode == 0, entering.stderr
    until(lambda: (edge.check("s1"), edge.check("s2")) == ("L7OK 200", "L7OKC 503"))
    assert set(edge.asked()) == {(200, FIRST)}
    entered = edge.script(f"enter_slot s1 {SECOND}\n")
    assert entered.returncode == 0, entered.stderr
    assert set(edge.asked()) == {(200, SECOND)}
    drained = edge.script("drain_slot s2; idle_slot s2\n")
    assert drained.returncode == 0, drained.stderr
    # It is the one that serves now, and has all that comes with it.
    unwell(SECOND)
    until(lambda: edge.check("s1") == "L7OKC 503")
    assert set(edge.asked()) == {(200, SECOND)}


def test_nobody_notices_that_a_release_listens_on_another_port(edge: Edge) -> None:
    file = edge.folder / "edge" / "haproxy.cfg"
    base = (ROOT / "docker" / "edge" / "haproxy.cfg").read_text()
    moved = EdgeService.model_validate(
        {**EDGE, "routes": {"api": {**EDGE["routes"]["api"], "port": 9000}}}
    )
    with ThreadPoolExecutor(1) as pool:
        answers = pool.submit(edge.asked, 12)
        edge.reads(render_again(base, moved, file.read_text(), replaced={"api"}))
        start(SECOND, 9000)
        entered = edge.script(
            f"healthy=20 enter_slot s1 {SECOND}; drain_slot s2; idle_slot s2\n", 9000
        )
        assert entered.returncode == 0, entered.stderr
        assert file.read_text() == render(base, moved, {"api": (SECOND, IDLE)})
        docker("rm", "-f", FIRST)
        # The slot that the former release was in still has its port.
        start(FIRST, 9000)
        entered = edge.script(
            f"healthy=20 enter_slot s2 {FIRST}; drain_slot s1; idle_slot s1\n", 9000
        )
        assert entered.returncode == 0, entered.stderr
        until(lambda: edge.check("s2") == "L7OK 200")
    assert {status for status, _ in answers.result()} == {200}
    assert set(edge.asked()) == {(200, FIRST)}
