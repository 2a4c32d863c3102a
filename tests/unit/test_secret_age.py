"""For how long secrets have had their values, and who is told."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest

from deployments.environment.policy import Watch
from deployments.health.doctor import of_host
from deployments.health.secret_age import ages, check_secrets
from deployments.host.observation import read_observation

NOW = int(datetime(2031, 1, 1, tzinfo=UTC).timestamp())
SINCE = {"JWT_SECRET_KEY": "2030-12-22T00:00:00Z", "DATABASE_PASSWORD": "2030-01-01T00:00:00Z"}


@pytest.fixture
def seen(world):
    return world.settled(secrets_since=SINCE, epoch=NOW)


def test_the_oldest_comes_first(seen):
    assert ages(seen) == [("DATABASE_PASSWORD", 365), ("JWT_SECRET_KEY", 10)]


def test_a_limit_is_the_environments(seen):
    assert check_secrets(Watch(), seen, "prod") == []
    (found,) = check_secrets(Watch(secret_days=30), seen, "prod")
    assert (found.ok, found.check) == (False, "secrets")
    assert found.detail == (
        "the same for more than 30 days: DATABASE_PASSWORD for 365; "
        "homeguru rotate DATABASE_PASSWORD --env prod"
    )
    (well,) = check_secrets(Watch(secret_days=400), seen, "prod")
    assert (well.ok, well.detail) == (True, "the oldest, DATABASE_PASSWORD, for 365 days")


def test_nothing_is_said_of_a_host_that_notes_none(world):
    assert check_secrets(Watch(secret_days=1), world.settled(), "prod") == []


def test_doctor_reminds_after_a_year(world, seen):
    def row(observed):
        found = of_host(world.environment, world.stack, observed, NOW)
        return next(each for each in found if each.name == "age of secrets")

    assert row(seen).verdict == "ok"
    assert row(seen).what == "DATABASE_PASSWORD 365 d, JWT_SECRET_KEY 10 d"
    older = world.settled(secrets_since={"A": "2029-12-31T00:00:00Z", "B": "no time"}, epoch=NOW)
    assert (row(older).verdict, row(older).todo) == ("warning", "homeguru rotate A --env prod")


def test_what_a_host_notes_is_read():
    text = base64.b64encode(b"A 0123 2030-01-01T00:00:00Z\nbroken\n").decode()
    assert read_observation(f"secrets_since {text}").secrets_since == {"A": "2030-01-01T00:00:00Z"}
