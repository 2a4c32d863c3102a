"""All shell text: it parses, nothing in it is unquoted, and the short scripts are as written."""

from __future__ import annotations

import subprocess
from dataclasses import replace

import pytest

from deployments import journal
from deployments.commands import (
    database,
    files,
    images,
    lock,
    observe,
    prelude,
    probe,
)
from deployments.commands import replace as replacing
from deployments.commands.edge import reload_edge
from deployments.commands.quote import Script
from deployments.compose_file import parse_stack
from deployments.xdeploy import Log

HOSTILE = "x'; rm -rf / #$(id)`id`\"${HOME}"


def _what(service="api", **changes):
    fields = {
        "service": service, "variable": "API_IMAGE", "image": "reg/api@sha256:1",
        "config_hash": "abc", "start_first": True, "healthy_within": 180, "grace": 30,
    }  # fmt: skip
    return replacing.Replacement(**{**fields, **changes})


def _scripts(environment, stack, word):
    """Every kind of script, with `word` wherever a name comes from outside."""
    body = Script(f"printf '%s' {word!r}")
    what = _what(word, variable="API_IMAGE", image=word, config_hash=word)
    return {
        "observe": observe.observe(environment, stack),
        "weigh": observe.weigh_candidate(environment, word, "former"),
        "read": observe.read_files(environment, [word, "current"]),
        "session": lock.hold_session(environment, word, word, word),
        "guarded": lock.guarded(environment, word, word, word, word, word, body),
        "stop work": lock.stop_work(environment, word),
        "install": files.install(word, word),
        "restore": files.restore(word),
        "remove": files.remove_all(),
        "record": files.record(word, word, word, word, word),
        "close": files.close(word, word),
        "pull": images.pull([word, "b"], word, (word, word, word)),
        "roles": database.prepare_roles(word, word, word, (word, word), (word, word)),
        "migrate": database.migrate(
            database=(word, word, word, word), service=word, variable="API_IMAGE", image=word,
            command=(word, word), timeout=9,
        ),
        "routed": replacing.replace_routed(what, edge=word, port=1, drain=30),
        "plain": replacing.replace_plain(replace(what, ready=(word, word), kept=("/a", "/b"))),
        "prepare": replacing.prepare(replace(what, kept=("/a",)), (word, word), 9),
        "last words": probe.last_words(environment, [word]),
        "let go": replacing.let_go(what, edge=word, port=1),
        "up": replacing.up(what),
        "reload": reload_edge(word),
        "remove one": replacing.remove(word),
        "probe": probe.probe(environment, [(word, word, (word,)), (word, word, ())], [(word, Log(must_not=(word,), files=(word,)))]),
        "logs": probe.tail_logs(environment, probe.Tail((word,), 20, word, follow=True)),
    }  # fmt: skip


def _hostile_stack(compose_config):
    config = {**compose_config, "x-deploy": {**compose_config["x-deploy"]}}
    config["x-deploy"]["database"] = {
        **config["x-deploy"]["database"], "superuser": HOSTILE, "name": HOSTILE,
        "revision": HOSTILE,
    }  # fmt: skip
    return parse_stack("", config, "compose.yml")


NAMES = sorted(
    ["observe", "weigh", "read", "session", "guarded", "stop work", "install", "restore", "remove",
     "record", "close", "pull", "roles", "migrate", "routed", "plain", "up", "reload", "probe",
     "logs", "remove one", "let go", "prepare", "last words"]
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("word", ["api", HOSTILE])
def test_every_script_parses(world, compose_config, name, word):
    scripts = _scripts(world.environment, _hostile_stack(compose_config), word)
    assert sorted(scripts) == NAMES
    done = subprocess.run(
        ["bash", "-n"], input=scripts[name].text, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("name", "functions"),
    [
        ("observe", ["observe"]),
        ("weigh", ["candidate"]),
        ("read", ["emit_file"]),
        ("session", ["session"]),
        ("guarded", ["guard"]),
        ("stop work", ["grep", "flock", "stop_work"]),
        ("install", ["install_release"]),
        ("restore", ["restore_release"]),
        ("record", ["record"]),
        ("close", ["close_journal"]),
        ("pull", ["login", "pull"]),
        ("roles", ["roles"]),
        ("migrate", ["migrate"]),
        ("reload", ["reload"]),
        ("remove one", ["ids"]),
        ("probe", ["ask", "settled", "logged"]),
        ("last words", ["last_words"]),
        ("prepare", ["prepare"]),
        ("logs", ["compose"]),
    ],
)
def test_a_hostile_name_arrives_literally(world, compose_config, tmp_path, name, functions):
    """The functions that do the work are replaced by ones that show what reached them."""
    environment = world.environment.model_copy(update={"directory": str(tmp_path)})
    text = "\n" + _scripts(environment, _hostile_stack(compose_config), HOSTILE)[name].text
    for function in functions:
        shown = f'{function}() {{ printf "<%s>\\n" "$@" >> shown; }}'
        text = text.replace(f"\n{function}() {{", f"\n_replaced_{function}() {{")
        text = f"\n{shown}\n{text}"
    subprocess.run(["bash", "-c", text], cwd=tmp_path, capture_output=True, check=False)
    found = (tmp_path / "shown").read_text()
    assert f"<{HOSTILE}>" in found or f'<"token":"{HOSTILE}">' in found


@pytest.mark.parametrize("make", ["routed", "plain", "up"])
def test_settings_of_a_replacement_arrive_literally(world, compose_config, make):
    text = _scripts(world.environment, _hostile_stack(compose_config), HOSTILE)[make].text
    body, _, _ = text.rpartition(
        "\n" + {"routed": "edge=$(ids", "plain": "replace", "up": "up"}[make]
    )
    body += '\nprintf "%s\\n" "$service" "$image" "$hash"\n'
    done = subprocess.run(["bash", "-c", body], capture_output=True, text=True, check=True)
    assert done.stdout == f"{HOSTILE}\n" * 3


def _tail(script):
    return script.text.splitlines()[-1]


@pytest.mark.parametrize(
    ("script", "last"),
    [
        (files.install(".incoming/t", "2-x"), "install_release .incoming/t 2-x"),
        (files.restore(".incoming/t"), "restore_release .incoming/t"),
        (files.remove_all(), "remove_all"),
        (files.record("{}", ".incoming/t", "00", "", "2-x"), "record '{}' .incoming/t 00 '' 2-x yes ''"),
        (files.record("{}", ".incoming/t", "00", "2-x", "2-x", settled=False),
         "record '{}' .incoming/t 00 2-x 2-x no ''"),
        (images.pull(["r/a@sha256:1", "r/b@sha256:2"], "release-x"),
         "pull release-x r/a@sha256:1 r/b@sha256:2"),
        (reload_edge("edge"), "reload edge"),
        (replacing.up(_what("postgres")), "up"),
        (replacing.replace_plain(_what("bot")), "replace"),
        (replacing.replace_routed(_what(), edge="edge", port=8000, drain=30), "replace"),
        (replacing.let_go(_what(), edge="edge", port=8000), "let_go"),
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
        '[ -z "$(missing r/a@sha256:1)" ] || login .incoming/t ghcr.io robot', "pull t r/a@sha256:1",
    ]  # fmt: skip


def test_settings_of_a_replacement():
    assert _what(start_first=False).settings() == [
        "declare service=api", "declare variable=API_IMAGE", "declare image=reg/api@sha256:1",
        "declare hash=abc", "declare order=stop-first", "declare healthy=180", "declare grace=30",
        "declare problem=", "declare keep=", "declare kept=", "ready=()",
    ]  # fmt: skip
    assert "declare keep=yes" in _what(keep=True).settings()
    assert "declare keep=" in _what(keep=True, start_first=False).settings()
    assert _what(kept=("/a", "/b"), ready=("x", "y z")).settings()[-2:] == [
        "declare 'kept=/a /b'", "ready=(x 'y z')",
    ]  # fmt: skip
    text = replacing.replace_routed(_what(), edge="edge", port=8000, drain=30).text
    assert text.splitlines()[-6:] == [
        "declare be=be_api", "declare port=8000", "declare drain=30", "declare routed=yes",
        "edge=$(ids edge | head -n 1)", "replace",
    ]  # fmt: skip


def test_every_script_begins_by_entering_the_environments_directory(world):
    text = prelude.prelude(world.environment)
    assert text.startswith("set -euo pipefail\numask 077\n")
    assert text.endswith("enter homeguru /srv/homeguru\n")


def test_what_a_missing_directory_says(world, shell, tmp_path):
    environment = world.environment.model_copy(update={"directory": str(tmp_path / "none")})
    done = shell.run(prelude.prelude(environment))
    assert done.returncode == 20
    assert done.stderr.startswith(f"directory {tmp_path}/none does not exist, or ")


@pytest.mark.parametrize(
    ("script", "seconds"),
    [
        (replacing.up(_what()), 180 + 30 + 120),
        (replacing.replace_plain(_what()), 360 + 60 + 120),
        (replacing.replace_routed(_what(), edge="edge", port=1, drain=30), 360 + 30 + 60 + 120),
        (files.install("i", "r"), 60),
    ],
)
def test_time_that_a_script_may_take(script, seconds):
    assert script.timeout == seconds


def test_the_guard_outlives_its_body(world):
    line = journal.line("x", "begin", "t")
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


def test_sql_of_the_roles_quotes_its_names():
    sql = database.roles_sql(database='a"b', owner="o'x", application='p"q')
    # Not `\\getenv`, which psql has from PostgreSQL 15 on.
    assert sql.startswith('\\set owner_password `printf %s "$OWNER_PASSWORD"`\n')
    assert "ALTER ROLE \"o'x\" LOGIN PASSWORD :'owner_password';" in sql
    assert "WHERE rolname = 'o''x'" in sql
    assert 'GRANT CONNECT ON DATABASE "a""b" TO "p""q";' in sql


def test_sql_of_the_roles_holds_no_password_and_logs_none(world):
    target = world.target()
    plan = world.plan(target, world.bare)
    text = next(s.script.text for s in plan.steps if s.name == "prepare roles")
    assert "value-of" not in text
    assert "SET log_statement = 'none';" in database.roles_sql(
        database="d", owner="o", application="a"
    )


def test_equal_input_makes_equal_text(world, stack):
    once = {n: s.text for n, s in _scripts(world.environment, stack, "api").items()}
    again = {n: s.text for n, s in _scripts(world.environment, replace(stack), "api").items()}
    assert once == again
