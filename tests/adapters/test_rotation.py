"""Credentials exchanged where they are kept: a value in a file, the deploy key on an SSH server."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from deployments.environment.schema import parse_environment
from deployments.errors import Locked, Refused, StepFailed, WrongUse
from deployments.redaction import Redactor
from infra.environment.locate import Located
from infra.environment.secrets import SecretsFile, writable
from infra.machine import sinks
from infra.machine.sinks import clean
from infra.rotation import given as given_values
from infra.rotation import new_value
from infra.rotation.deploy_key import DeployKeyRotation, confirm_here, sharing
from infra.rotation.kept import KeptValue, ended_with
from infra.rotation.new_value import exchanged
from tests.adapters.loopback_sshd import Sshd, serving

NAMES = [
    "JWT_SECRET_KEY", "TELEGRAM_BOT_TOKEN", "REGISTRY_TOKEN", "REGISTRY_USER", "MYSQL_PASSWORD",
]  # fmt: skip


@pytest.fixture(autouse=True)
def nothing_given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(given_values, "_given", {})
    monkeypatch.setenv("HOMEGURU_STATE", str(tmp_path / "state"))
    confirm_here(lambda: False)


@pytest.fixture
def assembly(located, tmp_path: Path, stack, monkeypatch: pytest.MonkeyPatch):
    """An environment whose secrets lie in a file; what a deploy would check is another test's."""
    file = tmp_path / "prod.secrets.env"
    file.touch(mode=0o600)
    file.write_text(
        "# mine\nJWT_SECRET_KEY=before-1\nTELEGRAM_BOT_TOKEN=7:before\nREGISTRY_TOKEN=t\nMYSQL_PASSWORD=m\n"
    )
    place = located(
        secrets={"file": file.name, "names": NAMES},
        login={"user": "REGISTRY_USER", "token": "REGISTRY_TOKEN"},
    )
    monkeypatch.setattr(new_value, "configuration", lambda *_: None)
    monkeypatch.setattr(new_value, "replace", lambda whole, **_: whole)
    return SimpleNamespace(located=place, stack=stack, secret_values={}, file=file)


def values(assembly) -> dict[str, str]:
    lines = assembly.file.read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


def turn(assembly, name: str, work=lambda: None, said=None) -> None:
    with exchanged(assembly, name, [], (said if said is not None else []).append):
        work()


def test_a_value_that_nobody_gave_out_is_made_up(assembly):
    turn(assembly, "JWT_SECRET_KEY")
    found = values(assembly)
    assert len(found["JWT_SECRET_KEY"]) == 43
    assert found["TELEGRAM_BOT_TOKEN"] == "7:before"
    assert assembly.file.read_text().startswith("# mine\n")
    assert assembly.file.stat().st_mode & 0o777 == 0o600
    assert clean(f"say {found['JWT_SECRET_KEY']} before-1") == "say *** ***"


def test_one_that_somebody_else_gives_out_is_asked_for(assembly):
    with pytest.raises(WrongUse, match="given out by somebody else") as caught:
        turn(assembly, "TELEGRAM_BOT_TOKEN")
    assert "homeguru rotate TELEGRAM_BOT_TOKEN --env prod --here --value-file" in caught.value.todo
    given_values.give("TELEGRAM_BOT_TOKEN", "7:after")
    turn(assembly, "TELEGRAM_BOT_TOKEN")
    assert values(assembly)["TELEGRAM_BOT_TOKEN"] == "7:after"


def test_a_password_in_the_data_of_a_server_is_changed_there_first(assembly):
    """Its image reads the variable when it makes its data: another one would lock everybody out."""
    with pytest.raises(WrongUse, match="may be in the data of a server") as caught:
        turn(assembly, "MYSQL_PASSWORD")
    assert caught.value.todo.startswith("change it there, then: homeguru rotate MYSQL_PASSWORD")
    assert values(assembly)["MYSQL_PASSWORD"] == "m"


def test_the_deployers_own_is_never_made_up(assembly):
    """A key that signs has a form of its own, whatever its name sounds like."""
    secrets = assembly.located.environment.secrets.model_copy(update={"names": ()})
    environment = assembly.located.environment.model_copy(update={"secrets": secrets})
    assembly.located = replace(assembly.located, environment=environment)
    assert not new_value.makes_itself(assembly, "JWT_SECRET_KEY")


def test_a_second_one_meanwhile_is_told_so_and_changes_nothing(assembly):
    """It would take the first for one that was killed, and bring the former value back when it ends."""
    written: list[str] = []

    def meanwhile() -> None:
        written.append(values(assembly)["JWT_SECRET_KEY"])
        with pytest.raises(Locked, match="another rotation of JWT_SECRET_KEY is under way"):
            turn(assembly, "JWT_SECRET_KEY")

    turn(assembly, "JWT_SECRET_KEY", meanwhile)
    assert values(assembly)["JWT_SECRET_KEY"] == written[0] != "before-1"


def test_a_deploy_that_knew_nothing_of_it_leaves_its_way_back(assembly):
    def fail() -> None:
        ended_with(assembly.located, {"JWT_SECRET_KEY": "before-1"})
        raise StepFailed("not healthy")

    with pytest.raises(StepFailed):
        turn(assembly, "JWT_SECRET_KEY", fail)
    assert values(assembly)["JWT_SECRET_KEY"] == "before-1"


def test_the_value_of_before_is_hidden_where_a_killed_one_is_gone_on_with(assembly, monkeypatch):
    killed(assembly, monkeypatch)
    monkeypatch.setattr(sinks, "_process", Redactor())
    turn(assembly, "JWT_SECRET_KEY", lambda: None)
    assert clean("before-1") == "***"


def test_what_fails_leaves_the_value_of_before(assembly):
    def fail() -> None:
        assert values(assembly)["JWT_SECRET_KEY"] != "before-1"
        raise StepFailed("not healthy", state="runs 1-x, unchanged")

    with pytest.raises(StepFailed) as caught:
        turn(assembly, "JWT_SECRET_KEY", fail)
    assert values(assembly)["JWT_SECRET_KEY"] == "before-1"
    assert caught.value.state.startswith(
        "runs 1-x, unchanged; the value of JWT_SECRET_KEY is the one of before"
    )
    assert KeptValue(assembly.located, "JWT_SECRET_KEY").read() is None


class Killed(BaseException):
    """Nothing runs after it: what a SIGKILL leaves is what was written before."""


def killed(assembly, monkeypatch: pytest.MonkeyPatch) -> str:
    """A rotation that is killed while it deploys; the value that it left in the file."""

    def die() -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(new_value, "_back", lambda *_: None)
        with pytest.raises(Killed):
            turn(assembly, "JWT_SECRET_KEY", die)
    return values(assembly)["JWT_SECRET_KEY"]


def test_a_killed_one_is_gone_on_with(assembly, monkeypatch):
    left = killed(assembly, monkeypatch)
    assert left != "before-1"
    said: list[str] = []
    turn(assembly, "JWT_SECRET_KEY", said=said)
    assert values(assembly)["JWT_SECRET_KEY"] == left
    assert "did not end: going on with its value" in said[0]


@pytest.mark.parametrize("boundary", ["kept.write", "source.put", "work", "kept.remove"])
def test_a_kill_at_any_boundary_leaves_a_value_that_the_next_one_goes_on_with(
    assembly, monkeypatch, boundary
):
    """What is in the file is what was before, or what the next run brings."""
    owner, name = {
        "kept.write": (KeptValue, "write"), "source.put": (SecretsFile, "put"),
        "kept.remove": (KeptValue, "remove"), "work": (None, ""),
    }[boundary]  # fmt: skip
    brought: list[str] = []

    def die(*_) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(new_value, "_back", lambda *_: None)
        if owner:
            patch.setattr(owner, name, die)
        work = (lambda: brought.append(values(assembly)["JWT_SECRET_KEY"])) if owner else die
        with pytest.raises(Killed):
            turn(assembly, "JWT_SECRET_KEY", work)
    left = values(assembly)["JWT_SECRET_KEY"]
    written = boundary in ("work", "kept.remove")
    assert (left == "before-1") is not written
    assert brought == ([left] if boundary == "kept.remove" else [])
    turn(assembly, "JWT_SECRET_KEY")
    now = values(assembly)["JWT_SECRET_KEY"]
    assert (now == left) is written
    assert KeptValue(assembly.located, "JWT_SECRET_KEY").read() is None


def test_a_killed_one_that_then_fails_goes_back_to_the_beginning(assembly, monkeypatch):
    killed(assembly, monkeypatch)

    def fail() -> None:
        raise StepFailed("not healthy")

    with pytest.raises(StepFailed):
        turn(assembly, "JWT_SECRET_KEY", fail)
    assert values(assembly)["JWT_SECRET_KEY"] == "before-1"


def test_once_a_deploy_brought_it_the_next_rotation_is_another(assembly, monkeypatch):
    left = killed(assembly, monkeypatch)
    ended_with(assembly.located, {"JWT_SECRET_KEY": left})
    turn(assembly, "JWT_SECRET_KEY")
    assert values(assembly)["JWT_SECRET_KEY"] not in (left, "before-1")


def test_the_value_of_now_is_no_new_one(assembly):
    given_values.give("JWT_SECRET_KEY", "before-1")
    with pytest.raises(WrongUse, match="that is the value which JWT_SECRET_KEY has"):
        turn(assembly, "JWT_SECRET_KEY")


def test_an_unknown_name_is_answered_with_the_known_ones(assembly):
    with pytest.raises(WrongUse, match="has no secret 'JWT'") as caught:
        turn(assembly, "JWT")
    assert caught.value.todo == f"choose deploy-key, or one of: {', '.join(NAMES)}"


def test_a_value_of_this_process_cannot_be_exchanged(assembly, monkeypatch):
    monkeypatch.setenv("JWT_SECRET_KEY", "elsewhere")
    with pytest.raises(WrongUse, match="comes from variable JWT_SECRET_KEY of this process"):
        turn(assembly, "JWT_SECRET_KEY")
    assert values(assembly)["JWT_SECRET_KEY"] == "before-1"


def test_a_value_that_is_nowhere_has_no_former_one(assembly):
    with pytest.raises(WrongUse, match="REGISTRY_USER has no value yet"):
        writable(assembly.located, "REGISTRY_USER", [])


def test_a_registrys_token_must_log_in_before_it_is_written(assembly):
    def refused() -> None:
        raise Refused("the registry refuses this login")

    assembly.registry = refused
    given_values.give("REGISTRY_TOKEN", "wrong")
    with pytest.raises(Refused, match="refuses this login"):
        turn(assembly, "REGISTRY_TOKEN")
    assert values(assembly)["REGISTRY_TOKEN"] == "t"


def test_a_file_that_cannot_be_written_is_told(assembly, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("infra.environment.secrets.replace_file", full)
    with pytest.raises(WrongUse, match="cannot be written: No space left"):
        turn(assembly, "JWT_SECRET_KEY")
    assert values(assembly)["JWT_SECRET_KEY"] == "before-1"


def test_a_file_with_others_rights_is_not_rewritten(assembly):
    assembly.file.chmod(0o644)
    with pytest.raises(WrongUse, match="can be read by others"):
        SecretsFile(assembly.file)


# -- the deploy key -----------------------------------------------------------------------


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """A deploy key with its public half."""
    file = tmp_path / "keys" / "id"
    file.parent.mkdir()
    words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "deploy", "-f", str(file)]
    subprocess.run(words, check=True)
    return file


@contextmanager
def ssh_server(folder: Path, name: str, key: Path) -> Iterator[SimpleNamespace]:
    """An SSH server that lets in whom its authorized_keys names, and an environment that uses it."""
    home = folder / f"home-{name}"
    (home / ".ssh").mkdir(parents=True)
    keys = home / ".ssh" / "authorized_keys"
    public = key.with_suffix(".pub").read_text()
    keys.write_text(f'ssh-rsa AAAAother person@laptop\nfrom="10.0.0.0/8" {public}')
    keys.chmod(0o600)
    with serving(Sshd(["bash"], home, keys=keys)) as sshd:
        host = {
            "address": "127.0.0.1", "port": sshd.port, "user": "systech", "key_file": str(key),
            "host_keys": [sshd.host_key],
        }  # fmt: skip
        data = {
            "v": 1, "project": "p", "directory": str(home), "push_registry": "ghcr.io",
            "pull_registry": "ghcr.io", "repository": "a/{service}", "host": host,
        }  # fmt: skip
        place = Located(parse_environment(name, data, f"{name}.toml"), folder / f"{name}.toml")
        yield SimpleNamespace(located=place, key=key, keys=keys, sshd=sshd, others=())


@pytest.fixture
def server(tmp_path: Path, key: Path) -> Iterator[SimpleNamespace]:
    with ssh_server(tmp_path, "prod", key) as found:
        yield found


class Die(BaseException):
    """A process that is killed before a step."""


def carry_out(server, before: str = "") -> list[str]:
    def perform(name: str, work) -> None:
        if name == before:
            raise Die
        work()

    places = (server.located, *server.others)
    return DeployKeyRotation(places, lambda _: None).carry_out(perform)


STEPS = [
    "make another key",
    "accept it beside the one of now",
    "log in with it",
    "deploy with it",
    "end the former key",
]


def settled(server, former: str) -> None:
    """One key deploys and no other file is left; what the line said besides the key is there still."""
    lines = server.keys.read_text().splitlines()
    public = " ".join(server.key.with_suffix(".pub").read_text().split()[:2])
    assert lines == ["ssh-rsa AAAAother person@laptop", f'from="10.0.0.0/8" {public} deploy']
    assert server.key.read_text() != former
    assert sorted(f.name for f in server.key.parent.iterdir()) == ["id", "id.pub"]
    assert server.key.stat().st_mode & 0o777 == 0o600


def test_both_keys_are_accepted_until_somebody_says_that_copies_are_new(server):
    former = server.key.read_text()
    assert carry_out(server) == [f"{server.key} is another key"]
    assert len(server.keys.read_text().splitlines()) == 3
    confirm_here(lambda: True)
    assert carry_out(server) == ["the former key is refused"]
    settled(server, former)


def test_at_once_where_there_are_no_copies(server):
    former = server.key.read_text()
    confirm_here(lambda: True)
    assert len(carry_out(server)) == 2
    settled(server, former)


@pytest.mark.parametrize("step", STEPS)
def test_a_kill_before_any_step_is_gone_on_with(server, step):
    former = server.key.read_text()
    confirm_here(lambda: True)
    with pytest.raises(Die):
        carry_out(server, before=step)
    carry_out(server)
    settled(server, former)


@pytest.mark.parametrize("left", ["no public half", "one of the new key"])
def test_a_kill_within_a_step_is_gone_on_with(server, left):
    """Between two halves of a pair: whatever is there of the public ones is made again."""
    former = server.key.read_text()
    confirm_here(lambda: True)
    with pytest.raises(Die):
        carry_out(server, before="deploy with it")
    public = server.key.with_name("id.next.pub")
    if left == "no public half":
        public.unlink()
    else:
        public.replace(server.key.with_name("id.pub"))
    carry_out(server)
    settled(server, former)


def test_a_key_in_the_older_format_is_exchanged_too(server):
    rsa = [
        "ssh-keygen",
        "-q",
        "-t",
        "rsa",
        "-b",
        "2048",
        "-m",
        "PEM",
        "-N",
        "",
        "-f",
        str(server.key),
    ]
    server.key.unlink()
    subprocess.run(rsa, check=True)
    former = server.key.read_text()
    assert "BEGIN RSA PRIVATE KEY" in former
    public = " ".join(server.key.with_suffix(".pub").read_text().split()[:2])
    server.keys.write_text(f'ssh-rsa AAAAother person@laptop\nfrom="10.0.0.0/8" {public} deploy\n')
    confirm_here(lambda: True)
    carry_out(server)
    settled(server, former)


def test_a_key_that_cannot_be_written_is_told(server, monkeypatch):
    def read_only(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("infra.rotation.deploy_key.ensure_key", read_only)
    with pytest.raises(WrongUse, match="beside the one of now: Read-only file system") as caught:
        carry_out(server)
    assert "with --here" in caught.value.todo


@pytest.mark.parametrize("name", ["source_key_file", "[off_host] key_file"])
def test_a_key_that_opens_something_else_too_is_not_exchanged(server, name, monkeypatch):
    environment = server.located.environment
    file = str(server.key)
    changed = {
        "source_key_file": {"source_key_file": file},
        "[off_host] key_file": {"off_host": environment.off_host.model_copy(update={"key_file": file})},
    }[name]  # fmt: skip
    place = replace(server.located, environment=environment.model_copy(update=changed))
    monkeypatch.setattr("infra.environment.folders.names", list)
    with pytest.raises(WrongUse, match=f"it is {re.escape(name)} too"):
        sharing(place)


@pytest.mark.parametrize("step", ["", *STEPS])
def test_every_server_that_the_key_deploys_to_gets_the_new_one(server, tmp_path, step):
    """The other one would be locked out: its environment names the same file."""
    former = server.key.read_text()
    confirm_here(lambda: True)
    with ssh_server(tmp_path, "staging", server.key) as other:
        server.others = (other.located,)
        if step:
            with pytest.raises(Die):
                carry_out(server, before=step)
        done = carry_out(server)
        assert done[-1] == "the former key is refused"
        settled(server, former)
        assert other.keys.read_text() == server.keys.read_text()


def test_whoever_shares_the_key_is_found_by_its_file(server, tmp_path, key, monkeypatch):
    with ssh_server(tmp_path, "staging", key) as other, ssh_server(tmp_path, "same", key) as third:
        host = third.located.environment.host.model_copy(update={"host_keys": ()})
        nobody = replace(
            third.located, environment=third.located.environment.model_copy(update={"host": host})
        )
        elsewhere = other.located.environment.host.model_copy(update={"key_file": "another"})
        another = replace(
            other.located,
            environment=other.located.environment.model_copy(update={"host": elsewhere}),
        )
        known = {
            "prod": server.located, "staging": other.located, "never": nobody, "another": another,
            "twin": replace(server.located),
        }  # fmt: skip
        monkeypatch.setattr("infra.environment.folders.names", lambda: list(known))
        monkeypatch.setattr("infra.environment.locate.load", known.__getitem__)
        assert sharing(server.located) == (server.located, other.located)


def test_a_key_that_the_file_does_not_have_is_told(server):
    """The server takes it from elsewhere: nothing is known of where the new one has to stand."""
    elsewhere = server.keys.with_name("elsewhere")
    server.keys.rename(elsewhere)
    server.keys.write_text("")
    server.sshd.keys, before = elsewhere, server.key.read_text()
    with pytest.raises(StepFailed, match=r"is not in .*authorized_keys: add the new one"):
        carry_out(server)
    assert server.key.read_text() == before


# -- the command --------------------------------------------------------------------------


@pytest.fixture
def command(monkeypatch, tmp_path):
    """Calls `homeguru rotate`; what it asks a run for goes to a list."""
    from infra.cli import app as cli
    from infra.cli import rotate

    asked = []
    monkeypatch.setattr(
        rotate,
        "run",
        lambda verb, env, words, **more: asked.append((verb, env, words)) or {"changed": False},
    )
    secrets = SimpleNamespace(file="prod.secrets.env")
    place = SimpleNamespace(
        environment=SimpleNamespace(name="prod", secrets=secrets), key_file=tmp_path / "id",
        beside=lambda file: tmp_path / file,
    )  # fmt: skip
    monkeypatch.setattr("infra.environment.locate.load", lambda _: place)

    def call(*words: str):
        words = ("rotate", *words, "--env", "prod")
        return CliRunner().invoke(cli.app, words, catch_exceptions=False, standalone_mode=False)

    return SimpleNamespace(call=call, asked=asked)


def test_the_command_gives_no_value_to_the_run(command, tmp_path):
    file = tmp_path / "value"
    file.write_text("7:after\n")
    words = ["TELEGRAM_BOT_TOKEN", "--value-file", str(file), "--here"]
    ended = command.call(*words)
    assert command.asked == [("rotate", "prod", {"secret": "TELEGRAM_BOT_TOKEN"})]
    assert given_values.given("TELEGRAM_BOT_TOKEN") == "7:after"
    assert "7:after" not in ended.output
    assert "gh workflow run sync-secrets.yml -f environment=prod" in ended.output
    file.write_text("\n")
    with pytest.raises(WrongUse, match="is empty"):
        command.call(*words)


def test_on_a_server_only_its_block_is_another_one(command, tmp_path, monkeypatch):
    """The file of this machine has the former value: sending it to GitHub would undo the rotation."""
    monkeypatch.setenv("PREFECT_API_URL", "http://prefect.example/api")
    said = " ".join(command.call("JWT_SECRET_KEY").output.split())
    assert f"no other copy: {tmp_path / 'prod.secrets.env'} and GitHub's HOMEGURU_SECRETS" in said
    assert "gh secret set" not in said


def test_the_deploy_key_is_no_matter_for_a_worker(command, monkeypatch):
    monkeypatch.setenv("PREFECT_API_URL", "http://prefect.example/api")
    with pytest.raises(WrongUse, match="the deploy key is a file of this machine") as caught:
        command.call("deploy-key", "--yes")
    assert caught.value.todo == "run it here with --here"
    assert command.asked == []
