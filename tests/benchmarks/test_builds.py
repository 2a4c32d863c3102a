"""What building costs: from nothing, after one line, after a lock; beside hand-written Dockerfiles.

`make bench` writes the table to doc/benchmarks.md. No time ever fails a run.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from infra.engine.client import docker, image_exists
from tests.benchmarks.document import table, write_table
from tests.e2e.conftest import PAGE_ASKS, ROOT, World, say, world_of_its_own

pytestmark = [pytest.mark.e2e, pytest.mark.benchmark]
PLAIN = Path(__file__).parent / "plain"
SERVICES = ("api", "bot", "frontend")
COLD = "nothing there yet"


@pytest.fixture(scope="module")
def world(engine, prefect: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("builds")
    with world_of_its_own("builds", folder, f"{prefect}/api") as found:
        yield found


Change = Callable[[Path, str], None]
"""Changes a source; the text makes it another change for each way of building."""


class Builds:
    """Publishes, and builds by Compose; seconds of each, by what changed.

    Each way has a copy of the source and a change of its own: what one has built the other would find
    in the cache, and what the others changed is none of its work.
    """

    def __init__(self, world: World, folder: Path) -> None:
        self._world = world
        self._sources = {"publish": world.repository}
        for way in ("same", "by hand"):
            self._sources[way] = folder / way.replace(" ", "-")
            shutil.copytree(world.repository, self._sources[way])
        self.rebuilt: list[str] = []
        self.digests: dict[str, str] = {}

    def build(
        self, what: str, change: Change | None, *, ours_first: bool = True
    ) -> tuple[float, float, float]:
        """Make the change, then build in each way; without one, from nothing.

        Who comes first also fetches what caches on the way to the package registries lack.
        """
        ways = {"publish": self._publish, "same": self._same, "by hand": self._by_hand}
        order = list(ways) if ours_first else list(ways)[::-1]
        took = {way: self._timed(way, ways[way], what, change) for way in order}
        ours, same, by_hand = [took[way] for way in ways]
        say(f"{what}: publish {ours:.1f} s, Compose {same:.1f} s, by hand {by_hand:.1f} s")
        return ours, same, by_hand

    def _timed(self, way: str, go: Callable[[], None], what: str, change: Change | None) -> float:
        if what.startswith(COLD):
            docker("builder", "prune", "--all", "--force", timeout=300)
        if change:
            change(self._sources[way], f"{what}, {way}")
            if way == "publish":
                self._world.commit(what)
        return timed(go)

    def _publish(self) -> None:
        words = ("publish", "--env", "sandbox", "--source", str(self._world.repository))
        made = self._world.ok(*words)
        now = {s: made["services"][s]["digest"] for s in SERVICES}
        self.rebuilt = [s for s in SERVICES if now[s] != self.digests.get(s)]
        self.digests = now

    def _same(self) -> None:
        self._compose("same.yml", "build", "same")
        self._compose("same.yml", "push", "same")

    def _by_hand(self) -> None:
        self._compose("docker-compose.yml", "build", "by hand")

    def _compose(self, file: str, verb: str, way: str) -> None:
        values = {
            "SOURCE": str(self._sources[way]), "HERE": str(PLAIN), "PAGE_ASKS": PAGE_ASKS,
            "REGISTRY": self._world.info.registry, "DOCKERFILES": str(ROOT / "docker"),
        }  # fmt: skip
        done = subprocess.run(
            ["docker", "compose", "-p", "hgtest-plain", "-f", str(PLAIN / file), verb],
            env={**os.environ, **values}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-3000:]


def timed(work: Callable[[], None]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


def line_in(*files: str, mark: str = "#") -> Change:
    """A change that adds a line to each of these files."""

    def change(source: Path, text: str) -> None:
        for file in files:
            with (source / file).open("a") as end:
                end.write(f"{mark} {text}\n")

    return change


def everything(source: Path, text: str) -> None:
    """Changes what every layer above the base image is made of."""
    line_in("uv.lock")(source, text)
    line_in("frontend/app/version.ts", mark="//")(source, text)
    # JSON takes no comment.
    with (source / "frontend/app/package.json").open("a") as end:
        end.write("\n")


def test_builds(world: World, tmp_path: Path) -> None:
    builds = Builds(world, tmp_path)
    changes: list[tuple[str, Change | None]] = [
        (f"{COLD}, publish first", None),
        # Else what was published before would be found in the registry.
        (f"{COLD}, publish last", everything),
        ("a line of alembic.ini", line_in("alembic.ini")),
        ("a line of the api and the bot", line_in("src/version.py")),
        ("a line of the page", line_in("frontend/app/version.ts", mark="//")),
        ("the Python lock", line_in("uv.lock")),
        # The images of api and bot hold whatever lies beside the code.
        ("a note beside the code", line_in("NOTES.md")),
        ("nothing", None),
    ]
    rows = [["changed", "publish, s", "rebuilt", "Compose, s", "ratio", "by hand, s"]]
    for what, change in changes:
        ours, same, by_hand = builds.build(what, change, ours_first=not what.endswith("last"))
        rebuilt = ", ".join(builds.rebuilt) or "none"
        rows.append(
            [what, f"{ours:.1f}", rebuilt, f"{same:.1f}", f"{ours / same:.2f}", f"{by_hand:.1f}"]
        )
        if what.endswith("last"):
            # Each emptied the cache that the one before it had filled: all get theirs back.
            builds.build("all three, not counted", everything)
    say(write_table("builds", rows, sizes(world, builds)))


def sizes(world: World, builds: Builds) -> str:
    """Sizes of the images, and how much of the bot's is the api's."""
    ours = {
        s: shown(f"{world.info.registry}/systech/homeguru-{s}@{d}")
        for s, d in builds.digests.items()
    }
    plain = {s: shown(f"hgtest-plain-{s}") for s in SERVICES}
    rows = [["image", "ours, MB", "by hand, MB"]]
    rows += [[s, f"{ours[s]['Size'] / 1e6:.0f}", f"{plain[s]['Size'] / 1e6:.0f}"] for s in SERVICES]
    api, bot = (ours[s]["RootFS"]["Layers"] for s in ("api", "bot"))
    shared = sum(a == b for a, b in zip(api, bot, strict=False))
    return f"{table(rows)}\n\n{shared} of the api's {len(api)} layers are the bot's too."


def shown(reference: str) -> dict:
    """What the engine says of an image, pulled where it was only pushed."""
    if not image_exists(reference):
        docker("pull", "-q", reference, timeout=120)
    found: dict = json.loads(docker("image", "inspect", reference))[0]
    return found


@pytest.fixture(scope="module", autouse=True)
def cleaned(world: World) -> Iterator[None]:
    yield
    docker("image", "rm", "--force", *[f"hgtest-plain-{s}" for s in SERVICES],
           *[f"{world.info.registry}/same/{s}" for s in SERVICES])  # fmt: skip
