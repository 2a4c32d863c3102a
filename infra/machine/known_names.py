"""Names that commands saw of an environment, kept on this machine for the shell's completion.

Imports the standard library alone: whoever presses Tab waits for it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeGuard

from deployments.errors import HomeguruError
from infra.machine.files import replace_file
from infra.machine.paths import state_dir

KEPT = 30
"""Names of each kind that are kept, the newest first."""
_LONGEST = 2**16
"""Bytes of a file that is read: none of ours is longer."""
_BACKUP = r"\d{8}T\d{6}Z"
_FORMS = {
    "releases": r"\d{1,9}-[a-z][a-z0-9-]{0,79}", "manifests": r"[a-z][a-z0-9-]{0,79}",
    "backups": _BACKUP, "copies": _BACKUP, "services": r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}",
}  # fmt: skip
_TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"


@dataclass(frozen=True)
class KnownName:
    """One of them. at: when it came to be, `2030-01-31T12:00:00Z`; empty: not known. bytes: a backup's."""

    name: str
    at: str = ""
    bytes: int = 0


Names = tuple[KnownName, ...]


@dataclass(frozen=True)
class KnownNames:
    """What is known of one environment. current: the release that ran when somebody looked last.

    releases: those that a rollback can bring back, and the current one. manifests: those that this
    machine published or read. copies: backups in the store elsewhere.
    """

    current: str = ""
    releases: Names = ()
    manifests: Names = ()
    backups: Names = ()
    copies: Names = ()
    services: Names = ()

    def to_json(self) -> str:
        """As a file keeps it."""
        return json.dumps({"v": 1, **asdict(self)}, sort_keys=True)


def newest_first(names: Iterable[KnownName]) -> Names:
    """As many as are kept, each once, by their time."""
    once = {known.name: known for known in names}
    return tuple(sorted(once.values(), key=lambda known: known.at, reverse=True)[:KEPT])


def checked(document: Any) -> KnownNames:
    """What a document holds of the form that names have; the rest is left out.

    It is typed into a shell's command line, and comes from a server or from a file.
    """
    if not isinstance(document, dict) or document.get("v") != 1:
        return KnownNames()
    lists = {kind: _names(document.get(kind), form) for kind, form in _FORMS.items()}
    current = document.get("current")
    return KnownNames(current if _is(current, _FORMS["releases"]) else "", **lists)


def _names(entries: Any, form: str) -> Names:
    listed = entries if isinstance(entries, list | tuple) else ()
    return tuple(
        KnownName(
            entry["name"],
            entry["at"] if _is(entry.get("at"), _TIME) else "",
            entry["bytes"] if type(entry.get("bytes")) is int else 0,
        )
        for entry in listed
        if isinstance(entry, dict) and _is(entry.get("name"), form)
    )  # fmt: skip


def _is(value: Any, form: str) -> TypeGuard[str]:
    return isinstance(value, str) and re.fullmatch(form, value, re.ASCII) is not None


def known_names(environment: str, file: Path) -> KnownNames:
    """What is known of an environment; nothing where no command saw it, or the file is broken.

    file: the environment's own, for two applications may each have a `production`.
    """
    try:
        with _kept(environment, file).open("rb") as kept:
            return checked(json.loads(kept.read(_LONGEST)))
    except (OSError, ValueError, RecursionError, HomeguruError):
        return KnownNames()


def keep_names(environment: str, file: Path, change: Callable[[KnownNames], KnownNames]) -> None:
    """Change what is known of an environment. A command does not fail because this cannot be written."""
    before = known_names(environment, file)
    after = checked({"v": 1, **asdict(change(before))})
    if after == before:
        return
    with suppress(OSError, HomeguruError):
        kept = _kept(environment, file)
        kept.parent.mkdir(mode=0o700, exist_ok=True)
        replace_file(kept, after.to_json().encode())


def _kept(environment: str, file: Path) -> Path:
    which = hashlib.sha256(str(file.resolve()).encode()).hexdigest()[:12]
    return state_dir() / "known-names" / f"{environment}-{which}.json"
