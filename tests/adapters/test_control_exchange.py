"""Two logins of an account that take turns: what is kept, what the gateway reads, what is refused."""

from __future__ import annotations

import base64
import gzip
import json
import os
from pathlib import Path
from typing import Any

import bcrypt
import pytest

from deployments.errors import WrongUse
from infra.control.accounts import Accounts
from infra.control.last_use import last_uses
from infra.control.settings import Settings, State
from infra.control.volumes import wanted


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashes that take no time: here nobody guesses."""
    monkeypatch.setattr("infra.control.accounts._COST", 4)


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State(tmp_path / "state")


@pytest.fixture
def accounts(state: State) -> Accounts:
    found = Accounts(state)
    found.ensure_machines()
    return found


def lets_in(accounts: Accounts, login: str, password: str) -> bool:
    """Whether the gateway would, by the files that it reads."""
    lines = dict(line.split(" ") for line in accounts.caddy().splitlines())
    return login in lines and bcrypt.checkpw(password.encode(), base64.b64decode(lines[login]))


def second_logins(accounts: Accounts) -> list[str]:
    return accounts.caddy_logins().splitlines()[1:]


def test_both_logins_are_accepted_until_the_former_one_ends(accounts: Accounts) -> None:
    first = accounts.add("trigger")
    assert second_logins(accounts) == []
    login, second = accounts.rotate("trigger")
    assert login == "trigger-2"
    assert lets_in(accounts, "trigger", first)
    assert lets_in(accounts, "trigger-2", second)
    assert not lets_in(accounts, "trigger-2", first)
    assert second_logins(accounts) == ["trigger-2 trigger"]
    assert accounts.end("trigger") == "trigger"
    assert not lets_in(accounts, "trigger", first)
    assert lets_in(accounts, "trigger-2", second)
    assert accounts.names() == ["reporter", "secrets", "trigger"]


def test_the_first_name_has_its_turn_again(accounts: Accounts) -> None:
    _, second = accounts.rotate("anna" if accounts.add("anna") else "")
    accounts.end("anna")
    login, third = accounts.rotate("anna")
    assert login == "anna"
    assert lets_in(accounts, "anna-2", second)
    assert lets_in(accounts, "anna", third)
    assert accounts.end("anna") == "anna-2"
    assert not lets_in(accounts, "anna-2", second)
    assert lets_in(accounts, "anna", third)
    assert second_logins(accounts) == []
    assert accounts.people() == ["anna"]


@pytest.mark.parametrize("turns", [0, 1])
def test_a_lost_password_is_made_again_and_the_former_one_stays(accounts, turns: int) -> None:
    name, password = "trigger", accounts.add("trigger")
    for _ in range(turns):
        name, password = accounts.rotate("trigger")
        accounts.end("trigger")
    login, lost = accounts.rotate("trigger")
    again, found = accounts.rotate("trigger")
    assert (again, login != name) == (login, True)
    assert lets_in(accounts, name, password)
    assert lets_in(accounts, login, found)
    assert not lets_in(accounts, login, lost)


def test_an_account_that_leaked_loses_all_its_logins_at_once(accounts: Accounts) -> None:
    former = accounts.add("trigger")
    login, second = accounts.rotate("trigger")
    new = accounts.add("trigger")
    assert lets_in(accounts, "trigger", new)
    assert not lets_in(accounts, "trigger", former)
    assert not lets_in(accounts, login, second)
    assert second_logins(accounts) == []
    with pytest.raises(WrongUse, match="no exchange of this account is under way"):
        accounts.end("trigger")


def test_who_is_removed_has_no_login_left(accounts: Accounts) -> None:
    accounts.add("anna")
    accounts.rotate("anna")
    accounts.remove("anna")
    assert "anna" not in accounts.caddy()
    assert second_logins(accounts) == []
    accounts.add("anna")
    assert not accounts.logins("anna").under_way


@pytest.mark.parametrize(
    "steps",
    [
        "rotate", "rotate rotate", "rotate end", "rotate end rotate", "rotate end rotate rotate",
        "rotate end rotate end",
    ],
)  # fmt: skip
def test_whoever_is_killed_leaves_a_login_that_was_accepted(
    state, accounts, steps, monkeypatch
) -> None:
    """The last step is killed before each of the files that it writes."""
    held = {"trigger": accounts.add("trigger")}
    *done, last = (getattr(accounts, step) for step in steps.split())
    for step in done:
        found = step("trigger")
        held.pop(found, None) if isinstance(found, str) else held.update([found])
    before = {f.name: f.read_bytes() for f in state.folder.iterdir() if f.is_file()}
    for survived in range(4):
        for file in state.folder.iterdir():
            file.unlink()
        for name, data in before.items():
            (state.folder / name).write_bytes(data)
        writes = iter(range(survived))
        with monkeypatch.context() as killing:

            def write(name: str, text: str, write: Any = state.write, writes: Any = writes) -> bool:
                if next(writes, None) is None:
                    raise KeyboardInterrupt
                return bool(write(name, text))

            killing.setattr(state, "write", write)
            try:
                last("trigger")
            except KeyboardInterrupt:
                assert any(lets_in(accounts, *each) for each in held.items()), (survived, held)
            else:
                assert survived > 0
                return
    raise AssertionError("it writes more files than this test looks at")


def test_an_earlier_version_reads_the_accounts_and_makes_no_person_of_a_second_login(
    state, accounts
) -> None:
    former = accounts.add("trigger")

    def lets_in_then(password: str) -> bool:
        text = (state.folder / "accounts").read_text()
        hashes = dict(line.split(" ", 1) for line in text.splitlines())
        assert set(hashes) == {"trigger", "reporter", "secrets"}
        return bcrypt.checkpw(password.encode(), hashes["trigger"].encode())

    accounts.rotate("trigger")
    assert lets_in_then(former)
    accounts.end("trigger")
    # It has ended, for that version too.
    assert not lets_in_then(former)
    _, first = accounts.rotate("trigger")
    assert lets_in_then(first)
    accounts.end("trigger")
    assert lets_in_then(first)


@pytest.mark.parametrize("steps", ["rotate", "rotate end", "rotate end rotate"])
def test_a_password_that_an_earlier_version_gave_is_the_only_one(state, accounts, steps) -> None:
    """It writes the line of the account, and does not know that there are other logins."""
    for step in steps.split():
        getattr(accounts, step)("trigger")
    file = state.folder / "accounts"
    lines = [x for x in file.read_text().splitlines() if not x.startswith("trigger ")]
    hashed = bcrypt.hashpw(b"given by it", bcrypt.gensalt(4)).decode()
    file.write_text("\n".join([*lines, f"trigger {hashed}"]) + "\n")
    assert accounts.logins("trigger").hashes == {"trigger": hashed}
    assert second_logins(accounts) == []
    login, password = accounts.rotate("trigger")
    assert login == "trigger-2"
    assert lets_in(accounts, "trigger", "given by it")
    assert lets_in(accounts, "trigger-2", password)


def test_what_an_earlier_version_kept_is_read(state: State) -> None:
    accounts = Accounts(state)
    password = accounts.add("anna")
    assert sorted(f.name for f in state.folder.iterdir()) == ["accounts"]
    assert not accounts.logins("anna").under_way
    assert lets_in(accounts, "anna", password)


def test_a_new_account_is_not_named_as_a_second_login_and_an_existing_one_goes_on(state) -> None:
    accounts = Accounts(state)
    with pytest.raises(WrongUse, match="does not end in -2"):
        accounts.add("anna-2")
    assert not state.folder.exists()
    # Made by an earlier version.
    accounts.add("anna")
    file = state.folder / "accounts"
    file.write_text(file.read_text() + "anna-2 " + file.read_text().split(" ", 1)[1])
    renewed = accounts.add("anna-2")
    assert lets_in(accounts, "anna-2", renewed)
    # It is no login of anna's.
    assert second_logins(accounts) == []
    assert accounts.people() == ["anna", "anna-2"]
    with pytest.raises(WrongUse, match="anna-2 is an account of its own") as refused:
        accounts.rotate("anna")
    assert "account remove anna-2" in refused.value.todo
    assert accounts.rotate("anna-2")[0] == "anna-2-2"
    assert second_logins(accounts) == ["anna-2-2 anna-2"]


def test_the_gateway_gets_logins_and_no_password_is_kept(state, accounts) -> None:
    accounts.add("trigger")
    _, password = accounts.rotate("trigger")
    gateway = wanted(state, Settings(), accounts)["gateway-config"]
    assert set(gateway) == {"Caddyfile", "routes", "accounts", "logins"}
    assert gateway["logins"][0] == b"# login account\ntrigger-2 trigger\n"
    file = state.folder / "logins"
    assert file.stat().st_mode & 0o777 == 0o600
    assert password not in file.read_text() + str(gateway)
    file.write_text("{")
    with pytest.raises(WrongUse, match="cannot be read") as refused:
        accounts.caddy()
    assert refused.value.where == str(file)


def line(login: str, at: float, status: int = 200) -> str:
    return json.dumps({"ts": at, "user_id": login, "status": status}, separators=(",", ":")) + "\n"


def test_the_log_tells_when_a_login_was_last_used(tmp_path: Path) -> None:
    rolled, old = tmp_path / "access-2026-01-01.log.gz", tmp_path / "access-2025-01-01.log.gz"
    rolled.write_bytes(gzip.compress((line("trigger", 100) + line("trigger-2", 150)).encode()))
    old.write_bytes(gzip.compress(line("trigger-2", 170).encode()))
    os.utime(old, (10, 10))
    log = line("trigger", 200) + line("trigger", 300, 403) + line("secrets", 400)
    log += line("reporter", 250, 0) + '{"user_id":"trigger-2","ts"' + "\n"
    (tmp_path / "access.log").write_text(log)
    asked = ["trigger", "trigger-2", "reporter", "reporter-2"]
    assert last_uses(tmp_path, 50, asked) == {"trigger": 200, "trigger-2": 150, "reporter": 250}
