"""What every script on the host starts with."""

from __future__ import annotations

from deployments.environment.schema import Environment
from deployments.shell.quote import call, functions, join


def prelude(environment: Environment) -> str:
    """Functions, then the environment's directory as working directory."""
    return join(
        functions("prelude", "prelude_enter"),
        call("enter", environment.project, environment.directory),
    )
