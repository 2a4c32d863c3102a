"""A copy of the product with one part left out: what plays all paths must say so."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import ROOT, World, world_of_its_own
from tests.e2e.zero.paths import deploy, unnoticed
from tests.e2e.zero.users import Users

pytestmark = [pytest.mark.e2e, pytest.mark.zero]


@pytest.fixture(scope="module")
def world(engine, prefect: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("planted")
    with world_of_its_own("planted", folder, f"{prefect}/api") as found:
        yield found


@pytest.fixture(scope="module")
def releases(world: World) -> dict[str, str]:
    found = {"first": world.publish()}
    world.rename("second")
    found["second"] = world.publish()
    return found


@pytest.fixture
def users(world: World, releases: dict[str, str], tmp_path: Path) -> Iterator[Users]:
    deploy(world, releases["first"])
    found = Users(world, tmp_path / "asked.jsonl")
    with found.busy():
        yield found


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The product, as `python -m infra.cli` finds it in the working directory."""
    folder = tmp_path / "product"
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ("deployments", "infra", "flows", "docker"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    for name in ("prefect.yaml", "pyproject.toml"):
        shutil.copy(ROOT / name, folder / name)
    monkeypatch.chdir(folder)
    where = subprocess.run(
        [sys.executable, "-c", "import deployments; print(deployments.__file__)"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert where.stdout.startswith(str(folder)), "it is not the copy that would run"
    return folder


def plant(file: Path, before: str, after: str) -> None:
    text = file.read_text()
    assert before in text, f"{file} does not hold {before!r}"
    file.write_text(text.replace(before, after))


def without_drain(copy: Path) -> None:
    """What was in use goes at once, while the edge still sends requests there."""
    drain = '      edge_admin "set server $be/$slot state drain" >/dev/null\n'
    replace = copy / "deployments" / "shell" / "replace.sh"
    plant(replace, drain, '      docker rm -f "$old" >/dev/null\n')


def test_without_the_drain_requests_fail(world, releases, users: Users, copy: Path) -> None:
    without_drain(copy)
    found = users.path("no drain", lambda: deploy(world, releases["second"]))
    assert found.during.failed
    with pytest.raises(AssertionError):
        unnoticed(found)


def test_with_posts_repeated_they_have_their_effect_twice(
    world, releases, users: Users, copy: Path
) -> None:
    """Where a container goes with requests in flight: the other one gets them once more."""
    without_drain(copy)
    plant(
        copy / "deployments" / "host" / "edge.py",
        "    http-request disable-l7-retry unless { method GET HEAD }\\n", "    # repeated\\n",
    )  # fmt: skip

    def take() -> None:
        for name in ("second", "first", "second"):
            deploy(world, releases[name])

    found = users.path("POST repeated", take)
    assert found.doubled, found.during.what_failed
    with pytest.raises(AssertionError):
        unnoticed(found)


def test_an_edge_file_that_is_out_of_step_is_noticed(
    world, releases, users: Users, copy: Path
) -> None:
    plant(copy / "deployments" / "shell" / "slots.sh", "  put_out edge/haproxy.cfg awk", "  : awk")

    def take() -> None:
        deploy(world, releases["second"])
        world.on_server("docker restart homeguru-edge-1 >/dev/null")

    found = users.path("edge out of step", take)
    # It would be back within a second or two; this one never is.
    assert found.after.failed, "the edge's file was in step"
    with pytest.raises(AssertionError):
        unnoticed(found)
