"""The database through three releases and back: rows, a failure in the bake window, a way home."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest

from tests.e2e.conftest import World, say, world_of_its_own
from tests.e2e.test_database import NOBODY, databases, deploy, rows, sql, write
from tests.e2e.writer import Writer

pytestmark = [pytest.mark.e2e, pytest.mark.database]

LATE = "import os, threading\nthreading.Timer(25, os._exit, [1]).start()\nsettings = Settings"
releases: dict[str, str] = {}


@pytest.fixture(scope="module")
def world(engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world_of_its_own("data", tmp_path_factory.mktemp("data"), "") as found:
        yield found


def texts(world: World, database: str = "homeguru") -> set[str]:
    return set(sql(world, "SELECT text FROM messages", database).splitlines())


def test_the_first_two_releases(world: World) -> None:
    first = deploy(world)
    assert first.code == 0, first.stderr
    write(world, 20)
    world.add_migration("room", "ALTER TABLE messages ADD COLUMN room text DEFAULT 'kitchen'")
    world.rename("v2")
    second = deploy(world)
    assert second.code == 0, second.stderr
    write(world, 5)
    releases.update(v1=first.json["release"], v2=second.json["release"])
    assert rows(world) == 25


def test_the_third_is_stopped_then_approved_and_fails_in_its_bake_window(world: World) -> None:
    file = world.environments / "sandbox.toml"
    text = file.read_text()
    file.write_text(text.replace("[host]", "bake_minutes = 1\n\n[host]", 1))
    containers = world.containers()
    world.add_migration("no_room", "ALTER TABLE messages DROP COLUMN room")
    changes = {"src/version.py": ('"v2"', '"v3"'), "src/api/main.py": ("settings = Settings", LATE)}
    try:
        with world.broken(changes, "v3, which crashes"):
            stopped = deploy(world, **NOBODY)
            assert stopped.code == 3, stopped.stdout
            assert "destructive: ALTER TABLE messages DROP COLUMN room" in stopped.stderr
            assert world.containers() == containers
            writer, begin = Writer(world.info.api_url, "meanwhile"), time.monotonic()
            with writer.writing():
                failed = deploy(world, "--approve", "nothing reads it")
            took = time.monotonic() - begin
    finally:
        file.write_text(text)
    assert failed.code == 1, failed.stdout
    assert re.search("crashed while it was watched: api|verification failed: api", failed.stderr)
    assert "runs 2-" in failed.json["server"]
    assert "as before" in failed.json["server"]
    assert (world.version(), world.ledger()[-1]["outcome"]) == ("v2", "undone")
    assert sql(world, "SELECT DISTINCT room FROM messages") == "kitchen"
    # What the third release's database took meanwhile is kept beside this one, by name.
    (kept,) = databases(world) - {"postgres", "homeguru"}
    assert f"what was written meanwhile is in the database {kept}" in failed.json["server"]
    assert kept.startswith("homeguru_undone_")
    assert kept in world.homeguru("status", "--env", "sandbox").stdout
    acked = writer.acked
    here, beside = texts(world), texts(world, kept)
    assert set(acked) <= here | beside
    assert len(set(acked) - here) > 0, "nothing was written in the window: this proves nothing"
    say(f"failed in its bake window and undone after {took:.0f} s; {len(acked)} rows acknowledged "
        f"meanwhile, {len(set(acked) - here)} of them in {kept}, 0 nowhere")  # fmt: skip


def test_it_comes_again_and_is_rolled_back_with_a_restore(world: World) -> None:
    world.add_migration("no_room", "ALTER TABLE messages DROP COLUMN room")
    world.rename("v4")
    ended = deploy(world, "--approve", "nothing reads it")
    assert ended.code == 0, ended.stderr
    before = rows(world)
    write(world, 3)
    refused = world.homeguru("rollback", "--env", "sandbox", "--json")
    assert refused.code == 3
    assert "DROP COLUMN room" in refused.json["error"]
    back = ("rollback", "--env", "sandbox", "--database", "restore", "--json")
    asked = world.homeguru(*back, **NOBODY)
    assert asked.code == 3
    assert "public.messages: 3 inserted, 0 updated, 0 deleted since" in asked.stderr
    ended = world.homeguru(*back, "--approve", "three rows are less than a broken api")
    assert ended.code == 0, ended.stderr
    assert (world.version(), rows(world)) == ("v2", before)


def test_the_first_release_works_on_what_was_only_added_to(world: World) -> None:
    before = rows(world)
    ended = world.homeguru("rollback", releases["v1"], "--env", "sandbox", "--json")
    assert ended.code == 0, ended.stdout + ended.stderr
    assert (world.version(), rows(world)) == ("v1", before)
    write(world, 1)
    assert world.ok("verify", "--env", "sandbox")["outcome"] == "ok"
    verified = world.homeguru("audit", "verify", "--env", "sandbox")
    assert verified.code == 0, verified.stderr
