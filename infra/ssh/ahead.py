"""A connection that is opened before a run asks for it, while other things are waited for."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from deployments.environment.schema import Environment
from deployments.errors import HomeguruError
from infra.ssh.connection import Remote

_opened: list[tuple[Environment, Path, Remote]] = []


def connect_ahead(environment: Environment, key_file: Path) -> None:
    """Open one. What is wrong is told to whoever needs it, who tries again."""
    with suppress(HomeguruError):
        _opened.append((environment, key_file, Remote(environment, key_file).open()))


def remote(environment: Environment, key_file: Path) -> Remote:
    """The one that was opened ahead for the very same environment, or one that is not open yet."""
    for entry in _opened:
        if entry[:2] == (environment, key_file):
            _opened.remove(entry)
            return entry[2]
    return Remote(environment, key_file)
