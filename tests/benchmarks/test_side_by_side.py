"""The same releases by ours, by a plain script, by Ansible and by pyinfra, on one server in turn.

`make bench` prints the table and writes it to doc/benchmarks.md. No time ever fails a run.
"""

from __future__ import annotations

import itertools
import statistics
import subprocess
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from infra.engine.client import docker
from tests.benchmarks.document import table, write_table
from tests.benchmarks.line import Line, Used, line_to
from tests.benchmarks.peers.tools import Ansible, Peer, Plain, Pyinfra, install
from tests.benchmarks.service import Answers, watched
from tests.benchmarks.sides import BUILT, Ours, Release, Side, Theirs
from tests.e2e.conftest import World, say, world_of_its_own

pytestmark = [pytest.mark.e2e, pytest.mark.benchmark]
ROUNDS = 3
LINES = {"0 ms": 0.0, "50 ms": 0.025}
SCENARIOS = ("no change", "one layer of api", "all three", "a variable", "rollback")


@dataclass
class Run:
    """What one run took."""

    seconds: float
    used: Used
    answers: Answers
    containers: int
    summary: dict | None


@pytest.fixture(scope="module")
def world(engine, prefect: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A server that reaches the registry all the while, whoever deploys."""
    with world_of_its_own("sides", tmp_path_factory.mktemp("sides"), f"{prefect}/api") as found:
        file = found.environments / "sandbox.toml"
        file.write_text(
            file.read_text().replace("tunnel_registry = true", "tunnel_registry = false")
        )
        with registry_on_the_server(found):
            yield found


@contextmanager
def registry_on_the_server(world: World) -> Iterator[None]:
    info = world.info
    known = world.state / "known_hosts"
    known.write_text(f"[127.0.0.1]:{info.ssh_port} {info.host_key}\n")
    words = [
        "ssh",
        "-N",
        "-R",
        f"5000:{info.registry}",
        "-p",
        str(info.ssh_port),
        "-i",
        str(info.ssh_key),
    ]
    words += [
        "-o",
        f"UserKnownHostsFile={known}",
        "-o",
        "ExitOnForwardFailure=yes",
        "systech@127.0.0.1",
    ]
    tunnel = subprocess.Popen(words)
    try:
        yield
    finally:
        tunnel.terminate()
        tunnel.wait()


@pytest.fixture(scope="module")
def releases(world: World) -> dict[str, Release]:
    """A runs first; B has another top of api's image; C has all three anew."""
    found = {"A": published(world)}
    world.edit({"alembic.ini": ("[alembic]", "# Another line.\n[alembic]")}, "one layer of api")
    found["B"] = published(world)
    world.rename("c")
    world.edit({"frontend/app/version.ts": ('"v1"', '"v2"')}, "all three")
    found["C"] = published(world)
    a, b = found["A"].images, found["B"].images
    assert [s for s in BUILT if a[s] != b[s]] == ["api"]
    return found


def published(world: World) -> Release:
    made = world.ok("publish", "--env", "sandbox", "--source", str(world.repository))
    images = {
        name: f"localhost:5000/{image['repository']}@{image['digest']}"
        for name, image in made["services"].items()
    }
    return Release(made["name"], images)


@pytest.fixture(scope="module")
def sides(world: World, tmp_path_factory: pytest.TempPathFactory) -> list[Side]:
    install()
    root = "apt-get update -qq && apt-get install -qq -y --no-install-recommends python3 >/dev/null"
    docker("exec", world.info.server, "bash", "-c", root, timeout=300)
    folder = tmp_path_factory.mktemp("peers")
    common = {
        "POSTGRES_IMAGE": "localhost:5000/library/postgres:16", "DATABASE_PASSWORD": "bench",
        "TELEGRAM_API_URL": world.info.telegram_url,
    }  # fmt: skip
    kinds: list[tuple[type[Peer], str]] = [
        (Plain, "script"),
        (Ansible, "ansible"),
        (Pyinfra, "pyinfra"),
    ]
    theirs = [
        Theirs(
            kind(name, folder / name, 8100 + n, 3100 + n), world,
            {**common, "TELEGRAM_BOT_TOKEN": f"{n}:{'t' * 35}"},
        )
        for n, (kind, name) in enumerate(kinds, start=1)
    ]  # fmt: skip
    return [*theirs, Ours(world, with_prefect=False), Ours(world, with_prefect=True)]


def test_side_by_side(world: World, releases: dict[str, Release], sides: list[Side]) -> None:
    bench = Bench(world, releases)
    for name, one_way in LINES.items():
        with line_to(world.info.server, world.info.ssh_port, one_way) as line:
            for number in range(ROUNDS):
                # Whoever was first is last in the next round.
                first = number % len(sides)
                for side in sides[first:] + sides[:first]:
                    bench.play(side, name, line)
    rows = figures(bench.runs, [s.name for s in sides])
    say(write_table("side by side", rows, parts(bench.runs, sides[-1].name)))


class Bench:
    """Plays all releases by one side after another; `runs` is by line, release and side."""

    def __init__(self, world: World, releases: dict[str, Release]) -> None:
        self._world, self._releases = world, releases
        self._values = (f"model-{n}" for n in itertools.count())
        self.runs: dict[tuple[str, str, str], list[Run]] = defaultdict(list)

    def play(self, side: Side, name: str, line: Line) -> None:
        """Begins and ends with release A, as every other side does."""
        a, b, c = (self._releases[name] for name in "ABC")
        value, other = next(self._values), next(self._values)
        side.on(line)
        side.go(a, value)

        def timed(scenario: str, release: Release, value: str = value, back: bool = False) -> None:
            run = taken(self._world, side, line, lambda: side.go(release, value, back))
            self.runs[name, scenario, side.name].append(run)
            say(f"{name}, {scenario}, {side.name}: {run.seconds:.1f} s")

        timed("no change", a)
        forget(self._world, b, a)
        timed("one layer of api", b)
        timed("rollback", a, back=True)
        forget(self._world, c, a)
        timed("all three", c)
        side.go(a, value)
        timed("a variable", a, other)


def forget(world: World, release: Release, kept: Release) -> None:
    """Take a release's own images from the server: the next run has to pull them."""
    for service in BUILT:
        if (reference := release.images[service]) != kept.images[service]:
            find = f"id=$(docker image inspect -f '{{{{.Id}}}}' {reference} 2>/dev/null)"
            world.on_server(f"! {find} || docker image rm -f $id >/dev/null")


def taken(world: World, side: Side, line: Line, go: Callable[[], None]) -> Run:
    before = containers(world, side.project)
    with line.counted() as used, watched(side.url) as answers:
        time.sleep(0.5)
        began = time.monotonic()
        go()
        seconds = time.monotonic() - began
        time.sleep(1)
    new = containers(world, side.project) - before
    return Run(seconds, used, answers, len(new), side.summary)


def containers(world: World, project: str) -> set[str]:
    shown = world.on_server(
        f"docker ps -q --no-trunc --filter label=com.docker.compose.project={project}"
    )
    return set(shown.split())


HEAD = [
    "line", "release", "by", "seconds", "(least, most)", "connections", "commands", "and SFTP",
    "KB over SSH", "containers", "without service, s", "failed requests",
]  # fmt: skip


def figures(runs: dict[tuple[str, str, str], list[Run]], names: list[str]) -> list[list[str]]:
    """Medians, and the shortest and longest run."""
    rows = [HEAD]
    for line, scenario, name in itertools.product(LINES, SCENARIOS, names):
        found = runs[line, scenario, name]
        seconds = [r.seconds for r in found]
        run = middle(found)
        rows.append([
            line, scenario, name, f"{statistics.median(seconds):.1f}",
            f"({min(seconds):.1f}, {max(seconds):.1f})", str(run.used.connections),
            str(run.used.commands), str(run.used.files), f"{run.used.bytes / 1000:.0f}",
            str(run.containers),
            f"{statistics.median(r.answers.without for r in found):.1f}",
            f"{sum(r.answers.failed for r in found)} of {sum(r.answers.asked for r in found)}",
        ])  # fmt: skip
    return rows


def parts(runs: dict[tuple[str, str, str], list[Run]], name: str) -> str:
    """Markdown: where the seconds of a side go that tells of its steps."""
    rows = [["line", "release", "seconds", "outside the run", "steps of over a fifth of a second"]]
    for line, scenario in itertools.product(LINES, SCENARIOS):
        run = middle(runs[line, scenario, name])
        assert run.summary
        long = [s for s in run.summary["steps"] if s["seconds"] > 0.2]
        said = ", ".join(f"{s['step']} {s['seconds']:.1f}" for s in long)
        outside = run.seconds - run.summary["seconds"]
        rows.append([line, scenario, f"{run.seconds:.1f}", f"{outside:.1f}", said])
    return table(rows)


def middle(runs: list[Run]) -> Run:
    """The run whose seconds are the median."""
    return sorted(runs, key=lambda r: r.seconds)[len(runs) // 2]
