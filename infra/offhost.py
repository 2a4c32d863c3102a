"""Copies of backups off the host: S3 or SFTP, encrypted for one age recipient where one is named.

The host has no credentials: a copy goes through the deployer, which reads the dump by SFTP. On
its way it lies, 0600, in a temporary file here.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import paramiko
import pyrage  # type: ignore[import-untyped]

from deployments.backups import Backup
from deployments.environment import Host
from deployments.errors import Refused, StepFailed, Unreachable, WrongUse
from deployments.policy import OffHostCopy
from infra.age import recipient
from infra.environments import Located
from infra.ssh import Remote, connected_sftp

ENCRYPTED = ".age"


class Store(Protocol):
    """A place for files, by name."""

    where: str

    def put(self, name: str, file: Path) -> None: ...
    def get(self, name: str, file: Path) -> None: ...
    def names(self) -> list[str]: ...


class S3Store:
    """A bucket of S3 or of what speaks its language; names lie below the prefix."""

    def __init__(self, to: str, copy: OffHostCopy, keys: tuple[str, str]) -> None:
        from minio import Minio

        parts = urlsplit(to)
        endpoint = urlsplit(copy.endpoint or "https://s3.amazonaws.com")
        self.where, self._bucket = to, parts.netloc
        self._prefix = parts.path.strip("/") + "/" if parts.path.strip("/") else ""
        self._client = Minio(
            endpoint=endpoint.netloc, access_key=keys[0], secret_key=keys[1],
            secure=endpoint.scheme == "https", region=copy.region or None, http_client=_patient(),
        )  # fmt: skip

    def put(self, name: str, file: Path) -> None:
        with self._told():
            self._client.fput_object(
                bucket_name=self._bucket, object_name=self._prefix + name, file_path=str(file)
            )

    def get(self, name: str, file: Path) -> None:
        with self._told():
            self._client.fget_object(
                bucket_name=self._bucket, object_name=self._prefix + name, file_path=str(file)
            )

    def names(self) -> list[str]:
        with self._told():
            found = self._client.list_objects(bucket_name=self._bucket, prefix=self._prefix)
            return sorted(str(x.object_name).removeprefix(self._prefix) for x in found)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Errors of the client without the request, which holds the access key."""
        from minio.error import S3Error
        from urllib3.exceptions import HTTPError

        try:
            yield
        except S3Error as error:
            raise Refused(
                f"the store refuses: {error.code}", where=self.where,
                todo="do the bucket and both keys belong together, and may they write there?",
            ) from None  # fmt: skip
        except (HTTPError, OSError) as error:
            raise Unreachable(
                f"the store does not answer: {type(error).__name__}", where=self.where,
                todo="check [off_host] endpoint, and the way there from this machine",
            ) from None  # fmt: skip


def _patient() -> Any:
    """HTTP with three attempts in all; the client's own would go on for minutes."""
    import certifi
    from urllib3 import PoolManager, Retry, Timeout

    return PoolManager(
        timeout=Timeout(connect=10, read=300), cert_reqs="CERT_REQUIRED",
        ca_certs=os.environ.get("SSL_CERT_FILE") or certifi.where(),
        retries=Retry(total=2, backoff_factor=0.2, status_forcelist=[500, 502, 503, 504]),
    )  # fmt: skip


class SftpStore:
    """A folder on another server, whose host key is pinned."""

    def __init__(self, to: str, copy: OffHostCopy, located: Located) -> None:
        parts = urlsplit(to)
        self.where, self._folder = to, parts.path.rstrip("/")
        self._host = Host(
            address=parts.hostname or "", port=parts.port or 22, user=parts.username or "root",
            key_file=copy.key_file, host_keys=copy.host_keys,
        )  # fmt: skip
        self._key_file = located.beside(copy.key_file)

    def put(self, name: str, file: Path) -> None:
        with self._sftp() as sftp:
            part = f"{self._folder}/{name}.part"
            sftp.put(str(file), part)
            sftp.chmod(part, 0o600)
            sftp.posix_rename(part, f"{self._folder}/{name}")

    def get(self, name: str, file: Path) -> None:
        with self._sftp() as sftp:
            sftp.get(f"{self._folder}/{name}", str(file))

    def names(self) -> list[str]:
        with self._sftp() as sftp:
            return sorted(n for n in sftp.listdir(self._folder) if not n.endswith(".part"))

    @contextmanager
    def _sftp(self) -> Iterator[paramiko.SFTPClient]:
        with connected_sftp(self._host, self._key_file, self.where) as sftp:
            try:
                yield sftp
            except FileNotFoundError:
                raise Refused(
                    f"there is no folder or file {self._folder}", where=self.where,
                    todo="make the folder there; the store makes none",
                ) from None  # fmt: skip
            except OSError as error:
                raise StepFailed(f"the store refuses: {error}", where=self.where) from None


@dataclass(frozen=True)
class OffHost:
    """Copies for one environment. `made` names a backup's two files in the store."""

    store: Store
    recipient: str

    def copy(self, remote: Remote, directory: str, backup: Backup) -> str:
        """Copy one backup from the host; returns its name in the store. The description goes last."""
        with tempfile.TemporaryDirectory(prefix="homeguru-copy-") as folder:
            plain, name = Path(folder) / "dump", f"{backup.id}.dump"
            remote.fetch(f"{directory}/backups/{backup.id}.dump", plain)
            _same(plain, backup, "what arrived here is not what lies on the host")
            file = plain
            if self.recipient:
                file, name = Path(folder) / "dump.age", name + ENCRYPTED
                with plain.open("rb") as source, file.open("wb") as out:
                    pyrage.encrypt_io(source, out, [recipient(self.recipient)])
            self.store.put(name, file)
            described = Path(folder) / "json"
            described.write_text(backup.model_dump_json() + "\n")
            self.store.put(f"{backup.id}.json", described)
        return name

    def listed(self) -> list[str]:
        """Ids of the backups in the store, oldest first; those whose copy ended."""
        names = self.store.names()
        return [n.removesuffix(".json") for n in names if n.endswith(".json")]

    def bring(self, remote: Remote, directory: str, wanted: str, identity: Any | None) -> Backup:
        """Put one copy back on the host, checked; it is a backup there like any other then."""
        names = self.store.names()
        dump = next((n for n in names if n.startswith(f"{wanted}.dump")), None)
        if dump is None or f"{wanted}.json" not in names:
            raise Refused(
                f"the store has no backup {wanted}", where=self.store.where, state="unchanged",
                todo="homeguru backups --copies lists what it has",
            )  # fmt: skip
        with tempfile.TemporaryDirectory(prefix="homeguru-copy-") as folder:
            file, text = Path(folder) / "dump", Path(folder) / "json"
            self.store.get(f"{wanted}.json", text)
            backup = Backup.model_validate_json(text.read_text())
            self.store.get(dump, file)
            if dump.endswith(ENCRYPTED):
                file = _decrypted(file, identity, self.store.where)
            _same(file, backup, "the copy is not what was written: its checksum differs")
            remote.bring(f"{directory}/backups/{wanted}.dump", file)
            remote.bring(f"{directory}/backups/{wanted}.json", text)
        return backup


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
            raise StepFailed(otherwise, where=backup.id, state="unchanged")
