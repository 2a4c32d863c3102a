"""Keys that may log in as the deploy user. A key is its two words, `ssh-ed25519 AAAA...`."""

from __future__ import annotations

from deployments.environment.schema import Environment
from deployments.shell.prelude import prelude
from deployments.shell.quote import Script, call, functions, join


def accept_beside(environment: Environment, new: str, former: str) -> Script:
    """Let another key do what the one may that the connection is made with."""
    return _script(environment, call("accept_beside", new, former))


def end_key(environment: Environment, former: str, new: str) -> Script:
    """Let a key log in no more, where the other one may."""
    return _script(environment, call("end_key", former, new))


def _script(environment: Environment, line: str) -> Script:
    return Script(join(prelude(environment), functions("authorized_keys"), line))
