"""A person's own command in a container: the line that their `ssh` gives to the server."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from deployments.environment.schema import Environment
from deployments.shell.prelude import prelude
from deployments.shell.quote import call, functions, join


def command_line(
    environment: Environment, service: str, words: Sequence[str], *, terminal: bool
) -> str:
    """What the login shell gets; standard input stays the command's own.

    terminal: whether a person sits at one. Any login shell reads the line alike: the script is
    in it in base64.
    """
    flags = "-it" if terminal else "-i"
    script = join(
        prelude(environment), functions("inside"), call("enter_container", service, flags, *words)
    )
    text = base64.b64encode(script.encode()).decode()
    return f"exec bash --norc -c 'eval \"$(echo {text} | base64 -d)\"'"
