"""Data of a database that has no container: looked into, reviewed, and lost to nobody unasked."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from deployments.compose.reader import HERE, parse_stack
from deployments.database.change import DataChange
from deployments.database.migration_review import Finding, Migration, of_unknown
from deployments.errors import Refused
from deployments.host.observation import with_database
from infra.run.migration_review import MigrationReview

VOLUME = "homeguru_postgres-data"
DROP = Finding("destructive", "ALTER TABLE users DROP COLUMN name", "it may break clients")
DESTRUCTIVE = DataChange("migrate", Migration("ALTER ...", "0003", (DROP,)))
ANSWER = '{"bytes": 7, "tables": 3, "aside": [], "undone": []}\n0002\n'


def _plan(world, seen, data=None):
    planner = world.planner(world.target(), seen)
    return replace(planner, request=replace(planner.request, data=data)).plan()


def _names(plan):
    return [step.name for step in plan.steps]


# -- seeing it ------------------------------------------------------------------------


def test_where_data_may_be_is_read_of_the_compose_file(compose_config):
    body = compose_config["services"]["postgres"]
    volumes = [
        {"type": "volume", "source": "postgres-data", "target": "/var/lib/postgresql/data"},
        {"type": "bind", "source": f"{HERE}pg", "target": "/var/lib/postgresql/data"},
        {"type": "bind", "source": "/srv/pg", "target": "/elsewhere/data"},
        {"type": "bind", "source": f"{HERE}init.sql", "target": "/docker-entrypoint-initdb.d/a.sql"},
    ]  # fmt: skip
    body = {**body, "volumes": volumes, "environment": {"PGDATA": "/elsewhere/data"}}
    config = {**compose_config, "services": {**compose_config["services"], "postgres": body}}
    named, *bound = parse_stack("", config, "x").places["postgres"]
    assert "postgres-data" in named
    assert bound == ["./pg", "/srv/pg"]


# -- looking into it --------------------------------------------------------------------


def test_what_it_says_is_what_an_observation_says(world):
    seen = with_database(replace(world.bare, places=(VOLUME,)), ANSWER)
    assert (seen.revision, seen.tables, seen.database_bytes, seen.unread) == ("0002", 3, 7, "")


# -- planning with it -------------------------------------------------------------------


def test_a_plan_that_could_not_look_says_so_and_claims_no_empty_database(world):
    plan = _plan(world, replace(world.bare, places=(VOLUME,)))
    (note,) = [n for n in plan.notes if "volume" in n]
    assert note.startswith(f"a volume with data is there: {VOLUME}. A deploy first starts")
    (migrate,) = [s for s in plan.steps if s.name == "migrate"]
    assert migrate.reason.startswith(f"from what {VOLUME} holds")


def test_one_that_is_empty_is_planned_as_a_first_release(world):
    empty = '{"bytes": 7, "tables": 0, "aside": [], "undone": []}\n'
    plan = _plan(world, with_database(replace(world.bare, places=(VOLUME,)), empty))
    assert plan.notes == _plan(world, world.bare).notes
    assert _names(plan) == _names(_plan(world, world.bare))


def test_data_is_backed_up_after_its_database_starts_and_what_it_loses_is_asked(world):
    seen = with_database(replace(world.bare, places=(VOLUME,)), ANSWER)
    plan = _plan(world, seen, DESTRUCTIVE)
    names = _names(plan)
    order = ["start postgres", "back up database", "set database aside", "prepare roles", "migrate"]
    assert [n for n in names if n in order] == order
    assert plan.asks == (str(DROP),)
    assert f"a volume with data is there: {VOLUME}" in plan.notes


def test_tables_without_a_revision_are_nobodys_empty_database(world):
    """From which revision on would it be migrated?"""
    seen = world.settled(revision=None, tables=3, database_bytes=7)
    reviewer = MigrationReview(SimpleNamespace(environment=world.environment), None)
    change = reviewer.forward(world.target(api="api-2"), seen)
    assert change == DataChange("migrate", of_unknown(3))
    assert change.asks and "3 tables" in change.asks[0]
    assert "back up database" in _names(_plan(world, seen, change))


def test_a_container_that_a_first_deploy_left_and_that_does_not_answer_is_no_empty_database(world):
    seen = replace(world.settled(), current=None, revision=None)
    reviewer = MigrationReview(SimpleNamespace(environment=world.environment), None)
    with pytest.raises(Refused) as caught:
        reviewer.forward(world.target(api="api-2"), seen)
    assert "docker rm -f homeguru-postgres-1" in caught.value.todo
