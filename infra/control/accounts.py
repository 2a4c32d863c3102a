"""Accounts of the gateway: one a person, three for machines. Only hashes are kept."""

from __future__ import annotations

import re
import secrets
import time
from base64 import b64encode
from dataclasses import replace

import bcrypt

from deployments.errors import WrongUse
from infra.control import logins
from infra.control.logins import SECOND, Logins
from infra.control.settings import State

MACHINES = {
    "trigger": "presses buttons: creates runs, reads them and their logs, cancels",
    "reporter": "reports flows that run somewhere else, changes only these; reads no blocks",
    "secrets": "writes Secret blocks named homeguru-<environment>-..., reads no value",
}
SHORTEST = 12
_FILE = "accounts"
#: A generated password holds 24 random bytes, so that a higher cost would only slow the gateway.
_COST = 10


class Accounts:
    """The accounts of one control plane, in its state folder."""

    def __init__(self, state: State) -> None:
        self._state = state

    def names(self) -> list[str]:
        """All accounts, machines first."""
        return list(self._load())

    def people(self) -> list[str]:
        """Accounts that may do everything."""
        return [name for name in self._load() if name not in MACHINES]

    def add(self, name: str, password: str = "") -> str:
        """Add an account, or give it a new password in place of all that it has; returns the password."""
        hashes = self._load()
        if not re.fullmatch(r"[a-z][a-z0-9._-]{0,39}", name):
            raise WrongUse(
                f"not an account's name: {name!r}", state="untouched",
                todo="a-z, 0-9, dot, dash, underscore; at most 40; it begins with a letter",
            )  # fmt: skip
        if name.endswith(SECOND) and name not in hashes:
            raise WrongUse(
                f"an account's name does not end in {SECOND}: so ends its second login name",
                where=name, state="untouched", todo="choose another name",
            )  # fmt: skip
        if password and not SHORTEST <= len(password.encode()) <= 72:
            raise WrongUse(
                f"a password has {SHORTEST} to 72 bytes",
                state="untouched",
                todo="choose another one",
            )
        password = password or secrets.token_urlsafe(24)
        hashes[name] = _hashed(password)
        self._save(hashes)
        self._forget(name)
        return password

    def rotate(self, name: str, now: float | None = None) -> tuple[str, str]:
        """Make a password for the login that is not in use: (login, password). The other one stays."""
        current = self.logins(name)
        if name + SECOND in self._load():
            raise WrongUse(
                f"{name}{SECOND} is an account of its own, and would be the second login of {name}",
                where=name, state="untouched",
                todo="give its holder an account of another name, then: "
                f"homeguru control-plane account remove {name}{SECOND}",
            )  # fmt: skip
        password = secrets.token_urlsafe(24)
        self._keep(current.with_new(_hashed(password), time.time() if now is None else now))
        return current.next(), password

    def end(self, name: str) -> str:
        """End the former login of an exchange that is under way; returns its name."""
        current = self.logins(name)
        if not current.under_way:
            raise WrongUse(
                f"no exchange of this account is under way: its only login is {', '.join(current.hashes)}",
                where=name, state="untouched", todo=f"homeguru control-plane account rotate {name}",
            )  # fmt: skip
        self._keep(current.ended())
        return current.former

    def logins(self, name: str) -> Logins:
        """The logins of an account; raises WrongUse when there is none."""
        hashes = self._load()
        if name not in hashes:
            raise WrongUse(
                f"no account {name!r}",
                state="untouched",
                todo=f"choose one of: {', '.join(hashes)}",
            )
        return next(each for each in self._all() if each.account == name)

    def remove(self, name: str) -> None:
        """Remove a person's account; machines only get new passwords."""
        hashes = self._load()
        if name in MACHINES:
            raise WrongUse(
                f"{name} is a machine account",
                todo=f"homeguru control-plane account add {name} renews it",
            )
        if name not in hashes:
            raise WrongUse(f"no account {name!r}", todo=f"choose one of: {', '.join(hashes)}")
        del hashes[name]
        self._save(hashes)
        self._forget(name)

    def ensure_machines(self) -> None:
        """Make the machine accounts, with passwords that nobody knows until they are renewed."""
        for name in MACHINES:
            if name not in self._load():
                self.add(name)

    def caddy(self) -> str:
        """The accounts as the gateway reads them."""
        # In base64 every version of Caddy takes a hash.
        return "".join(
            f"{login} {b64encode(hashed.encode()).decode()}\n"
            for each in self._all()
            for login, hashed in each.hashes.items()
        )

    def caddy_logins(self) -> str:
        """Second login and its account, as the gateway reads them; every other login is its account."""
        return "# login account\n" + "".join(
            f"{login} {each.account}\n"
            for each in self._all()
            for login in each.hashes
            if login != each.account
        )

    def _all(self) -> list[Logins]:
        exchanged = logins.read(self._state)
        found = []
        for name, line in self._load().items():
            each = exchanged.get(name)
            # Another line is a password of later, by a version that knows of no second login.
            found.append(each if each and line in each.lines else Logins(name, line))
        return found

    def _keep(self, new: Logins) -> None:
        hashes = self._load()
        before = hashes[new.account]
        # What such a version reads: the first login, with a password that nobody has once it ended.
        hashes[new.account] = new.first or _hashed(secrets.token_urlsafe(24))
        new = replace(new, lines=(before, hashes[new.account]))
        logins.write(self._state, {**logins.read(self._state), new.account: new})
        self._save(hashes)

    def _forget(self, name: str) -> None:
        exchanged = logins.read(self._state)
        if exchanged.pop(name, None):
            logins.write(self._state, exchanged)

    def _load(self) -> dict[str, str]:
        file = self._state.folder / _FILE
        if not file.exists():
            return {}
        hashes = dict(line.split(" ", 1) for line in file.read_text().splitlines())
        return {name: hashes[name] for name in sorted(hashes, key=lambda n: (n not in MACHINES, n))}

    def _save(self, hashes: dict[str, str]) -> None:
        self._state.write(_FILE, "".join(f"{name} {h}\n" for name, h in hashes.items()))


def _hashed(password: str) -> str:
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(_COST)).decode()
