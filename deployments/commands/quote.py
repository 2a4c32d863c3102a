"""Shell text as a type: arguments are quoted, secrets are refused."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from pydantic import SecretStr


@dataclass(frozen=True)
class Script:
    """Shell text for the host's bash, and how long it may take there."""

    text: str
    timeout: int = 60
    """Seconds; the host ends it then, the deployer gives up a little later."""


def call(function: str, *arguments: str | int | SecretStr) -> str:
    """One line that calls a shell function, every argument quoted.

    Raises TypeError for a secret: arguments are seen by everyone on the host.
    """
    if any(isinstance(argument, SecretStr) for argument in arguments):
        raise TypeError(f"{function}: a secret may not become an argument")
    return " ".join([function, *(shlex.quote(str(argument)) for argument in arguments)])


def join(*parts: str) -> str:
    """Join parts of a script, each on lines of its own."""
    return "\n".join(part.strip("\n") for part in parts if part) + "\n"
