"""When the edge is given another status page, and that a release does not depend on it."""

from __future__ import annotations

import base64
import re
from types import SimpleNamespace

import pytest

from deployments.errors import StepFailed
from deployments.planning.plan import Plan
from infra.run import edge_page
from infra.run.edge_page import EdgePage


@pytest.fixture
def renewed(world, make_environment):
    """Renew after a plan for a verb; the scripts that ran, and what was logged."""

    def run(verb: str, path: str = "/status", fails: bool = False, **target):
        world.environment = make_environment(edge={"status_page": path})
        planned = SimpleNamespace(
            plan=Plan(verb, "1-x", "x", "1-x", ()), target=world.target(**target)
        )
        done, logged = [], []

        def afterwards(kind, script, release):
            if fails:
                raise StepFailed("status page failed:\nthe edge does not answer")
            done.append((kind, script.text, release))

        line = world.line(1)
        seen = world.settled(
            ledger=world.ledger(line), current=line.release, manifest=world.manifest().to_json(),
            locked=True, environment="prod",
        )  # fmt: skip
        host = SimpleNamespace(
            environment=world.environment,
            observe=lambda _: seen,
            files=lambda _: {},
            log=logged.append,
        )
        assembly = SimpleNamespace(
            located=SimpleNamespace(environment=world.environment), stack=world.stack
        )
        executor = SimpleNamespace(perform=lambda step, work: logged.append(step.name) or work())
        of_run = SimpleNamespace(host=host, recorder=SimpleNamespace(afterwards=afterwards))
        EdgePage(of_run, executor, assembly).renew(planned)
        return done, logged

    return run


@pytest.mark.parametrize("verb", ["deploy", "rollback", "restore", "heal"])
def test_what_changes_the_release_renews_the_page(renewed, verb: str) -> None:
    [(kind, script, release)], logged = renewed(verb)
    assert (kind, release, logged) == ("status-page", "1-x", ["status page"])
    page = base64.b64decode(re.findall(r"renew_page \S+ (\S+)", script)[0]).decode()
    assert "1-prod-sha-000000000001" in page
    # The lock that is held is the run's own.
    assert "one is at work now" not in page


@pytest.mark.parametrize("verb", ["migrate", "backup", "drill", "maintenance", "adopt"])
def test_other_verbs_leave_it(renewed, verb: str) -> None:
    assert renewed(verb) == ([], [])


def test_without_a_path_there_is_none(renewed) -> None:
    assert renewed("deploy", path="") == ([], [])


def test_a_page_that_cannot_be_renewed_is_said_and_the_release_stands(renewed, monkeypatch) -> None:
    _, logged = renewed("deploy", fails=True)
    assert logged[-1].startswith("the status page was not renewed: status page failed")

    def too_big(_: object) -> str:
        raise ValueError("20000 bytes, and 11800 are the most")

    monkeypatch.setattr(edge_page, "edge_page", too_big)
    done, logged = renewed("deploy")
    assert done == []
    assert logged[-1] == (
        "the status page was not renewed: it is too big for the edge: 20000 bytes, and 11800 are the most"
    )
