"""Accounts of the gateway: one a person, three for machines. Only hashes are kept."""

from __future__ import annotations

import re
import secrets
from base64 import b64encode

import bcrypt

from deployments.errors import WrongUse
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
        """Add an account, or give it a new password; returns the password."""
        if not re.fullmatch(r"[a-z][a-z0-9._-]{0,39}", name):
            raise WrongUse(
                f"not an account's name: {name!r}", state="untouched",
                todo="a-z, 0-9, dot, dash, underscore; at most 40; it begins with a letter",
            )  # fmt: skip
        if password and not SHORTEST <= len(password.encode()) <= 72:
            raise WrongUse(
                f"a password has {SHORTEST} to 72 bytes",
                state="untouched",
                todo="choose another one",
            )
        password = password or secrets.token_urlsafe(24)
        hashes = self._load()
        hashes[name] = bcrypt.hashpw(password.encode(), bcrypt.gensalt(_COST)).decode()
        self._save(hashes)
        return password

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

    def ensure_machines(self) -> None:
        """Make the machine accounts, with passwords that nobody knows until they are renewed."""
        for name in MACHINES:
            if name not in self._load():
                self.add(name)

    def caddy(self) -> str:
        """The accounts as the gateway reads them."""
        # In base64 every version of Caddy takes a hash.
        lines = (f"{name} {b64encode(h.encode()).decode()}\n" for name, h in self._load().items())
        return "".join(lines)

    def _load(self) -> dict[str, str]:
        file = self._state.folder / _FILE
        if not file.exists():
            return {}
        hashes = dict(line.split(" ", 1) for line in file.read_text().splitlines())
        return {name: hashes[name] for name in sorted(hashes, key=lambda n: (n not in MACHINES, n))}

    def _save(self, hashes: dict[str, str]) -> None:
        self._state.write(_FILE, "".join(f"{name} {h}\n" for name, h in hashes.items()))
