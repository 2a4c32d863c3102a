"""A command of a developer's Compose file, as a server should run it: without reloading."""

from __future__ import annotations

import re
from typing import Any

_BETWEEN = "\0"
"""Stands between the words of a list, so that one expression fits both forms of a command."""
_SERVERS = re.compile(r"(^|[\s\0/\"'])(uvicorn|gunicorn|hypercorn|flask|fastapi)(?=[\s\0])")
_FLASK = re.compile(r"(^|[\s\0/\"'])flask[\s\0](.*[\s\0])?run(?=[\s\0\"';&|]|$)", re.DOTALL)
_END = r"(?=[\s\0\"';&|]|$)"
_RELOAD = re.compile(
    r"[\s\0]+--reload(-(dir|include|exclude|delay|engine|extra-file)(=|[\s\0]+)"
    rf"('[^']*'|\"[^\"]*\"|[^\s\0\"']+))?{_END}"
)
_DEBUG = re.compile(rf"[\s\0]+--debug{_END}")
_DEV = re.compile(rf"((?:^|[\s\0/\"'])fastapi[\s\0]+)dev{_END}")


def without_reload(command: Any) -> Any:
    """The same command, text or list, without what restarts it whenever a file changes.

    The process that waits for changes goes on when the application ends by an exception: a deploy
    would wait for it until its time is over.
    """
    words = [str(w) for w in command] if isinstance(command, list) else [str(command or "")]
    text = _BETWEEN.join(words)
    if not _SERVERS.search(text):
        return command
    changed = _DEV.sub(r"\1run", _RELOAD.sub("", text))
    if _FLASK.search(changed):
        changed = _DEBUG.sub("", changed)
    if changed == text:
        return command
    return changed.split(_BETWEEN) if isinstance(command, list) else changed
