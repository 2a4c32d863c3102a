"""Exchange the password of an account: another login beside the former one, which ends afterwards."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from deployments.errors import HomeguruError, WrongUse
from infra.control.logins import Logins
from infra.control.plane import ControlPlane

LAST_USE = Path(__file__).with_name("last_use.py")
"""Handed over, as an earlier image does not have it."""
GITHUB = {
    "trigger": "PREFECT_API_AUTH_STRING --env ENVIRONMENT",
    "secrets": "PREFECT_SECRETS_AUTH_STRING --env ENVIRONMENT",
    "reporter": "PREFECT_REPORTER_AUTH_STRING",
}
"""Account to the secret that our workflows read its login from."""


@dataclass(frozen=True)
class Use:
    """When each login of an exchange was last used: seconds since 1970, 0 when it was not."""

    logins: Logins
    last: dict[str, float]

    @property
    def new_was_used(self) -> bool:
        """Whether somebody logged in with the new one since it was made."""
        return self.last.get(self.logins.newest, 0) >= self.logins.made

    def rows(self) -> list[tuple[str, str]]:
        """Login and its last use, the former one first."""
        names = (self.logins.former, self.logins.newest)
        # The login's name may have been in use before, with another password.
        made = {self.logins.newest: self.logins.made}
        return [(x, _shown(self.last.get(x, 0), made.get(x, 0))) for x in names]


def last_use(plane: ControlPlane, logins: Logins) -> Use:
    """Ask the gateway's log; raises HomeguruError when it cannot be read."""
    worker = plane.compose(plane.image() or "none").containers().get("worker", "none")
    words = ("exec", "-i", worker, "python", "-", str(logins.made), *logins.hashes)
    return Use(logins, json.loads(plane.docker.text(*words, data=LAST_USE.read_bytes())))


def end(plane: ControlPlane, name: str, *, unused_too: bool = False) -> str:
    """End the former login of an account once the new one is in use; returns which ended."""
    logins = plane.accounts.logins(name)
    if logins.under_way:
        _refuse_unused(plane, logins, unused_too=unused_too)
    else:
        # It may have ended here by a call that did not reach the gateway.
        bring(plane)
    ended = plane.accounts.end(name)
    bring(plane)
    return ended


def bring(plane: ControlPlane) -> None:
    """Bring the accounts to the gateway; what did not get there is told, as it is kept here."""
    try:
        plane.refresh()
    except HomeguruError:
        plane.say("kept here, and not there yet: homeguru control-plane up")
        raise


def _refuse_unused(plane: ControlPlane, logins: Logins, *, unused_too: bool) -> None:
    try:
        use = last_use(plane, logins)
    except HomeguruError as error:
        if unused_too:
            plane.say(f"the gateway's log cannot be read: {error.what}")
            return
        raise
    for login, last in use.rows():
        plane.say(f"{login}: {last}")
    if not use.new_was_used and not unused_too:
        raise WrongUse(
            f"nobody has logged in as {logins.newest} since {_at(logins.made)}", where=plane.settings.url,
            state=f"{logins.former} and {logins.newest} are accepted both",
            todo=f"put the login {logins.newest} where {logins.former} is used, and run something with it; "
            "where it was lost: "
            f"homeguru control-plane account rotate {logins.account}. To end {logins.former} all the same: "
            f"homeguru control-plane account rotate {logins.account} --end --yes",
        )  # fmt: skip


def _shown(last: float, made: float) -> str:
    if last and last >= made:
        return f"last used {_at(last)}"
    return f"not used since it was made, {_at(made)}" if made else "not used in this time"


def _at(when: float) -> str:
    return f"{datetime.fromtimestamp(when, UTC):%Y-%m-%d %H:%M:%S} UTC"
