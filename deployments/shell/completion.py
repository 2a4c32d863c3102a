"""A service that runs to its end before those that wait for it start."""

from __future__ import annotations

from deployments.shell.quote import Script, functions, join
from deployments.shell.replace import Replacement


def complete(what: Replacement) -> Script:
    """Run a service to its end; what waits for that starts later."""
    text = join(
        functions("container", "replace_volumes"),
        *what.settings(),
        functions("completion"),
        "run_to_its_end",
    )
    return Script(text, timeout=what.healthy_within + 120)
