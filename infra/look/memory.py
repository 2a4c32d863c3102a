"""What a look at an environment remembers, as a file of this machine."""

from __future__ import annotations

import base64
import zlib
from pathlib import Path

from deployments.health.alerts import Memory
from infra.machine.paths import state_dir

_PACKED = "zlib:"


def packed(memory: Memory) -> str:
    """A text that `read` takes, of few characters: a variable of Prefect's holds 5,000 at most."""
    data = zlib.compress(memory.model_dump_json().encode())
    return _PACKED + base64.b64encode(data).decode()


def read(text: str) -> Memory:
    """The memory; one that cannot be read is none: the next look begins anew."""
    try:
        if text.startswith(_PACKED):
            text = zlib.decompress(base64.b64decode(text.removeprefix(_PACKED))).decode()
        return Memory.model_validate_json(text)
    except (ValueError, zlib.error):
        return Memory()


class FileMemory:
    """`watch/<environment>.json` in the state folder."""

    def __init__(self, environment: str) -> None:
        self._file = state_dir() / "watch" / f"{environment}.json"

    def load(self) -> Memory:
        """What the last look left; nothing before the first."""
        return read(self._file.read_text()) if self._file.exists() else Memory()

    def save(self, memory: Memory) -> None:
        """Replace it atomically."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        part: Path = self._file.with_suffix(".part")
        part.write_text(memory.model_dump_json())
        part.replace(self._file)
