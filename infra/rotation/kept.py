"""The value that a rotation began with, kept on this machine until it ended."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

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
        self._file = _folder(located) / f"{name}.json"

    def read(self) -> Kept | None:
        """What a rotation that did not end began with; None where none is under way."""
        try:
            document = json.loads(self._file.read_text())
            return Kept(str(document["before"]), str(document["at"]))
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    def write(self, before: str) -> None:
        """A rotation begins."""
        self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        replace_file(self._file, json.dumps({"v": 1, "before": before, "at": at}).encode())

    def remove(self) -> None:
        """It ended."""
        self._file.unlink(missing_ok=True)


def all_ended(located: Located) -> None:
    """What runs has the values that are kept for it now: whatever run brought them."""
    shutil.rmtree(_folder(located), ignore_errors=True)


def _folder(located: Located) -> Path:
    where = hashlib.sha256(str(located.file).encode()).hexdigest()[:12]
    return state_dir() / "rotations" / f"{located.environment.name}-{where}"
