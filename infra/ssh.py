"""One SSH connection to a host: pinned key, time-outs on both sides, streamed output.

fabric's own defaults accept any host key, read the person's SSH configuration and put
`env=` into the remote command line; none of that is used here.
"""

from __future__ import annotations

import base64
import logging
import shlex
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, cast

import paramiko
from fabric import Config, Connection

from deployments.commands.quote import Script
from deployments.environment import Environment, Host
from deployments.errors import Interrupted, Refused, StepFailed, Unreachable, WrongUse
from infra.output import Lines, Log, Output
from infra.ssh_errors import connect_error
from infra.ssh_key import check_key, check_key_file

# Its transport thread logs tracebacks of errors that we tell in a sentence.
logging.getLogger("paramiko").setLevel(logging.CRITICAL)

CONNECT_TIMEOUT = 15
DEAD_AFTER_MS = 10_000
"""An unanswered packet ends the connection, before the host frees the lock at 15 s."""
SFTP_SILENCE = 300
"""Seconds for which a store may take to answer one request."""


class Remote:
    """A connection, opened by `open` and closed by `close`."""

    def __init__(self, environment: Environment, key_file: Path) -> None:
        self.environment = environment
        self._where = environment.ssh
        self._key_file = key_file
        self._connection = _connection(environment.host, key_file)

    def open(self) -> Remote:
        """Connect; raises Refused, WrongUse or Unreachable with what to do."""
        if not self.environment.host.host_keys:
            raise Refused(
                "no host key is pinned, and an unknown host is never trusted",
                where=self._where,
                state="not contacted",
                todo="read the key on the server's console: cat /etc/ssh/ssh_host_ed25519_key.pub"
                f"; put it into host_keys of environment {self.environment.name}",
            )
        check_key_file(self._key_file, self._where)
        try:
            self._connection.open()
        except Interrupted:
            raise
        except Exception as error:
            check_key(error, self._key_file, self._where)
            raise connect_error(
                error,
                self.environment.host.user,
                f"host_keys of environment {self.environment.name}",
                self._where,
                CONNECT_TIMEOUT,
            ) from None
        _notice_silence(self.transport)
        return self

    def close(self) -> None:
        """Close; safe to call twice."""
        self._connection.close()

    @property
    def is_open(self) -> bool:
        """Whether a connection stands."""
        return bool(self._connection.is_connected)

    @property
    def transport(self) -> paramiko.Transport:
        """The open transport; raises Unreachable when the connection is gone."""
        transport = self._connection.transport
        if transport is None or not transport.is_active():
            raise Unreachable(
                "the SSH connection is gone",
                where=self._where,
                todo="run the same command again; a deploy first ends or undoes what was begun",
            )
        return cast("paramiko.Transport", transport)

    def run(self, script: Script, log: Log | None = None, stdin: bytes = b"") -> Output:
        """Run a script to its end. `log` gets each line of its output as it comes.

        stdin: what it reads, where it reads something. Raises Unreachable when the connection
        breaks and StepFailed on a time-out. Any exception ends only this side: what the host
        does meanwhile is the lock's matter.
        """
        limit = script.timeout + 15
        command = f"exec timeout -k 15 {limit} bash -c {shlex.quote(script.text)}"
        # One for each stream: a piece of one may not end in the middle of the other's line.
        out, err = (Lines(log or (lambda _: None)) for _ in range(2))
        try:
            _ = self.transport
            promise = self._connection.run(
                command, asynchronous=True, warn=True, in_stream=False, pty=False,
                out_stream=out, err_stream=err,
            )  # fmt: skip
            if stdin:
                _feed(promise.runner.channel, stdin)
            result = self._join(promise, time.monotonic() + limit + 30)
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise Unreachable(
                f"the SSH connection broke: {error}",
                where=self._where,
                todo="run the same command again; a deploy first ends or undoes what was begun",
            ) from None
        if result.exited == -1:
            raise Unreachable(
                "the SSH connection broke in the middle",
                where=self._where,
                todo="run the same command again; a deploy first ends or undoes what was begun",
            )
        return Output(result.exited, result.stdout, result.stderr)

    def _join(self, promise: Any, deadline: float) -> Any:
        """Wait for a command; fabric's own wait would outlast an interrupt by the command."""
        channel = promise.runner.channel
        try:
            while not channel.exit_status_ready() and self.transport.is_active():
                if time.monotonic() > deadline:
                    raise StepFailed(
                        "the command did not end in time",
                        where=self._where,
                        todo="run the same command again; a deploy first ends or undoes what was begun",
                    )
                time.sleep(0.01)
        except BaseException:
            channel.close()
            raise
        return promise.join()

    def fetch(self, path: str, file: Path) -> None:
        """Copy a file of the host to here, by SFTP."""
        with self._told(path):
            self._connection.sftp().get(path, str(file))

    def bring(self, path: str, file: Path) -> None:
        """Copy a file from here to the host, 0600; whole or not at all."""
        with self._told(path):
            sftp = self._connection.sftp()
            _make_directory(sftp, path.rpartition("/")[0])
            sftp.put(str(file), f"{path}.part")
            sftp.chmod(f"{path}.part", 0o600)
            sftp.posix_rename(f"{path}.part", path)

    @contextmanager
    def _told(self, path: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise StepFailed(
                f"there is no {path}",
                where=self._where,
                todo="homeguru backups shows what the server has",
            ) from None
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise Unreachable(
                f"cannot copy {path}: {error}",
                where=self._where,
                todo="has this machine room for it? then run the same command again",
            ) from None


@contextmanager
def connected_sftp(host: Host, key_file: Path, where: str) -> Iterator[paramiko.SFTPClient]:
    """SFTP to a server that is none of an environment's, its key pinned all the same."""
    if not host.host_keys:
        raise Refused(
            "no host key is pinned, and an unknown host is never trusted", where=where,
            state="not contacted", todo="put the server's key into its host_keys",
        )  # fmt: skip
    check_key_file(key_file, where)
    connection = _connection(host, key_file)
    try:
        try:
            connection.open()
        except Interrupted:
            raise
        except Exception as error:
            check_key(error, key_file, where)
            raise connect_error(error, host.user, "its host_keys", where, CONNECT_TIMEOUT) from None
        try:
            _notice_silence(connection.transport)
            sftp = connection.sftp()
            sftp.get_channel().settimeout(SFTP_SILENCE)
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise Unreachable(
                f"the server offers no SFTP: {error}",
                where=where,
                todo="as root: Subsystem sftp internal-sftp in /etc/ssh/sshd_config, then systemctl reload ssh",
            ) from None
        yield sftp
    finally:
        connection.close()


def _notice_silence(transport: paramiko.Transport) -> None:
    """A peer that is gone without a word is found out within seconds."""
    transport.set_keepalive(3)
    sock = transport.sock
    if isinstance(sock, socket.socket) and hasattr(socket, "TCP_USER_TIMEOUT"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, DEAD_AFTER_MS)


def _feed(channel: paramiko.Channel, data: bytes) -> None:
    # A script that ended without reading it all says itself why.
    with suppress(OSError):
        channel.sendall(data)
        channel.shutdown_write()


def _make_directory(sftp: paramiko.SFTPClient, directory: str) -> None:
    """Make it and what is missing above it, 0700."""
    try:
        sftp.stat(directory)
    except FileNotFoundError:
        _make_directory(sftp, directory.rpartition("/")[0])
        sftp.mkdir(directory, 0o700)


def _connection(host: Host, key_file: Path) -> Connection:
    config = Config(overrides={"load_ssh_configs": False}, lazy=True)
    connection = Connection(
        host.address,
        user=host.user,
        port=host.port,
        config=config,
        connect_timeout=CONNECT_TIMEOUT,
        connect_kwargs={
            "key_filename": str(key_file),
            "allow_agent": False,
            "look_for_keys": False,
            "banner_timeout": CONNECT_TIMEOUT,
            "auth_timeout": CONNECT_TIMEOUT,
        },
    )
    connection.client.set_missing_host_key_policy(paramiko.RejectPolicy())
    known = connection.client.get_host_keys()
    name = host.address if host.port == 22 else f"[{host.address}]:{host.port}"
    for line in host.host_keys:
        known.add(name, line.split()[0], _pinned(line, name))
    return connection


def _pinned(line: str, where: str) -> paramiko.PKey:
    kind, text = line.split()
    try:
        return paramiko.PKey.from_type_string(kind, base64.b64decode(text, validate=True))
    except Exception as error:  # each kind of key has complaints of its own
        raise WrongUse(
            f"a pinned host key is cut off, or is no {kind} key: {text[:16]}... ({error})",
            where=where, state="not contacted", todo="copy the whole line of the server's .pub file",
        ) from None  # fmt: skip
