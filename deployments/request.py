"""What a plan is asked for, apart from the target."""

from __future__ import annotations

from dataclasses import dataclass

from deployments.backups import Reason
from deployments.datachange import DataChange
from deployments.plan import Verb


@dataclass(frozen=True)
class Request:
    """What is asked for, apart from the target: a verb, the release's id, a place for files."""

    verb: Verb
    release: str
    incoming: str
    data: DataChange | None = None
    """What becomes of the database; None: it is migrated where that is due."""
    reason: Reason = "migration"
    """Why a backup is made."""
    unfinished: str = ""
    """The run whose way back this is, when it is another one's than its own."""
    exchanged: bool = False
    """Whether that run may have set a database aside; `bring back` finds out."""

    @property
    def forward(self) -> bool:
        """Whether this verb may change the database; rollback and undo keep it."""
        return self.verb in ("deploy", "migrate")
