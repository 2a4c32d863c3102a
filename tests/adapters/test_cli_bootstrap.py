"""What `bootstrap` asks and says at a terminal, before and after the server."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import paramiko
import pytest
from typer.testing import CliRunner

from deployments.errors import Refused, WrongUse
from flows.bootstrap import bootstrap as flow
from infra.bootstrap import host_key
from infra.bootstrap.entry import RootLogin
from infra.bootstrap.keys import check_way_in
from infra.bootstrap.preparation import Ask
from infra.cli import bootstrap, layout
from infra.cli.app import app
from infra.orchestration.api.client import PrefectApi
from infra.publish.archive import git

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ1hxUCTeQWmkzAYCKJOgDGCwEcV6mVJnSvA5bSKDJuO"


@pytest.fixture
def home(tmp_path: Path, monkeypatch) -> Path:
    """A home without a key, on a machine without an SSH agent."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return tmp_path


@pytest.fixture
def printed(monkeypatch) -> list[str]:
    lines: list[str] = []
    for console in (layout.console, layout.errors):
        monkeypatch.setattr(console, "print", lambda text, **_: lines.append(text))
    return lines


def test_a_machine_without_a_key_is_told_before_anything_is_asked(
    home: Path, located, monkeypatch
) -> None:
    def contacted(*_: object) -> str:
        raise AssertionError("the server was asked for its key")

    monkeypatch.setattr(host_key, "shown_key", contacted)
    monkeypatch.setattr("infra.environment.locate.load", lambda _: located())
    ended = CliRunner().invoke(app, ["bootstrap", "--env", "prod"])
    assert isinstance(ended.exception, WrongUse)
    assert ended.exception.what.startswith(f"no private key for root was found in {home}/.ssh")
    assert ended.exception.todo.startswith("give it with --key FILE")
    ended = CliRunner().invoke(app, ["bootstrap", "--env", "prod", "--key", str(home / "none")])
    assert "does not exist" in str(ended.exception)


@pytest.fixture
def untouched(located, monkeypatch) -> None:
    """An environment whose server must not be asked for anything."""
    monkeypatch.setattr("infra.environment.locate.load", lambda _: located())
    for name in ("infra.bootstrap.host_key.shown_key", "infra.bootstrap.keys.ensure_key"):
        monkeypatch.setattr(name, lambda *_: pytest.fail("something was done already"))


@pytest.mark.parametrize("more", [[], ["--print"], ["--dry-run"]])
@pytest.mark.parametrize("name", ["john.doe", "root", "Anna", "a b"])
def test_an_administrator_that_no_server_could_have_is_refused_before_anything(
    untouched, name: str, more: list[str]
) -> None:
    ended = CliRunner().invoke(app, ["bootstrap", "--env", "prod", "--admin", name, *more])
    assert isinstance(ended.exception, WrongUse)
    assert ended.exception.what.startswith(f"{name!r} cannot look after the server")
    assert "--admin" in ended.exception.todo


@pytest.mark.parametrize("port", ["0", "99999"])
def test_a_port_that_is_none_is_refused_at_the_command_line(untouched, port: str) -> None:
    ended = CliRunner().invoke(app, ["bootstrap", "--env", "prod", "--keep-open", port])
    assert ended.exit_code == 2
    assert "than or equal to" in ended.output


def test_a_form_on_a_server_takes_no_other_port_either() -> None:
    port = flow.parameters.model_dump()["properties"]["keep_open"]["items"]
    assert (port["minimum"], port["maximum"]) == (1, 65535)


def test_a_prefect_server_with_another_login_is_told_before_the_machine_is_touched(
    home: Path, untouched, monkeypatch
) -> None:
    def refused(_: PrefectApi) -> None:
        raise Refused("the Prefect API refuses this login")

    monkeypatch.setenv("PREFECT_API_URL", "http://prefect.test/api")
    monkeypatch.setattr(PrefectApi, "first_contact", refused)
    (home / ".ssh").mkdir()
    (home / ".ssh" / "id_rsa").touch()
    ended = CliRunner().invoke(app, ["bootstrap", "--env", "prod"])
    assert str(ended.exception) == "the Prefect API refuses this login"


def test_a_key_in_a_home_or_an_agent_is_a_way_in(home: Path, monkeypatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(paramiko, "Agent", lambda: SimpleNamespace(get_keys=lambda: ["a key"]))
        check_way_in(None, "root", "h:22")
    with pytest.raises(WrongUse):
        check_way_in(None, "root", "h:22")
    (home / ".ssh").mkdir()
    (home / ".ssh" / "id_rsa").touch()
    check_way_in(None, "root", "h:22")


def test_the_question_shows_the_whole_key_and_its_fingerprint(printed, monkeypatch) -> None:
    """The console of a provider may show either."""
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("typer.confirm", lambda *_, **__: False)
    with pytest.raises(Refused, match="was not confirmed"):
        bootstrap._compared(KEY, host_key.fingerprint(KEY), "h:22")
    (text,) = printed
    for wanted in (KEY, host_key.fingerprint(KEY), "--host-key", "ssh_host_ed25519_key.pub"):
        assert wanted in text


@pytest.mark.parametrize(
    ("users", "key", "admin_key", "port", "done", "said"),
    [
        (("root", "admin"), None, "", 22, {"sshd"}, "ssh admin@h"),
        (("root", "admin"), Path("/k"), "", 22, {"administrator"}, "ssh -i /k admin@h"),
        (("root",), Path("/k"), "/a.pub", 2222, {"sshd"}, "ssh -i /a -p 2222 admin@h"),
        (("ubuntu",), None, "", 22, {"sshd"}, ""),
        (("root", "admin"), None, "", 22, {"updates"}, ""),
    ],
)
def test_the_end_says_how_to_enter_from_now_on(
    printed, users, key, admin_key, port, done, said
) -> None:
    ask = Ask(RootLogin(users, key), "admin", admin_key)
    host = SimpleNamespace(address="h", port=port, user="deploy")
    bootstrap._say_way_in(ask, host, done)  # type: ignore[arg-type]
    assert [f"from now on: {said}\n" in line for line in printed] == ([True] if said else [])


def test_the_end_says_to_commit_the_key_that_was_written(printed, tmp_path, monkeypatch) -> None:
    """Whoever else deploys would find none, and each connection is refused then."""
    file = tmp_path / "production.toml"
    file.write_text("host_keys = []\n")
    located = SimpleNamespace(file=file)
    bootstrap._say_commit(located)  # type: ignore[arg-type]
    assert printed == []
    for words in (["init", "-q"], ["add", "-A"]):
        assert git(tmp_path, *words).code == 0
    bootstrap._say_commit(located)  # type: ignore[arg-type]
    assert [f"git commit {file} -m" in line for line in printed] == [True]
