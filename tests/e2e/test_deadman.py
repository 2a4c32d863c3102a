"""With `confirm_timeout` the server goes back by itself, and no sooner than its deployer is silent."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.e2e.conftest import World, say, world_of_its_own
from tests.e2e.faults.beside import Deployer

pytestmark = [pytest.mark.e2e, pytest.mark.database]


@pytest.fixture(scope="module")
def world(engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world_of_its_own("deadman", tmp_path_factory.mktemp("deadman"), "") as found:
        file = found.environments / "sandbox.toml"
        file.write_text(file.read_text().replace("[host]", "confirm_timeout = 5\n\n[host]", 1))
        yield found


def publish(world: World) -> str:
    words = ("publish", "--env", "sandbox", "--source", str(world.repository))
    return str(world.ok(*words, PREFECT_API_URL="")["name"])


@pytest.fixture(scope="module")
def releases(world: World) -> tuple[str, str]:
    """Two manifests, of which the first one runs."""
    before = publish(world)
    world.edit({"src/version.py": ('"v1"', '"v2"')}, "v2")
    after = publish(world)
    first = Deployer(world, "deploy", "-", before)
    assert first.end() == 0, first.text
    assert "arm way back" not in first.steps, "there was nothing to go back to"
    return before, after


def test_a_deployer_that_only_takes_its_time_is_left_alone(world: World, releases) -> None:
    slow = Deployer(world, "deploy", "verify", releases[1])
    assert slow.stands("verify"), slow.text
    assert slow.steps[0] == "arm way back"
    time.sleep(12)
    assert world.version() == "v2"
    slow.go()
    assert slow.end() == 0, slow.text
    assert world.version() == "v2"
    back = Deployer(world, "deploy", "-", releases[0])
    assert back.end() == 0, back.text
    assert world.on_server("ls -d deadman 2>/dev/null || echo gone") == "gone"


def test_a_deployer_that_dies_is_missed_and_the_server_goes_back(world: World, releases) -> None:
    dying = Deployer(world, "deploy", "verify", releases[1])
    assert dying.stands("verify"), dying.text
    assert world.version() == "v2"
    dying.kill()
    began = time.monotonic()
    while '"step":"return"' not in world.on_server("tail -qn 1 journal/*.jsonl"):
        assert time.monotonic() - began < 120, world.on_server("cat deadman/log || true")
        time.sleep(0.5)
    while '"outcome":"ok","release":"","service":"","step":"return"' not in world.on_server(
        "tail -qn 1 journal/*.jsonl"
    ):
        assert time.monotonic() - began < 180, world.on_server("cat deadman/log || true")
        time.sleep(0.5)
    say(f"back by itself {time.monotonic() - began:.0f} s after the deployer died")
    assert world.version() == "v1"
    assert [x["outcome"] for x in world.ledger()][-1] == "ok", "nobody recorded it yet"


def test_the_next_run_records_it_and_goes_on(world: World, releases) -> None:
    again = Deployer(world, "deploy", "-", releases[1])
    assert again.end() == 0, again.text
    assert world.version() == "v2"
    assert [x["outcome"] for x in world.ledger()][-2:] == ["undone", "ok"]
    assert world.on_server("ls -d deadman 2>/dev/null || echo gone") == "gone"
