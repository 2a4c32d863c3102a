"""Many environments whose looks are due in the same second, with the history in SQLite and in PostgreSQL.

`make bench` writes the table to doc/benchmarks.md. No time ever fails a run.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from infra.demo.prefect_server import LocalPrefect
from infra.engine.client import DockerFailed, docker
from infra.orchestration.api.client import PrefectApi
from tests.benchmarks.document import write_table
from tests.benchmarks.many import application, environment
from tests.benchmarks.runs import created, until_completed
from tests.e2e.conftest import BESIDE, ROOT, World, address_of, git, say, world_of_its_own

pytestmark = [pytest.mark.e2e, pytest.mark.benchmark]
MANY = {"sqlite": (1, 4, 10), "postgresql": (1, 4, 10, 100)}
"""With a hundred due at once Prefect's server on SQLite refuses requests: its database is locked."""
IMAGES = "hundred"
NAMES = [f"{IMAGES}{number:03}" for number in range(max(MANY["postgresql"]))]
HISTORY = f"hgtest-history{BESIDE}"


@pytest.fixture(scope="module")
def world(engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A server on which a hundred environments run the same image."""
    with world_of_its_own("environments", tmp_path_factory.mktemp("environments"), "") as found:
        source = found.state / "source"
        compose = application(source, 1)
        git(source, "init", "-q", "-b", "main")
        replace(found, repository=source).commit("one")
        for name in NAMES:
            environment(found.info, found.environments, name, compose, IMAGES)
        _deployed(found, source, NAMES[:1])
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(partial(_deployed, found, source), (NAMES[1::2], NAMES[2::2])))
        yield found


def _deployed(world: World, source: Path, names: list[str]) -> None:
    # Those beside have a history of their own: two do not write to one at the same time.
    state = str(world.state / names[0])
    for name in names:
        world.ok("release", "--env", name, "--source", str(source), HOMEGURU_STATE=state)


@pytest.fixture
def sqlite() -> dict[str, str]:
    return {}


@pytest.fixture
def postgresql(engine) -> Iterator[dict[str, str]]:
    """Where Prefect's server keeps its history, as on a control plane."""
    docker("rm", "-fv", HISTORY)
    docker("run", "-d", "--name", HISTORY, "-e", "POSTGRES_PASSWORD=history", "postgres:16")
    deadline = time.monotonic() + 60
    while not _answers(HISTORY):
        assert time.monotonic() < deadline, "PostgreSQL does not answer"
        time.sleep(0.5)
    where = f"postgres:history@{address_of(HISTORY)}:5432/postgres"
    yield {"PREFECT_API_DATABASE_CONNECTION_URL": f"postgresql+asyncpg://{where}"}
    docker("rm", "-fv", HISTORY)


def _answers(container: str) -> bool:
    # Over TCP: the server that initialises the database listens on its socket alone.
    with suppress(DockerFailed):
        docker("exec", container, "pg_isready", "-q", "-h", "127.0.0.1")
        return True
    return False


def test_looks_due_at_once(
    world: World, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [["history in", "environments", "all verified after, s", "one run, longest, s"]]
    for kind in ("sqlite", "postgresql"):
        with monkeypatch.context() as patched:
            for name, value in request.getfixturevalue(kind).items():
                patched.setenv(name, value)
            rows += _measured(world, kind)
    say(write_table("environments", rows))


def _measured(world: World, kind: str) -> list[list[str]]:
    """A row for each number of environments, with a server and a worker of their own."""
    prefect = LocalPrefect(ROOT / ".state" / f"bench-{kind}{BESIDE}", say)
    prefect.down()
    try:
        api = PrefectApi(f"{prefect.up(world.environments, port=0)}/api")
        # The first look at each remembers that it was there, and the server is warm then.
        _looked(api, max(MANY[kind]))
        shown = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}[kind]
        return [[shown, str(many), *_looked(api, many)] for many in MANY[kind]]
    finally:
        prefect.down()


def _looked(api: PrefectApi, many: int) -> list[str]:
    """Seconds until the last has ended, and seconds of the longest run."""
    began = time.monotonic()
    due = [created(api, "verify/verify", {"environment": name}) for name in NAMES[:many]]
    ended = [until_completed(api, run) for run in due]
    took = time.monotonic() - began
    return [f"{took:.1f}", f"{max(e['total_run_time'] for e in ended):.1f}"]
