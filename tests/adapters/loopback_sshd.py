"""An SSH server on the loopback interface, of this process: any login shell, any limit of sessions.

It does what sshd does with a command: `<login shell> -c <command line>`, with the channel as its
standard streams. The protocol is paramiko's, so that neither root nor a second user is needed.
"""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import paramiko


@dataclass
class Sshd:
    """shell: argv of the login shell, before `-c`. variables: its environment.

    path: of programs that come before this machine's. forwarded: ports in use by tunnels.
    subsystem: argv of the SFTP server; empty accepts the request and answers nothing.
    silent: seconds for which it answers no request for a session, as a network that is away.
    offers: kind of algorithm (ciphers, digests) to the only ones of it; for the others, paramiko's.
    keys: file of the keys that may log in; None lets every key in.
    """

    shell: list[str]
    home: Path
    max_sessions: int = 10
    silent: float = 0
    variables: dict[str, str] = field(default_factory=dict)
    subsystem: list[str] = field(default_factory=list)
    path: str = ""
    forwarded: set[int] = field(default_factory=set)
    connections: int = 0
    commands: list[str] = field(default_factory=list)
    transports: list[paramiko.Transport] = field(default_factory=list)
    offers: dict[str, tuple[str, ...]] = field(default_factory=dict)
    keys: Path | None = None
    port: int = 0
    host_key: str = ""


class _Server(paramiko.ServerInterface):
    def __init__(self, sshd: Sshd) -> None:
        self._sshd = sshd
        self._open: list[paramiko.Channel] = []
        self.transport: paramiko.Transport | None = None

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        keys = self._sshd.keys
        known = keys is None or f"{key.get_name()} {key.get_base64()}" in keys.read_text()
        return paramiko.AUTH_SUCCESSFUL if known else paramiko.AUTH_FAILED

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_channel_request(self, kind: str, chanid: int) -> int:
        time.sleep(self._sshd.silent)
        self._open = [c for c in self._open if not c.closed]
        if len(self._open) >= self._sshd.max_sessions:
            return paramiko.OPEN_FAILED_CONNECT_FAILED
        threading.Thread(target=self._accept, daemon=True).start()
        return paramiko.OPEN_SUCCEEDED

    def _accept(self) -> None:
        assert self.transport is not None
        if (channel := self.transport.accept(10)) is not None:
            self._open.append(channel)

    def check_port_forward_request(self, address: str, port: int) -> int | bool:
        if port in self._sshd.forwarded:
            return False
        self._sshd.forwarded.add(port)
        return port

    def cancel_port_forward_request(self, address: str, port: int) -> None:
        self._sshd.forwarded.discard(port)

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        self._sshd.commands.append(command.decode())
        words = [*self._sshd.shell, "-c", command.decode()]
        threading.Thread(target=self._run, args=(channel, words), daemon=True).start()
        return True

    def check_channel_subsystem_request(self, channel: paramiko.Channel, name: str) -> bool:
        if words := self._sshd.subsystem:
            threading.Thread(target=self._run, args=(channel, words), daemon=True).start()
        return True

    def _run(self, channel: paramiko.Channel, words: list[str]) -> None:
        process = subprocess.Popen(
            words, cwd=self._sshd.home, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, start_new_session=True,
            env={"PATH": f"{self._sshd.path}:{os.environ['PATH']}".lstrip(":"), "HOME": str(self._sshd.home), **self._sshd.variables},
        )  # fmt: skip
        assert process.stdin and process.stdout and process.stderr
        threading.Thread(target=_feed, args=(channel, process.stdin), daemon=True).start()
        pumps = [
            threading.Thread(target=_pump, args=(process.stdout, channel.sendall), daemon=True),
            threading.Thread(
                target=_pump, args=(process.stderr, channel.sendall_stderr), daemon=True
            ),
        ]
        for pump in pumps:
            pump.start()
        code = process.wait()
        for pump in pumps:
            pump.join(5)
        with suppress(OSError, EOFError, paramiko.SSHException):
            channel.send_exit_status(code)
            channel.close()


def _feed(channel: paramiko.Channel, stdin) -> None:  # type: ignore[no-untyped-def]
    with suppress(OSError, EOFError, ValueError):
        while data := channel.recv(65_536):
            stdin.write(data)
            stdin.flush()
    with suppress(OSError):
        stdin.close()


def _pump(source, send) -> None:  # type: ignore[no-untyped-def]
    with suppress(OSError, EOFError, paramiko.SSHException):
        while data := source.read1(65_536):
            send(data)


@contextmanager
def serving(sshd: Sshd) -> Iterator[Sshd]:
    """Serve until the end of the block."""
    key = paramiko.ECDSAKey.generate()
    sshd.host_key = f"{key.get_name()} {key.get_base64()}"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        sshd.port = listener.getsockname()[1]

        def accept() -> None:
            with suppress(OSError):
                while True:
                    sock, _ = listener.accept()
                    sshd.connections += 1
                    transport = paramiko.Transport(sock)
                    transport.add_server_key(key)
                    for kind, names in sshd.offers.items():
                        setattr(transport.get_security_options(), kind, names)
                    server = _Server(sshd)
                    server.transport = transport
                    transport.start_server(event=threading.Event(), server=server)
                    sshd.transports.append(transport)

        acceptor = threading.Thread(target=accept, daemon=True)
        acceptor.start()
        try:
            yield sshd
        finally:
            # A thread that is about to accept would otherwise take a connection of the next
            # server, whose listener gets the same descriptor, and answer with this one's key.
            listener.shutdown(socket.SHUT_RDWR)
            acceptor.join()
            for transport in sshd.transports:
                transport.close()
