"""One SSH connection to a host: pinned key, time-outs on both sides, streamed output.

fabric's own defaults accept any host key, read the person's SSH configuration and put
`env=` into the remote command line; none of that is used here.
"""

from __future__ import annotations

import base64
import logging
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import paramiko
from fabric import Config, Connection

from deployments.environment.schema import Environment
from deployments.environment.server import HostAddress
from deployments.errors import Interrupted, Refused, Unreachable, WrongUse
from deployments.shell.quote import Script
from infra.machine.output import Log, Output
from infra.ssh.algorithms import OLD
from infra.ssh.errors import connect_error
from infra.ssh.key import check_key, check_key_file
from infra.ssh.pinned import check_pinned, known_name
from infra.ssh.shell import AGAIN, Shell

# Its transport thread logs tracebacks of errors that we tell in a sentence.
logging.getLogger("paramiko").setLevel(logging.CRITICAL)

CONNECT_TIMEOUT = 15
DEAD_AFTER_MS = 10_000
"""An unanswered packet ends the connection, before the host frees the lock at 15 s."""
SESSION_TIMEOUT = 60
"""For a session on a connection that stands: nothing was begun yet, and the network may come back."""
SLACK = 15
"""Seconds by which the host ends a script later than its own time-out says."""
GIVE_UP = 30
"""Seconds after which a script that the host should have ended is given up here."""
MOST_CONNECTIONS = 3
"""Where sshd allows one session each: one for the lock, one for scripts, one for SFTP."""


class Remote:
    """A connection, opened by `open` and closed by `close`."""

    def __init__(self, environment: Environment, key_file: Path | None, password: str = "") -> None:
        """key_file: None for whatever keys the person at this machine has, and the password."""
        self.environment = environment
        self.where = environment.ssh
        """The server, as messages name it."""
        self._key_file = key_file
        self._password = password
        self._connections = [new_connection(environment.host, key_file, password)]
        self._bash_starts = False

    def open(self) -> Remote:
        """Connect; raises Refused, WrongUse or Unreachable with what to do."""
        into = f"host_keys of environment {self.environment.name}"
        check_pinned(self.environment.host, self.where, into)
        if self._key_file:
            check_key_file(self._key_file, self.where)
        self._connect(self._connections[0])
        return self

    def _connect(self, connection: Connection) -> None:
        try:
            connection.open()
        except Interrupted:
            raise
        except Exception as error:
            if self._key_file:
                check_key(error, self._key_file, self.where)
            raise connect_error(
                error,
                self.environment.host.user,
                f"host_keys of environment {self.environment.name}",
                self.where,
                CONNECT_TIMEOUT,
            ) from None
        notice_silence(_active(connection, self.where))

    def close(self) -> None:
        """Close; safe to call twice."""
        for connection in self._connections:
            connection.close()
        del self._connections[1:]

    @property
    def is_open(self) -> bool:
        """Whether a connection stands."""
        return bool(self._connections[0].is_connected)

    @property
    def transport(self) -> paramiko.Transport:
        """The open transport; raises Unreachable when the connection is gone."""
        return _active(self._connections[0], self.where)

    def run(self, script: Script, log: Log | None = None, stdin: bytes = b"") -> Output:
        """Run a script to its end. `log` gets each line of its output as it comes.

        stdin: what it reads, where it reads something. Raises Unreachable when the connection
        breaks, Refused when the server runs no commands, and StepFailed on a time-out. Any
        exception ends only this side: what the host does meanwhile is the lock's matter.
        """
        limit = script.timeout + SLACK
        with self._broken():
            shell = self.start(script, limit)
            try:
                shell.give(stdin)
                for line, _ in shell.lines(time.monotonic() + limit + GIVE_UP):
                    if log and line.strip():
                        log(line.rstrip())
            finally:
                shell.close()
        if shell.code == -1:
            raise Unreachable(
                "the SSH connection broke in the middle", where=self.where, todo=AGAIN
            )
        return Output(shell.code, shell.stdout, shell.stderr)

    def start(self, script: Script, limit: int | None) -> Shell:
        """Start a bash for a script, which `give` sends. limit: seconds; None for no end."""
        _ = self.transport
        with self._broken():
            channel = self.session()
            try:
                shell = Shell(channel, script, limit, self.where)
                if self._bash_starts:
                    shell.start_at_once(CONNECT_TIMEOUT)
                else:
                    shell.start(self.environment.host.user, CONNECT_TIMEOUT)
                self._bash_starts = True
            except BaseException:
                channel.close()
                raise
            return shell

    def session(self) -> paramiko.Channel:
        """A session; on a connection more where sshd allows no further one on those that are open."""
        for connection in self._connections:
            if channel := _session_of(connection):
                return channel
        if len(self._connections) < MOST_CONNECTIONS:
            more = new_connection(self.environment.host, self._key_file, self._password)
            self._connections.append(more)
            self._connect(more)
            if channel := _session_of(more):
                return channel
        user = self.environment.host.user
        raise Refused(
            f"sshd opens no session for user {user}", where=self.where, state="untouched",
            todo="on the server: MaxSessions of sshd's configuration has to be 1 or more (10 is the "
            f"default), and this key must not be limited to forwarding in ~{user}/.ssh/authorized_keys",
        )  # fmt: skip

    @contextmanager
    def _broken(self) -> Iterator[None]:
        try:
            yield
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise Unreachable(
                f"the SSH connection broke: {error}", where=self.where, todo=AGAIN
            ) from None


def notice_silence(transport: paramiko.Transport) -> None:
    """A peer that is gone without a word is found out within seconds."""
    transport.set_keepalive(3)
    sock = transport.sock
    if isinstance(sock, socket.socket) and hasattr(socket, "TCP_USER_TIMEOUT"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, DEAD_AFTER_MS)


def _active(connection: Connection, where: str) -> paramiko.Transport:
    transport = connection.transport
    if transport is None or not transport.is_active():
        raise Unreachable("the SSH connection is gone", where=where, todo=AGAIN)
    return cast("paramiko.Transport", transport)


def _session_of(connection: Connection) -> paramiko.Channel | None:
    """A session on this connection; None where sshd allows no further one, or it is gone."""
    transport = connection.transport
    if transport is None or not transport.is_active():
        return None
    try:
        return cast("paramiko.Channel", transport.open_session(timeout=SESSION_TIMEOUT))
    except paramiko.ChannelException:
        return None


def new_connection(host: HostAddress, key_file: Path | None, password: str = "") -> Connection:
    """One that is not open yet, and takes no other host key than those that are pinned."""
    # A server counts each key that it is shown: a password comes alone.
    attended = {
        "allow_agent": not password,
        "look_for_keys": not password,
        "password": password or None,
    }
    by_key = {"key_filename": str(key_file), "allow_agent": False, "look_for_keys": False}
    config = Config(overrides={"load_ssh_configs": False}, lazy=True)
    connection = Connection(
        host.address,
        user=host.user,
        port=host.port,
        config=config,
        connect_timeout=CONNECT_TIMEOUT,
        connect_kwargs={
            **(by_key if key_file else attended),
            "banner_timeout": CONNECT_TIMEOUT,
            "auth_timeout": CONNECT_TIMEOUT,
            "disabled_algorithms": OLD,
        },
    )
    connection.client.set_missing_host_key_policy(paramiko.RejectPolicy())
    host_keys = connection.client.get_host_keys()
    name = known_name(host)
    for line in host.host_keys:
        host_keys.add(name, line.split()[0], _pinned(line, name))
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
