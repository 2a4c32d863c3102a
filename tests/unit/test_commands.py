"""All shell text: it parses, nothing in it is unquoted, and the short scripts are as written."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deployments.history import journal
from deployments.shell import database, files, images, lock, prelude, probe
from deployments.shell.edge import reload_edge
from deployments.shell.quote import Script
from deployments.shell.replace import Backend, let_former_go, recreate_service, replace_service
from tests.every_script import every_script, replacement


def _tail(script):
    return script.text.splitlines()[-1]


@pytest.mark.parametrize(
    ("script", "last"),
    [
        (files.install(".incoming/t", "2-x", "edge"), "install_release .incoming/t 2-x edge"),
        (files.restore(".incoming/t", ""), "restore_release .incoming/t ''"),
        (files.remove_project(), "remove_project"),
        (files.record("{}", ".incoming/t", "00", "", "2-x"), "record_run '{}' .incoming/t 00 '' 2-x yes ''"),
        (files.record("{}", ".incoming/t", "00", "2-x", "2-x", settled=False),
         "record_run '{}' .incoming/t 00 2-x 2-x no ''"),
        (images.pull(["r/a@sha256:1", "r/b@sha256:2"], "release-x"),
         "pull_images release-x r/a@sha256:1 r/b@sha256:2"),
        (reload_edge("edge"), "reload_edge edge"),
        (recreate_service(replacement("postgres")), "recreate_service"),
        (replace_service(replacement("bot"), None), "replace_service"),
        (replace_service(replacement(), Backend("edge", 8000, 30)), "replace_service"),
        (let_former_go(replacement(), Backend("edge", 8000, 30)), "let_former_go"),
        (database.migrate(
            database=("postgres", "postgres", "app", "SELECT 1"), service="migrate",
            variable="API_IMAGE", image="r/api@sha256:1", command=("alembic", "upgrade", "head"),
            timeout=900), "migrate migrate API_IMAGE r/api@sha256:1 alembic upgrade head"),
    ],
)  # fmt: skip
def test_the_line_that_does_the_work(script, last):
    assert _tail(script) == last


def test_a_login_comes_before_the_pull():
    script = images.pull(["r/a@sha256:1"], "t", (".incoming/t", "ghcr.io", "robot"))
    assert script.text.splitlines()[-2:] == [
        '[ -z "$(missing_images r/a@sha256:1)" ] || login_to_registry .incoming/t ghcr.io robot',
        "pull_images t r/a@sha256:1",
    ]  # fmt: skip


def test_settings_of_a_replacement():
    assert replacement(start_first=False).settings() == [
        "service=api", "variable=API_IMAGE", "image=reg/api@sha256:1",
        "hash=abc", "order=stop-first", "healthy=180", "grace=30",
        "problem=''", "keep=''", "user=''", "volumes=''", "ready=()",
    ]  # fmt: skip
    assert "keep=yes" in replacement(keep=True).settings()
    assert "keep=''" in replacement(keep=True, start_first=False).settings()
    assert replacement(user="70:70", volumes=("v:/a", "w:/b"), ready=("x", "y z")).settings()[-3:] == [
        "user=70:70", "volumes='v:/a w:/b'", "ready=(x 'y z')",
    ]  # fmt: skip
    text = replace_service(replacement(), Backend("edge", 8000, 30)).text
    assert text.splitlines()[-6:] == [
        "be=be_api", "port=8000", "drain=30", "routed=yes",
        "edge=$(container_ids edge | head -n 1)", "replace_service",
    ]  # fmt: skip


def test_every_script_begins_by_entering_the_environments_directory(world):
    text = prelude.prelude(world.environment)
    assert text.startswith("set -euo pipefail\numask 077\n")
    assert text.endswith("enter homeguru /srv/homeguru\n")


@pytest.mark.parametrize(
    ("script", "seconds"),
    [
        (recreate_service(replacement()), 180 + 30 + 120),
        (replace_service(replacement(), None), 360 + 60 + 120),
        (
            replace_service(replacement(), Backend("edge", 1, 30)),
            360 + 30 + 60 + 120,
        ),
        (files.install("i", "r", ""), 60),
    ],
)
def test_time_that_a_script_may_take(script, seconds):
    assert script.timeout == seconds


def test_the_guard_outlives_its_body(world):
    line = journal.run_line("x", "begin", "t")
    guarded = lock.guarded(world.environment, "r", "t", line, line, "", Script("true", timeout=7))
    assert guarded.timeout > 7


@pytest.mark.parametrize("follow", [False, True])
def test_the_logs_of_one_service(world, follow):
    last = _tail(probe.tail_logs(world.environment, probe.Tail(("api",), 20, follow=follow)))
    flags = "--no-color --timestamps --tail 20" + (" --follow" if follow else "")
    assert last == f"compose --ansi never logs {flags} api"


def test_the_logs_of_several_services_since_a_time(world):
    wanted = probe.Tail(("api", "bot"), 20, "10m; id")
    assert _tail(probe.tail_logs(world.environment, wanted)) == (
        "compose --ansi never logs --no-color --timestamps --tail 20 --since '10m; id' api bot"
    )


def test_all_logs_since_a_time_may_take_minutes(world):
    asked = probe.tail_logs(world.environment, probe.Tail(("api",), 20, "7d", everything=True))
    assert _tail(asked).endswith("--tail all --since 7d api")
    assert asked.timeout > 600


def test_sql_of_the_roles_quotes_its_names():
    sql = database.roles_sql(database='a"b', owner="o'x", application='p"q')
    # Not `\\getenv`, which psql has from PostgreSQL 15 on.
    assert sql.startswith('\\set owner_password `printf %s "$OWNER_PASSWORD"`\n')
    assert "ALTER ROLE \"o'x\" LOGIN PASSWORD :'owner_password';" in sql
    assert "WHERE rolname = 'o''x'" in sql
    assert 'GRANT CONNECT ON DATABASE "a""b" TO "p""q";' in sql


def test_time_outs_are_for_a_role_that_migrates_alone():
    """Where the application has the same role, they would be its own, too."""
    two = database.roles_sql(database="d", owner="o", application="a")
    one = database.roles_sql(database="d", owner="o", application="o")
    assert "ALTER ROLE \"o\" SET statement_timeout = '15min';\nGRANT" in two
    assert "_timeout" not in one
    assert one.count("GRANT CONNECT") == 2


def test_sql_of_the_roles_holds_no_password_and_logs_none(world):
    target = world.target()
    plan = world.plan(target, world.bare)
    text = next(s.script.text for s in plan.steps if s.name == "prepare roles")
    assert "value-of" not in text
    assert "SET log_statement = 'none';" in database.roles_sql(
        database="d", owner="o", application="a"
    )


def test_equal_input_makes_equal_text(world, stack):
    once = {n: s.text for n, s in every_script(world.environment, stack, "api").items()}
    again = {n: s.text for n, s in every_script(world.environment, replace(stack), "api").items()}
    assert once == again
