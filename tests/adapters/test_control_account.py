"""`homeguru control-plane account`: an exchange ends when the new login is in use, and what is printed."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from deployments.errors import Unreachable, WrongUse
from infra.cli import control_account
from infra.control import exchange
from infra.control.accounts import Accounts
from infra.control.settings import Settings, State
from tests.adapters.test_control_exchange import lets_in


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State(tmp_path / "state")


class Plane:
    """A control plane whose log says what `uses` has."""

    def __init__(self, state: State, uses: dict[str, float] | Unreachable) -> None:
        self.accounts, self.uses, self.said, self.refreshed = Accounts(state), uses, [""], 0
        self.settings, self.docker = Settings(address="192.0.2.7"), self
        self.accounts.ensure_machines()

    def image(self) -> str:
        return "homeguru-flows:1"

    def compose(self, _: str) -> Any:
        return SimpleNamespace(containers=lambda: {"worker": "w"})

    def text(self, *words: str, data: bytes = b"") -> str:
        assert words[:5] == ("exec", "-i", "w", "python", "-")
        assert b"def last_uses" in data
        if isinstance(self.uses, Unreachable):
            raise self.uses
        return json.dumps(self.uses)

    def say(self, text: str) -> None:
        self.said.append(text)

    def refresh(self) -> None:
        self.refreshed += 1


def test_a_login_ends_after_the_new_one_was_used(state: State) -> None:
    plane: Any = Plane(state, {})
    with pytest.raises(WrongUse, match="no exchange of this account"):
        exchange.end(plane, "trigger")
    # One that ended here, and not there, is not left so.
    assert plane.refreshed == 1
    plane.accounts.rotate("trigger", now=1000)
    for uses in ({}, {"trigger": 2000}, {"trigger-2": 999}):
        plane.uses = uses
        with pytest.raises(
            WrongUse, match="nobody has logged in as trigger-2 since 1970"
        ) as refused:
            exchange.end(plane, "trigger")
        assert refused.value.where == "https://192.0.2.7"
        assert refused.value.state == "trigger and trigger-2 are accepted both"
        assert "homeguru control-plane account rotate trigger --end --yes" in refused.value.todo
    assert plane.accounts.logins("trigger").under_way
    assert plane.refreshed == 1
    plane.uses = {"trigger": 900, "trigger-2": 1001}
    assert exchange.end(plane, "trigger") == "trigger"
    assert plane.refreshed == 2
    assert plane.said[-2:] == [
        "trigger: last used 1970-01-01 00:15:00 UTC", "trigger-2: last used 1970-01-01 00:16:41 UTC"
    ]  # fmt: skip


@pytest.mark.parametrize("uses", [{}, Unreachable("the engine does not answer")])
def test_a_login_ends_all_the_same_where_that_is_said(state: State, uses: Any) -> None:
    plane: Any = Plane(state, uses)
    plane.accounts.rotate("trigger")
    assert exchange.end(plane, "trigger", unused_too=True) == "trigger"


def test_a_log_that_cannot_be_read_ends_nothing(state: State) -> None:
    plane: Any = Plane(state, Unreachable("the engine does not answer"))
    plane.accounts.rotate("trigger")
    with pytest.raises(Unreachable):
        exchange.end(plane, "trigger")
    assert plane.accounts.logins("trigger").under_way


def run(plane: Any, monkeypatch: pytest.MonkeyPatch, *words: str) -> Any:
    monkeypatch.setattr(control_account, "existing_plane", lambda: plane)
    return CliRunner().invoke(control_account.account, words)


def test_the_login_is_alone_on_stdout(state: State, monkeypatch) -> None:
    plane = Plane(state, {})
    found = run(plane, monkeypatch, "rotate", "trigger")
    login, _, password = found.stdout.strip().partition(":")
    assert (found.exit_code, login) == (0, "trigger-2")
    assert lets_in(plane.accounts, login, password)
    assert "gh secret set PREFECT_API_AUTH_STRING --env ENVIRONMENT" in found.stderr
    assert "homeguru control-plane account rotate trigger --end" in found.stderr
    assert plane.refreshed == 1


def test_a_login_that_is_not_there_yet_is_not_lost(state: State, monkeypatch) -> None:
    plane: Any = Plane(state, {})

    def away() -> None:
        raise Unreachable("the engine does not answer")

    plane.refresh = away
    found = run(plane, monkeypatch, "rotate", "trigger")
    login, _, password = found.stdout.strip().partition(":")
    assert found.exit_code != 0
    assert lets_in(plane.accounts, login, password)
    assert "kept here, and not there yet" in found.stderr


def test_the_list_shows_an_exchange(state: State, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOMEGURU_STATE", str(tmp_path))
    accounts = Accounts(State(tmp_path / "control-plane"))
    accounts.ensure_machines()
    accounts.rotate("trigger")
    accounts.rotate("secrets")
    accounts.end("secrets")
    shown = run(None, monkeypatch, "list").stdout.splitlines()
    assert [x.split()[0] for x in shown] == ["reporter", "secrets", "trigger"]
    assert "(in exchange: trigger-2 takes the place of trigger)" in shown[2]
    assert "(logs in as secrets-2)" in shown[1]
    assert "(" not in shown[0]


def test_a_new_password_at_once_says_who_is_refused(state: State, monkeypatch) -> None:
    plane = Plane(state, {})
    assert "is refused from now on" in run(plane, monkeypatch, "add", "trigger").stdout
    assert "refused" not in run(plane, monkeypatch, "add", "anna").stdout


def test_what_did_not_reach_the_gateway_is_brought_by_the_same_command(state, monkeypatch) -> None:
    plane: Any = Plane(state, {"trigger-2": 2000})
    plane.accounts.add("anna")
    plane.accounts.rotate("trigger", now=1000)
    brought = plane.refresh

    def away() -> None:
        raise Unreachable("the engine does not answer")

    for words in (("remove", "anna"), ("rotate", "trigger", "--end")):
        plane.refresh = away
        for _ in range(2):
            found = run(plane, monkeypatch, *words)
            assert isinstance(found.exception, Unreachable)
            assert plane.said[-1] == "kept here, and not there yet: homeguru control-plane up"
        plane.refresh, plane.refreshed = brought, 0
        assert isinstance(run(plane, monkeypatch, *words).exception, WrongUse)
        assert plane.refreshed == 1


def test_no_password_on_stdin_makes_none(state, monkeypatch) -> None:
    plane = Plane(state, {})
    found = run(plane, monkeypatch, "add", "anna", "--stdin")
    assert isinstance(found.exception, WrongUse)
    assert "no password came on stdin" in found.exception.what
    assert (plane.accounts.people(), found.stdout) == ([], "")
