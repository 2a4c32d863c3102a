"""Which releases stay, and what a real bash removes of the others."""

from __future__ import annotations

import pytest

from deployments.environment.policy import Retention
from deployments.errors import Refused
from deployments.planning import retention


@pytest.fixture
def ledger(world):
    """Six good releases and an undone one, the fifth."""

    def make(undone=5, last=7):
        lines = [
            world.line(n, outcome="undone" if n == undone else "ok") for n in range(1, last + 1)
        ]
        return world.ledger(*lines)

    return make


def names(*numbers):
    return {f"{n}-prod-sha-{n:012x}" for n in numbers}


def test_the_newest_good_ones_stay_and_what_failed_meanwhile(ledger):
    there = tuple(sorted(names(*range(1, 8))))
    found = retention.releases_to_keep(there, ledger(), names(7), Retention(releases=3))
    assert found == names(4, 5, 6, 7)


def test_what_is_needed_stays_however_old(ledger):
    there = tuple(sorted(names(*range(1, 8))))
    found = retention.releases_to_keep(there, ledger(), names(1, 7), Retention(releases=2))
    assert names(1, 6, 7) <= found
    assert not names(2, 3, 4) & found


def test_one_that_was_gone_back_to_counts_from_then(world):
    """Found by the matrix of faults: gone back to again and again, and then no longer there."""
    lines = [world.line(n) for n in range(1, 8)]
    back = world.line(8, verb="rollback", release=lines[0].release, manifest=lines[0].manifest)
    ledger = world.ledger(*lines, back, world.line(9), world.line(10, outcome="undone"))
    there = tuple(names(1, 2, 3, 4, 5, 6, 7, 9, 10))
    found = retention.releases_to_keep(there, ledger, names(9), Retention(releases=2))
    assert found == names(1, 9, 10)


def test_fewer_than_the_policy_all_stay(ledger):
    there = tuple(sorted(names(*range(1, 8))))
    found = retention.releases_to_keep(there, ledger(), names(7), Retention(releases=6))
    assert found == set(there)


def test_a_server_within_the_policy_is_left_alone(world):
    seen = world.settled(releases=("1-x", "2-x"), journals=3)
    plan = world.plan(world.target(api="api-2"), seen)
    assert retention.tidy(world.target(), seen, plan, None) is None


def test_beyond_it_the_script_names_what_stays(world, make_environment, ledger):
    world.environment = make_environment(retention={"releases": 2})
    there = tuple(sorted(names(*range(1, 8))))
    seen = world.settled(releases=there, ledger=ledger(), current="7-prod-sha-000000000007")
    plan = world.plan(world.target(api="api-2"), seen)
    script = retention.tidy(world.target(), seen, plan, None)
    assert script is not None
    assert "prune_releases '2-prod-sha-" in script.text and "7-prod-sha-000000000007" in script.text
    assert "1-prod-sha-000000000001" not in script.text


def test_too_many_journals_alone(world):
    seen = world.settled(journals=200)
    plan = world.plan(world.target(api="api-2"), seen)
    script = retention.tidy(world.target(), seen, plan, None)
    assert script is not None
    assert script.text.endswith("\nprune_journals 200\n")


def test_a_rollback_to_one_that_went_names_those_that_stay(ledger):
    kept = tuple(sorted(names(6, 7)))
    with pytest.raises(Refused) as refused:
        ledger().target("2-prod-sha-000000000002", "7-prod-sha-000000000007", kept)
    assert refused.value.what == "release 2-prod-sha-000000000002 is no longer kept on this server"
    assert refused.value.todo.startswith("choose one that is: 6-prod-sha-000000000006 (20")


def test_its_number_is_name_enough(ledger):
    assert ledger().target("2", "7-prod-sha-000000000007").release == "2-prod-sha-000000000002"


# -- on a host ----------------------------------------------------------------------
