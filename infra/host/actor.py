"""Who asked for a run, from where."""

from __future__ import annotations

import getpass
import os
import socket
from contextvars import ContextVar
from dataclasses import dataclass

from deployments.history.ledger import Approval
from deployments.history.requester import Origin, Requester


@dataclass(frozen=True)
class Actor:
    """Who asked, from where, and under which run id.

    account: the gateway's account that created the run; empty where nothing proves it.
    """

    who: str
    origin: Origin
    run: str
    link: str = ""
    account: str = ""
    approval: Approval | None = None
    server: str | None = None
    """The Prefect server that has the run; empty: none but this process."""


_current: ContextVar[Requester | None] = ContextVar("asked", default=None)


def from_terminal() -> Requester:
    """The person at this terminal, or the person who pressed the button in Actions."""
    pressed = os.environ.get("GITHUB_ACTOR")
    if pressed and os.environ.get("GITHUB_ACTIONS") == "true":
        return Requester(pressed, "actions", _page(), os.environ.get("GITHUB_SHA", "")[:12])
    return Requester(f"{getpass.getuser()}@{socket.gethostname()}", "cli")


def _page() -> str:
    """Address of the run in Actions."""
    parts = [os.environ.get(f"GITHUB_{n}", "") for n in ("SERVER_URL", "REPOSITORY", "RUN_ID")]
    return "{}/{}/actions/runs/{}".format(*parts) if all(parts) else ""


def at_terminal(run: str) -> Actor:
    """The same, as a host's lock and ledger know people."""
    requester = from_terminal()
    return Actor(requester.who, requester.origin, run, requester.link)


def claim(requester: Requester) -> None:
    """Say who runs the flows of this process."""
    _current.set(requester)


def claimed() -> Requester | None:
    """Who said so; None in a worker."""
    return _current.get()
