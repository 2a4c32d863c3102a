"""`doctor` on a machine that `bootstrap` prepared: all is well, and each planted fault has its name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.bare.environment import bootstrap, environment_of, give_upstream
from tests.e2e.bare.machine import BareMachine, bare_machine
from tests.e2e.conftest import BESIDE, World, world_of_its_own

pytestmark = [pytest.mark.e2e, pytest.mark.bootstrap]

OTHER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ1hxUCTeQWmkzAYCKJOgDGCwEcV6mVJnSvA5bSKDJuO"


@pytest.fixture(scope="module")
def world(engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world_of_its_own("doctor", tmp_path_factory.mktemp("doctor"), "") as found:
        yield found


@pytest.fixture(scope="module")
def machine(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BareMachine]:
    """A host with a release, and an environment that leaves nothing out."""
    folder = tmp_path_factory.mktemp("bare")
    with bare_machine(f"hgtest-doctor{BESIDE}", world.info.project, folder) as found:
        file = environment_of(world, found, "bare")
        file.write_text(
            f'{file.read_text()}\n[notices]\nurls = "NOTIFY_URLS"\n\n[backup]\nevery_hours = 24\n'
        )
        with (world.environments / "sandbox.secrets.env").open("a") as secrets:
            secrets.write("NOTIFY_URLS=json://127.0.0.1:9/\n")
        words = ("--yes", "--host-key", found.host_key)
        ready = bootstrap(world, found, *words)
        assert ready.code == 0, ready.stderr
        give_upstream(world, found)
        done = world.homeguru("release", "--env", "bare", "--source", str(world.repository))
        assert done.code == 0, done.stderr
        yield found


def not_well(world: World) -> dict[str, tuple[str, str]]:
    """What doctor finds: name to verdict and what mends it."""
    ended = world.homeguru("doctor", "--env", "bare", "--json")
    found = {d["name"]: (d["verdict"], d["todo"]) for d in ended.json["found"]}
    assert ended.code == int(any(verdict == "wrong" for verdict, _ in found.values()))
    return {name: each for name, each in found.items() if each[0] != "ok"}


def test_a_prepared_machine_lacks_nothing(world: World, machine: BareMachine) -> None:
    assert not_well(world) == {}
    shown = world.homeguru("doctor", "--env", "bare").stdout
    assert "warning" not in shown
    assert "wrong" not in shown


ON_THE_SERVER = {
    "Docker": ("gpasswd -d systech docker", "usermod -aG docker systech"),
    "directory": (
        "stat -c %a $D > /tmp/mode; chown root: $D; chmod 755 $D",
        "chown systech: $D; chmod $(cat /tmp/mode) $D",
    ),
    "ledger": (
        "cp -p $D/releases.jsonl /tmp/ledger; echo garbage >> $D/releases.jsonl",
        "cp -p /tmp/ledger $D/releases.jsonl",
    ),
    "owner": (
        "cp -p $D/.environment /tmp/owner; echo staging > $D/.environment",
        "cp -p /tmp/owner $D/.environment",
    ),
    "ports from outside": (
        "cp -p $F /tmp/rules; sed -i 's/, 8003//' $F; ! grep -q 8003 $F",
        "cp -p /tmp/rules $F",
    ),
    "firewall": ("mv $F /tmp/rules", "mv /tmp/rules $F"),
    "sshd": ("mv $S /tmp/sshd", "mv /tmp/sshd $S"),
    "updates": ("mv $U /tmp/updates", "mv /tmp/updates $U"),
    "logs": ("cp $J /tmp/json; sed -i s/max-size/max-file/ $J", "cp /tmp/json $J"),
    "restarts": ("cp $J /tmp/json; sed -i s/live-restore/debug/ $J", "cp /tmp/json $J"),
}
"""Name of the diagnosis to what plants the fault, and what takes it away again."""

PLACES = (
    "set -e; D=/opt/systech/sunko F=/etc/homeguru/firewall.nft J=/etc/docker/daemon.json\n"
    "S=/etc/ssh/sshd_config.d/00-homeguru.conf U=/etc/apt/apt.conf.d/20auto-upgrades\n"
)


@pytest.mark.parametrize("name", ON_THE_SERVER)
def test_a_fault_of_the_server_has_its_name(world: World, machine: BareMachine, name: str) -> None:
    plant, mend = ON_THE_SERVER[name]
    machine.run(PLACES + plant)
    try:
        found = not_well(world)
    finally:
        machine.run(PLACES + mend)
    # The registry on the server needs Docker.
    assert list(found) == (["registry", name] if name == "Docker" else [name])
    assert found[name][1]


IN_THE_ENVIRONMENT = {
    "room": ("disk_mb = 1024", "disk_mb = 999999999"),
    "variables and secrets": ('"JWT_SECRET_KEY"', '"JWT_SECRET_KEY", "A_NEW_SECRET"'),
    "environment": ('project = "homeguru"', 'projct = "homeguru"'),
}


@contextmanager
def edited(file: Path, before: str, after: str) -> Iterator[None]:
    text = file.read_text()
    assert before in text
    file.write_text(text.replace(before, after))
    try:
        yield
    finally:
        file.write_text(text)


@pytest.mark.parametrize("name", IN_THE_ENVIRONMENT)
def test_a_fault_of_the_environment_has_its_name(
    world: World, machine: BareMachine, name: str
) -> None:
    with edited(world.environments / "bare.toml", *IN_THE_ENVIRONMENT[name]):
        found = not_well(world)
    assert list(found) == [name]
    assert found[name][1]


def test_a_key_that_others_may_read_is_found(world: World, machine: BareMachine) -> None:
    key = world.environments / "bare-keys" / "deploy"
    key.chmod(0o644)
    try:
        found = not_well(world)
    finally:
        key.chmod(0o600)
    # No command connects with such a key.
    assert list(found) == ["deploy key", "registry", "SSH"]


def test_a_server_that_shows_another_key_is_found(world: World, machine: BareMachine) -> None:
    with edited(world.environments / "bare.toml", machine.host_key, OTHER):
        found = not_well(world)
    # The registry lies on the server.
    assert list(found) == ["registry", "SSH"]
