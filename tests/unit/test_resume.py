"""Undone or gone on with: what the journal and the databases set aside say."""

from __future__ import annotations

import pytest

from deployments.journal import Unfinished
from deployments.ledger import Revision
from deployments.resume import goes_on, verb_of

RUN = "0a1b2c3d-0000-4000-8000-000000000000"
USERS = ["api", "bot"]


def unfinished(*begun, release="2-prod-sha-000000000002", undoing=False):
    return Unfinished(RUN, release, begun, "2030-01-01T00:00:00Z", undoing)


@pytest.mark.parametrize("exchange", ["set database aside", "restore database"])
@pytest.mark.parametrize("step", ["replace api", "start bot"])
def test_where_the_exchanged_database_is_in_use_the_run_goes_on(exchange, step):
    assert goes_on(unfinished("stop api", exchange, step), USERS)


@pytest.mark.parametrize(
    "begun", [(), ("stop api", "set database aside", "migrate"), ("replace frontend",)]
)
def test_where_nobody_writes_to_it_yet_it_is_undone(begun):
    assert not goes_on(unfinished(*begun), USERS)


def test_without_a_database_set_aside_it_is_undone():
    assert not goes_on(unfinished("migrate", "replace api"), USERS)


def test_what_was_being_undone_is_undone_to_the_end():
    begun = ("set database aside", "replace api")
    assert not goes_on(unfinished(*begun, undoing=True), USERS)


def test_the_verb_that_it_was(world):
    line = world.line(1, revision=Revision(before=None, after="0001"))
    seen = world.settled(ledger=world.ledger(line, world.line(2)))
    assert seen.current is not None
    assert verb_of(seen.current, seen) == "restore"
    assert verb_of("1-prod-sha-000000000001", seen) == "rollback"
    assert verb_of("3-prod-sha-000000000003", seen) == "deploy"
