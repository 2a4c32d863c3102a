"""The way back from an upgrade that failed: the same after a second attempt as after the first."""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict, dataclass

from infra.control.settings import State

_FILE = "upgrade"


@dataclass(frozen=True)
class WayBack:
    """The image before an upgrade, and the backup that was made with it, empty without one."""

    image: str
    backup: str = ""

    @property
    def todo(self) -> str:
        """What to type when the upgrade failed."""
        if not self.backup:
            return (
                "there is no backup to restore; where the database was not migrated yet: "
                f"homeguru control-plane up --image {self.image}"
            )
        file = shlex.quote(self.backup)
        return f"homeguru control-plane restore {file} --identity FILE --image {self.image}"


def unfinished(state: State) -> WayBack | None:
    """Of the upgrade that began and has not ended well."""
    file = state.folder / _FILE
    return WayBack(**json.loads(file.read_text())) if file.exists() else None


def begin(state: State, way: WayBack) -> WayBack:
    """Keep it until a start succeeded."""
    state.write(_FILE, json.dumps(asdict(way)) + "\n")
    return way


def end(state: State) -> None:
    """The control plane is up, on whatever image."""
    (state.folder / _FILE).unlink(missing_ok=True)
