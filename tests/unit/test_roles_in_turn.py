"""A database password that changes: the other role takes it, the former one ends last."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace

import pytest

from deployments.host.candidate import Candidate
from deployments.planning.roles_in_turn import in_turn, passwords_changed
from deployments.shell import database

PASSWORD = "DATABASE_PASSWORD"
SECOND = "DATABASE_USER='homeguru_2'\n"


@pytest.fixture
def changed(world) -> Candidate:
    """Another password, and new hashes of who reads it."""
    candidate = world.candidate({"api": "other", "bot": "other"}, **{PASSWORD: "new"})
    return replace(candidate, released=dict(candidate.secrets_now))


def role(target) -> str:
    return target.value(target.stack.deploy.database.application.role)


def names(plan) -> list[str]:
    return [step.name for step in plan.steps]


def script(plan, name: str) -> str:
    """The SQL of a step, without the shell's quotes."""
    text = next(step.script.text for step in plan.steps if step.name == name)
    call = re.split(r"^(?=(?:create|change)_roles (?!\(\)))", text, flags=re.MULTILINE)[-1]
    return shlex.split(call)[4]


def test_the_other_role_takes_a_new_password(world, changed):
    target = in_turn(world.target(), world.settled(), changed, "deploy")
    assert role(target) == "homeguru_2"
    assert target.env(world.settled())["DATABASE_USER"] == "homeguru_2"
    seen = world.settled(logins=frozenset({"homeguru", "homeguru_owner", "postgres"}))
    plan = world.plan(target, seen, changed)
    assert names(plan) == [
        "upload", "prepare roles", "start new containers", "replace bot", "replace api",
        "drain old containers", "verify", "end former login",
    ]  # fmt: skip
    assert 'ALTER ROLE "homeguru_2" LOGIN PASSWORD' in script(plan, "prepare roles")
    assert 'ALTER ROLE "homeguru" LOGIN' not in script(plan, "prepare roles")
    assert 'ALTER ROLE "homeguru" PASSWORD NULL' in script(plan, "end former login")
    assert not any("another connection" in note for note in plan.notes)


def test_then_it_is_the_first_ones_turn_again(world, changed):
    recorded = replace(changed, released_env=SECOND)
    target = in_turn(world.target(), world.settled(), recorded, "deploy")
    assert role(target) == "homeguru"
    plan = world.plan(target, world.settled(logins=frozenset({"homeguru_2"})), recorded)
    assert (
        "ALTER ROLE \"homeguru\" LOGIN PASSWORD :'application_password' VALID UNTIL 'infinity'"
        in (script(plan, "prepare roles"))
    )
    assert 'ALTER ROLE "homeguru_2" PASSWORD NULL' in script(plan, "end former login")


def test_without_a_new_password_the_role_stays(world):
    candidate = replace(world.candidate(), released_env=SECOND)
    for verb in ("deploy", "rollback", "restore", "migrate", "rotate"):
        assert role(in_turn(world.target(), world.settled(), candidate, verb)) == "homeguru_2"
    first = in_turn(world.target(), world.settled(), world.candidate(), "deploy")
    assert first == world.target()


def test_what_a_killed_run_installed_decides_nothing(world, changed):
    """Its files are there, the release that is recorded is the one before: the same role again."""
    installed = replace(changed, secrets_now=changed.secrets_then)
    seen = world.settled(env=SECOND)
    recorded = replace(installed, released_env="DATABASE_NAME='homeguru'\n")
    assert role(in_turn(world.target(), seen, recorded, "deploy")) == "homeguru_2"
    assert PASSWORD in passwords_changed(recorded)


@pytest.mark.parametrize("verb", ["undo", "heal"])
def test_the_way_back_keeps_the_recorded_role(world, changed, verb):
    target = world.target(variables={"DATABASE_USER": "homeguru_2"})
    assert in_turn(target, world.settled(), changed, verb) == target


def test_an_undo_gives_the_former_role_its_password_back(world, changed):
    seen = world.settled(logins=frozenset({"homeguru_2"}))
    plan = world.plan(world.target(), seen, changed, verb="undo")
    assert "ALTER ROLE \"homeguru\" LOGIN PASSWORD :'application_password' VALID UNTIL" in (
        script(plan, "prepare roles")
    )
    assert "end former login" not in names(plan)


@pytest.mark.parametrize("released", [{}, {"POSTGRES_PASSWORD": "new"}])
def test_a_superusers_password_that_is_not_known_to_be_ours_stays(world, released):
    """Release 0 has none of ours, nor has a way back to it: its containers log in by their own."""
    candidate = world.candidate({"postgres": "another"}, POSTGRES_PASSWORD="new")
    candidate = replace(candidate, secrets_now={}, released=released)
    plan = world.plan(world.target(), world.settled(), candidate)
    assert 'ALTER ROLE "postgres"' not in script(plan, "prepare roles")


def test_a_superusers_password_that_the_current_release_recorded_otherwise_is_changed(world):
    candidate = replace(world.candidate(), released={"POSTGRES_PASSWORD": "former"})
    plan = world.plan(world.target(), world.settled(), candidate)
    assert 'ALTER ROLE "postgres"' in script(plan, "prepare roles")


def test_no_other_change_of_passwords_touches_the_superusers(world, changed):
    plan = world.plan(world.target(), world.settled(), changed)
    assert 'ALTER ROLE "postgres"' not in script(plan, "prepare roles")


# -- SQL ----------------------------------------------------------------------------------


def test_the_second_role_acts_as_the_first():
    sql = database.roles_sql(database="d", owner="o", application="a", login="a_2")
    assert 'GRANT "a" TO "a_2";' in sql
    assert "ALTER ROLE \"a_2\" SET role = 'a';" in sql
    assert 'ALTER ROLE "a" LOGIN' not in sql
    # What it may do is the first one's.
    assert 'TO "a_2"' not in sql.replace('GRANT "a" TO "a_2"', "")


def test_an_owner_that_logs_in_by_turns_keeps_its_password():
    sql = database.roles_sql(database="d", owner="a", application="a", login="a_2")
    assert "owner_password'" not in sql.replace("\\set owner_password", "")


def test_the_end_of_a_login_closes_its_connections_from_elsewhere():
    text = database.end_login("postgres", "admin", "d", "a'b").text
    assert "PASSWORD NULL VALID UNTIL" in text
    assert "client_addr IS NOT NULL" in text
