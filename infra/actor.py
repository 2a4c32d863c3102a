"""Who asked for a run, from where."""

from __future__ import annotations

import getpass
import os
import socket
from contextvars import ContextVar

from infra.host import Actor

_current: ContextVar[Actor | None] = ContextVar("actor", default=None)


def from_terminal(run: str) -> Actor:
    """The person at this terminal, or the person who pressed the button in Actions."""
    pressed = os.environ.get("GITHUB_ACTOR")
    if pressed and os.environ.get("GITHUB_ACTIONS") == "true":
        return Actor(pressed, "actions", run)
    return Actor(f"{getpass.getuser()}@{socket.gethostname()}", "cli", run)


def claim(actor: Actor) -> None:
    """Say who runs the flows of this process."""
    _current.set(actor)


def claimed(run: str) -> Actor | None:
    """Who said so, with the id of the run that now works."""
    actor = _current.get()
    return Actor(actor.who, actor.origin, run) if actor else None
