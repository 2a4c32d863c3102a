"""Backup, upgrade and restore of a control plane that is up."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable
from pathlib import Path

from deployments.errors import HomeguruError, Refused, WrongUse
from infra.backups import age
from infra.control import backup, versions, volumes
from infra.control.docker import Compose
from infra.control.image import ensure_image
from infra.control.plane import ControlPlane, Outcome
from infra.control.status import LOOK
from infra.machine.waiting import wait_until

BEFORE, RESTORED = "prefect_before", "prefect_restored"
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


def upgrade(plane: ControlPlane, image: str = "", *, with_backup: bool = True) -> Outcome:
    """Bring a control plane to another image: backup, stop, migrate, start, register."""
    begin, old = time.monotonic(), plane.image()
    if not old:
        raise WrongUse(
            "no control plane was put up from here", todo="homeguru control-plane up --address NAME"
        )
    new = ensure_image(plane.docker, image)
    outcome = Outcome(plane.settings.url)
    if new != old:
        _newer(plane, old, new, outcome)
        if with_backup:
            outcome.backup = make_backup(plane).file
            plane.say(f"backup {outcome.backup}")
    try:
        return plane.converge(new, outcome, begin)
    except HomeguruError as error:
        raise HomeguruError(
            f"the upgrade to {new} failed: {error.what}", where=error.where,
            state="the control plane may be down; applications are untouched",
            todo=way_back(old, outcome.backup),
        ) from None  # fmt: skip


def way_back(old: str, file: str) -> str:
    """What to type when an upgrade failed."""
    if not file:
        return f"homeguru control-plane up --image {old}; there is no backup to restore"
    return f"homeguru control-plane restore {shlex.quote(file)} --identity FILE --image {old}"


def restore(plane: ControlPlane, file: Path, key: age.Key, image: str = "") -> Outcome:
    """Put a backup in the database's place; the one before is kept beside it."""
    begin = time.monotonic()
    image = image or plane.image()
    compose = plane.compose(image)
    compose.long("starting postgres", "up", "-d", "--wait", "postgres")
    postgres = _postgres(plane)
    backup.verify(plane.docker, postgres, file, key)
    _same_key(plane, file)
    _nothing_at_work(plane)
    compose.long("stopping", "stop", "worker-docker", "worker", "server", timeout=180)
    _load(plane, postgres, file, key)
    outcome = Outcome(plane.settings.url, [f"database of {file.name}"], backup=str(file))
    plane.migrate(compose)
    compose.long("starting the server", "up", "-d", "--wait", "server")
    settled = _settle(plane, compose)
    plane.say(f"runs and slots of then: {settled}")
    return plane.converge(image, outcome, begin)


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
            todo="wait for their end, or cancel them",
        )  # fmt: skip


def _load(plane: ControlPlane, postgres: str, file: Path, key: age.Key) -> None:
    """Restore beside what is there, then change the names: a failure leaves the old one."""
    sql = _sql(plane, postgres)
    sql(f"DROP DATABASE IF EXISTS {RESTORED}")
    sql(f"CREATE DATABASE {RESTORED}")
    words = ("pg_restore", "-U", "prefect", "-d", RESTORED, "--no-owner", "--exit-on-error")
    with backup.opened(
        plane.docker, "restoring the database", file, key, "exec", "-i", postgres, *words
    ):
        pass
    sql(f"DROP DATABASE IF EXISTS {BEFORE}")
    sql(f"ALTER DATABASE prefect RENAME TO {BEFORE}")
    sql(f"ALTER DATABASE {RESTORED} RENAME TO prefect")
    plane.say(f"the database of before is kept as {BEFORE}, until the next restore")


def _sql(plane: ControlPlane, postgres: str) -> Callable[[str], object]:
    words = ("exec", postgres, "psql", "-q", "-U", "prefect", "-d", "postgres", "-c")
    return lambda text: plane.docker.text(*words, text)


def _settle(plane: ControlPlane, compose: Compose) -> str:
    words = ("exec", "-i", compose.containers()["server"], "python", "-", "settle", _SETTLED)
    return plane.docker.text(*words, data=LOOK.read_bytes(), timeout=300)
