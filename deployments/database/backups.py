"""Backups of the database as the host keeps them, and what their policy lets go."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Literal, NamedTuple

from pydantic import ConfigDict, Field, StringConstraints, ValidationError

from deployments.environment.policy import BackupPolicy
from deployments.errors import Refused
from deployments.fields import Frozen, first_problem
from deployments.release.manifest import nearest

ID = r"\d{8}T\d{6}Z"
"""A backup's id: the time when it was made."""
Reason = Literal["migration", "restore", "asked", "schedule", "adoption"]


class Table(Frozen):
    """One table: its rows, counted, and what PostgreSQL's statistics say was done to it."""

    rows: int
    inserted: int
    updated: int
    deleted: int


class Contents(Frozen):
    """The tables of a database at one moment. `reset`: since when the statistics count.

    extensions: to their owners, which a dump does not hold.
    """

    reset: str = ""
    tables: dict[str, Table] = Field(default_factory=dict)
    extensions: dict[str, str] = Field(default_factory=dict)


class Backup(Frozen):
    """One backup, as `backups/<id>.json` describes it. Sizes in bytes, times in UTC.

    id: the time again, as a file's name. release, revision: what ran when it was made.
    server: PostgreSQL's version.
    """

    model_config = ConfigDict(extra="forbid")

    v: Literal[1] = 1
    id: Annotated[str, StringConstraints(pattern=rf"^{ID}$")]
    at: str
    database: str
    release: str
    revision: str | None
    reason: Reason
    run: str
    server: str
    bytes: int
    sha256: str
    contents: Contents = Contents()

    @property
    def major(self) -> str:
        """`16.14` -> `16`."""
        return self.server.partition(".")[0]


@dataclass(frozen=True)
class Loss:
    """What one table has more, or other, than a backup. `known`: by PostgreSQL's counters."""

    table: str
    inserted: int
    updated: int
    deleted: int
    known: bool

    def __str__(self) -> str:
        if self.known:
            return (
                f"{self.table}: {self.inserted} inserted, {self.updated} updated, "
                f"{self.deleted} deleted since"
            )
        difference = self.inserted - self.deleted
        return f"{self.table}: {difference:+d} rows since, updates unknown"


def read_backups(text: str) -> tuple[Backup, ...]:
    """Read descriptions, one JSON line each, oldest first; a line that is none is left out."""
    backups = []
    for line in text.splitlines():
        try:
            backups.append(Backup.model_validate_json(line))
        except ValidationError:
            continue
    return tuple(sorted(backups, key=lambda b: b.id))


def described(text: str, wanted: str, where: str) -> Backup:
    """One backup's description, from a place that others write to too.

    Raises Refused for what describes no backup, or another one.
    """
    try:
        backup = Backup.model_validate_json(text)
    except ValidationError as error:
        problem = f"{wanted}.json describes no backup: {first_problem(error, 'the whole file')}"
    else:
        if backup.id == wanted:
            return backup
        problem = f"{wanted}.json describes backup {backup.id}"
    raise Refused(
        problem, where=where, state="unchanged",
        todo="homeguru backups --env NAME lists those on the server, with --copies those elsewhere",
    )  # fmt: skip


def losses(then: Contents, now: Contents) -> list[Loss]:
    """What a restore would lose, by table; tables that did not change are left out.

    The counters are believed when nobody reset them in between; otherwise the rows are
    compared, and updates are unknown.
    """
    lost = []
    for name, table in sorted(now.tables.items()):
        before = then.tables.get(name, Table(rows=0, inserted=0, updated=0, deleted=0))
        changes = (
            table.inserted - before.inserted, table.updated - before.updated,
            table.deleted - before.deleted,
        )  # fmt: skip
        if then.reset == now.reset and min(changes) >= 0:
            loss = Loss(name, *changes, known=True)
        else:
            difference = table.rows - before.rows
            loss = Loss(name, max(difference, 0), 0, max(-difference, 0), known=False)
        if loss.inserted or loss.updated or loss.deleted or not loss.known:
            lost.append(loss)
    return lost


def chosen(backups: tuple[Backup, ...], wanted: str, environment: str) -> Backup:
    """The backup of that id, or the `newest`; raises Refused with the nearest names."""
    if wanted == "newest" and backups:
        return backups[-1]
    for backup in backups:
        if backup.id == wanted:
            return backup
    ids = [b.id for b in backups]
    raise Refused(
        f"there is no backup {wanted}" if ids else "there is no backup", state="unchanged",
        todo=f"choose one of: {', '.join(nearest(wanted, ids))}" if ids
        else f"make one: homeguru backup --env {environment}",
    )  # fmt: skip


def to_restore(backups: tuple[Backup, ...], wanted: str, environment: str) -> Backup:
    """The same for a restore, whose `newest` passes over those that restores made.

    A restore first backs up what it replaces: a repeated restore must not choose that backup.
    """
    if wanted != "newest":
        return chosen(backups, wanted, environment)
    eligible = tuple(b for b in backups if b.reason != "restore")
    if backups and not eligible:
        raise Refused(
            "of the backups that are kept, each was made by a restore and holds what that took back",
            state="unchanged",
            todo=f"say which one: {', '.join(b.id for b in backups[-5:])}; homeguru backups --env "
            f"{environment} shows what each holds",
        )
    return chosen(eligible, wanted, environment)


def of_release(backups: tuple[Backup, ...], release: str, revision: str | None) -> Backup | None:
    """The newest backup that was made while this release ran, if there is one with its revision.

    Without one, the newest at whatever revision it ran on: a migration alone may have come between.
    """
    made = [b for b in backups if b.release == release]
    fitting = [b for b in made if b.revision == revision] or made
    return fitting[-1] if fitting else None


class Made(NamedTuple):
    """The backup of this very run; nobody has observed it yet."""

    id: str
    bytes: int = 0


def expired(backups: tuple[Backup, ...], policy: BackupPolicy, made: Made | None) -> list[str]:
    """Ids that the policy lets go: beyond the count, the age or the size.

    made: counts as the newest, its time is now. Without one, the newest that is there stays,
    and is the measure of age.
    """
    earlier = [b for b in backups if not made or b.id != made.id]
    if not earlier:
        return []
    newest = _time(made.id if made else earlier[-1].id)
    oldest = newest - timedelta(days=policy.keep_days)
    count, size, gone = (1 if made else 0), (made.bytes if made else 0), []
    for backup in reversed(earlier):
        size += backup.bytes
        fits = count < policy.keep and _time(backup.id) >= oldest and size <= policy.keep_mb * 2**20
        if fits or count == 0:
            count += 1
        else:
            gone.append(backup.id)
    return sorted(gone)


def _time(name: str) -> datetime:
    return datetime.strptime(f"{name}+0000", "%Y%m%dT%H%M%SZ%z")
