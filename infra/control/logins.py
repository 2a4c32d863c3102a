"""The two login names of an account that take turns, so that its password is exchanged with a grace.

The gateway takes one password for one login name. While an exchange is under way `NAME` and `NAME-2`
are both accepted, and both are the account NAME for everything behind the password.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from deployments.errors import WrongUse
from infra.control.settings import State

SECOND = "-2"
"""Ends the second login name; no new account may have such a name."""
_FILE = "logins"


@dataclass(frozen=True)
class Logins:
    """Hashes of an account's two logins, "" for one that has ended; `made` is when `newest` was."""

    account: str
    first: str
    second: str = ""
    newest: str = ""
    made: float = 0.0
    lines: tuple[str, ...] = ()
    """What the account's line in the file `accounts` may say beside this."""

    @property
    def hashes(self) -> dict[str, str]:
        """Login name to hash, of those that are accepted."""
        both = {self.account: self.first, self.account + SECOND: self.second}
        return {login: found for login, found in both.items() if found}

    @property
    def under_way(self) -> bool:
        """Whether both are accepted."""
        return len(self.hashes) == 2

    @property
    def former(self) -> str:
        """The login that an exchange ends; empty while none is under way."""
        return next((x for x in self.hashes if x != self.newest), "") if self.under_way else ""

    def next(self) -> str:
        """The login name that gets the next password: never the only one that is accepted."""
        if self.under_way:
            return self.newest
        return self.account if self.second else self.account + SECOND

    def with_new(self, hashed: str, now: float) -> Logins:
        """The next login's name has this hash from now on."""
        login = self.next()
        first, second = (hashed, self.second) if login == self.account else (self.first, hashed)
        return Logins(self.account, first, second, login, now)

    def ended(self) -> Logins:
        """Without the former login."""
        first, second = (self.first, "") if self.newest == self.account else ("", self.second)
        return Logins(self.account, first, second, self.newest, self.made)


def read(state: State) -> dict[str, Logins]:
    """Account to its logins, of those that were ever exchanged."""
    file = state.folder / _FILE
    if not file.exists():
        return {}
    try:
        rows = [{**row, "lines": tuple(row["lines"])} for row in json.loads(file.read_text())]
        return {row["account"]: Logins(**row) for row in rows}
    except (ValueError, TypeError, KeyError) as error:
        raise WrongUse(
            f"it cannot be read: {error}", where=str(file), state="untouched",
            todo="move it aside, then give the accounts that were in exchange new passwords: "
            "homeguru control-plane account add NAME",
        ) from None  # fmt: skip


def write(state: State, logins: dict[str, Logins]) -> None:
    """Keep them, in one step: there is never a moment at which none of an account is kept."""
    state.write(_FILE, json.dumps([asdict(each) for each in logins.values()], indent=1) + "\n")
