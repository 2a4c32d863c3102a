"""Shell text as a type: arguments are quoted, secrets are refused."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from pydantic import SecretStr

_HINT = "# shellcheck "


@dataclass(frozen=True)
class Script:
    """Shell text for the host's bash, and how long it may take there."""

    text: str
    timeout: int = 60
    """Seconds; the host ends it then, the deployer gives up a little later."""


def functions(*names: str) -> str:
    """The shell functions of each `NAME.sh` in this package, without headers and shellcheck's hints."""
    return join(*(_functions(name) for name in names))


@cache
def _functions(name: str) -> str:
    text = files(__package__).joinpath(f"{name}.sh").read_text("utf-8")
    body = text.partition("\n\n")[2]
    return "".join(
        line for line in body.splitlines(keepends=True) if not line.lstrip().startswith(_HINT)
    )


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
