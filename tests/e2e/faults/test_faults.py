"""Whatever happens before whichever step: one run more, and there is one release and every row.

`make faults` plays the whole matrix and prints it. A run that was stopped goes on where it was:
results of the same commit are kept in `.state/faults/`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.sandbox.client import docker
from tests.e2e.conftest import ROOT, World, git, say, world_of_its_own
from tests.e2e.faults.matrix import HANDS, Cell, Matrix, table

pytestmark = [pytest.mark.e2e, pytest.mark.faults]
VERBS = ("deploy", "rollback", "restore", "migrate")
EVERYWHERE = ("sigkill", "ssh cut")
ONLY = os.environ.get("FAULTS", "")
"""A word that a cell must hold, to play a part of the matrix."""


@pytest.fixture(scope="module")
def world(engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A server whose environment's directory is a file system that can be full."""
    with world_of_its_own("faults", tmp_path_factory.mktemp("faults"), "") as found:
        docker(
            "exec", found.info.server, "mount", "-t", "tmpfs", "-o",
            "size=64m,mode=755,uid=systech,gid=systech", "tmpfs", "/opt/systech/sunko",
        )  # fmt: skip
        file = found.environments / "sandbox.toml"
        small = file.read_text().replace("disk_mb = 1024", "disk_mb = 4")
        file.write_text(f"{small}disk_mb = 1\n\n[backup]\nkeep = 3\n")
        yield found


@pytest.fixture(scope="module")
def matrix(world: World) -> Matrix:
    """Two releases: the second adds a migration, and changes api and bot."""
    before = publish(world)
    world.add_migration("chairs", "CREATE TABLE chairs (id int)", "DROP TABLE chairs")
    world.edit({"src/version.py": ('"v1"', '"v2"')}, "after")
    after = publish(world)
    commit = git(ROOT, "rev-parse", "--short=12", "HEAD")
    found = Matrix(world, before, after, ROOT / ".state" / "faults" / f"{commit}.jsonl")
    found.begin()
    return found


def publish(world: World) -> str:
    words = ("publish", "--env", "sandbox", "--source", str(world.repository))
    return str(world.ok(*words, PREFECT_API_URL="")["name"])


def cells(matrix: Matrix, verb: str) -> list[Cell]:
    """SIGKILL and a cut at every boundary, each other fault where state changes hands."""
    matrix.settle(verb)
    steps = matrix.steps(verb)
    found = [Cell(verb, step, fault) for step in steps for fault in EVERYWHERE]
    if "pull" in steps:
        found.append(Cell(verb, "pull", "registry"))
    for step in (s for s in steps if s in HANDS):
        found += [Cell(verb, step, f) for f in matrix.faults if f not in (*EVERYWHERE, "registry")]
    return [c for c in found if ONLY in c.key]


@pytest.mark.parametrize("verb", VERBS)
def test_every_cell_converges(matrix: Matrix, verb: str) -> None:
    known = matrix.known()
    results = [known.get(cell.key) or matrix.play(cell) for cell in cells(matrix, verb)]
    say("\n" + table(results))
    assert [f"{r.cell}: {'; '.join(r.wrong)}" for r in results if r.wrong] == []


def test_the_table(matrix: Matrix) -> None:
    """The whole of it, once more and last."""
    results = list(matrix.known().values())
    text = table(results)
    say("\n" + text)
    Path(matrix.file).with_suffix(".txt").write_text(text + "\n")
    assert all(not r.wrong for r in results)
