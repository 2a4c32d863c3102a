"""The dead-man switch under bash."""

from __future__ import annotations

import json
import subprocess
import time

import pytest

from deployments.compose.extension import EdgeService
from deployments.history import journal
from deployments.history.step_kind import StepKey
from deployments.host.edge import IDLE, render
from deployments.planning.unfinished_runs import goes_on
from deployments.shell import deadman, lock
from deployments.shell.quote import Script


@pytest.fixture
def environment(make_environment):
    return make_environment(confirm_timeout=60)


class Armed:
    """A host whose way back writes a file; the deployer's heartbeat is the test's."""

    def __init__(self, shell, environment) -> None:
        self.shell = shell
        self.environment = environment.model_copy(update={"directory": str(shell.directory)})
        for folder in ("journal", "lock"):
            (shell.directory / folder).mkdir(exist_ok=True)
        shell.write(".incoming/t1/back/compose.yml", "former")
        shell.write("lock/owner", '{"token":"t1"}\n')

    def arm(self, *steps: str) -> None:
        scripts = deadman.scripts(self.environment, [Script(s) for s in steps])
        for name, text in scripts.items():
            self.shell.write(f".incoming/t1/back/{name}", text)
        script = deadman.arm(".incoming/t1")
        body = f"export HOMEGURU_RUN=run-1; cd {self.shell.directory}; say() {{ printf '%s\\n' \"$*\"; }}\n"
        done = self.shell.run(body + script.text)
        assert done.returncode == 0, done.stderr

    def beat(self) -> None:
        self.shell.write("lock/beat", "")

    def there(self, path: str) -> bool:
        return (self.shell.directory / path).exists()

    def wait(self, path: str, seconds: float = 8) -> bool:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.there(path):
                return True
            time.sleep(0.1)
        return False

    def journal(self) -> list[tuple[str, str, str]]:
        lines = map(json.loads, self.shell.read("journal/run-1.jsonl").splitlines())
        return [(x["step"], x["event"], x["outcome"]) for x in lines]


@pytest.fixture
def host(shell, make_environment):
    made = Armed(shell, make_environment(confirm_timeout=2))
    yield made
    (shell.directory / "deadman" / "armed").unlink(missing_ok=True)


def test_it_acts_after_silence_in_order_and_says_so_in_the_journal(host):
    host.arm("cp deadman/files/compose.yml went", "echo second >> went")
    assert not host.there("went")
    assert host.wait("went")
    time.sleep(0.5)
    assert host.shell.read("went") == "formersecond\n"
    assert host.journal() == [("return", "undo", ""), ("return", "end", "ok")]
    assert json.loads(host.shell.read("lock/owner"))["who"] == "this server"
    assert not host.there("deadman/armed")


EDGE = EdgeService.model_validate({
    "service": "edge", "config": "x", "routes": {
        "api": {"listen": 8003, "port": 8000, "health": "/"},
        "web": {"listen": 3003, "port": 3000, "health": "/"},
    },
})  # fmt: skip


def test_the_edges_former_file_names_whoever_serves_by_now(host):
    """The api has changed places since, to another port; the web has not, and a former one is kept."""
    moved = EDGE.model_copy(
        update={
            "routes": {**EDGE.routes, "api": EDGE.routes["api"].model_copy(update={"port": 9000})}
        }
    )
    armed = {"api": ("api-1", IDLE), "web": (IDLE, "web-1")}
    now = {"api": (IDLE, "api-2"), "web": (IDLE, "web-1")}
    host.shell.write("edge/haproxy.cfg", render("global\n", moved, now, {"web": "web-0"}))
    host.shell.write(".incoming/t1/back/haproxy.cfg", render("global # former\n", EDGE, armed))
    host.arm("touch went")
    assert host.wait("went")
    assert host.shell.read("deadman/files/haproxy.cfg") == render(
        "global # former\n", EDGE, now, {"web": "web-0"}, ports={"api": {"s2": 9000}}
    )


def test_a_deployer_that_lives_is_left_alone(host):
    host.arm("touch went")
    for _ in range(6):
        host.beat()
        time.sleep(0.5)
    assert not host.there("went")


def test_its_file_removed_disarms_it(host):
    host.arm("touch went")
    host.shell.run("rm -rf deadman")
    time.sleep(3)
    assert not host.there("went")


def test_a_step_that_fails_ends_it_and_is_said(host):
    host.arm("exit 3", "touch went")
    deadline = time.monotonic() + 8
    while not host.there("journal/run-1.jsonl") or len(host.journal()) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert host.journal()[-1] == ("return", "end", "failed")
    assert not host.there("went")


def test_a_journal_with_its_lines_is_still_an_unfinished_run(host):
    begin = journal.run_line("2-x", "begin", "t1")
    host.shell.write("journal/run-1.jsonl", begin.replace("@AT@", "2030-01-01T00:00:00Z") + "\n")
    host.arm("true")
    deadline = time.monotonic() + 8
    while len(host.journal()) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    found = journal.read("run-1", host.shell.read("journal/run-1.jsonl"))
    assert found is not None and found.release == "2-x"


def test_a_run_that_the_server_undid_is_not_gone_on_with(host):
    """Its database was exchanged and is in use, of the release before: forward it would not be migrated."""
    lines = [journal.run_line("2-x", "begin", "t1")]
    for step in (StepKey("set-aside"), StepKey("migrate"), StepKey("replace", "api")):
        lines += [
            journal.step_line(step, "begin", "t1"), journal.step_line(step, "end", "t1", "ok"),
        ]  # fmt: skip
    text = "".join(line.replace("@AT@", "2030-01-01T00:00:00Z") + "\n" for line in lines)
    killed = journal.read("run-1", text)
    assert killed is not None and goes_on(killed, ["api"], "x")
    host.shell.write("journal/run-1.jsonl", text)
    host.arm("true")
    deadline = time.monotonic() + 8
    while len(host.journal()) < len(lines) + 2:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    found = journal.read("run-1", host.shell.read("journal/run-1.jsonl"))
    assert found is not None and not goes_on(found, ["api"], "x")


def test_a_deployer_that_came_back_is_watched_further(host):
    """The lock is held while it waits for its own last command, and no heartbeat is written."""
    host.arm("touch went")
    holder = subprocess.Popen(["flock", host.shell.directory / "lock/session", "sleep", "3.5"])
    time.sleep(3)
    host.beat()
    assert holder.wait() == 0
    time.sleep(1)
    assert not host.there("went")
    assert host.wait("went")


def test_the_next_run_takes_it_over(host, monkeypatch):
    monkeypatch.setattr(lock, "SILENCE", 1)
    host.arm("touch went")
    script = lock.hold_session(host.environment, '{"token":"t2"}', "")
    process = host.shell.start(script)
    try:
        assert process.stdout.readline() == "held\n"
        assert not host.there("deadman")
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            stream.close()
