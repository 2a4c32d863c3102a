"""The Compose file that a plan is compared with."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from deployments.database.change import KEEP
from deployments.database.choice import Choice
from deployments.errors import Refused, WrongUse
from deployments.host.maintenance import Switch
from deployments.planning.plan import Plan, ScriptStep
from deployments.shell.quote import Script
from infra.environment.compose_cli import stack_of
from infra.run.executor import Planned
from infra.run.plan_maker import PlanMaker, _stack_before
from infra.run.planning import Planning

OURS = "services: {web: {image: '${WEB_IMAGE}', command: [a]}}\nx-deploy: {v: 1}\n"


@pytest.mark.parametrize(
    ("on_the_host", "command"),
    [
        (OURS, ["a"]),
        (OURS.replace("[a]", "[b]"), ["b"]),
        ("", None),
        ("services: {web: {image: nginx}}\n", None),
        ("no: compose: file", None),
    ],
)
def test_what_the_host_has_is_read_where_it_is_ours(on_the_host, command):
    stack = stack_of(OURS, "compose.yml")
    found = _stack_before(stack, SimpleNamespace(compose_file=on_the_host))
    assert (found is None) == (command is None)
    if found:
        assert f'"command": {command}'.replace("'", '"') in found.forms["web"]


STEP = ScriptStep("replace", "another image", script=Script("true"))


@pytest.mark.parametrize(
    ("verb", "release", "previous", "asks"),
    [
        ("deploy", "6-x", "5-x", True),
        ("migrate", "5-x", "5-x", True),
        ("rollback", "4-x", "5-x", False),
        ("rollback", "0-adopted", "5-x", False),
        # Back again to what was new.
        ("rollback", "5-x", "4-x", True),
        ("restore", "5-x", "5-x", False),
        ("heal", "5-x", "5-x", False),
        ("undo", "6-x", "5-x", False),
    ],
)
def test_what_is_new_for_users_asks_in_a_freeze(verb, release, previous, asks) -> None:
    environment = SimpleNamespace(freeze=("2020-01-01 00:00 - 2120-01-01 00:00",))
    maker = PlanMaker(SimpleNamespace(environment=environment), None)  # type: ignore[arg-type]
    plan = Plan(verb, release, "x", previous, (STEP,))
    found = maker._frozen(Planned(plan, None)).plan  # type: ignore[arg-type]
    assert bool(found.asks) is asks
    assert found.fingerprint == plan.fingerprint
    # Nothing to do is nothing to approve.
    empty = Plan(verb, release, "x", previous, ())
    assert maker._frozen(Planned(empty, None)).plan.asks == ()  # type: ignore[arg-type]


def _maintaining(seen, former=None):
    """A planning whose host keeps a record of its release; what the run was asked for."""
    environment = SimpleNamespace(name="prod", ssh="u@h")
    host = SimpleNamespace(
        environment=environment, incoming=".plan-x", actor=SimpleNamespace(who="ada")
    )
    run = SimpleNamespace(host=host, request="")
    targets = SimpleNamespace(former=lambda release, pin: former)
    return Planning(run, targets, None), run  # type: ignore[arg-type]


def test_maintenance_of_a_host_without_a_release_is_refused(world) -> None:
    planning, _ = _maintaining(world.bare)
    with pytest.raises(Refused, match="nothing is deployed") as caught:
        planning.maintenance(Switch.on, "", world.bare)
    assert (caught.value.state, caught.value.todo) == (
        "untouched", "homeguru deploy newest --env prod",
    )  # fmt: skip


def test_a_reason_that_is_too_long_is_wrong_use_before_anything_is_asked(world) -> None:
    planning, run = _maintaining(world.settled())
    with pytest.raises(WrongUse, match="201 characters"):
        planning.maintenance(Switch.on, "r" * 201, world.settled())
    assert run.request == ""


def test_the_journal_says_what_was_asked_for(world) -> None:
    planning, run = _maintaining(world.settled(), world.target())
    planned = planning.maintenance(Switch.on, "a disk", world.settled())
    assert run.request == "maintenance on"
    assert [step.name for step in planned.plan.steps] == ["maintenance on"]
    assert planned.plan.release == world.settled().current


def _without_a_database(target=None):
    assembly = SimpleNamespace(
        stack=stack_of(OURS, "compose.yml"), located=SimpleNamespace(compose_file="/a/compose.yml")
    )
    targets = SimpleNamespace(assembly=assembly, complete=lambda release, pin: target)
    host = SimpleNamespace(environment=SimpleNamespace(name="prod", ssh="u@h"))
    return Planning(SimpleNamespace(host=host, request="", ended_already=False), targets, None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "work",
    [
        lambda planning, seen: planning.backup(seen, "asked"),
        lambda planning, seen: planning.drill("newest", seen),
        lambda planning, seen: planning.restore("newest", seen),
    ],
)
def test_what_needs_a_database_that_nobody_described_says_so(world, work) -> None:
    for seen, state in ((world.settled(), f"runs {world.settled().current}, unchanged"), (world.bare, "untouched")):  # fmt: skip
        with pytest.raises(Refused, match="no database is described: x-deploy has no `database`") as caught:  # fmt: skip
            work(_without_a_database(), seen)
        assert (caught.value.where, caught.value.state) == ("/a/compose.yml", state)
        assert "doc/reference/x-deploy.md" in caught.value.todo
        # Without -U psql takes the name of the container's user.
        assert caught.value.todo.endswith(
            "homeguru exec SERVICE --env prod -- psql -U USER DATABASE"
        )


def test_a_database_that_does_not_answer_is_not_called_undeployed(world) -> None:
    planning = _without_a_database()
    planning.targets.assembly.stack = world.stack
    with pytest.raises(Refused, match="the database does not answer, or has no revision") as caught:
        planning.backup(replace(world.settled(), revision=None), "asked")
    assert caught.value.todo == "homeguru logs postgres --env prod"
    with pytest.raises(Refused, match="nothing is deployed, so there is no database"):
        planning.backup(world.bare, "asked")


def test_a_rollback_to_a_release_with_other_secrets_alone_says_that_none_keeps_them(
    world, monkeypatch
) -> None:
    """It would end well, and the wrong secret would still be there."""
    target = world.target()
    lines = [world.line(1), world.line(2)]
    seen = replace(world.settled(), ledger=world.ledger(*lines), current=lines[1].release)
    seen = replace(seen, releases=tuple(line.release for line in lines))
    planning = replace(_without_a_database(target), review=SimpleNamespace(back=lambda *_: KEEP))
    planning.host.incoming = ".incoming/t"
    nothing = SimpleNamespace(plan=SimpleNamespace(changed=False))
    monkeypatch.setattr(Planning, "_plan", lambda *_: nothing)
    with pytest.raises(Refused, match="in its secrets alone") as caught:
        planning.rollback(lines[0].release, seen)
    assert caught.value.state == f"runs {lines[1].release}, unchanged"
    assert "homeguru deploy current --env prod" in caught.value.todo
    assert planning.rollback(lines[1].release, seen) is nothing


@pytest.mark.parametrize("choice", [Choice.downgrade, Choice.restore])
def test_a_rollback_does_not_ignore_what_it_is_to_do_to_a_database(world, choice) -> None:
    environment = SimpleNamespace(edge=SimpleNamespace(domain=""))
    target = SimpleNamespace(stack=stack_of(OURS, "compose.yml"), environment=environment)
    lines = [world.line(1), world.line(2)]
    seen = replace(world.settled(), ledger=world.ledger(*lines), current=lines[1].release)
    seen = replace(seen, releases=tuple(line.release for line in lines))
    with pytest.raises(Refused, match="no database is described"):
        _without_a_database(target).rollback(lines[0].release, seen, choice)
