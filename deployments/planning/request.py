"""What is requested of a plan, apart from the target."""

from __future__ import annotations

from dataclasses import dataclass

from deployments.database.backups import Reason
from deployments.database.change import DataChange
from deployments.verbs import Verb


@dataclass(frozen=True)
class PlanRequest:
    """What is requested, apart from the target: a verb, the release's id, a place for files."""

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
    passwords: bool = False
    """Whether that run may have changed the database's passwords."""
