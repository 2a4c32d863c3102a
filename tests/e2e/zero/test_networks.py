"""PostgreSQL moves to a network of its own while the release before still asks for it, and back."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.e2e.conftest import ROOT, World, say, world_of_its_own

pytestmark = [pytest.mark.e2e, pytest.mark.zero]
NOBODY = {"PREFECT_API_URL": ""}


@pytest.fixture(scope="module")
def world(engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world_of_its_own("networks", tmp_path_factory.mktemp("networks"), "") as found:
        folder = found.environments.parent / "docker"
        shutil.copytree(ROOT / "docker", folder)
        file = found.environments / "sandbox.toml"
        named = 'compose = "../docker/docker-compose.prod.yml"\n\n[host]'
        file.write_text(file.read_text().replace("[host]", named, 1))
        yield found


def compose(world: World) -> Path:
    return world.environments.parent / "docker" / "docker-compose.prod.yml"


def networks(world: World) -> list[str]:
    postgres = world.containers()["postgres"].partition(" ")[0]
    shown = "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}"
    return world.on_server(f"docker inspect -f '{shown}' {postgres}").split()


@contextmanager
def asked(world: World) -> Iterator[list[float]]:
    """Write twenty times a second; the list fills with when it did not succeed."""
    failed: list[float] = []
    stop = threading.Event()

    def ask() -> None:
        with httpx.Client(timeout=30, trust_env=False) as client:
            while not stop.wait(0.05):
                try:
                    answer = client.post(f"{world.info.api_url}/messages", json={"text": "x"})
                    if not answer.is_success:
                        failed.append(time.monotonic())
                except httpx.HTTPError:
                    failed.append(time.monotonic())

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield failed
    finally:
        stop.set()
        thread.join()
        away = failed[-1] - failed[0] if failed else 0.0
        say(f"{len(failed)} writes failed, the last {away:.1f} s after the first")


def test_on_one_network(world: World) -> None:
    text = (ROOT / "docker" / "docker-compose.prod.yml").read_text()
    before = text.replace("networks: [data]", "networks: [default]")
    before = before.replace("networks: [default, data]", "networks: [default]")
    before = before.replace("  data: { internal: true }\n", "  default: {}\n")
    assert "internal: true" not in before
    compose(world).write_text(before)
    world.ok("deploy", world.publish(), "--env", "sandbox", **NOBODY)
    assert networks(world) == ["homeguru_default"]


def test_only_its_own_restart_is_noticed_on_the_way(world: World) -> None:
    shutil.copy(ROOT / "docker" / "docker-compose.prod.yml", compose(world))
    name = world.publish()
    with asked(world) as failed:
        world.ok("deploy", name, "--env", "sandbox", **NOBODY)
    # It stays in the former one as long as this container is there.
    assert networks(world) == ["homeguru_data", "homeguru_default"]
    # PostgreSQL is made anew once, as with every change of it; the api that was there found it again.
    assert not failed or failed[-1] - failed[0] < 15


def test_and_on_the_way_back(world: World) -> None:
    with asked(world) as failed:
        world.ok("rollback", "1", "--env", "sandbox", **NOBODY)
    assert networks(world) == ["homeguru_data", "homeguru_default"]
    assert not failed or failed[-1] - failed[0] < 15
    assert world.ok("verify", "--env", "sandbox", **NOBODY)["outcome"] == "ok"
