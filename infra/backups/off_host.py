"""Copies of backups off the host: S3 or SFTP, encrypted for one age recipient where one is named.

The host has no credentials: a copy goes through the deployer, which reads the dump by SFTP. On
its way it lies, 0600, in a temporary file here.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyrage  # type: ignore[import-untyped]

from deployments.database.backups import Backup, described
from deployments.errors import Refused, StepFailed, WrongUse
from infra.backups.age import recipient
from infra.backups.stores import S3Store, SftpStore, Store
from infra.environment.locate import Located
from infra.ssh.files import RemoteFiles

ENCRYPTED = ".age"


@dataclass(frozen=True)
class OffHost:
    """Copies for one environment. `made` names a backup's two files in the store."""

    store: Store
    recipient: str

    def copy(self, remote: RemoteFiles, directory: str, backup: Backup) -> str:
        """Copy one backup from the host; returns its name in the store. The description goes last."""
        with _room() as folder:
            plain, name = folder / "dump", f"{backup.id}.dump"
            remote.fetch(f"{directory}/backups/{backup.id}.dump", plain)
            _same(plain, backup, "what arrived here is not what lies on the host")
            file = plain
            if self.recipient:
                file, name = folder / "dump.age", name + ENCRYPTED
                with plain.open("rb") as source, file.open("wb") as out:
                    pyrage.encrypt_io(source, out, [recipient(self.recipient)])
            self.store.put(name, file)
            description = folder / "json"
            description.write_text(_line(backup))
            self.store.put(f"{backup.id}.json", description)
        return name

    def listed(self) -> list[str]:
        """Ids of the backups in the store, oldest first; those whose copy ended."""
        names = self.store.names()
        return [n.removesuffix(".json") for n in names if n.endswith(".json")]

    def bring(
        self, remote: RemoteFiles, directory: str, wanted: str, identity: Any | None
    ) -> Backup:
        """Bring one copy to the host, checked, as `backups/.<id>.dump` and `.json`.

        It is a backup like any other once it is put among them.
        """
        names = self.store.names()
        dump = next((n for n in names if n.startswith(f"{wanted}.dump")), None)
        if dump is None or f"{wanted}.json" not in names:
            raise Refused(
                f"the store has no backup {wanted}", where=self.store.where, state="unchanged",
                todo="homeguru backups --env NAME --copies shows what it has",
            )  # fmt: skip
        with _room() as folder:
            file, text = folder / "dump", folder / "json"
            self.store.get(f"{wanted}.json", text)
            backup = described(text.read_text("utf-8", "replace"), wanted, self.store.where)
            text.write_text(_line(backup))
            self.store.get(dump, file)
            if dump.endswith(ENCRYPTED):
                file = _decrypted(file, identity, self.store.where)
            _same(file, backup, "the copy is not what was written: its checksum differs")
            remote.bring(f"{directory}/backups/.{wanted}.dump", file)
            remote.bring(f"{directory}/backups/.{wanted}.json", text)
        return backup


@contextmanager
def _room() -> Iterator[Path]:
    """A folder of this machine for one copy, which may have too little room for it."""
    with tempfile.TemporaryDirectory(prefix="homeguru-copy-") as folder:
        try:
            yield Path(folder)
        except OSError as error:
            raise StepFailed(
                f"the copy finds no place here on its way: {error.strerror or error}",
                where=tempfile.gettempdir(), state="the backup is where it was",
                todo="free room there, or set TMPDIR",
            ) from None  # fmt: skip


def off_host(located: Located, secrets: dict[str, str]) -> OffHost | None:
    """The environment's store; None when it names none. Raises WrongUse for a wrong one."""
    copy = located.environment.off_host
    if not copy.to:
        return None
    if copy.recipient:
        recipient(copy.recipient)
    if copy.to.startswith("sftp://"):
        return OffHost(SftpStore(copy.to, copy, located), copy.recipient)
    missing = [n for n in (copy.access_key, copy.secret_key) if not secrets.get(n)]
    if missing:
        raise WrongUse(
            f"secret {' and '.join(m or '(no name)' for m in missing)} for {copy.to} is missing",
            where=str(located.file), state="untouched",
            todo="name access_key and secret_key in [off_host], and give their values",
        )  # fmt: skip
    return OffHost(
        S3Store(copy.to, copy, (secrets[copy.access_key], secrets[copy.secret_key])), copy.recipient
    )


def _line(backup: Backup) -> str:
    """One line: the host reads the descriptions of all backups as lines of one text."""
    return backup.model_dump_json() + "\n"


def _decrypted(file: Path, identity: Any | None, where: str) -> Path:
    if identity is None:
        raise WrongUse(
            "the copy is encrypted", where=where, state="unchanged",
            todo="--identity FILE: the age identity whose recipient the environment names",
        )  # fmt: skip
    plain = file.with_suffix(".plain")
    try:
        with file.open("rb") as source, plain.open("wb") as out:
            pyrage.decrypt_io(source, out, [identity])
    except pyrage.DecryptError as error:
        raise Refused(
            f"the copy cannot be decrypted: {error}", where=where, state="unchanged",
            todo="is it the identity of the recipient that the copy was made for?",
        ) from None  # fmt: skip
    return plain


def _same(file: Path, backup: Backup, otherwise: str) -> None:
    with file.open("rb") as data:
        if hashlib.file_digest(data, "sha256").hexdigest() != backup.sha256:
            raise StepFailed(
                otherwise,
                where=backup.id,
                state="unchanged",
                todo="is the store reachable and has it room? then: homeguru backup --env NAME",
            )
