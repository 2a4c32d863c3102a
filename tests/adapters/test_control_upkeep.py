"""An engine over SSH, keys of backups, and what a failed upgrade says: without an engine."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path

import pyrage
import pytest

from deployments.errors import StepFailed, WrongUse
from infra.backups import age
from infra.control import backup, image, status, versions
from infra.control.docker import Docker, DockerRefused
from infra.control.settings import Settings, State
from infra.control.way_back import WayBack
from infra.machine.long_processes import CommandFailed
from tests.adapters.control_engine import Engine

HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIO"


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State(tmp_path / "state")


def mode(file: Path) -> int:
    return file.stat().st_mode & 0o777


def test_over_ssh_one_host_key_is_accepted(state: State, tmp_path: Path) -> None:
    key = tmp_path / "it's a key"
    key.touch()
    settings = Settings(host="root@192.0.2.7:2222", host_key=HOST_KEY, ssh_key=str(key))
    docker = Docker(state, settings, print)
    assert docker.env["DOCKER_HOST"] == "ssh://root@192.0.2.7:2222"
    wrapper = Path(docker.env["PATH"].split(":")[0]) / "ssh"
    assert mode(wrapper) == 0o700
    known = state.folder / "known_hosts"
    assert known.read_text() == f"[192.0.2.7]:2222 {HOST_KEY}\n"
    # As OpenSSH itself understands it.
    done = subprocess.run([wrapper, "-G", "192.0.2.7"], capture_output=True, text=True, check=True)
    said = dict(line.split(" ", 1) for line in done.stdout.splitlines() if " " in line)
    assert said["stricthostkeychecking"] == "true"
    assert said["userknownhostsfile"] == str(known)
    assert (said["globalknownhostsfile"], said["identitiesonly"]) == ("/dev/null", "yes")
    assert said["identityfile"] == str(key)


def test_over_ssh_a_host_without_a_key_is_refused(state: State) -> None:
    with pytest.raises(WrongUse, match="an unknown host is never trusted"):
        Docker(state, Settings(host="root@192.0.2.7"), print)


def test_two_images_do_not_mix(state: State) -> None:
    docker = Docker(state, Settings(), print)
    first = docker.compose({"CONTROL_IMAGE": "first"})
    docker.compose({"CONTROL_IMAGE": "second"})
    assert first._docker.env["CONTROL_IMAGE"] == "first"
    assert "CONTROL_IMAGE" not in docker.env


def test_keys_of_backups(tmp_path: Path) -> None:
    ours = pyrage.x25519.Identity.generate()
    file = tmp_path / "identity"
    file.write_text(f"# created: today\n# public key: x\n{ours}\n")
    assert str(age.identity(file).to_public()) == str(ours.to_public())
    assert str(age.recipient(str(ours.to_public()))) == str(ours.to_public())
    with pytest.raises(WrongUse, match="not an age recipient"):
        age.recipient("age1nonsense")
    file.write_text(f"{str(ours)[:-3]}\n")
    with pytest.raises(WrongUse, match="not an age identity") as told:
        age.identity(file)
    assert str(ours)[:-3] not in str(told.value)
    with pytest.raises(WrongUse, match="No such file"):
        age.identity(tmp_path / "nothing")


def test_small_things() -> None:
    assert status.in_bytes("195.5MiB") == int(195.5 * 2**20)
    assert (status.in_bytes("12kB"), status.in_bytes("0B")) == (12000, 0)
    assert versions.numbers("3.10.0") > versions.numbers("3.9.12")
    assert "restore b.age --identity FILE --image old" in WayBack("old", "b.age").todo
    assert WayBack("old").todo.endswith("homeguru control-plane up --image old")


@pytest.fixture
def ours(state: State) -> str:
    return str(pyrage.x25519.Identity.generate().to_public())


def test_a_backup_that_cannot_be_written_is_said(state, ours, tmp_path, monkeypatch) -> None:
    engine = Engine(state, Settings())
    (tmp_path / "a file").touch()
    with pytest.raises(WrongUse, match="the folder for the backup cannot be made") as refused:
        backup.make(engine, "p", state, ours, tmp_path / "a file" / "backups")
    assert "backup --to FOLDER" in refused.value.todo
    encrypt = pyrage.encrypt_io

    def full(_: object, __: object, to: list) -> None:
        with Path("/dev/full").open("wb", buffering=0) as device:
            encrypt(io.BytesIO(b"dump" * 100_000), device, to)

    monkeypatch.setattr(pyrage, "encrypt_io", full)
    with pytest.raises(StepFailed, match=r"cannot be written: .*No space left on device"):
        backup.make(engine, "p", state, ours, tmp_path / "backups")
    assert list((tmp_path / "backups").iterdir()) == []


def test_a_command_that_does_not_end_is_said(state: State, monkeypatch) -> None:
    class Hangs:
        returncode = None

        def wait(self, seconds: float) -> None:
            raise subprocess.TimeoutExpired("docker", seconds)

        def poll(self) -> None:
            return None

    monkeypatch.setattr("infra.control.docker.start", lambda *_, **__: Hangs())
    monkeypatch.setattr("infra.control.docker.end", lambda _: None)
    docker = Docker(state, Settings(), print)
    with pytest.raises(DockerRefused, match="dumping: no end within 600 s"):  # noqa: SIM117
        with docker.stream("dumping", "exec"):
            pass


def test_a_chosen_image_has_its_own_time_to_be_pulled(state: State, monkeypatch) -> None:
    monkeypatch.setattr(image, "ensure_images", lambda *_: None)
    engine = Engine(state, Settings())
    assert image.ensure_image(engine, "there:1") == "there:1"
    assert not engine.had("pull")
    engine.answers["image inspect"] = DockerRefused("no such image")
    assert image.ensure_image(engine, "ghcr.io/o/flows:1") == "ghcr.io/o/flows:1"
    assert engine.timeouts["pull --quiet ghcr.io/o/flows:1"] == 1800
    engine.answers["pull"] = CommandFailed(["docker", "pull"], "exit 1", "denied")
    with pytest.raises(StepFailed, match="the image cannot be pulled: exit 1: denied"):
        image.ensure_image(engine, "ghcr.io/o/flows:1")
