"""Maintenance on the host, under bash: the edge's file, what it answers, and the note that comes last."""

from __future__ import annotations

import json
import re
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from deployments.host.maintenance import AT, Maintenance
from deployments.host.observation import read_observation
from deployments.shell import maintenance, observe
from deployments.shell.prelude import prelude
from deployments.shell.quote import Script, join

NEW = "frontend fe_api\n    string '100% \\1 $HOME'\n"
NOTE = Maintenance(AT, "ada", "it's a $(date) disk").to_json()
DOCKER = """
case "$*" in
  ps*) echo e1 ;;
  *USR2*) cp edge/haproxy.cfg loaded; echo reloaded >> log ;;
  *'haproxy -c'*) [ ! -e refuses ] || { echo 'unknown keyword' >&2; exit 1; } ;;
  exec*) shift 2; exec "$@" ;;
esac
"""


@contextmanager
def edge(*answers: str) -> Iterator[int]:
    """A port that gives these answers in turn, the last one for ever."""
    left = list(answers)

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.rfile.readline()
            text = left.pop(0) if len(left) > 1 else left[0]
            self.wfile.write(f"HTTP/1.1 {text}\r\n\r\n".encode())

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()


PAGE = "503 Service Unavailable\r\nx-edge-maintenance: on"
SERVED = "200 OK"


@pytest.fixture
def host(shell):
    """A host whose edge takes every file, and does not run here."""
    shell.program("docker", DOCKER)
    shell.write("edge/haproxy.cfg", "old\n")

    def run(script: Script):
        return shell.run(Script(join(prelude(shell.environment), script.text)))

    shell.switch = run
    return shell


def on(*ports: int) -> Script:
    return maintenance.switch_edge("edge", NEW, ports, on=True, then=maintenance.note(NOTE))


def off(*ports: int) -> Script:
    return maintenance.switch_edge("edge", NEW, ports, on=False, then=maintenance.FORGET)


def test_on_is_noted_when_every_port_answers_with_it(host) -> None:
    with edge(SERVED, SERVED, PAGE) as api, edge(PAGE) as page:
        done = host.switch(on(api, page))
    assert (done.returncode, done.stderr) == (0, "")
    assert host.read("edge/haproxy.cfg") == NEW == host.read("loaded")
    note = json.loads(host.read(".maintenance"))
    assert note.pop("since") != AT
    assert note == {"who": "ada", "reason": "it's a $(date) disk"}


def test_what_was_noted_is_what_is_observed(host, world) -> None:
    with edge(PAGE) as port:
        host.switch(on(port))
    host.program("docker", "exit 0")
    seen = read_observation(host.run(observe.observe(host.environment, world.stack)).stdout)
    assert seen.maintenance is not None
    assert (seen.maintenance.who, seen.maintenance.reason) == ("ada", "it's a $(date) disk")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", seen.maintenance.since)


@pytest.mark.parametrize(
    "answers", [(PAGE, SERVED), (SERVED,), ("503 Service Unavailable",), ("",)]
)
def test_off_does_not_ask_whether_the_application_is_well(host, answers) -> None:
    host.write(".maintenance", NOTE)
    with edge(*answers) as port:
        done = host.switch(off(port))
    assert done.returncode == 0, done.stderr
    assert not (host.directory / ".maintenance").exists()


def test_an_edge_that_refuses_its_file_is_not_reloaded_and_nothing_is_noted(host) -> None:
    host.write("refuses", "")
    done = host.switch(on(1))
    assert (done.returncode, "unknown keyword" in done.stderr) == (20, True)
    assert not (host.directory / "log").exists()
    assert not (host.directory / ".maintenance").exists()


def test_an_edge_that_goes_on_as_before_is_an_error_and_nothing_is_noted(host) -> None:
    """A new worker that cannot start leaves the old one at work."""
    quick = on(1).text.replace("{1..50}", "{1..3}")
    with edge(SERVED) as port:
        done = host.switch(Script(quick.replace(" on 1\n", f" on {port}\n")))
    assert done.returncode == 20
    assert done.stderr.endswith("the edge goes on with its old configuration\n")
    assert not (host.directory / ".maintenance").exists()


def test_another_reason_changes_the_note_alone(host) -> None:
    done = host.switch(
        maintenance.note_again(Maintenance("2030-01-01T00:00:00Z", "ada", "b").to_json())
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(host.read(".maintenance"))["since"] == "2030-01-01T00:00:00Z"
    assert host.read("edge/haproxy.cfg") == "old\n"
