"""What a plan does to the database, and what a person must agree to first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from deployments.database.backups import Backup, Loss
from deployments.database.migration_review import Migration


@dataclass(frozen=True)
class DataChange:
    """What becomes of the database, apart from the containers.

    migration: reviewed, of a `migrate` or a `downgrade`; of a `keep`, what came since the release
    to go back to. None when it could not be reviewed.
    to: the revision that a downgrade goes back to. backup, losses: of a restore.
    """

    kind: Literal["keep", "migrate", "downgrade", "restore"]
    migration: Migration | None = None
    to: str = ""
    backup: Backup | None = None
    losses: tuple[Loss, ...] = ()

    @property
    def changes(self) -> bool:
        """Whether the database will be another one afterwards."""
        if self.kind == "migrate":
            return self.migration is None or self.migration.pending
        return self.kind != "keep"

    @property
    def exclusive(self) -> bool:
        """Whether its users stop meanwhile, and the database of before is set aside.

        So it is where the release of before could not work on what comes: going back needs
        the database of before, and nothing may have been written to the other one.
        """
        loses = self.migration is not None and self.migration.loses
        return self.kind in ("downgrade", "restore") or (self.kind == "migrate" and loses)

    @property
    def asks(self) -> tuple[str, ...]:
        """What somebody must approve, by name and reason; empty when nothing."""
        if self.kind == "restore" and self.backup:
            return (self._what_is_lost(),)
        findings = self.migration.findings if self.migration else ()
        # A database that stays is only a question where its migrations could not be reviewed.
        return tuple(str(f) for f in findings if self.kind != "keep" or f.kind == "unreadable")

    def _what_is_lost(self) -> str:
        assert self.backup is not None
        sentence = f"what was written since {self.backup.at} is taken back"
        lost = "; ".join(str(loss) for loss in self.losses)
        return f"{sentence}: {lost}" if lost else f"{sentence}; nothing was, as far as is known"


KEEP = DataChange("keep")
