"""Data without a container, looked into under bash."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deployments.host.observation import read_observation
from deployments.host.script_results import Channel
from deployments.shell import observe
from deployments.shell.prelude import prelude
from deployments.shell.volume import look_into

VOLUME = "homeguru_postgres-data"


ANSWER = '{"bytes": 7, "tables": 3, "aside": [], "undone": []}\n0002\n'


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
