"""One thing on the Prefect server, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

What = Literal["created", "changed", "removed", "unchanged", "left over", "missing"]


@dataclass(frozen=True)
class SetupChange:
    """`what` became of the thing; `detail` says what differed, or why it stays."""

    kind: str
    name: str
    what: What
    detail: str = ""

    @property
    def differs(self) -> bool:
        """Whether something was sent to the server."""
        return self.what in ("created", "changed", "removed")

    def __str__(self) -> str:
        """One line; those of a run stand in columns."""
        outcome = f"{self.what}: {self.detail}" if self.detail else self.what
        return f"{self.kind:<11} {self.name:<38} {outcome}"
