"""Files, copied over SFTP: between an environment's server and here, or with a server that keeps copies."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import paramiko

from deployments.environment.server import HostAddress
from deployments.errors import Interrupted, StepFailed, Unreachable
from infra.ssh.connection import CONNECT_TIMEOUT, Remote, new_connection, notice_silence
from infra.ssh.errors import connect_error
from infra.ssh.key import check_key, check_key_file
from infra.ssh.pinned import check_pinned
from infra.ssh.shell import AGAIN, closed_after

SFTP_SILENCE = 300
"""Seconds for which SFTP may take to answer one request."""


class RemoteFiles:
    """Files of the server that a connection stands to."""

    def __init__(self, remote: Remote) -> None:
        self._remote = remote

    @contextmanager
    def _sftp(self) -> Iterator[paramiko.SFTPClient]:
        """SFTP that ends with the block, so that its session is free again."""
        channel = self._remote.session()
        try:
            yield _sftp_on(channel)
        finally:
            channel.close()

    def fetch(self, path: str, file: Path) -> None:
        """Copy a file of the host to here, by SFTP."""
        with self._copy_errors(path), self._sftp() as sftp:
            sftp.get(path, str(file))

    def bring(self, path: str, file: Path) -> None:
        """Copy a file from here to the host, 0600; whole or not at all."""
        with self._copy_errors(path), self._sftp() as sftp:
            _make_directory(sftp, path.rpartition("/")[0])
            sftp.put(str(file), f"{path}.part")
            sftp.chmod(f"{path}.part", 0o600)
            sftp.posix_rename(f"{path}.part", path)

    @contextmanager
    def _copy_errors(self, path: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise StepFailed(
                f"there is no {path}",
                where=self._remote.where,
                todo=f"homeguru backups --env {self._remote.environment.name} shows what the server has",
            ) from None
        except TimeoutError:
            raise Unreachable(
                f"cannot copy {path}: SFTP did not answer within {SFTP_SILENCE} s",
                where=self._remote.where,
                todo=AGAIN,
            ) from None
        except paramiko.SFTPError as error:
            raise StepFailed(
                f"cannot copy {path}: what answers on the server is no SFTP ({error})",
                where=self._remote.where,
                todo="ssh ... true must print nothing: look at the start files of its login shell",
            ) from None
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise Unreachable(
                f"cannot copy {path}: {error}",
                where=self._remote.where,
                todo="has this machine room for it? then run the same command again",
            ) from None


@contextmanager
def connected_sftp(host: HostAddress, key_file: Path, where: str) -> Iterator[paramiko.SFTPClient]:
    """SFTP to a server that is none of an environment's, its key pinned all the same."""
    check_pinned(host, where, "its host_keys", "that server")
    check_key_file(key_file, where)
    connection = new_connection(host, key_file)
    try:
        try:
            connection.open()
        except Interrupted:
            raise
        except Exception as error:
            check_key(error, key_file, where)
            raise connect_error(error, host.user, "its host_keys", where, CONNECT_TIMEOUT) from None
        try:
            notice_silence(connection.transport)
            sftp = _sftp_on(connection.transport.open_session(timeout=CONNECT_TIMEOUT))
        except (paramiko.SFTPError, paramiko.SSHException, OSError, EOFError) as error:
            raise Unreachable(
                f"the server offers no SFTP: {error}",
                where=where,
                todo="as root: Subsystem sftp internal-sftp in /etc/ssh/sshd_config, then systemctl reload ssh",
            ) from None
        yield sftp
    finally:
        connection.close()


def _sftp_on(channel: paramiko.Channel) -> paramiko.SFTPClient:
    channel.settimeout(CONNECT_TIMEOUT)
    with closed_after(channel, CONNECT_TIMEOUT):
        channel.invoke_subsystem("sftp")
    try:
        client = paramiko.SFTPClient(channel)
    except TimeoutError:
        # What a start file prints is read as the length of a packet that never comes.
        raise paramiko.SFTPError(f"no answer within {CONNECT_TIMEOUT} s") from None
    channel.settimeout(SFTP_SILENCE)
    return client


def _make_directory(sftp: paramiko.SFTPClient, directory: str) -> None:
    """Make it and what is missing above it, 0700."""
    try:
        sftp.stat(directory)
    except FileNotFoundError:
        _make_directory(sftp, directory.rpartition("/")[0])
        sftp.mkdir(directory, 0o700)
