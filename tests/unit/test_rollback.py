"""An image that migrates at start must know the database's revision."""

from __future__ import annotations

import json
from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace

import pytest

from deployments.compose.reader import parse_stack
from deployments.database.change import KEEP
from deployments.database.choice import Choice
from deployments.errors import Refused
from deployments.history.ledger import Revision
from deployments.planning.compatibility import check_rollback
from infra.run.migration_review import MigrationReview


@pytest.fixture
def stack_with(compose_config):
    """The production stack whose api migrates at start, with or without another command."""

    def make(at_start=("api",), command=None):
        config = json.loads(json.dumps(compose_config))
        config["x-deploy"]["migrate"]["at_start"] = list(at_start)
        config["services"]["api"]["command"] = command
        return parse_stack("", config, "compose.yml")

    return make


def _check(world, stack, after):
    line = world.line(1, revision=Revision(before=None, after=after))
    check_rollback(stack, line, world.settled(revision="0002"))


def test_an_image_that_migrates_at_start_and_knows_another_revision_is_refused(world, stack_with):
    with pytest.raises(Refused) as caught:
        _check(world, stack_with(), "0001")
    assert caught.value.what == (
        "release 1-prod-sha-000000000001 cannot run on this database: api migrates at start "
        "and knows revision 0001, not 0002"
    )
    assert caught.value.state == f"runs {world.settled().current}, unchanged"


def test_the_same_revision_is_harmless(world, stack_with):
    _check(world, stack_with(), "0002")


def test_a_command_that_only_serves_makes_it_safe(world, stack_with):
    _check(world, stack_with(command=["uvicorn", "app"]), "0001")


def test_an_image_that_does_not_migrate_is_harmless(world, stack_with):
    _check(world, stack_with(at_start=()), "0001")


def test_a_stack_without_migrations_is_harmless(world, stack):
    without = replace(stack, deploy=stack.deploy.model_copy(update={"migrate": None}))
    _check(world, without, "0001")


@pytest.mark.parametrize("after", ["0001", "0002"])
def test_a_restore_is_a_restore_where_the_schema_is_the_same_too(world, after):
    """Found by the button: the choice was passed over when both releases have one revision."""
    seen = world.settled(revision="0002")
    host = SimpleNamespace(environment=world.environment)
    line = world.line(1, revision=Revision(before=None, after=after))
    with pytest.raises(Refused) as caught:
        MigrationReview(host, None).back(world.target(), line, seen, Choice.restore)
    assert caught.value.what.startswith("no backup was made while release 1-prod-")


def test_a_database_that_may_stay_stays(world):
    seen = world.settled(revision="0002")
    line = world.line(1, revision=Revision(before=None, after="0002"))
    for choice in (Choice.keep, Choice.downgrade):
        assert MigrationReview(None, None).back(world.target(), line, seen, choice) == KEEP


def test_a_release_that_the_running_one_knows_nothing_of_is_asked_for(world):
    """Rolled back to an older one, a newer one would else be out of reach, for a wrong reason."""
    seen = world.settled(revision="0003")
    line = world.line(2, revision=Revision(before="0001", after="0002"))
    unknown = Refused("the database is ahead of release x: 0002 came with y", state="unchanged")

    def read(*_):
        raise unknown

    host = SimpleNamespace(
        environment=world.environment, incoming="i", tunnel=lambda *_: nullcontext(), read=read
    )
    change = MigrationReview(host, None).back(world.target(), line, seen, Choice.keep)
    assert change.kind == "keep"
    assert change.asks == (f"cannot be reviewed: its SQL could not be made ({unknown.what})",)
