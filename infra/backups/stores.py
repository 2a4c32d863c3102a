"""Places for files off the host: a bucket that speaks S3, or a folder of an SFTP server."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import paramiko

from deployments.environment.policy import OffHostCopy
from deployments.environment.server import HostAddress
from deployments.errors import Refused, StepFailed, Unreachable
from infra.environment.locate import Located
from infra.ssh.files import connected_sftp


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
        with self._without_request():
            self._client.fput_object(
                bucket_name=self._bucket, object_name=self._prefix + name, file_path=str(file)
            )

    def get(self, name: str, file: Path) -> None:
        with self._without_request():
            self._client.fget_object(
                bucket_name=self._bucket, object_name=self._prefix + name, file_path=str(file)
            )

    def names(self) -> list[str]:
        with self._without_request():
            objects = self._client.list_objects(bucket_name=self._bucket, prefix=self._prefix)
            return sorted(str(x.object_name).removeprefix(self._prefix) for x in objects)

    @contextmanager
    def _without_request(self) -> Iterator[None]:
        """Errors of the client without the request, which holds the access key."""
        from minio.error import MinioException, S3Error
        from urllib3.exceptions import HTTPError

        try:
            yield
        except S3Error as error:
            raise Refused(
                f"the store refuses: {error.code}", where=self.where,
                todo="do the bucket and both keys belong together, and may they write there?",
            ) from None  # fmt: skip
        except (MinioException, HTTPError, OSError) as error:
            raise Unreachable(
                f"the store does not answer as one: {type(error).__name__}", where=self.where,
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
        self._host = HostAddress(
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
            except (paramiko.SSHException, EOFError, TimeoutError) as error:
                raise Unreachable(
                    f"the store broke off: {error}",
                    where=self.where,
                    todo="run the same command again",
                ) from None
            except OSError as error:
                raise StepFailed(
                    f"the store refuses: {error}",
                    where=self.where,
                    todo="may that user write there? check [off_host] `to` and its permissions",
                ) from None
