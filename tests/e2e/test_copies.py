"""Copies off the host over SFTP, encrypted; a drill; and back from a copy when the server lost all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyrage
import pytest

from tests.e2e.conftest import World, say
from tests.e2e.test_database import deploy, rows, write

pytestmark = [pytest.mark.e2e, pytest.mark.database]
FOLDER = "/home/systech/copies"


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A recipient and the file of its identity."""
    made = pyrage.x25519.Identity.generate()
    file = tmp_path_factory.mktemp("age") / "identity"
    file.write_text(f"{made}\n")
    return str(made.to_public()), file


@pytest.fixture(scope="module")
def copied(world: World, identity: tuple[str, Path]) -> Iterator[World]:
    """A release with rows, whose backups are copied to another folder over SFTP."""
    world.on_server(f"mkdir -p {FOLDER}")
    info, file = world.info, world.environments / "sandbox.toml"
    text = file.read_text()
    to = f"sftp://{info.ssh_user}@127.0.0.1:{info.ssh_port}{FOLDER}"
    file.write_text(
        f'{text}\n[off_host]\nto = "{to}"\nrecipient = "{identity[0]}"\n'
        f'key_file = "{info.ssh_key}"\nhost_keys = ["{info.host_key}"]\n'
    )
    assert deploy(world).code == 0
    write(world, 7)
    yield world
    file.write_text(text)
    world.on_server(f"rm -rf {FOLDER}")


def test_each_backup_is_copied_and_nobody_reads_it_there(copied: World) -> None:
    made = copied.ok("backup", "--env", "sandbox")
    assert made["outcome"] == "ok"
    newest = copied.ok("backups", "--env", "sandbox")[-1]["id"]
    files = copied.on_server(f"ls {FOLDER}").split()
    # Beside each dump lies what it is: release, revision, counts; a list needs no identity.
    assert {name.partition(".")[2] for name in files} == {"dump.age", "json"}
    assert [n for n in files if newest in n]
    head = copied.on_server(f"head -qc 21 {FOLDER}/*{newest}.dump.age")
    assert head == "age-encryption.org/v1"
    listed = copied.homeguru("backups", "--env", "sandbox", "--copies")
    assert newest in listed.stdout


def test_a_drill_proves_that_the_newest_restores(copied: World) -> None:
    before, there = rows(copied), copied.containers()
    drilled = copied.ok("drill", "--env", "sandbox")
    assert [s["step"] for s in drilled["steps"]] == ["drill"]
    say(f"drill of {drilled['steps'][0]['seconds']:.1f} s")
    assert (rows(copied), copied.containers()) == (before, there)


def test_a_server_that_lost_its_backups_gets_them_from_there(
    copied: World, identity: tuple[str, Path]
) -> None:
    name = copied.ok("backups", "--env", "sandbox")[-1]["id"]
    before = rows(copied)
    write(copied, 2)
    copied.on_server("rm -f backups/*")
    assert copied.ok("backups", "--env", "sandbox") == []
    unread = copied.homeguru("fetch", name, "--env", "sandbox")
    assert unread.code != 0
    assert "--identity" in unread.stderr, unread.stdout
    fetched = copied.homeguru("fetch", name, "--env", "sandbox", "--identity", str(identity[1]))
    assert fetched.code == 0, fetched.stdout + fetched.stderr
    assert [b["id"] for b in copied.ok("backups", "--env", "sandbox")] == [name]
    copied.ok("restore", name, "--env", "sandbox", "--approve", "the server lost its backups")
    # The restore made one too, and both are seen.
    assert [b["id"] for b in copied.ok("backups", "--env", "sandbox")][:-1] == [name]
    assert rows(copied) == before
    assert copied.ok("verify", "--env", "sandbox")["outcome"] == "ok"
