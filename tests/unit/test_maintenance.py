"""Maintenance: the host's note, plans for on and off, and what is deployed meanwhile."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from deployments.errors import Refused, WrongUse
from deployments.history.journal import Unfinished
from deployments.history.ledger import Ledger
from deployments.history.step_kind import StepKey
from deployments.host.edge_answers import in_maintenance, with_maintenance
from deployments.host.maintenance import Maintenance, Switch, checked_reason, read_maintenance
from deployments.planning.maintenance import (
    MaintenancePlans,
    as_requested,
    must_keep_maintenance,
    requested,
)
from deployments.planning.planner import Planner
from deployments.planning.request import PlanRequest
from deployments.release.adopted_record import RELEASE, AdoptedService, Adoption

NOTED = Maintenance("2030-01-01T12:34:56Z", "ada", "a bigger disk")


@pytest.fixture
def on(world):
    """A settled host in maintenance."""
    settled = world.settled()
    return replace(settled, maintenance=NOTED, edge=with_maintenance(settled.edge))


def plan(world, seen, switch: str, reason: str = "", **target):
    return MaintenancePlans(world.target(**target), seen).plan(Switch(switch), reason, "grace")


def test_a_note_is_read_back() -> None:
    assert read_maintenance(NOTED.to_json()) == NOTED
    assert read_maintenance(None) is None
    assert str(NOTED) == "on since 2030-01-01 12:34 UTC by ada: a bigger disk"


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "5", '{"since": "now", "who": null}'])
def test_a_note_that_nobody_can_read_says_that_it_is_on(text: str) -> None:
    found = read_maintenance(text)
    assert found is not None
    assert str(found).startswith("on")
    assert found.since == ""


def test_a_note_of_the_host_may_not_repaint_a_terminal() -> None:
    hostile = json.dumps(
        {"since": "2030-01-01T12:34:56Z\n", "who": "a\x1b[2Jda\nx", "reason": "r" * 999}
    )
    found = read_maintenance(hostile)
    assert found is not None
    assert (found.since, found.who, len(found.reason)) == ("", "ada x", 200)


def test_a_reason_is_one_line_of_a_certain_length() -> None:
    assert checked_reason("  a bigger\n disk\x1b[31m ") == "a bigger disk"
    assert checked_reason("r" * 200) == "r" * 200
    with pytest.raises(WrongUse, match="201 characters") as caught:
        checked_reason("r" * 201)
    assert caught.value.todo


def test_on_changes_the_edge_and_no_container(world) -> None:
    made = plan(world, world.settled(), "on", "a bigger disk")
    assert [(s.name, s.reason, s.repeatable) for s in made.steps] == [
        ("maintenance on", "every request is answered with 503: a bigger disk", True)
    ]
    assert [name for name, _ in made.unchanged] == ["postgres", "edge", "api", "frontend", "bot"]
    assert (made.release, made.previous) == (world.settled().current,) * 2
    assert (made.notes, made.reason) == ((), "a bigger disk")
    text = made.script_steps[0].script.text
    assert "X-Edge-Maintenance on" in text
    # Since when is the host's clock to say, so that what was approved is what runs.
    assert '"since":"@AT@","who":"grace"' in text
    assert text.rstrip().splitlines()[-1].startswith("note_maintenance ")


def test_off_takes_the_rules_out_and_leaves_the_slots(world, on) -> None:
    made = plan(world, on, "off")
    assert [(s.name, s.reason) for s in made.steps] == [
        ("maintenance off", "the services answer again")
    ]
    assert made.notes == (f"maintenance is {NOTED}",)
    text = made.script_steps[0].script.text
    assert " hdr X-Edge-Maintenance " not in text
    assert world.settled().edge.replace("'", "'\"'\"'") in text
    assert text.rstrip().splitlines()[-1] == "forget_maintenance"


@pytest.mark.parametrize("reason", ["", "a bigger disk"])
def test_on_twice_changes_nothing(world, on, reason: str) -> None:
    made = plan(world, on, "on", reason)
    assert (made.steps, made.notes, made.reason) == ((), (f"maintenance is {NOTED}",), "")
    assert made.nothing == "Nothing to do: the edge already answers as wanted."


def test_another_reason_is_noted_and_the_edge_left_alone(world, on) -> None:
    made = plan(world, on, "on", "a much bigger disk")
    (step,) = made.script_steps
    assert step.reason == "another reason: a much bigger disk"
    assert '"since":"2030-01-01T12:34:56Z","who":"ada"' in step.script.text
    assert not re.search("^switch_edge ", step.script.text, re.MULTILINE)


def test_off_where_it_is_off_changes_nothing(world) -> None:
    made = plan(world, world.settled(), "off")
    assert (made.steps, made.notes) == ((), ("maintenance is off",))


def test_a_run_that_failed_leaves_the_edge_as_the_note_says(world, on) -> None:
    plans = MaintenancePlans(world.target(), on)
    assert [s.name for s in plans.as_noted().steps] == ["maintenance on"]
    half = replace(on, maintenance=None)
    (step,) = MaintenancePlans(world.target(), half).as_noted().script_steps
    assert step.name == "maintenance off"
    last = step.script.text.rstrip().splitlines()[-1]
    assert last.endswith(" off 3003 8003")
    assert "forget_maintenance" not in last


def test_what_a_killed_run_wanted_is_compared_with_the_note(world, on) -> None:
    off = world.settled()
    assert as_requested(requested(Switch.on), on)
    assert as_requested(requested(Switch.off), off)
    assert not as_requested(requested(Switch.on), off)
    assert not as_requested("", off)


@pytest.mark.parametrize(
    ("kinds", "alone"),
    [(("maintenance-on",), True), (("maintenance-off", "maintenance-on"), True), ((), False),
     (("upload", "maintenance-on"), False)],
)  # fmt: skip
def test_a_run_about_maintenance_alone_is_known_by_its_steps(kinds, alone) -> None:
    found = Unfinished("r1", "3-m3", tuple(StepKey(kind) for kind in kinds), "2030-01-01T00:00:00Z")
    assert found.switched_maintenance is alone


def _without_edge(world):
    target = world.target()
    deploy = target.stack.deploy.model_copy(update={"edge": None})
    return replace(target, stack=replace(target.stack, deploy=deploy))


def _adopted(world):
    services = {
        "api": AdoptedService(image="i", reference="r", digest=world.digest("a"), config_hash="h")
    }
    manifest = replace_adoption(world, services)
    return replace(world.target(), manifest=manifest, pins={"api": f"r@{world.digest('a')}"})


def replace_adoption(world, services):
    adoption = Adoption(
        directory="/srv", files=("compose.yml",), env_files=(), services=services,
        deploy=world.stack.deploy, ours=True,
    )  # fmt: skip
    return world.manifest().model_copy(update={"adopted": adoption})


def test_where_no_edge_of_ours_answers_it_is_refused(world) -> None:
    seen = world.settled()
    stopped = replace(seen, containers=world.changed("edge", state="exited", health=""))
    cases = [
        (_without_edge(world), seen, "has no edge that could answer"),
        (world.target(), replace(seen, edge=""), "has no edge that could answer"),
        (world.target(), replace(seen, edge="frontend mine\n    bind :80\n"), "is none of ours"),
        (_adopted(world), replace(seen, current=RELEASE), "release 0 was deployed by hand"),
        (world.target(), stopped, "the edge (edge) does not run"),
    ]
    for target, host, words in cases:
        with pytest.raises(Refused) as caught:
            MaintenancePlans(target, host).plan(Switch.on, "", "ada")
        assert words in caught.value.what
        assert caught.value.state.endswith("unchanged")
        assert caught.value.todo


def test_a_release_without_an_edge_waits_until_it_is_off(world, on) -> None:
    must_keep_maintenance(world.target(), on)
    must_keep_maintenance(_without_edge(world), world.settled())
    for target in (_without_edge(world), _adopted(world)):
        with pytest.raises(Refused, match="has no edge of ours") as caught:
            must_keep_maintenance(target, on)
        assert caught.value.todo.startswith("homeguru maintenance off --env prod")


@pytest.mark.parametrize("verb", ["deploy", "rollback", "heal", "undo"])
def test_what_is_deployed_meanwhile_stays_in_maintenance(world, on, verb: str) -> None:
    target = world.target(bot="bot-2")
    planner = world.planner(target, on, verb=verb)
    assert in_maintenance(planner.files(planner.plan(), "ada", "r1")["haproxy.cfg"])
    assert "reload edge" not in [s.name for s in planner.plan().steps]


def test_a_settled_host_in_maintenance_needs_nothing(world, on) -> None:
    assert world.plan(world.target(), on).steps == ()


@pytest.mark.parametrize("noted", [True, False])
def test_a_release_brings_the_edge_into_agreement_with_the_note(world, on, noted: bool) -> None:
    seen = replace(world.settled(), maintenance=NOTED) if noted else replace(on, maintenance=None)
    assert [s.name for s in world.plan(world.target(), seen).steps] == [
        "upload", "reload edge", "verify",
    ]  # fmt: skip


def test_an_edge_without_maintenance_has_the_file_that_it_had(world) -> None:
    assert world.target().edge_config(world.settled()) == world.settled().edge


def test_no_secret_goes_to_the_host_for_it(world) -> None:
    request = PlanRequest("maintenance", world.settled().current, ".incoming/token")
    planner = Planner(request, world.target(), world.settled(), world.candidate())
    made = plan(world, world.settled(), "on")
    assert set(planner.files(made, "ada", "r1")) == {"manifest.json", "plan.json"}


def test_its_ledger_line_says_why_and_is_no_release_to_go_back_to(world) -> None:
    release = world.line(1).release
    switched = world.line(2, verb="maintenance", release=release, previous=release, reason="a disk")
    ledger = world.ledger(world.line(1), switched)
    assert json.loads(ledger.raw[1])["reason"] == "a disk"
    # What an older version reads has no key that it does not know.
    assert "reason" not in json.loads(ledger.raw[0])
    assert ledger.broken_at() is None
    assert [line.seq for line in ledger.good()] == [1]
    assert not switched.became(release)
    assert Ledger(ledger.raw).lines[1].reason == "a disk"
