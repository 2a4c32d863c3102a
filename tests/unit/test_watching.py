"""One look at a host: what is asked, what counts, what is looked at again."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from deployments.compose.env_file import render_env
from deployments.errors import Locked, Refused, StepFailed, Unreachable, WrongUse
from deployments.health.alerts import Memory
from deployments.health.outside import OutsideAnswer, requests
from deployments.host.candidate import Candidate, ReleaseRecord
from deployments.host.edge_answers import with_maintenance
from deployments.host.maintenance import Maintenance
from deployments.host.observation import Project
from infra.host import probes, watching
from infra.host.watching import Look, Watcher


class Host:
    """A host that answers from a list of observations, the last one for ever."""

    def __init__(self, environment, *seen, error: Exception | None = None) -> None:
        self.environment = environment
        self._seen, self._error = list(seen), error
        self.looks = self.closed = 0

    def open(self) -> None:
        if self._error:
            raise self._error

    def close(self) -> None:
        self.closed += 1

    def look(self, stack):
        self.looks += 1
        return self._seen.pop(0) if len(self._seen) > 1 else self._seen[0]

    def answers(self, script) -> dict[str, str]:
        return {}


@pytest.fixture
def kept(world) -> ReleaseRecord:
    seen, target = world.settled(), world.target()
    hashes = {c.service: c.config_hash for c in seen.containers}
    return ReleaseRecord(
        target.stack.text, render_env(target.env(seen)), seen.edge, Candidate(hashes), None
    )


@pytest.fixture
def looked(world, kept, monkeypatch):
    """Look at hosts; returns the look and the host."""
    monkeypatch.setattr(watching, "AGAIN", (0.0, 0.0))
    page = SimpleNamespace(answers=False)
    monkeypatch.setattr(
        probes, "outside",
        lambda target: [
            OutsideAnswer(request, 503, from_edge=True) if page.answers else OutsideAnswer(request, 200)
            for request in requests(target)
        ],
    )  # fmt: skip
    monkeypatch.setattr(probes, "certificates", lambda target: [])
    # What containers say of themselves is reviewed in tests of its own.
    monkeypatch.setattr(watching.verification, "check_answers", lambda *_, **__: [])
    targets = SimpleNamespace(
        assembly=SimpleNamespace(stack=world.stack), nothing=world.target,
        recorded=lambda *_, **__: world.target(),
    )  # fmt: skip

    def look(
        *seen, memory: Memory | None = None, error: Exception | None = None, answers: bool = False
    ):
        page.answers = answers
        host = Host(world.environment, *((s, kept) for s in seen), error=error)
        return Watcher(host, targets, memory or Memory()).look(), host

    return look


def failed(look: Look) -> list[str]:
    return [f"{f.service} {f.check}: {f.detail}" for f in look.findings if not f.ok]


def test_a_settled_host_is_well_at_the_first_look(world, looked) -> None:
    look, host = looked(world.settled())
    assert (failed(look), look.well, look.heals, host.looks) == ([], True, False, 1)
    assert {f.check for f in look.findings} >= {"outside", "container", "digest", "disk", "memory"}
    assert look.restarts == {f"id-of-homeguru-{s.name}-1"[:12]: 0 for s in world.stack.ordered}


ON = Maintenance("2030-01-01T00:00:00Z", "ada", "a bigger disk")


def test_maintenance_is_no_alarm_while_the_edge_answers(world, looked) -> None:
    settled = world.settled()
    on = replace(settled, maintenance=ON, edge=with_maintenance(settled.edge))
    look, host = looked(on, answers=True)
    assert (failed(look), look.heals, host.looks) == ([], False, 1)
    outside = [f.detail for f in look.findings if f.check == "outside"]
    assert outside
    assert all(detail.endswith(", maintenance is on") for detail in outside)
    # The containers' own checks stay.
    stopped = replace(on, containers=world.changed("bot", state="exited", health=""))
    assert failed(looked(stopped, answers=True)[0]) == ["bot container: exited"]


def test_a_page_that_stayed_is_an_alarm(world, looked) -> None:
    look, _ = looked(world.settled(), answers=True)
    assert [line.partition(":")[0] for line in failed(look)] == ["api outside", "frontend outside"]
    assert "although maintenance is off" in failed(look)[0]


def test_services_that_answer_in_maintenance_are_an_alarm(world, looked) -> None:
    look, _ = looked(world.settled(maintenance=ON))
    assert [line.partition(":")[0] for line in failed(look)] == [
        "api outside", "frontend outside", "server haproxy.cfg",
    ]  # fmt: skip
    assert look.heals


def test_a_log_is_looked_through_by_every_look(world, looked, monkeypatch) -> None:
    """Weeks after a deploy a second bot may be started somewhere."""
    asked = []
    monkeypatch.setattr(
        watching, "probe", lambda _, questions, logs: asked.append((questions, logs))
    )
    looked(world.settled())
    ((questions, logs),) = asked
    assert [service for service, _ in logs] == ["bot"]
    assert not [name for name, _, _ in questions if name.startswith("restarts:")]


def test_a_look_believes_no_containers_of_another_environment(world, looked) -> None:
    theirs = (Project("homeguru", "/srv/other", environment="staging"),)
    look, _ = looked(world.settled(projects=theirs))
    (said,) = [line for line in failed(look) if line.startswith("server")]
    assert said.startswith("server project: Compose project homeguru is environment staging's")
    assert not look.heals


def test_what_passes_is_not_told(world, looked) -> None:
    starting = world.settled(containers=world.changed("api", health="starting"))
    look, host = looked(starting, world.settled())
    assert (failed(look), host.looks) == ([], 2)


def test_a_stopped_container_is_one_problem_and_can_be_healed(world, looked) -> None:
    look, host = looked(world.settled(containers=world.changed("bot", state="exited", health="")))
    assert failed(look) == ["bot container: exited"]
    assert (look.heals, host.looks) == (True, 3)


def test_edited_files_are_told_at_the_first_look(world, looked) -> None:
    look, host = looked(world.settled(env=world.settled().env + "LLM_MODEL='x'\n"))
    assert failed(look) == ["server .env: variables changed: LLM_MODEL"]
    assert (look.heals, host.looks) == (True, 1)


def test_little_room_is_told_and_nothing_heals_it(world, looked) -> None:
    look, _ = looked(world.settled(disk_mb=100, memory_mb=50))
    assert failed(look) == [
        "server disk: 100 MiB free, 1024 are wanted", "server memory: 50 MiB free, 128 are wanted"
    ]  # fmt: skip
    assert not look.heals


def test_a_restart_since_the_last_look(world, looked) -> None:
    seen = world.settled(containers=world.changed("bot", restarts=2))
    memory = Memory(restarts={"id-of-homegu": 1})
    look, _ = looked(seen, memory=memory)
    assert "bot restarts: restarted 1 time since the last look" in failed(look)


def test_a_host_that_does_not_answer_is_a_finding_and_the_outside_is_asked(world, looked) -> None:
    error = Unreachable("no answer", where="deploy@203.0.113.7:22")
    look, host = looked(world.settled(), error=error)
    assert failed(look) == ["server ssh: no answer"]
    assert any(f.check == "outside" for f in look.findings)
    assert (host.closed, look.seen, look.restarts) == (3, None, {})


@pytest.mark.parametrize("kind", [Refused, WrongUse])
def test_a_host_that_lets_nobody_in_is_a_finding_as_well(world, looked, kind) -> None:
    """Another host key, or ours is gone: whoever is told of outages is told of that."""
    look, host = looked(world.settled(), error=kind("another key", where="deploy@203.0.113.7:22"))
    assert failed(look) == ["server ssh: another key"]
    assert any(f.check == "outside" for f in look.findings)
    assert (host.looks, look.seen) == (0, None)


def test_a_look_that_fails_is_told_beside_what_was_seen_from_outside(world, looked) -> None:
    """A Docker that takes connections and answers nothing; a record that is gone."""
    look, _ = looked(world.settled(), error=StepFailed("the server's commands do not end"))
    assert failed(look) == ["server look: the server's commands do not end"]
    assert any(f.check == "outside" for f in look.findings)
    look, host = looked(replace(world.settled(), manifest=""))
    assert "keeps no record of release" in failed(look)[0]
    assert host.looks == 1


def test_an_engine_that_does_not_run_is_a_finding(world, looked) -> None:
    look, _ = looked(world.settled(engine="Cannot connect to the Docker daemon"))
    assert failed(look) == ["server engine: the Docker engine does not run"]


@pytest.mark.parametrize(
    ("changes", "error", "sentence"),
    [
        ({"locked": True, "owner": "{}"}, Locked, "deploy in progress"),
        ({"current": None}, Refused, "no release is deployed"),
    ],
)
def test_what_is_no_alarm_is_an_error(world, looked, changes, error, sentence) -> None:
    with pytest.raises(error, match=sentence):
        looked(replace(world.settled(), **changes))
