"""A connection that is opened before a run asks for it, while other things are waited for."""

from __future__ import annotations

import threading
from pathlib import Path

from deployments.environment.schema import Environment
from infra.ssh.connection import Remote

_lock = threading.Lock()
_opened: list[tuple[Environment, Path, Remote]] = []
_taken: list[tuple[Environment, Path]] = []
"""What has been asked for: one that is opened too late is closed again."""


def connect_ahead(environment: Environment, key_file: Path) -> None:
    """Open one. Raises what `Remote.open` does; whoever needs it tries again, and tells."""
    opened = Remote(environment, key_file).open()
    with _lock:
        if (environment, key_file) not in _taken:
            _opened.append((environment, key_file, opened))
            return
    opened.close()


def remote(environment: Environment, key_file: Path) -> Remote:
    """The one that was opened ahead for the very same environment, or one that is not open yet."""
    with _lock:
        _taken.append((environment, key_file))
        for entry in _opened:
            if entry[:2] == (environment, key_file):
                _opened.remove(entry)
                return entry[2]
    return Remote(environment, key_file)
