"""Backup, upgrade and restore of a control plane that is up."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from deployments.errors import HomeguruError, Refused, WrongUse
from infra.backups import age
from infra.control import backup, versions, volumes, way_back
from infra.control.at_work import LOOK
from infra.control.database import PlaneDatabase
from infra.control.docker import Compose
from infra.control.image import ensure_image
from infra.control.plane import ControlPlane, Outcome
from infra.machine.waiting import wait_until

ENDING = 20.0
"""Seconds in which the container of a run that has ended may still be there."""
_SETTLED = "the database was restored from a backup of when it was at work"


def make_backup(
    plane: ControlPlane, folder: Path | None = None, key: age.Key | None = None
) -> backup.PlaneBackup:
    """Make a backup, and read it back when the identity is there."""
    postgres = _postgres(plane)
    to, where = plane.settings.recipient, folder or plane.state.folder / "backups"
    written = backup.make(plane.docker, postgres, plane.state, to, where, plane.image())
    if key:
        backup.verify(plane.docker, postgres, Path(written.file), key)
        written = backup.remember_verified(plane.state, written)
    return written


def upgrade(
    plane: ControlPlane, image: str = "", *, with_backup: bool = True, cut_off: bool = False
) -> Outcome:
    """Bring a control plane to another image: backup, stop, migrate, start, register.

    cut_off: runs at work too; else they refuse it.
    """
    begin, old = time.monotonic(), plane.image()
    if not old:
        raise WrongUse(
            "no control plane was put up from here", todo="homeguru control-plane up --address NAME"
        )
    new = ensure_image(plane.docker, image)
    outcome = Outcome(plane.settings.url)
    running = plane.server_image() or old
    if new != old or new != running:
        _newer(plane, running, new, outcome)
    plane.refuse_another_state(new)
    if new != running and not cut_off:
        plane.refuse_runs()
    way = way_back.unfinished(plane.state) or way_back.WayBack(old)
    if new != old:
        way = _backed_up(plane, way, outcome, with_backup=with_backup)
    try:
        return plane.converge(new, outcome, begin)
    except HomeguruError as error:
        raise HomeguruError(
            f"the upgrade to {new} failed: {error.what}", where=error.where,
            state="the control plane may be down; applications are untouched",
            todo=way.todo,
        ) from None  # fmt: skip


def restore(
    plane: ControlPlane, file: Path, key: age.Key, image: str = "", *, cut_off: bool = False
) -> Outcome:
    """Put a backup in the database's place; the one before is kept beside it.

    cut_off: runs at work too; else they refuse it.
    """
    begin = time.monotonic()
    image = ensure_image(plane.docker, image) if image else plane.image()
    compose = plane.compose(image)
    compose.long("starting postgres", "up", "-d", "--wait", "postgres")
    postgres = _postgres(plane)
    backup.verify(plane.docker, postgres, file, key)
    _same_key(plane, file)
    if not cut_off:
        plane.refuse_runs()
        _nothing_at_work(plane)
    plane.end_runs()
    compose.long("stopping", "stop", "server", timeout=180)
    kept = PlaneDatabase(plane.docker, postgres).load(file, key)
    plane.say(f"the database of before is kept as {kept}, until the next restore")
    outcome = Outcome(plane.settings.url, [f"database of {file.name}"], backup=str(file))
    # Before the server reads them: the key is the backup's where another one was put here for it.
    plane.push(image)
    plane.migrate(compose)
    compose.long("starting the server", "up", "-d", "--wait", "server")
    settled = _settle(plane, compose)
    plane.say(f"runs and slots of then: {settled}")
    return plane.converge(image, outcome, begin)


def _backed_up(
    plane: ControlPlane, way: way_back.WayBack, outcome: Outcome, *, with_backup: bool
) -> way_back.WayBack:
    """Make a backup, unless the one of a first attempt is the way back: it is of before a migration."""
    outcome.backup = way.backup
    if with_backup and not way.backup:
        outcome.backup = make_backup(plane).file
        if way_back.unfinished(plane.state) is None:
            way = replace(way, backup=outcome.backup)
    if outcome.backup:
        plane.say(f"backup {outcome.backup}")
    return way_back.begin(plane.state, way)


def _newer(plane: ControlPlane, old: str, new: str, outcome: Outcome) -> None:
    before, after = (versions.version(plane.docker, image) for image in (old, new))
    if versions.numbers(after) < versions.numbers(before):
        raise Refused(
            f"Prefect {before} runs, and {new} has {after}: its database does not go back",
            state="unchanged", todo="restore a backup of that version, with --image",
        )  # fmt: skip
    outcome.changes.append(
        f"Prefect {before} -> {after}" if before != after else f"Prefect {after}"
    )


def _postgres(plane: ControlPlane) -> str:
    container = plane.compose(plane.image() or "none").containers().get("postgres")
    if container is None:
        raise Refused("its PostgreSQL does not run", todo="homeguru control-plane up")
    return container


def _same_key(plane: ControlPlane, file: Path) -> None:
    recorded = backup.described(file).get("key")
    if recorded and recorded != backup.key_id(plane.state):
        raise Refused(
            "the backup's Secret blocks were written with another encryption key",
            where=str(file), state="unchanged",
            todo="the key of now opens the blocks of now: keep a copy of it apart; then put the backup's key "
            f"into {plane.state.folder / 'encryption-key'} and run the same command again",
        )  # fmt: skip


def _nothing_at_work(plane: ControlPlane) -> None:
    label = f"label={volumes.LABEL}={plane.settings.project}"
    running: list[str] = []

    def ended() -> bool:
        nonlocal running
        running = plane.docker.text("ps", "-q", "--filter", label).split()
        return not running

    if not wait_until(ended, ENDING, every=1):
        raise Refused(
            f"{len(running)} flow runs are at work", state="unchanged",
            todo="wait for their end, or cancel them; to cut them off, give the same command with --yes",
        )  # fmt: skip


def _settle(plane: ControlPlane, compose: Compose) -> str:
    words = ("exec", "-i", compose.containers()["server"], "python", "-", "settle", _SETTLED)
    return plane.docker.text(*words, data=LOOK.read_bytes(), timeout=300)
