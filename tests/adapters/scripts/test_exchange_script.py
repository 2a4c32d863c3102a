"""The exchange of two databases: from which one PostgreSQL is asked, under bash."""

from __future__ import annotations

import pytest

from deployments.shell.quote import functions

STAND_IN = """
superuser=postgres postgres=db-1
say() { printf '%s\\n' "$*"; }
docker() { printf '%s ' "$@" | grep -oE -- '-d [a-z0-9_]+' >&2; cat >/dev/null; }
"""


@pytest.mark.parametrize(("name", "beside"), [("shop", "postgres"), ("postgres", "template1")])
def test_a_database_is_renamed_and_dropped_from_another_one(shell, name: str, beside: str) -> None:
    calls = f"name={name}\nswap_names new old\ndrop_database old\n"
    done = shell.run(functions("postgres", "exchange") + STAND_IN + calls)
    assert done.stderr.split() == ["-d", beside, "-d", beside]
