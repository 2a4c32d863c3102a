"""What a person waits for who types a command: its whole process, and the CPU seconds on this machine.

`make bench` writes the table to doc/benchmarks.md. No time ever fails a run.
"""

from __future__ import annotations

import resource
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.benchmarks.document import write_table
from tests.e2e.conftest import World, say, world_of_its_own

pytestmark = [pytest.mark.e2e, pytest.mark.benchmark]
TIMES = 5
CONTAINERS = ("pull", "start-new", "replace", "drain")
"""Kinds of steps that a release's own containers need, whoever deploys it."""
HEAD = ["command", "median, s", "longest, s", "CPU, s"]


@pytest.fixture(scope="module")
def world(engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A server with HomeGuru on it, and no Prefect server."""
    with world_of_its_own("commands", tmp_path_factory.mktemp("commands"), "") as found:
        release = found.publish()
        found.ok("deploy", release, "--env", "sandbox")
        yield found


def test_commands(world: World, tmp_path: Path) -> None:
    rows = [HEAD]

    def add(what: str, go: Callable[[int], object]) -> None:
        took = [measured(lambda n=n: go(n)) for n in range(TIMES)]  # type: ignore[misc]
        seconds, cpu = [t[0] for t in took], [t[1] for t in took]
        rows.append([
            what, f"{statistics.median(seconds):.2f}", f"{max(seconds):.2f}",
            f"{statistics.median(cpu):.2f}",
        ])  # fmt: skip

    def fresh(number: int) -> World:
        return replace(world, state=tmp_path / f"home{number}")

    release = world.ok("status", "--env", "sandbox")["release"].partition("-")[2]
    deploy = ("deploy", release, "--env", "sandbox")
    add("`--version`", lambda _: ended(world, "--version"))
    add("`--help`", lambda _: ended(world, "--help"))
    add("`status`", lambda _: ended(world, "status", "--env", "sandbox"))
    add("`plan`", lambda _: ended(world, "plan", release, "--env", "sandbox"))
    add("`deploy` without a change, with a history", lambda _: ended(world, *deploy))
    add("`deploy` without a change, on a fresh home", lambda n: ended(fresh(n), *deploy))
    rows.append(pressed(world, fresh(TIMES)))
    say(write_table("commands", rows))


def pressed(world: World, home: World) -> list[str]:
    """One layer of api on a fresh home, as a runner has it: what comes on top of its containers."""
    world.edit({"alembic.ini": ("[alembic]", "# Another line.\n[alembic]")}, "one layer of api")
    release = world.publish()
    summaries = []
    seconds, cpu = measured(
        lambda: summaries.append(home.ok("deploy", release, "--env", "sandbox"))
    )
    own = sum(s["seconds"] for s in summaries[0]["steps"] if s["kind"] in CONTAINERS)
    what = (
        f"`deploy` of one layer of api on a fresh home, without {own:.1f} s of pull and containers"
    )
    return [what, f"{seconds - own:.2f}", "", f"{cpu:.2f}"]


def ended(world: World, *words: str) -> None:
    found = world.homeguru(*words)
    assert found.code == 0, found.stderr


def measured(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds, and CPU seconds of the processes that it started here and that have ended."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    work()
    seconds = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, cpu
