"""`keep_previous`: the release before stays through the window, and counts for nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deployments.environment.schema import parse_environment
from deployments.errors import WrongUse
from deployments.host import edge


@pytest.fixture
def keeping(world, make_environment):
    """A world whose environment keeps the release before for five minutes."""
    world.environment = make_environment(bake_minutes=5, keep_previous=True)
    return world


def names(plan) -> list[str]:
    return [step.name for step in plan.steps]


def test_what_was_kept_goes_when_the_window_is_over(keeping) -> None:
    plan = keeping.plan(keeping.target(api="api-2", bot="bot-2"), keeping.settled())
    assert names(plan)[-3:] == ["verify", "bake", "let go of former api"]
    replaced = {s.name: s.script.text for s in plan.steps if s.name.startswith("replace ")}
    assert "\nkeep=yes\n" in replaced["replace api"]
    assert "\nkeep=''\n" in replaced["replace bot"]
    assert "connections to the old api still open after 5 min are cut" in plan.notes


def test_an_undo_keeps_nothing(keeping) -> None:
    plan = keeping.plan(keeping.target(api="api-2"), keeping.settled(), verb="undo")
    (script,) = [s.script.text for s in plan.steps if s.name == "replace api"]
    assert "\nkeep=''\n" in script
    assert not [n for n in names(plan) if n.startswith("let go")]


def test_a_first_start_has_nothing_to_keep(keeping) -> None:
    plan = keeping.plan(keeping.target(), keeping.bare)
    assert not [n for n in names(plan) if n.startswith("let go")]


def test_without_it_nothing_is_kept(world) -> None:
    plan = world.plan(world.target(api="api-2"), world.settled())
    (script,) = [s.script.text for s in plan.steps if s.name == "replace api"]
    assert "\nkeep=''\n" in script


def test_what_is_kept_is_no_second_container_of_its_service(keeping) -> None:
    seen = keeping.settled()
    slots = {"api": (edge.IDLE, "homeguru-api-2"), "frontend": ("homeguru-frontend-1", edge.IDLE)}
    config = edge.render(keeping.base, keeping.stack.deploy.edge, slots, {"api": "homeguru-api-1"})
    serving = replace(seen.of("api")[0], name="homeguru-api-2", id="id-of-api-2")
    seen = replace(seen, edge=config, containers=(*seen.containers, serving))
    assert [c.name for c in seen.of("api")] == ["homeguru-api-2"]
    # One that an earlier run left is let go by the next, whatever that one is about.
    assert names(keeping.plan(keeping.target(), seen)) == [
        "upload",
        "verify",
        "bake",
        "let go of former api",
    ]
    assert keeping.plan(keeping.target(), seen, verb="undo").steps == ()


def test_what_serves_again_is_not_hidden_by_the_name_it_was_kept_under(keeping) -> None:
    slots = {"api": ("homeguru-api-1", edge.IDLE), "frontend": ("homeguru-frontend-1", edge.IDLE)}
    config = edge.render(keeping.base, keeping.stack.deploy.edge, slots, {"api": "homeguru-api-1"})
    seen = replace(keeping.settled(), edge=config)
    assert [c.name for c in seen.of("api")] == ["homeguru-api-1"]


def test_only_as_many_are_kept_as_there_is_memory_for(keeping) -> None:
    """The api reserves 256 MiB, the page 128."""
    seen = replace(keeping.settled(), memory_mb=300)
    plan = keeping.plan(keeping.target(api="api-2", frontend="frontend-2"), seen)
    assert [n for n in names(plan) if n.startswith("let go")] == ["let go of former api"]
    assert plan.notes == (
        "connections to the old api still open after 5 min are cut",
        "connections to the old frontend still open after 30 s are cut",
        "free memory does not hold all new containers at once: api, then frontend",
    )


def test_without_a_window_it_is_refused(toml) -> None:
    with pytest.raises(WrongUse, match="keep_previous needs bake_minutes"):
        parse_environment("prod", toml(keep_previous=True), "prod.toml")
