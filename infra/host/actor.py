"""Who asked for a run, from where."""

from __future__ import annotations

import getpass
import os
import socket
from contextvars import ContextVar

from deployments.history.requester import Requester
from infra.host.session import Actor

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
