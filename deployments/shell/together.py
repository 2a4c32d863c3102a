"""Several services' containers, replaced side by side.

All new containers start together, and each is healthy before the first request is sent to one of
them: where one does not become healthy, all are removed and nothing was switched. Then each service
is switched in its own step (`replace.replace_service`), and what served before ends together.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from deployments.shell.quote import Script, functions, join
from deployments.shell.replace import Backend, Replacement, backend_settings, find_edge


@dataclass(frozen=True)
class Member:
    """One of the services. backend: none for one that nobody reaches at the edge."""

    what: Replacement
    backend: Backend | None

    def settings(self) -> str:
        """Its shell variables, as text that the shell evaluates in this service's turn."""
        return join(*self.what.settings(), *backend_settings(self.what.service, self.backend))


def start_together(members: list[Member]) -> Script:
    """Start new containers of all of them, and wait until each is healthy and ready."""
    longest = max(member.what.healthy_within for member in members)
    # What an earlier run left draining is drained and stopped here, one after the other.
    tidying = sum(m.what.grace + (m.backend.drain if m.backend else 0) for m in members)
    limit = longest + tidying + 20 * len(members) + 120
    return Script(_text(members, "start_together"), timeout=limit)


def drain_together(members: list[Member]) -> Script:
    """Let open requests end on the containers that no longer serve; then remove these."""
    drain = max((m.backend.drain for m in members if m.backend), default=0)
    grace = max(member.what.grace for member in members)
    text = _text(members, "drain_together")
    return Script(text, timeout=drain + grace + 10 * len(members) + 120)


def _text(members: list[Member], call: str) -> str:
    edges = {member.backend.edge for member in members if member.backend}
    drains = {str(member.backend.drain) for member in members if member.backend}
    names = " ".join(shlex.quote(member.what.service) for member in members)
    settings = [
        f"settings_of[{shlex.quote(member.what.service)}]={shlex.quote(member.settings())}"
        for member in members
    ]
    return join(
        functions("container", "containers", "slots", "serving", "replace_former", "replace_volumes",
                  "replace", "together"),
        f"services=({names})", "declare -A settings_of=()", *settings,
        *map(find_edge, edges), *(f"drain={seconds}" for seconds in drains), call,
    )  # fmt: skip
