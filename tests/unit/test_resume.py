"""Undone or gone on with: what the journal and the databases set aside say."""

from __future__ import annotations

import pytest

from deployments.history.journal import Unfinished
from deployments.history.ledger import Revision
from deployments.history.step_kind import key_of_v1
from deployments.planning.unfinished_runs import goes_on, may_be_gone_on_with, verb_of
from deployments.release.adopted_record import RELEASE as ADOPTED

RUN = "0a1b2c3d-0000-4000-8000-000000000000"
USERS = ["api", "bot"]


def unfinished(*begun, release="2-prod-sha-000000000002", undoing=False):
    """begun: as format 1 named the steps."""
    return Unfinished(RUN, release, tuple(map(key_of_v1, begun)), "2030-01-01T00:00:00Z", undoing)


@pytest.mark.parametrize("exchange", ["set database aside", "restore database"])
@pytest.mark.parametrize(
    "step", ["replace api", "start bot", "recreate api", "hand over ports", "start release 0"]
)
def test_where_the_exchanged_database_is_in_use_the_run_goes_on(exchange, step):
    assert goes_on(unfinished("stop api", exchange, step), USERS)


@pytest.mark.parametrize(
    "begun",
    [
        (),
        ("stop api", "set database aside", "migrate"),
        ("replace frontend",),
        ("set database aside", "migrate", "prepare api"),
        ("restore database", "put files back"),
    ],
)
def test_where_nobody_writes_to_it_yet_it_is_undone(begun):
    assert not goes_on(unfinished(*begun), USERS)


def test_without_a_database_set_aside_it_is_undone():
    assert not goes_on(unfinished("migrate", "replace api"), USERS)


def test_what_was_being_undone_is_undone_to_the_end():
    for begun in (("set database aside", "replace api"), ("replace api",)):
        assert not goes_on(unfinished(*begun, undoing=True), USERS, WANTED)


WANTED = "prod-sha-000000000002"


@pytest.mark.parametrize(
    ("begun", "wanted", "so"),
    [
        (("upload", "migrate", "replace api"), WANTED, True),
        (("upload", "migrate"), WANTED, False),
        (("upload", "replace api"), "prod-sha-000000000003", False),
        (("upload", "replace api"), "", False),
    ],
)
def test_a_release_that_is_asked_for_again_is_gone_on_with(begun, wanted, so):
    """Before the first container is replaced, a migration may be due, which is reviewed anew."""
    assert goes_on(unfinished(*begun), USERS, wanted) is so


def test_whose_database_was_exchanged_goes_on_by_what_uses_it_alone():
    assert not goes_on(unfinished("set database aside", "replace frontend"), USERS, WANTED)


@pytest.mark.parametrize(
    ("verb", "current", "timeout", "so"),
    [
        ("deploy", "1-m", 0, True),
        ("rollback", "1-m", 0, False),
        ("migrate", "1-m", 0, False),
        ("deploy", None, 0, False),
        ("deploy", ADOPTED, 0, False),
        ("deploy", "1-m", 60, False),
    ],
)
def test_where_a_run_may_be_gone_on_with(world, verb, current, timeout, so):
    seen = world.settled(current=current)
    left = unfinished("replace api", release="2-m")
    assert may_be_gone_on_with("m", verb, left, seen, timeout) == ("m" if so else "")


def test_what_repaired_the_current_release_is_undone_which_is_the_same_way(world):
    left = unfinished("replace api", release="1-m")
    assert may_be_gone_on_with("m", "deploy", left, world.settled(current="1-m"), 0) == ""


def test_the_verb_that_it_was(world):
    line = world.line(1, revision=Revision(before=None, after="0001"))
    seen = world.settled(ledger=world.ledger(line, world.line(2)))
    assert seen.current is not None
    assert verb_of(seen.current, seen) == "restore"
    assert verb_of("1-prod-sha-000000000001", seen) == "rollback"
    assert verb_of("3-prod-sha-000000000003", seen) == "deploy"
