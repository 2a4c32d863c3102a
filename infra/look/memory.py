"""What a look at an environment remembers, as a file of this machine."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from deployments.health.alerts import Memory
from infra.machine.paths import state_dir


def read(text: str) -> Memory:
    """The memory; one that cannot be read is none: the next look begins anew."""
    try:
        return Memory.model_validate_json(text)
    except ValidationError:
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
