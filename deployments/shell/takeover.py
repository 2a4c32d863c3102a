"""Moving published ports from containers that were deployed by hand to the edge.

Everything new is up and healthy before the ports move; then the old ones stop together and
the edge starts. What cannot be avoided is that both cannot hold a port at once: how long it
did not answer is measured on the host and reported.
"""

from __future__ import annotations

from dataclasses import dataclass

from deployments.shell.quote import Script, call, functions, join
from deployments.shell.replace import Replacement


@dataclass(frozen=True)
class Moved:
    """A service whose port moves. `public` is the published one, 0 when it had none."""

    what: Replacement
    port: int
    public: int
    health: str

    def words(self) -> tuple[str, ...]:
        """The arguments of one route."""
        watched = f"{self.public}{self.health}" if self.public else "-"
        return (
            self.what.service, str(self.port), self.what.image, self.what.config_hash, watched
        )  # fmt: skip


def beside(what: Replacement) -> Script:
    """A new container of a service next to the old one, healthy, and not in use yet."""
    text = join(
        functions("container", "takeover_wanted", "takeover_beside"),
        *what.settings(),
        "start_beside",
    )
    return Script(text, timeout=what.healthy_within + 120)


def up_bridged(what: Replacement) -> Script:
    """Recreate a database that others still reach in a network, or by a name, of their own."""
    text = join(
        functions("container"), *what.settings(), functions("takeover_bridged"), "recreate_bridged"
    )
    return Script(text, timeout=what.healthy_within + what.grace + 120)


def hand_over(edge: Replacement, moved: list[Moved], holders: list[str]) -> Script:
    """Stop what holds the ports, start the edge; prints how long each did not answer.

    holders: names of further containers of the project that hold one of the ports.
    """
    settings = [
        call("declare", f"healthy={edge.healthy_within}"), call("declare", "problem="),
        call("declare", f"holders={' '.join(holders)}"), "all_stops=()",
    ]  # fmt: skip
    words = [word for m in moved for word in m.words()]
    line = call(
        "hand_over_ports", edge.service, edge.variable, edge.image, edge.config_hash, *words
    )
    named = [call("set_env", m.what.variable, m.what.image) for m in moved]
    named.append(call("set_env", edge.variable, edge.image))
    text = join(
        functions("container", "slots", "takeover_wanted", "takeover_ports"),
        *settings,
        line,
        *named,
    )
    return Script(text, timeout=edge.healthy_within + 180)
