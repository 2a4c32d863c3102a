"""Data of a database that has no container: looked into, judged, and lost to nobody unasked."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from deployments.commands import observe
from deployments.commands.prelude import prelude
from deployments.commands.volume import look_into
from deployments.compose_file import HERE, parse_stack
from deployments.datachange import DataChange
from deployments.errors import Refused
from deployments.migration import Finding, Migration, of_unknown
from deployments.observation import read_observation, with_database
from deployments.results import Channel
from infra.judge import Judge

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


def _observed(world, shell, docker):
    shell.program("docker", docker)
    done = shell.run(observe.observe(shell.environment, world.stack))
    assert done.returncode == 0, done.stderr
    return read_observation(done.stdout)


def test_a_volume_is_seen_where_its_database_has_no_container(world, shell):
    exists = f'[ "$1 $2 $3" = "volume inspect {VOLUME}" ] || [ "$1" = ps ]'
    seen = _observed(world, shell, exists)
    assert (seen.places, seen.unread, seen.database_bytes) == ((VOLUME,), VOLUME, 0)
    assert _observed(world, shell, '[ "$1" = ps ]').places == ()


def test_a_running_database_is_asked_and_its_volume_is_nothing_to_tell(world, shell):
    seen = _observed(
        world, shell, f"""case "$1" in
        ps) echo c1 ;; inspect) [[ $3 != *Running* ]] || echo true ;; exec) echo '{ANSWER}' ;; esac""",
    )  # fmt: skip
    assert (seen.places, seen.unread, seen.tables, seen.revision) == ((), "", 3, "0002")


@pytest.mark.parametrize(
    ("made", "there"),
    [((), False), (("data",), False), (("data/PG_VERSION",), True)],
)
def test_a_folder_of_the_host_counts_where_something_is_in_it(world, shell, stack, made, there):
    stack = replace(stack, places={"postgres": ("./data",)})
    for path in made:
        (shell.directory / "data").mkdir(exist_ok=True)
        if path != "data":
            shell.write(path, "16")
    shell.program("docker", '[ "$1" = ps ]')
    done = shell.run(observe.observe(shell.environment, stack))
    assert read_observation(done.stdout).places == (("./data",) if there else ())


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


def _look(shell, docker):
    shell.write(".incoming/t1/compose.yml", "")
    shell.program("docker", f'echo "$*" >> docker.log\n{docker}')
    script = look_into(
        incoming=".incoming/t1", service="postgres", variable="POSTGRES_IMAGE", image="p@sha256:1",
        healthy_within=1, database=("postgres", "homeguru", "SELECT 1"),
    )  # fmt: skip
    done = shell.run(prelude(shell.environment) + "channel=n\n" + script.text)
    lines = [line.split(" homeguru-look")[0] for line in shell.read("docker.log").splitlines()]
    return done, lines


def test_it_is_started_asked_and_stopped_again(shell):
    done, lines = _look(
        shell, f"""case "$1" in inspect) echo running 0 healthy ;; exec) echo '{ANSWER}' ;; esac"""
    )
    assert done.returncode == 0, done.stderr
    ((result,),) = [Channel("n").split(done.stdout)[1]]
    assert (result.kind, result.words) == ("database", (ANSWER.rstrip("\n"),))
    # One that an earlier run left goes first: two servers on the same files would ruin them.
    assert lines[:2] == ["stop -t 60", "rm -f"]
    assert lines[-2:] == ["stop -t 60", "rm -f"]


def test_what_does_not_start_is_told_with_its_last_words_and_stopped(shell):
    done, lines = _look(
        shell, """case "$1" in inspect) echo exited 0 none ;; logs) echo incompatible version ;; esac"""
    )  # fmt: skip
    assert done.returncode == 20
    assert "incompatible version" in done.stderr
    assert lines[-2:] == ["stop -t 60", "rm -f"]


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
    judge = Judge(SimpleNamespace(environment=world.environment), None)
    change = judge.forward(world.target(api="api-2"), seen)
    assert change == DataChange("migrate", of_unknown(3))
    assert change.asks and "3 tables" in change.asks[0]
    assert "back up database" in _names(_plan(world, seen, change))


def test_a_container_that_a_first_deploy_left_and_that_does_not_answer_is_no_empty_database(world):
    seen = replace(world.settled(), current=None, revision=None)
    judge = Judge(SimpleNamespace(environment=world.environment), None)
    with pytest.raises(Refused) as caught:
        judge.forward(world.target(api="api-2"), seen)
    assert "docker rm -f homeguru-postgres-1" in caught.value.todo
