"""The value that a rotation began with, kept on this machine until it ended."""

from __future__ import annotations

import fcntl
import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from deployments.errors import Locked
from infra.environment.locate import Located
from infra.machine.files import replace_file
from infra.machine.paths import state_dir


@dataclass(frozen=True)
class Kept:
    """before: the value. at: when the rotation began, UTC."""

    before: str
    at: str


class KeptValue:
    """A 0600 file of this machine's state, outside of every repository: one a secret of an environment."""

    def __init__(self, located: Located, name: str) -> None:
        self._name, self._environment = name, located.environment.name
        self._file = _folder(located) / f"{name}.json"

    @contextmanager
    def alone(self) -> Iterator[None]:
        """No other process of this machine exchanges the same secret meanwhile; a kill ends that too.

        Without it, a second one would take the first for one that was killed.
        """
        self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._file.with_suffix(".lock").open("wb") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Locked(
                    f"another rotation of {self._name} is under way", where=f"environment {self._environment}",
                    state="this one wrote nothing", todo="let it end, then run this again if it is still wanted",
                ) from None  # fmt: skip
            yield

    def read(self) -> Kept | None:
        """What a rotation that did not end began with; None where none is under way."""
        return _read(self._file)

    def write(self, before: str) -> None:
        """A rotation begins; within `alone`."""
        at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        replace_file(self._file, json.dumps({"v": 1, "before": before, "at": at}).encode())

    def remove(self) -> None:
        """It ended."""
        self._file.unlink(missing_ok=True)


def ended_with(located: Located, brought: Mapping[str, str]) -> None:
    """A run brought these values: a rotation to one of them has ended, whatever run that was.

    One that the run knew nothing of goes on: the value of before is still its way back.
    """
    for file in _folder(located).glob("*.json"):
        kept = _read(file)
        if kept is None or brought.get(file.stem) != kept.before:
            file.unlink(missing_ok=True)


def _read(file: Path) -> Kept | None:
    try:
        document = json.loads(file.read_text())
        return Kept(str(document["before"]), str(document["at"]))
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def _folder(located: Located) -> Path:
    where = hashlib.sha256(str(located.file).encode()).hexdigest()[:12]
    return state_dir() / "rotations" / f"{located.environment.name}-{where}"
