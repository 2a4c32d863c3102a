"""Backups of Prefect's database, encrypted for one age recipient; and the way back.

The plain dump never touches a disk. The key of the Secret blocks is not in the database and
so not in a backup: it is kept apart, or the blocks cannot be read.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from subprocess import PIPE

import pyrage  # type: ignore[import-untyped]

from deployments.errors import HomeguruError, Refused, StepFailed, WrongUse
from infra.backups.age import Key, recipient
from infra.control.docker import Docker
from infra.control.settings import State

DUMP = ("pg_dump", "-U", "prefect", "-d", "prefect", "--format=custom", "--no-owner")
#: Reads a dump to its end and writes it nowhere.
READ = ("pg_restore", "-f", "/dev/null")
LAST = "last-backup"


@dataclass(frozen=True)
class PlaneBackup:
    """One backup; what is written beside it as JSON."""

    file: str
    at: str
    bytes: int
    sha256: str
    key: str
    """Which key its Secret blocks need: twelve digits of that key's hash."""
    image: str = ""
    verified: bool = False


def key_id(state: State) -> str:
    """Twelve digits that tell one key of the Secret blocks from another."""
    return hashlib.sha256(state.secret("encryption-key").encode()).hexdigest()[:12]


def make(
    docker: Docker, postgres: str, state: State, to: str, folder: Path, image: str = ""
) -> PlaneBackup:
    """Dump the database into an encrypted file, 0600, with its description beside it."""
    if not to:
        raise Refused(
            "no recipient is known, and a backup is never written in plain", state="untouched",
            todo="age-keygen -o identity.txt, kept elsewhere; then the same command with --recipient age1...",
        )  # fmt: skip
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise WrongUse(
            f"the folder for the backup cannot be made: {error.strerror}", where=str(folder),
            state="untouched", todo="name another one: homeguru control-plane backup --to FOLDER",
        ) from None  # fmt: skip
    now = datetime.now(UTC)
    file = folder / f"{docker.settings.project}-{now:%Y%m%dT%H%M%SZ}.dump.age"
    try:
        _dump(docker, postgres, file, to)
        backup = PlaneBackup(
            str(file), f"{now:%Y-%m-%dT%H:%M:%SZ}", file.stat().st_size, digest(file), key_id(state),
            image,
        )  # fmt: skip
        _describe(backup, file, state)
    except (OSError, pyrage.EncryptError) as error:
        raise StepFailed(
            f"the backup cannot be written: {error}", where=str(file), state="unchanged",
            todo="make room there, or write it elsewhere: homeguru control-plane backup --to FOLDER",
        ) from None  # fmt: skip
    return backup


def verify(docker: Docker, postgres: str, file: Path, key: Key) -> None:
    """Decrypt a backup and let PostgreSQL read it to its end; raises HomeguruError."""
    _same(file)
    with opened(docker, "reading the backup", file, key, "exec", "-i", postgres, *READ):
        pass


def described(file: Path) -> dict[str, str]:
    """What was written beside a backup; empty when nothing is there."""
    try:
        description: dict[str, str] = json.loads(_beside(file).read_text())
    except (OSError, ValueError):
        return {}
    return description


def last(state: State) -> PlaneBackup | None:
    """The last backup that was made from here."""
    file = state.folder / LAST
    return PlaneBackup(**json.loads(file.read_text())) if file.exists() else None


def remember_verified(state: State, backup: PlaneBackup) -> PlaneBackup:
    """Note that a backup was read back."""
    verified = PlaneBackup(**{**asdict(backup), "verified": True})
    _describe(verified, Path(backup.file), state)
    return verified


@contextmanager
def opened(docker: Docker, label: str, file: Path, key: Key, *words: str) -> Iterator[None]:
    """Feed the decrypted backup to a `docker` command; raises when either side fails."""
    with docker.stream(label, *words, stdin=PIPE) as taker:
        try:
            with file.open("rb") as source:
                pyrage.decrypt_io(source, taker.stdin, [key])
            taker.stdin.close()  # type: ignore[union-attr]
        except (pyrage.DecryptError, OSError) as error:
            # A taker that gave up tells more, at its end, than the pipe that broke.
            if "roken pipe" not in str(error):
                taker.kill()
                raise Refused(
                    f"the backup cannot be decrypted: {error}", where=str(file), state="unchanged",
                    todo="is it the identity of the recipient that the backup was made for?",
                ) from None  # fmt: skip
        yield


def digest(file: Path) -> str:
    """SHA-256 of a file."""
    with file.open("rb") as data:
        return hashlib.file_digest(data, "sha256").hexdigest()


def _dump(docker: Docker, postgres: str, file: Path, to: str) -> None:
    part = file.with_suffix(".part")
    part.unlink(missing_ok=True)
    part.touch(mode=0o600)
    try:
        with (
            part.open("wb") as out,
            docker.stream("dumping the database", "exec", postgres, *DUMP) as dump,
        ):
            pyrage.encrypt_io(dump.stdout, out, [recipient(to)])
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)


def _same(file: Path) -> None:
    if not file.is_file():
        raise WrongUse(
            "no such backup",
            where=str(file),
            state="unchanged",
            todo="name a file that homeguru control-plane backup wrote",
        )
    recorded = described(file).get("sha256")
    if recorded and recorded != digest(file):
        raise HomeguruError(
            "the backup is not what was written: its checksum differs", where=str(file),
            state="unchanged", todo="take an earlier backup",
        )  # fmt: skip


def _describe(backup: PlaneBackup, file: Path, state: State) -> None:
    text = json.dumps(asdict(backup), indent=1) + "\n"
    beside = _beside(file)
    beside.touch(mode=0o600)
    beside.write_text(text)
    state.write(LAST, text)


def _beside(file: Path) -> Path:
    return file.with_name(f"{file.name}.json")
